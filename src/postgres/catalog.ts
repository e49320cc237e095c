/**
 * What the catalog says about a table, read once. Definitions are the server's own text; it qualifies every name in them,
 * because our sessions search only pg_catalog.
 */

import type { TableName } from '../engine/model.ts';
import { type Leaf, readLeaf } from './leaf-partition.ts';
import type { Session } from './session.ts';
import { quoteTable, quoteText } from './statements.ts';

/** A column that exists; `attnum` may have gaps where others were dropped. */
export interface Column {
  readonly name: string;
  readonly attnum: number;
  /** As `format_type` writes it: `character varying(40)`. */
  readonly type: string;
  /** The same without length and precision. */
  readonly bareType: string;
  /** `schema.name`, both as SQL; null where the type has none. */
  readonly collation: string | null;
  readonly isNotNull: boolean;
  /** Default or generation expression. */
  readonly expression: string | null;
  /** Whether the default may give another value each time, or at another time. */
  readonly isVolatile: boolean;
  readonly identity: '' | 'a' | 'd';
  /** Stored, or (since 18) virtual. */
  readonly generated: '' | 's' | 'v';
  readonly storage: string;
  readonly compression: string;
  /** Null: the server's default. */
  readonly statisticsTarget: number | null;
  /** `n_distinct=…`; others are marks of the server's own. */
  readonly options: readonly string[];
  readonly comment: string | null;
}

export interface Index {
  readonly name: string;
  readonly isPrimary: boolean;
  readonly isUnique: boolean;
  readonly isExclusion: boolean;
  readonly isImmediate: boolean;
  readonly isValid: boolean;
  readonly isClustered: boolean;
  readonly isReplicaIdentity: boolean;
  /** The constraint that it stands for; both have the same name. */
  readonly hasConstraint: boolean;
  /** Behind `CREATE INDEX name ON table`: ` USING btree (a)`. */
  readonly rest: string;
  /** The columns by attnum; 0 for an expression. */
  readonly keyAttnums: readonly number[];
  /** A B-tree all of whose parts have the order of their column, or all the reverse of it. */
  readonly isInDefaultOrder: boolean;
  readonly isPartial: boolean;
  readonly areNullsDistinct: boolean;
  readonly options: readonly string[];
  /** Null: the default of the database. */
  readonly tablespace: string | null;
  readonly comment: string | null;
  /** Number of the part and its statistics target. */
  readonly targets: readonly (readonly [number, number])[];
}

export interface Constraint {
  readonly name: string;
  /** c CHECK, p primary key, u unique, x exclusion, f foreign key, t trigger, n NOT NULL (18). */
  readonly type: string;
  readonly isValid: boolean;
  readonly definition: string;
  readonly comment: string | null;
}

/** An extended statistics object. */
export interface Statistics {
  readonly schema: string;
  readonly name: string;
  /** Between the name and the table: ` (ndistinct) ON a, b FROM `. */
  readonly middle: string;
  readonly target: number | null;
  readonly owner: string;
  readonly comment: string | null;
}

/** A sequence that belongs to a column. */
export interface OwnedSequence {
  readonly schema: string;
  readonly name: string;
  readonly attnum: number;
  readonly isIdentity: boolean;
  readonly type: string;
  /** Of CREATE SEQUENCE, without the type. */
  readonly options: string;
  /** Only of an identity column, whose sequence is made anew; absent where it is logged. */
  readonly isUnlogged?: true;
  readonly comment: string | null;
}

export interface TableDescription {
  readonly oid: number;
  readonly schema: string;
  readonly table: string;
  /** relkind: r table, p partitioned, f foreign, … */
  readonly kind: string;
  readonly persistence: string;
  readonly isPartition: boolean;
  /** What ties a partition to its table; absent where it is none. */
  readonly leaf?: Leaf;
  readonly isInherited: boolean;
  readonly isTyped: boolean;
  readonly options: readonly string[];
  readonly toastOptions: readonly string[];
  /** d default, i index, f full, n nothing. */
  readonly replicaIdentity: string;
  readonly hasRowSecurity: boolean;
  readonly forcesRowSecurity: boolean;
  readonly accessMethod: string;
  readonly tablespace: string | null;
  readonly owner: string;
  readonly comment: string | null;
  /** Of the type that its rows have; absent where there is none. */
  readonly typeComment?: string;
  readonly columns: readonly Column[];
  readonly indexes: readonly Index[];
  readonly constraints: readonly Constraint[];
  readonly statistics: readonly Statistics[];
  readonly sequences: readonly OwnedSequence[];
  /** As of the last VACUUM or ANALYZE. */
  readonly estimatedRows: number;
  readonly dataBytes: number;
  readonly indexBytes: number;
}

