/** A leaf partition of PostgreSQL that is changed while traffic goes to its whole table, or a table that gets partitions. */
import type { PostgresVersion } from '../support/postgres-software.ts';
import { type Draw, times } from './draw.ts';
import type { DrawnFamily } from './family-case.ts';
import { type Extras, withExtras } from './family-extras.ts';
import { POSTGRES_EXTRAS_MADE, postgresExtras } from './postgres-extras.ts';
import { type Family, fillings, loneTable, PLAIN } from './family-table.ts';
import { COUNTS, drawTraffic, SEEN } from './family-traffic.ts';

const columns = [
  ...['k0 integer NOT NULL', 'k1 text NOT NULL', `${PLAIN.owner} integer NOT NULL`],
  ...[
    `${PLAIN.value} integer NOT NULL DEFAULT 0`,
    `${PLAIN.text} text`,
    `${PLAIN.code} varchar(30)`,
    `${PLAIN.spare} integer DEFAULT 4`,
  ],
];

export function drawPostgresPartitions(draw: Draw, more: Draw, version: PostgresVersion): DrawnFamily {
  const extras = postgresExtras(more, { isPartitioned: true, isVirtual: version >= 18 });
  const sessions = draw.of([1, 2, 3]);
  return draw.happens(0.65) ? drawLeaf(draw, { version, sessions, extras }) : drawParting(draw, { sessions, extras });
}

/** What is drawn before it is known for what. */
interface Drawn {
  readonly sessions: number;
  readonly extras: Extras;
}

/** Filled in the name of the table to which rows are given. */
function drawnWith(
  draw: Draw,
  { families, sessions }: { readonly families: readonly [Family, ...Family[]]; readonly sessions: number },
  isGated: boolean,
): Pick<DrawnFamily, 'before' | 'sessions'> {
  const [filled] = families;
  const family = { ...filled, tables: families.flatMap(({ tables }) => tables) };
  return {
    before: [
      ...fillings(draw, filled, { owners: sessions, cold: draw.of([0, 20, 150]) }).map((sql) =>
        sql.replaceAll("REPEAT('long ', 900)", "repeat(md5('long'), 200)"),
      ),
      `CREATE TABLE ${COUNTS} (${PLAIN.owner} integer PRIMARY KEY, n integer NOT NULL)`,
      `INSERT INTO ${COUNTS} VALUES ${times(sessions, (owner) => `(${owner}, 0)`).join(', ')}`,
      `CREATE TABLE ${SEEN} (${PLAIN.owner} integer, place integer, n integer, v integer, c integer)`,
    ],
    sessions: drawTraffic(draw, { dialect: 'postgres', family, sessions, isGated }),
  };
}

interface Bounds {
  readonly by: string;
  /** Of the leaf `t`, and of the others by their names. */
  readonly leaf: string;
  readonly others: Readonly<Record<string, string>>;
  /** As a condition, for the CHECK of a DEFAULT partition. */
  readonly condition: string;
}

function drawBounds(draw: Draw): Bounds {
  return draw.of<Bounds>([
    {
      by: 'RANGE (k0)',
      leaf: "FROM ('1000') TO ('1150')",
      others: { rest: "FROM (MINVALUE) TO ('1000')", more: "FROM ('1150') TO (MAXVALUE)" },
      condition: 'k0 >= 1000 AND k0 < 1150',
    },
    { by: 'LIST (k1)', leaf: "IN ('p0')", others: { rest: "IN ('p1')" }, condition: "k1 = 'p0'" },
    {
      by: 'HASH (k0)',
      leaf: 'WITH (MODULUS 3, REMAINDER 1)',
      others: { rest: 'WITH (MODULUS 3, REMAINDER 0)', more: 'WITH (MODULUS 3, REMAINDER 2)' },
      condition: '',
    },
    {
      by: 'RANGE (k0, k1)',
      leaf: "FROM ('1000', 'p1') TO ('2000', MINVALUE)",
      others: { rest: "FROM (MINVALUE, MINVALUE) TO ('1000', 'p1')", more: "FROM ('2000', MINVALUE) TO (MAXVALUE, MAXVALUE)" },
      condition: "(k0 > 1000 OR (k0 = 1000 AND k1 >= 'p1')) AND k0 < 2000",
    },
  ]);
}

