/** A family of MySQL or MariaDB: tables that refer to each other, and others beside them, whose keys get another type. */
import { type Draw, times } from './draw.ts';
import type { DrawnFamily, FamilyChange, NativeWay } from './family-case.ts';
import {
  type ChangesAsked,
  drawFamily,
  type Family,
  type FamilyTable,
  fillings,
  type Link,
  linksOf,
  PLAIN,
  typeOf,
  type Types,
} from './family-table.ts';
import { type Extras, withExtras } from './family-extras.ts';
import { COUNTS, drawTraffic, SEEN } from './family-traffic.ts';
import { mysqlExtras } from './mysql-extras.ts';
import type { MysqlFlavour } from './mysql-value-types.ts';

/** Before and after; what follows is hardly a change, or none that goes. */
const numbers = [
  ...times(8, () => ['INT', 'BIGINT'] as const),
  ...times(2, () => ['INT UNSIGNED', 'BIGINT UNSIGNED'] as const),
  ...times(2, () => ['SMALLINT', 'INT'] as const),
  ...[['INT', 'INT UNSIGNED'] as const, ['BIGINT', 'INT'] as const, ['INT', 'INT'] as const, ['INT', 'SMALLINT'] as const],
  ['INT', 'DECIMAL(12,0)'] as const,
];
const general = 'CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci';
const words = [
  ...times(3, () => [`VARCHAR(20) ${general}`, `VARCHAR(60) ${general}`] as const),
  ...[['VARCHAR(20) CHARACTER SET latin1', 'VARCHAR(20) CHARACTER SET utf8mb4'] as const],
  ...[[`VARCHAR(20) ${general}`, 'VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin'] as const],
  ...[['VARCHAR(20) CHARACTER SET ascii', 'VARBINARY(20)'] as const],
  ...[['CHAR(20) CHARACTER SET ascii', 'VARCHAR(20) CHARACTER SET ascii'] as const],
  ['VARCHAR(20) CHARACTER SET utf8mb4', 'VARCHAR(5) CHARACTER SET utf8mb4'] as const,
];

export function drawMysqlFamily(draw: Draw, more: Draw, flavour: MysqlFlavour): DrawnFamily {
  const cascades = [
    '',
    ' ON DELETE CASCADE',
    ' ON DELETE SET NULL',
    ' ON UPDATE CASCADE',
    ' ON DELETE CASCADE ON UPDATE CASCADE',
  ];
  // Rows that a cascade changes are not in the log of MariaDB.
  const plain = drawFamily(draw, flavour === 'mysql' || draw.happens(0.05) ? cascades : ['']);
  const [number, word] = [draw.of(numbers), draw.of(words)];
  const types = { number: number[0], word: word[0] };
  const wanted = { number: number[1], word: word[1] };
  const isGated = draw.happens(0.25);
  const extras = new Map(
    plain.tables.map(({ name }) => [name, mysqlExtras(more, { flavour, hasFullText: isGated, isPartitioned: false })]),
  );
  const family = withExtras(plain, extras);
  const sessions = draw.of([1, 2, 3, 4]);
  const tables = family.tables.map((table) => created(draw, family, table, { types, extras: extras.get(table.name) }));
  const late = family.late.flatMap(({ table, link }) => [
    `ALTER TABLE ${table} ${addedColumns(family, link, types)}, ADD KEY by_best (${link.columns.join(', ')}), ADD ${keyOf(family, link)}`,
  ]);
  const filled = fillings(draw, family, { owners: sessions, cold: draw.of([0, 20, 150]) });
  const { changes, renamed } = drawChanges(draw, { family, wanted, isGated });
  return {
    before: [
      ...["SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO'", ...tables, ...late],
      ...[`CREATE TABLE ${COUNTS} (${PLAIN.owner} INT PRIMARY KEY, n INT NOT NULL)`, ...filled],
      `INSERT INTO ${COUNTS} VALUES ${times(sessions, (owner) => `(${owner}, 0)`).join(', ')}`,
      `CREATE TABLE ${SEEN} (${PLAIN.owner} INT, place INT, n INT, v INT, c INT, KEY (${PLAIN.owner}))`,
      ...drawOutside(draw, family, types),
      ...drawTriggers(draw, family),
    ],
    changes,
    native: { renamed },
    sessions: drawTraffic(draw, { dialect: flavour, family, sessions, isGated }),
    gate: isGated ? (changes[0]?.table ?? null) : null,
  };
}