/**
 * Reads a relation that has rows of its own or through others (no view, sequence or index); null where there is none. Every
 * part is read by its own statement, which sees the catalog as it is then: for one state, hold a lock or be in a transaction
 * that made the table. Takes no lock that anybody notices.
 */
export async function readTable(session: Session, name: TableName, signal: AbortSignal): Promise<TableDescription | null> {
  return await readRelation(session, name, "'r', 'p', 'f'", signal);
}

/** The same of a materialised view. */
export async function readMaterializedView(
  session: Session,
  name: TableName,
  signal: AbortSignal,
): Promise<TableDescription | null> {
  return await readRelation(session, name, "'m'", signal);
}

async function readRelation(
  session: Session,
  name: TableName,
  kinds: string,
  signal: AbortSignal,
): Promise<TableDescription | null> {
  const rows = await session.query(tableStatement(name, kinds), signal);
  const text = rows[0]?.['description'];
  if (text == null) return null;
  const { typeComment, ...head } = JSON.parse(text) as Head;
  const list = async (statement: string): Promise<readonly unknown[]> =>
    (await session.query(statement, signal)).map((row) => JSON.parse(row['description'] ?? '') as unknown);
  const leaf = head.isPartition ? await readLeaf(session, head.oid, signal) : null;
  return {
    ...head,
    ...(leaf === null ? {} : { leaf }),
    ...(typeComment === null ? {} : { typeComment }),
    columns: (await list(columnStatement(head.oid))) as readonly Column[],
    indexes: (await list(indexStatement(head.oid))) as readonly Index[],
    constraints: (await list(constraintStatement(head.oid))) as readonly Constraint[],
    statistics: (await list(statisticsStatement(head.oid))) as readonly Statistics[],
    sequences: ((await list(sequenceStatement(head.oid))) as readonly SequenceRow[]).map(ownedSequence),
  };
}

/** What one row of the catalog says about a table. */
interface Head
  extends Omit<TableDescription, 'leaf' | 'typeComment' | 'columns' | 'indexes' | 'constraints' | 'statistics' | 'sequences'> {
  readonly typeComment: string | null;
}

function tableStatement({ schema, table }: TableName, kinds: string): string {
  return `SELECT json_build_object('oid', c.oid::bigint, 'schema', n.nspname, 'table', c.relname, 'kind', c.relkind,
      'persistence', c.relpersistence, 'isPartition', c.relispartition, 'isTyped', c.reloftype <> 0,
      'isInherited', EXISTS (SELECT FROM pg_inherits AS i WHERE c.oid IN (i.inhrelid, i.inhparent)),
      'options', coalesce(c.reloptions, '{}'), 'toastOptions', coalesce(t.reloptions, '{}'), 'replicaIdentity', c.relreplident,
      'hasRowSecurity', c.relrowsecurity, 'forcesRowSecurity', c.relforcerowsecurity, 'accessMethod', m.amname,
      'tablespace', s.spcname, 'owner', pg_get_userbyid(c.relowner), 'comment', obj_description(c.oid, 'pg_class'),
      'typeComment', obj_description(c.reltype, 'pg_type'), 'estimatedRows', greatest(c.reltuples, 0), 'dataBytes', pg_table_size(c.oid), 'indexBytes', pg_indexes_size(c.oid)
    ) AS description
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace LEFT JOIN pg_class AS t ON t.oid = c.reltoastrelid
    LEFT JOIN pg_am AS m ON m.oid = c.relam LEFT JOIN pg_tablespace AS s ON s.oid = c.reltablespace
    WHERE n.nspname = ${quoteText(schema)} AND c.relname = ${quoteText(table)} AND c.relkind IN (${kinds})`;
}