function drawLeaf(draw: Draw, { version, sessions, extras }: Drawn & { readonly version: PostgresVersion }): DrawnFamily {
  const bounds = drawBounds(draw);
  const isGated = draw.happens(0.1);
  const hasDefault = bounds.condition !== '' && draw.happens(0.3);
  const changed = (name: string): Family => withExtras(loneTable(name), new Map([[name, extras]]));
  const direct = draw.happens(0.3) ? [changed('t')] : [];
  const drawn = drawnWith(draw, { families: [changed('pt'), ...direct], sessions }, isGated);
  const others = hasDefault
    ? ['CREATE TABLE rest PARTITION OF pt DEFAULT', draw.text(0.9, `ALTER TABLE rest ADD CHECK (NOT (${bounds.condition}))`)]
    : Object.entries(bounds.others).flatMap(([name, bound]) => drawOther(draw, name, bound));
  const key = draw.of(['PRIMARY KEY (k0, k1)', 'PRIMARY KEY (k1, k0)']);
  const foreign = draw.happens(0.1) ? ['CREATE TABLE lookup (id integer PRIMARY KEY)', 'INSERT INTO lookup VALUES (4)'] : [];
  return {
    before: [
      ...POSTGRES_EXTRAS_MADE,
      `CREATE TABLE pt (${[...columns, ...extras.columns, key].join(', ')}) PARTITION BY ${bounds.by}`,
      ...extras.indexes('pt'),
      ...[
        draw.text(0.5, `CREATE INDEX by_owner ON pt (${PLAIN.owner})`),
        draw.text(0.3, `CREATE INDEX ON pt ((${PLAIN.value} + 1))`),
      ],
      ...drawLeafTable(draw, bounds.leaf, extras.columns),
      ...[
        ...others,
        ...foreign,
        ...(foreign.length > 0 ? [`ALTER TABLE pt ADD FOREIGN KEY (${PLAIN.spare}) REFERENCES lookup (id)`] : []),
      ],
      ...[...drawTrigger(draw), ...drawn.before],
    ].filter((sql) => sql !== ''),
    changes: [{ table: 't', clauses: drawLeafClauses(draw, version, isGated) }],
    native: {},
    sessions: drawn.sessions,
    gate: isGated ? 'pt' : null,
  };
}

/** Made with its table, or before and attached: with other places of the columns, and one that is gone. */
function drawLeafTable(draw: Draw, bound: string, more: readonly string[]): readonly string[] {
  if (draw.happens(0.5)) return [`CREATE TABLE t PARTITION OF pt FOR VALUES ${bound}`];
  const placed = draw.happens(0.5) ? [...more, ...columns.toReversed()] : [...columns, ...more.toReversed()];
  return [
    `CREATE TABLE t (${[...(draw.happens(0.5) ? ['gone integer'] : []), ...placed, 'late integer'].join(', ')})`,
    'ALTER TABLE t DROP COLUMN late, DROP COLUMN IF EXISTS gone',
    draw.text(0.3, `CREATE INDEX own ON t (${PLAIN.code})`),
    `ALTER TABLE pt ATTACH PARTITION t FOR VALUES ${bound}`,
  ].filter((sql) => sql !== '');
}

/** Perhaps with partitions itself. */
function drawOther(draw: Draw, name: string, bound: string): readonly string[] {
  if (draw.happens(0.7)) return [`CREATE TABLE ${name} PARTITION OF pt FOR VALUES ${bound}`];
  return [
    `CREATE TABLE ${name} PARTITION OF pt FOR VALUES ${bound} PARTITION BY HASH (k0)`,
    ...times(
      2,
      (place) => `CREATE TABLE ${name}_${place} PARTITION OF ${name} FOR VALUES WITH (MODULUS 2, REMAINDER ${place})`,
    ),
  ];
}

function drawTrigger(draw: Draw): readonly string[] {
  if (draw.happens(0.7)) return [];
  const on = draw.of(['pt', 'pt', 't']);
  return [
    `CREATE TABLE told (${PLAIN.owner} integer, what text, v integer)`,
    `CREATE FUNCTION telling() RETURNS trigger LANGUAGE plpgsql AS
      'BEGIN INSERT INTO told VALUES (COALESCE(NEW.${PLAIN.owner}, OLD.${PLAIN.owner}), TG_OP, NEW.${PLAIN.value}); RETURN NULL; END'`,
    `CREATE TRIGGER telling AFTER INSERT OR UPDATE OR DELETE ON ${on} FOR EACH ROW EXECUTE FUNCTION telling()`,
  ];
}