function addedColumns(family: Family, { columns }: Link, types: Types): string {
  return columns.map((name, place) => `ADD COLUMN ${name} ${typeOf(family, place, types)} NULL`).join(', ');
}

function keyOf(family: Family, { action, columns, name, parent }: Link): string {
  const keys = family.keyKinds.map((_, place) => `k${place}`).join(', ');
  return `CONSTRAINT ${name}_key FOREIGN KEY (${columns.join(', ')}) REFERENCES ${parent} (${keys})${action}`;
}

function created(
  draw: Draw,
  family: Family,
  { isTwin, keys, links, name }: FamilyTable,
  { types, extras }: { readonly types: Types; readonly extras: Extras | undefined },
): string {
  const more = extras?.columns ?? [];
  const isNumbered = keys.length === 1 && keys[0]?.kind === 'number' && !isTwin && draw.happens(0.3);
  const own = keys.map(
    (key) => `${key.name} ${types[key.kind]} NOT NULL${isNumbered && /INT/.test(types[key.kind]) ? ' AUTO_INCREMENT' : ''}`,
  );
  const linked = isTwin
    ? []
    : links.flatMap((link) =>
        link.columns.map(
          (column, place) => `${column} ${typeOf(family, place, types)} ${link.isNullable ? 'NULL' : 'NOT NULL'}`,
        ),
      );
  const plain = [
    ...[`${PLAIN.owner} INT NOT NULL`, `${PLAIN.value} INT NOT NULL DEFAULT 0`, `${PLAIN.text} TEXT`],
    ...[`${PLAIN.code} VARCHAR(30) CHARACTER SET ascii NULL`, `${PLAIN.spare} INT NOT NULL DEFAULT 4`],
  ];
  const columns = draw.happens(0.3) ? [...plain, ...more, ...linked, ...own] : [...own, ...linked, ...plain, ...more];
  const indexes = [
    ...[
      `PRIMARY KEY (${keys.map((key) => key.name).join(', ')})`,
      `KEY by_owner (${PLAIN.owner})`,
      `UNIQUE KEY by_code (${PLAIN.code})`,
    ],
    ...(isTwin ? [] : links.map((link) => `KEY by_${link.name} (${link.columns.join(', ')})`)),
    ...links.map((link) => keyOf(family, { ...link, name: `${name}_${link.name}` })),
    ...(extras?.indexes(name) ?? []),
  ];
  return `CREATE TABLE ${name} (${[...columns, ...indexes].join(', ')})`;
}

/** Keys to what is outside, and from there, with a row of their own. */
function drawOutside(draw: Draw, family: Family, types: Types): readonly string[] {
  const statements: string[] = [];
  if (draw.happens(0.25)) {
    statements.push('CREATE TABLE lookup (id INT PRIMARY KEY)', 'INSERT INTO lookup VALUES (4)');
    statements.push(
      `ALTER TABLE b ADD KEY by_spare (${PLAIN.spare}), ADD CONSTRAINT looked FOREIGN KEY (${PLAIN.spare}) REFERENCES lookup (id)`,
    );
  }
  if (draw.happens(0.3)) {
    const code = `${PLAIN.code} VARCHAR(30) CHARACTER SET ascii`;
    const key = `FOREIGN KEY (${PLAIN.code}) REFERENCES a (${PLAIN.code})${draw.of(['', ' ON UPDATE CASCADE', ' ON DELETE SET NULL'])}`;
    statements.push(`CREATE TABLE outside (id INT PRIMARY KEY, ${code}, CONSTRAINT out_key ${key})`);
    statements.push(`INSERT INTO outside SELECT 1, MAX(${PLAIN.code}) FROM a`);
  }
  if (draw.happens(0.1)) {
    const columns = family.keyKinds.map((kind, place) => `k${place} ${types[kind]}`).join(', ');
    const names = family.keyKinds.map((_, place) => `k${place}`).join(', ');
    statements.push(`CREATE TABLE stays (${columns}, CONSTRAINT stays_key FOREIGN KEY (${names}) REFERENCES a (${names}))`);
  }
  return statements;
}