function columnStatement(oid: number): string {
  return `SELECT json_build_object('name', a.attname, 'attnum', a.attnum, 'type', format_type(a.atttypid, a.atttypmod),
      'bareType', format_type(a.atttypid, NULL), 'isNotNull', a.attnotnull,
      'collation', (SELECT format('%I.%I', n.nspname, l.collname) FROM pg_collation AS l
        JOIN pg_namespace AS n ON n.oid = l.collnamespace WHERE l.oid = a.attcollation),
      'expression', ${expressionText}, 'isVolatile', ${volatility},
      'identity', a.attidentity, 'generated', a.attgenerated, 'storage', a.attstorage,
      'compression', a.attcompression, 'statisticsTarget', nullif(a.attstattarget, -1), 'options', ARRAY(SELECT o FROM unnest(a.attoptions) AS o WHERE o LIKE 'n_distinct%'),
      'comment', col_description(a.attrelid, a.attnum)) AS description
    FROM pg_attribute AS a LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE a.attrelid = ${oid} AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum`;
}

/**
 * A default names no column. To write one with the table's names at hand takes time with the square of the number of columns, up
 * to 17, which makes seconds of a table with hundreds of defaults, and it is read while writers are blocked.
 */
const expressionText = "pg_get_expr(d.adbin, CASE a.attgenerated WHEN '' THEN 0 ELSE d.adrelid END)";

/** Functions of extensions and users are known by their dependencies; of the server's own, sequences are, and these by name. */
const volatility = `(d.oid IS NOT NULL AND (EXISTS (SELECT FROM pg_depend AS p LEFT JOIN pg_proc AS f ON f.oid = p.refobjid
        WHERE p.classid = 'pg_attrdef'::regclass AND p.objid = d.oid
        AND ((p.refclassid = 'pg_proc'::regclass AND f.provolatile = 'v')
          OR (p.refclassid = 'pg_class'::regclass AND p.refobjid <> a.attrelid)))
      OR ${expressionText} ~* '\\m(gen_random_uuid|random|[a-z]+_timestamp|timeofday|now|nextval|uuidv[0-9]+)"?\\(|\\m(current|local)_?(date|time)'))`;

function indexStatement(oid: number): string {
  return `SELECT json_build_object('name', c.relname, 'isPrimary', i.indisprimary, 'isUnique', i.indisunique,
      'isExclusion', i.indisexclusion, 'isImmediate', i.indimmediate, 'isValid', i.indisvalid AND i.indisready,
      'isClustered', i.indisclustered, 'isReplicaIdentity', i.indisreplident,
      'hasConstraint', EXISTS (SELECT FROM pg_constraint AS k WHERE k.conindid = c.oid AND k.conrelid = i.indrelid),
      'rest', substr(pg_get_indexdef(c.oid), 1 + length(format('CREATE %sINDEX %I ON %s%I.%I',
        CASE WHEN i.indisunique THEN 'UNIQUE ' ELSE '' END, c.relname, CASE c.relkind WHEN 'I' THEN 'ONLY ' ELSE '' END, n.nspname, t.relname))),
      'keyAttnums', ARRAY(SELECT i.indkey[x] FROM generate_series(0, i.indnkeyatts - 1) AS x ORDER BY x),
      'isInDefaultOrder', m.amname = 'btree' AND (i.indoption[0] & 1) = ALL (
        ARRAY(SELECT i.indoption[x] & 1 FROM generate_series(0, i.indnkeyatts - 1) AS x))
        AND NOT EXISTS (SELECT FROM generate_series(0, i.indnkeyatts - 1) AS x
          JOIN pg_opclass AS o ON o.oid = i.indclass[x]
          LEFT JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[x]
          WHERE NOT o.opcdefault OR i.indcollation[x] IS DISTINCT FROM a.attcollation),
      'isPartial', i.indpred IS NOT NULL, 'areNullsDistinct', NOT coalesce((to_jsonb(i) ->> 'indnullsnotdistinct')::boolean, false),
      'options', coalesce(c.reloptions, '{}'), 'tablespace', s.spcname, 'comment', obj_description(c.oid, 'pg_class'),
      'targets', coalesce((SELECT json_agg(json_build_array(a.attnum, a.attstattarget) ORDER BY a.attnum) FROM pg_attribute AS a
        WHERE a.attrelid = c.oid AND coalesce(a.attstattarget, -1) <> -1), '[]')) AS description
    FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid JOIN pg_class AS t ON t.oid = i.indrelid
    JOIN pg_namespace AS n ON n.oid = t.relnamespace JOIN pg_am AS m ON m.oid = c.relam
    LEFT JOIN pg_tablespace AS s ON s.oid = c.reltablespace
    WHERE i.indrelid = ${oid} ORDER BY i.indisprimary DESC, c.relname`;
}

