/**
 * More of what a generated table of PostgreSQL may have: indexes of all kinds, numbers and values that the server gives, and what is kept
 * beside the rows. Drawn by a chance of its own, so that the rest of a seed is what it is without it.
 */
import { type Draw, times } from './draw.ts';
import type { GeneratedColumn } from './generated-column.ts';
import { type PostgresTable, quoteColumn } from './postgres-table.ts';

export interface PostgresMore {
  /** Definitions of columns, of which no write tells. */
  readonly columns: readonly string[];
  /** Made before the rows. */
  readonly made: readonly string[];
  /** Made behind them. */
  readonly behind: readonly string[];
  /** Put behind the clauses of the change. */
  readonly clause: string;
}

export function drawPostgresMore(draw: Draw, table: PostgresTable): PostgresMore {
  if (draw.happens(0.3)) return { columns: [], made: [], behind: [], clause: '' };
  const columns = drawColumns(draw, table);
  return {
    columns: columns.map(({ definition }) => definition),
    made: [...drawIndexes(draw, table), ...columns.map(({ index }) => index)].filter((sql) => sql !== ''),
    behind: drawBesideRows(draw, table),
    clause: draw.text(0.2, drawClause(draw, table, columns)),
  };
}

interface More {
  readonly name: string;
  readonly definition: string;
  readonly index: string;
}

function drawColumns(draw: Draw, { keys, numbered, others, version }: PostgresTable): readonly More[] {
  const columns: More[] = [];
  if (numbered === 'no' && draw.happens(0.15)) {
    const way = `${draw.of(['ALWAYS', 'BY DEFAULT'])} AS IDENTITY (START ${draw.of(['7', '1000'])} INCREMENT ${draw.of(['1', '3'])})`;
    const index = draw.text(0.5, 'CREATE INDEX by_number ON t (numbered)');
    columns.push({ name: 'numbered', definition: `numbered ${draw.of(['integer', 'bigint'])} GENERATED ${way}`, index });
  }
  const texts = [...keys, ...others].filter(({ type }) => type.kind === 'text' && type.ddl !== 'name' && type.ddl !== 'citext');
  const text = draw.ofAny(texts);
  if (text !== null && draw.happens(0.2)) {
    const way = version >= 18 && draw.happens(0.4) ? 'VIRTUAL' : 'STORED';
    const definition = `folded text GENERATED ALWAYS AS (lower(${quoteColumn(text)}::text COLLATE "C")) ${way}`;
    const using = draw.of(['USING hash (folded)', 'USING spgist (folded)', '(folded DESC)', 'USING gin (folded gin_trgm_ops)']);
    columns.push({ name: 'folded', definition, index: way === 'STORED' ? `CREATE INDEX by_folded ON t ${using}` : '' });
  }
  return columns;
}

/** Kinds of indexes that are likely to take it, and the usual ones. */
function methodsFor({ ddl, kind }: GeneratedColumn['type']): readonly string[] {
  const usual = ['USING hash (%)', '(% DESC NULLS FIRST)', 'USING brin (%) WITH (pages_per_range = 1)'];
  if (ddl.endsWith('[]')) return [...usual, 'USING gin (%)', 'USING gin (%) WITH (fastupdate = off)', '((array_length(%, 1)))'];
  if (ddl.includes('multirange')) return [...usual, 'USING gist (%)'];
  if (ddl.includes('range')) return [...usual, 'USING gist (%)', 'USING spgist (%)', 'USING brin (% range_inclusion_ops)'];
  switch (kind) {
    case 'jsonb':
      return ['USING gin (%)', 'USING gin (% jsonb_path_ops)', "((% -> 'k'))", 'USING hash (%)'];
    case 'hstore':
      return ['USING gin (%)', 'USING gist (%)'];
    case 'tsvector':
      return ['USING gin (%)', 'USING gist (%)'];
    case 'inet':
    case 'cidr':
      return [...usual, 'USING gist (% inet_ops)', 'USING spgist (%)', 'USING brin (% inet_inclusion_ops)'];
    case 'box':
      return ['USING gist (%)', 'USING spgist (%)', 'USING brin (%)'];
    case 'text':
      return [
        ...usual,
        ...['USING gin ((%::text) gin_trgm_ops)', 'USING gist ((%::text) gist_trgm_ops)', 'USING spgist ((%::text))'],
        ...[
          '((md5(%::text)))',
          '((length(%::text)))',
          '((%::text) text_pattern_ops)',
          '((folding(%::text)))',
          '((% IS NULL), %)',
        ],
      ];
    case 'integer':
      return [...usual, 'USING gist (%)', '((% % 7))', 'USING brin (% int4_bloom_ops)', '((folding(%::text)))'];
    default:
      return [...usual, 'USING gist (%)', 'USING gin (%)', '((% IS NULL))'];
  }
}