function drawTriggers(draw: Draw, { tables }: Family): readonly string[] {
  if (draw.happens(0.7)) return [];
  const { name } = draw.of(tables);
  return [
    `CREATE TABLE told (${PLAIN.owner} INT, v INT)`,
    `CREATE TRIGGER telling AFTER ${draw.of(['INSERT', 'UPDATE'])} ON ${name} FOR EACH ROW INSERT INTO told VALUES (NEW.${PLAIN.owner}, NEW.${PLAIN.value})`,
  ];
}

/** In most cases both ends of all keys, and not always all of them. */
function drawChanges(
  draw: Draw,
  { family, wanted, isGated }: ChangesAsked,
): { readonly changes: readonly FamilyChange[]; readonly renamed: NonNullable<NativeWay['renamed']> } {
  const isKeyChanged = draw.happens(0.85);
  const isPartial = draw.happens(0.08);
  const renamed: Record<string, Record<string, string>> = {};
  const changes = family.tables.flatMap((table): readonly FamilyChange[] => {
    if ((isPartial || !isKeyChanged) && draw.happens(0.4)) return [];
    const isRenamed = isGated && isKeyChanged && !table.isTwin && draw.happens(0.25);
    if (isRenamed) renamed[table.name] = { k0: 'r0' };
    const modified = table.keys.map(({ kind, name }) => {
      return `${isRenamed && name === 'k0' ? 'CHANGE k0 r0' : `MODIFY ${name}`} ${wanted[kind]} NOT NULL`;
    });
    const linked = table.isTwin ? [] : linksOf(family, table).flatMap((link) => linkChanges(draw, family, link, wanted));
    const keys = isKeyChanged ? [...modified, ...linked] : [];
    const more = times(draw.of([0, 0, 1, 2]), (place) => drawMore(draw, `n${place}`));
    const clauses = [
      ...keys,
      ...(isGated && draw.happens(0.3) ? [`RENAME COLUMN ${PLAIN.value} TO other`] : []),
      ...new Set(more),
    ];
    // The key `looked` goes by its name.
    if (clauses.includes(`RENAME COLUMN ${PLAIN.spare} TO kept`))
      renamed[table.name] = { ...renamed[table.name], [PLAIN.spare]: 'kept' };
    return [{ table: table.name, clauses: (clauses.length === 0 ? ['FORCE'] : clauses).join(', ') }];
  });
  const [only] = family.tables;
  const made =
    changes.length === 0 && only !== undefined ? [{ table: only.name, clauses: `DROP COLUMN ${PLAIN.spare}` }] : changes;
  return { changes: draw.happens(0.5) ? made : made.toReversed(), renamed };
}

function linkChanges(draw: Draw, family: Family, { columns, isNullable }: Link, wanted: Types): readonly string[] {
  const strict = !isNullable || draw.happens(0.03) ? 'NOT NULL' : 'NULL';
  return columns.map((name, place) => `MODIFY ${name} ${typeOf(family, place, wanted)} ${strict}`);
}

function drawMore(draw: Draw, name: string): string {
  return draw.of([
    `ADD COLUMN ${name} INT NOT NULL DEFAULT 7`,
    `ADD COLUMN ${name} TEXT FIRST`,
    `MODIFY ${PLAIN.value} BIGINT NOT NULL DEFAULT 0`,
    `DROP COLUMN ${PLAIN.spare}`,
    `ADD INDEX ${name} (${PLAIN.value}, ${PLAIN.owner})`,
    `COMMENT='changed'`,
    `RENAME COLUMN ${PLAIN.spare} TO kept`,
    'ROW_FORMAT=COMPACT',
  ]);
}