function drawLeafClauses(draw: Draw, version: PostgresVersion, isGated: boolean): string {
  const clause = (name: string): string =>
    draw.of([
      `SET (fillfactor = ${draw.between(50, 99)})`,
      `ADD CONSTRAINT ${name} CHECK (${PLAIN.value} > -1000)`,
      `ADD CONSTRAINT ${name} CHECK (${PLAIN.value} < 1000)${draw.text(0.5, ' NOT VALID')}`,
      // What this refuses depends on when the swap is.
      ...(isGated ? [`ADD CONSTRAINT ${name} CHECK (${PLAIN.value} < 40)`] : []),
      `ADD CONSTRAINT ${name} UNIQUE (k1, k0, ${PLAIN.value})`,
      `ALTER ${PLAIN.text} SET STORAGE EXTERNAL`,
      `ALTER ${PLAIN.text} SET STATISTICS 55`,
      `ALTER ${PLAIN.spare} SET NOT NULL`,
      `ALTER ${PLAIN.value} SET DEFAULT 3`,
      ...(version >= 16 ? [`ALTER ${PLAIN.text} SET COMPRESSION pglz`] : []),
      ...(draw.happens(0.2) ? [`ADD COLUMN ${name} integer`, 'ALTER k0 TYPE bigint', 'REPLICA IDENTITY FULL'] : []),
    ]);
  return [...new Set(times(draw.of([1, 1, 2]), (place) => clause(`n${place}`)))].join(', ');
}

/** The server has no such ALTER: the rows, and where they are, are those that it puts into a table with these partitions. */
function drawParting(draw: Draw, { sessions, extras }: Drawn): DrawnFamily {
  const bounds = drawBounds(draw);
  const isGated = draw.happens(0.1);
  const drawn = drawnWith(draw, { families: [withExtras(loneTable('t'), new Map([['t', extras]]))], sessions }, isGated);
  const parts = [['part', bounds.leaf] as const, ...Object.entries(bounds.others)].filter(() => draw.happens(0.97));
  const clauses = [
    ...(draw.happens(0.4) ? [`ADD COLUMN n0 integer NOT NULL DEFAULT 7`] : []),
    ...(draw.happens(0.3) ? [`ALTER ${PLAIN.value} TYPE bigint`] : []),
    ...(draw.happens(0.03) ? [`DROP COLUMN ${PLAIN.spare}`] : []),
    ...(draw.happens(0.2) ? ['ALTER k0 TYPE bigint'] : []),
  ];
  const partition = `PARTITION BY ${bounds.by} (${parts.map(([name, bound]) => `PARTITION ${name} FOR VALUES ${bound}`).join(', ')})`;
  return {
    before: [
      ...POSTGRES_EXTRAS_MADE,
      `CREATE TABLE t (${[...columns, ...extras.columns, 'PRIMARY KEY (k0, k1)'].join(', ')})`,
      ...extras.indexes('t'),
      draw.text(0.5, `CREATE INDEX by_owner ON t (${PLAIN.owner})`),
      draw.text(0.2, 'ALTER TABLE t REPLICA IDENTITY FULL'),
      ...drawn.before,
    ].filter((sql) => sql !== ''),
    changes: [{ table: 't', clauses: [...clauses, partition].join(', ') }],
    native: {
      statements: [
        ...(clauses.length > 0 ? [`ALTER TABLE t ${clauses.join(', ')}`] : []),
        ...['ALTER TABLE t RENAME TO plain', `CREATE TABLE t (LIKE plain) PARTITION BY ${bounds.by}`],
        ...parts.map(([name, bound]) => `CREATE TABLE ${name} PARTITION OF t FOR VALUES ${bound}`),
        ...['INSERT INTO t SELECT * FROM plain', 'DROP TABLE plain'],
      ],
      isOfRows: true,
    },
    sessions: drawn.sessions,
    gate: isGated ? 't' : null,
  };
}