function drawIndexes(draw: Draw, { keys, others, hasParent }: PostgresTable): readonly string[] {
  const columns = [...keys, ...others.filter(({ type }) => type.kind !== 'numeric')];
  const conditions = [` WHERE ${quoteColumn(draw.of(keys))} IS NOT NULL`, ` WHERE ${quoteColumn(draw.of(others))} IS NULL`];
  const statements = times(draw.of([0, 1, 2, 3]), (place) => {
    const column = draw.of(columns);
    const using = draw.of(methodsFor(column.type)).replaceAll(/%(?! 7)/g, quoteColumn(column));
    const where = draw.text(0.25, draw.of(conditions));
    return [
      `CREATE INDEX m${place} ON t ${using}${where}`,
      draw.text(0.2, `COMMENT ON INDEX m${place} IS 'it''s'`),
      draw.text(0.15, `ALTER INDEX m${place} ALTER COLUMN 1 SET STATISTICS 33`),
      draw.text(0.1, `ALTER INDEX m${place} SET (fillfactor = 60)`),
    ].filter((sql) => sql !== '');
  });
  const [one, other] = [draw.of(columns), draw.of(keys)].map(quoteColumn);
  const apart = draw.of([
    `gist (${one} WITH &&, ${other} WITH =)`,
    `gist (${one} WITH =, ${other} WITH <>)`,
    `hash (${one} WITH =)`,
  ]);
  const where = draw.text(0.3, ` WHERE (${other} IS NOT NULL)`);
  const exclusion = `ALTER TABLE t ADD CONSTRAINT afar EXCLUDE USING ${apart}${where}${draw.text(0.2, ' DEFERRABLE')}`;
  return [
    ...['CREATE EXTENSION btree_gist', 'CREATE EXTENSION pg_trgm'],
    "CREATE FUNCTION folding(text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN reverse(lower($1)); END'",
    ...statements.flat().map(tried),
    ...(draw.happens(0.12) && !hasParent ? [tried(exclusion)] : []),
  ];
}

/** What is kept beside the rows. */
function drawBesideRows(
  draw: Draw,
  { hasChild, hasCounter, hasParent, keyName, keys, others }: PostgresTable,
): readonly string[] {
  const some = quoteColumn(draw.of([...keys, ...others]));
  const key = quoteColumn(draw.of(keys));
  // Keys are looked up in the name of the owner.
  const isOwned = !hasChild && !hasParent && !hasCounter && draw.happens(0.15);
  return [
    draw.text(0.12, `CREATE STATISTICS told (mcv) ON (${some} IS NULL), ${key} FROM t`),
    draw.text(0.12, `CREATE STATISTICS said ON (${key}::text || 'x') FROM t; ALTER STATISTICS said SET STATISTICS 55`),
    draw.text(0.12, `COMMENT ON CONSTRAINT ${keyName} ON t IS 'it''s the key'`),
    draw.text(
      0.1,
      'ALTER TABLE t SET (toast.autovacuum_enabled = off, autovacuum_vacuum_threshold = 77, toast_tuple_target = 200)',
    ),
    draw.text(0.1, `ALTER TABLE t ALTER ${some} SET (n_distinct = -0.5, n_distinct_inherited = 3)`),
    draw.text(0.1, `GRANT SELECT (${some}), INSERT (${key}) ON t TO pg_monitor WITH GRANT OPTION`),
    draw.text(0.1, 'GRANT TRUNCATE, TRIGGER ON t TO PUBLIC; REVOKE DELETE ON t FROM CURRENT_USER'),
    draw.text(0.08, `CREATE PUBLICATION few FOR TABLE t WHERE (${key} IS NOT NULL) WITH (publish = 'insert')`),
    draw.text(0.08, 'CREATE PUBLICATION here FOR TABLES IN SCHEMA public'),
    draw.text(
      0.1,
      `CREATE VIEW vm WITH (security_barrier, check_option = local) AS SELECT ${key} AS shown FROM t WHERE ${key} IS NOT NULL;
       GRANT SELECT (shown) ON vm TO pg_monitor; COMMENT ON COLUMN vm.shown IS 'shown'`,
    ),
    draw.text(
      0.08,
      `CREATE POLICY written ON t FOR INSERT WITH CHECK (${some} IS NOT NULL); COMMENT ON POLICY written ON t IS 'p'`,
    ),
    draw.text(
      0.06,
      `CREATE TABLE other (n integer); CREATE RULE read AS ON INSERT TO other DO ALSO SELECT count(${key}) FROM t`,
    ),
    isOwned ? 'ALTER TABLE t OWNER TO pg_monitor' : '',
    draw.text(0.5, 'ANALYZE t'),
  ]
    .filter((sql) => sql !== '')
    .flatMap((sql) => sql.split(/;\s+/))
    .map(tried);
}

function drawClause(draw: Draw, { keys, others, version }: PostgresTable, columns: readonly More[]): string {
  const has = (name: string): boolean => columns.some((column) => column.name === name);
  const some = quoteColumn(draw.of([...keys, ...others]));
  return draw.of([
    ...(has('numbered')
      ? [
          'ALTER numbered TYPE bigint',
          'ALTER numbered RESTART WITH 900',
          'ALTER numbered SET INCREMENT 9',
          'DROP COLUMN numbered',
        ]
      : []),
    ...(has('folded') ? ['ALTER folded DROP EXPRESSION', 'DROP COLUMN folded', 'ALTER folded TYPE varchar(200)'] : []),
    ...(has('folded') && version >= 17 ? ["ALTER folded SET EXPRESSION AS ('same')"] : []),
    `ALTER ${some} SET (n_distinct = 9)`,
    `ALTER ${some} RESET (n_distinct)`,
    'SET (toast.autovacuum_enabled = on)',
    'RESET (fillfactor)',
    'OWNER TO pg_read_all_data',
    'REPLICA IDENTITY DEFAULT',
    "ADD COLUMN listed integer[] NOT NULL DEFAULT '{3,1}'",
    'ADD COLUMN few posint DEFAULT 3 CHECK (few < 9)',
    'CLUSTER ON pk',
    'DISABLE RULE kept',
  ]);
}

/** What the server refuses is left out. */
function tried(sql: string): string {
  return `DO $do$ BEGIN ${sql}; EXCEPTION WHEN others THEN NULL; END $do$`;
}