function constraintStatement(oid: number): string {
  return `SELECT json_build_object('name', conname, 'type', contype, 'isValid', convalidated,
      'definition', pg_get_constraintdef(oid), 'comment', obj_description(oid, 'pg_constraint')) AS description
    FROM pg_constraint WHERE conrelid = ${oid} ORDER BY contype <> 'p', conname`;
}

function statisticsStatement(oid: number): string {
  return `SELECT json_build_object('schema', n.nspname, 'name', s.stxname, 'target', nullif((to_jsonb(s) ->> 'stxstattarget')::int, -1),
      'middle', substr(d.text, 1 + length(format('CREATE STATISTICS %I.%I', n.nspname, s.stxname)),
        length(d.text) - length(format('CREATE STATISTICS %I.%I', n.nspname, s.stxname)) - length(format('%I.%I', tn.nspname, t.relname))),
      'owner', pg_get_userbyid(s.stxowner), 'comment', obj_description(s.oid, 'pg_statistic_ext')) AS description
    FROM pg_statistic_ext AS s JOIN pg_namespace AS n ON n.oid = s.stxnamespace JOIN pg_class AS t ON t.oid = s.stxrelid
    JOIN pg_namespace AS tn ON tn.oid = t.relnamespace CROSS JOIN LATERAL pg_get_statisticsobjdef(s.oid) AS d(text)
    WHERE s.stxrelid = ${oid} ORDER BY s.stxname`;
}

interface SequenceRow extends Omit<OwnedSequence, 'isUnlogged'> {
  readonly isUnlogged: boolean;
}

/** What is seldom so is absent otherwise: a fingerprint of an earlier version is that of today. */
function ownedSequence({ isUnlogged, ...sequence }: SequenceRow): OwnedSequence {
  return isUnlogged ? { ...sequence, isUnlogged } : sequence;
}

function sequenceStatement(oid: number): string {
  return `SELECT json_build_object('schema', n.nspname, 'name', c.relname, 'attnum', d.refobjsubid, 'isIdentity', d.deptype = 'i',
      'type', format_type(s.seqtypid, NULL),
      'options', format('START %s INCREMENT %s MINVALUE %s MAXVALUE %s CACHE %s %s', s.seqstart, s.seqincrement, s.seqmin, s.seqmax,
        s.seqcache, CASE WHEN s.seqcycle THEN 'CYCLE' ELSE 'NO CYCLE' END),
      'comment', obj_description(c.oid, 'pg_class'), 'isUnlogged', d.deptype = 'i' AND c.relpersistence = 'u') AS description
    FROM pg_depend AS d JOIN pg_class AS c ON c.oid = d.objid AND c.relkind = 'S' JOIN pg_namespace AS n ON n.oid = c.relnamespace
    JOIN pg_sequence AS s ON s.seqrelid = c.oid
    WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = ${oid}
      AND d.deptype IN ('a', 'i') ORDER BY d.refobjsubid, c.relname`;
}

/** The table as an expression for catalog functions. By way of text it is looked up whenever a prepared statement is executed. */
export function tableOid(name: TableName): string {
  return relationOid(quoteTable(name));
}

/** The same of a quoted name. */
export function relationOid(name: string): string {
  return `${quoteText(name)}::pg_catalog.text::pg_catalog.regclass`;
}
