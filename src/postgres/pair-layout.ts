/** What copying and comparing need to know about a source and its shadow: names, types, and how a value gets from one to the other. */

import { MigrationError } from '../engine/errors.ts';
import type { Plan, TableName } from '../engine/model.ts';
import { tableOid } from './catalog.ts';
import { kindOf } from './checksum.ts';
import { type RowSettings, userSettings } from './conversion-settings.ts';
import { isWholeNumber } from './row-key-order.ts';
import { type ComparedColumn, type KeyColumn, type KeyOperators, OWN_OPERATORS } from './row-key.ts';
import type { Session } from './session.ts';
import { quoteName, quoteTable, quoteText } from './statements.ts';

/** A column that is carried over. */
export interface CarriedColumn {
  /** Name in the shadow, quoted. */
  readonly shadow: string;
  /** Type in the shadow, as `format_type` writes it. */
  readonly shadowType: string;
  /** Over the source's columns, which stand without an alias. */
  readonly expression: string;
}

/** A unique index or exclusion constraint of the shadow, by the expressions that must not agree. */
export interface ShadowUnique {
  readonly name: string;
  readonly parts: readonly { readonly expression: string; readonly operator: string }[];
  /** Rows that it covers, or null for all. */
  readonly predicate: string | null;
  readonly areNullsDistinct: boolean;
}

export interface PairLayout {
  readonly source: TableName;
  readonly shadow: TableName;
  /** The shadow behind FROM, as SQL: with its partitions, where it has some. */
  readonly shadowRows: string;
  readonly key: readonly ComparedColumn[];
  /** The same columns in the shadow, in the same order. */
  readonly shadowKey: readonly ComparedColumn[];
  /** All columns of the index that makes the key unique in the shadow, quoted: in one with partitions it may have more. */
  readonly shadowKeyIndex: readonly string[];
  readonly columns: readonly CarriedColumn[];
  /**
   * A row of the shadow is found by the key alone, which is carried over as it is, and all other columns that are carried over may be
   * updated.
   */
  readonly isUpsertable: boolean;
  /** Stored columns that both tables compute by the same expression: compared, not carried over. */
  readonly generated: readonly CarriedColumn[];
  readonly uniques: readonly ShadowUnique[];
  /** What converts rows begins with this: see `userSettings`. */
  readonly userSettings: string;
}

/** Reads the layout from the catalog. Both tables exist. Locks nothing. */
export async function readPairLayout(
  session: Session,
  { plan, conversionSettings }: { readonly plan: Plan; readonly conversionSettings: RowSettings },
  signal: AbortSignal,
): Promise<PairLayout> {
  const sourceTypes = await readColumnTypes(session, plan.source, signal);
  const shadowTypes = await readColumnTypes(session, plan.shadow, signal);
  const key = plan.key.columns.map((name) => typedColumn(plan.source, name, sourceTypes));
  const shadowKey = plan.key.shadowColumns.map((name) => typedColumn(plan.shadow, name, shadowTypes));
  const shadowKeyIndex = await readIndexColumns(session, plan.shadow, plan.key.shadowIndex, signal);
  const columns = plan.columns.map((pair) => ({
    shadow: quoteName(pair.shadow),
    shadowType: typedColumn(plan.shadow, pair.shadow, shadowTypes).type,
    expression: pair.using === undefined ? quoteName(pair.source) : `(${pair.using})`,
  }));
  const generated = await readGenerated(session, plan, signal);
  return {
    source: plan.source,
    shadow: plan.shadow,
    shadowRows: await readShadowRows(session, plan.shadow, signal),
    key: comparedBy(key, await readOperators(session, plan.source, plan.key.index, signal)),
    shadowKey: comparedBy(shadowKey, await readOperators(session, plan.shadow, plan.key.shadowIndex, signal)),
    shadowKeyIndex,
    columns,
    isUpsertable: isUpsertable(plan, { key, shadowKey, shadowKeyIndex }, shadowTypes),
    generated,
    uniques: await readUniques(session, plan.shadow, signal),
    userSettings: userSettings(conversionSettings, {
      key: [...key, ...shadowKey].map(({ literalType }) => literalType),
      compared: [...columns, ...generated].filter((column) => kindOf(column) === 'rest').map(({ shadowType }) => shadowType),
    }),
  };
}

function isUpsertable(
  plan: Plan,
  { key, shadowKey, shadowKeyIndex }: Pick<PairLayout, 'shadowKeyIndex'> & Record<'key' | 'shadowKey', readonly KeyColumn[]>,
  shadowTypes: ReadonlyMap<string, TypedColumn>,
): boolean {
  const [name] = plan.key.shadowColumns;
  const carried = plan.columns.find(({ shadow }) => shadow === name);
  const others = plan.columns.filter(({ shadow }) => shadow !== name);
  return (
    isWholeNumber(key) &&
    isWholeNumber(shadowKey) &&
    shadowKeyIndex.join() === quoteName(name ?? '') &&
    carried?.source === key[0]?.name &&
    carried?.using === undefined &&
    others.length > 0 &&
    !others.some(({ shadow }) => shadowTypes.get(shadow)?.isAlwaysIdentity === true)
  );
}

/** By name, type and expression: where the change touches any of these, the shadow is meant to hold other values. */
async function readGenerated(
  session: Session,
  { source, shadow }: Plan,
  signal: AbortSignal,
): Promise<readonly CarriedColumn[]> {
  const columns = (table: TableName): string =>
    `SELECT a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod) AS type, pg_catalog.pg_get_expr(d.adbin, d.adrelid) AS expression ` +
    `FROM pg_catalog.pg_attribute AS a JOIN pg_catalog.pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum ` +
    `WHERE a.attrelid = ${tableOid(table)} AND a.attgenerated = 's' AND NOT a.attisdropped`;
  const rows = await session.query(
    `SELECT s.attname AS name, s.type FROM (${columns(source)}) AS s JOIN (${columns(shadow)}) AS t USING (attname, type, expression) ORDER BY name`,
    signal,
  );
  return rows.map((row) => {
    const name = quoteName(row['name'] ?? '');
    return { shadow: name, shadowType: row['type'] ?? '', expression: name };
  });
}

/** Those that inherit from a plain shadow would be somebody else's. */
async function readShadowRows(session: Session, shadow: TableName, signal: AbortSignal): Promise<string> {
  const [row] = await session.query(`SELECT relkind FROM pg_catalog.pg_class WHERE oid = ${tableOid(shadow)}`, signal);
  return row?.['relkind'] === 'p' ? quoteTable(shadow) : `ONLY ${quoteTable(shadow)}`;
}

async function readIndexColumns(
  session: Session,
  table: TableName,
  index: string,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const rows = await session.query(
    `SELECT a.attname AS name FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid ` +
      `CROSS JOIN generate_series(0, i.indnkeyatts - 1) n JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[n] ` +
      `WHERE i.indrelid = ${tableOid(table)} AND c.relname = ${quoteText(index)} ORDER BY n`,
    signal,
  );
  return rows.map((row) => quoteName(row['name'] ?? ''));
}

async function readColumnTypes(
  session: Session,
  table: TableName,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, TypedColumn>> {
  const rows = await session.query(
    `SELECT a.attname::text AS name, a.attnum::text AS attnum, pg_catalog.format_type(a.atttypid, a.atttypmod) AS type, ` +
      `(WITH RECURSIVE d(oid) AS (SELECT a.atttypid UNION ALL SELECT y.typbasetype FROM d JOIN pg_catalog.pg_type y ON y.oid = d.oid ` +
      `WHERE y.typtype = 'd') SELECT pg_catalog.format_type(d.oid, -1) FROM d JOIN pg_catalog.pg_type y ON y.oid = d.oid ` +
      `WHERE y.typtype <> 'd') AS "literalType", CASE WHEN coalesce(l.collisdeterministic, true) THEN a.attcollation::text END AS collation, a.attidentity = 'a' AS always ` +
      `FROM pg_catalog.pg_attribute a LEFT JOIN pg_catalog.pg_collation l ON l.oid = a.attcollation WHERE a.attrelid = ${tableOid(table)} ` +
      `AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum`,
    signal,
  );
  return new Map(
    rows.map((row) => {
      const name = row['name'] ?? '';
      const [type, literalType] = [row['type'] ?? '', row['literalType'] ?? ''];
      const isAlwaysIdentity = row['always'] === 't';
      return [
        name,
        { name, attnum: Number(row['attnum']), type, literalType, collation: row['collation'] ?? null, isAlwaysIdentity },
      ];
    }),
  );
}

type TypedColumn = Omit<ComparedColumn, 'operators'> & {
  /** GENERATED ALWAYS AS IDENTITY, which no UPDATE may set. */
  readonly isAlwaysIdentity: boolean;
};

/** Those of the index, by its columns in order; an index that is gone is found by what looks for changed definitions. */
function comparedBy(columns: readonly TypedColumn[], operators: readonly KeyOperators[]): readonly ComparedColumn[] {
  return columns.map((column, part) => ({ ...column, operators: operators[part] ?? OWN_OPERATORS }));
}

async function readOperators(
  session: Session,
  table: TableName,
  index: string,
  signal: AbortSignal,
): Promise<readonly KeyOperators[]> {
  const rows = await session.query(
    // Its columns first: joined in one, all classes of operators of the server would be gone through before.
    `WITH part AS MATERIALIZED (SELECT n, i.indclass[n] AS class FROM pg_catalog.pg_index i ` +
      `JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid CROSS JOIN generate_series(0, i.indnkeyatts - 1) n ` +
      `WHERE i.indrelid = ${tableOid(table)} AND c.relname = ${quoteText(index)}) ` +
      `SELECT json_object_agg(m.amopstrategy, pg_catalog.format('OPERATOR(%I.%s)', ns.nspname, o.oprname))::text AS operators ` +
      `FROM part JOIN pg_catalog.pg_opclass k ON k.oid = part.class JOIN pg_catalog.pg_amop m ON m.amopfamily = k.opcfamily ` +
      `AND m.amoplefttype = k.opcintype AND m.amoprighttype = k.opcintype AND m.amoppurpose = 's' ` +
      `JOIN pg_catalog.pg_operator o ON o.oid = m.amopopr JOIN pg_catalog.pg_namespace ns ON ns.oid = o.oprnamespace ` +
      `GROUP BY n ORDER BY n`,
    signal,
  );
  // A B-tree numbers its strategies so.
  return rows.map((row) => {
    const names = JSON.parse(row['operators'] ?? '{}') as Readonly<Record<string, string>>;
    return {
      less: names['1'] ?? OWN_OPERATORS.less,
      lessOrEqual: names['2'] ?? OWN_OPERATORS.lessOrEqual,
      equal: names['3'] ?? OWN_OPERATORS.equal,
      greaterOrEqual: names['4'] ?? OWN_OPERATORS.greaterOrEqual,
      greater: names['5'] ?? OWN_OPERATORS.greater,
    };
  });
}

function typedColumn(table: TableName, name: string, columns: ReadonlyMap<string, TypedColumn>): TypedColumn {
  const column = columns.get(name);
  if (column === undefined) {
    throw new MigrationError(
      'PLAN_CHANGED',
      `The table ${table.schema}.${table.table} has no column ${name} any more. Give this migration up and start anew.`,
    );
  }
  return column;
}

async function readUniques(session: Session, table: TableName, signal: AbortSignal): Promise<readonly ShadowUnique[]> {
  const rows = await session.query(
    `SELECT c.relname::text AS name, ` +
      `array_to_json(ARRAY(SELECT CASE i.indcollation[n - 1] WHEN 0 THEN pg_catalog.pg_get_indexdef(i.indexrelid, n, true) ` +
      `ELSE pg_catalog.format('(%s) COLLATE %I.%I', pg_catalog.pg_get_indexdef(i.indexrelid, n, true), ln.nspname, l.collname) END ` +
      `FROM generate_series(1, i.indnkeyatts) n LEFT JOIN pg_catalog.pg_collation l ON l.oid = i.indcollation[n - 1] ` +
      `LEFT JOIN pg_catalog.pg_namespace ln ON ln.oid = l.collnamespace ORDER BY n))::text AS parts, ` +
      `array_to_json(ARRAY(SELECT pg_catalog.format('OPERATOR(%I.%s)', ns.nspname, o.oprname) FROM generate_series(1, i.indnkeyatts) n ` +
      `JOIN pg_catalog.pg_opclass p ON p.oid = i.indclass[n - 1] LEFT JOIN pg_catalog.pg_amop m ON m.amopfamily = p.opcfamily ` +
      `AND m.amoplefttype = p.opcintype AND m.amoprighttype = p.opcintype AND m.amopstrategy = 3 AND i.indisunique ` +
      `JOIN pg_catalog.pg_operator o ON o.oid = coalesce(k.conexclop[n], m.amopopr) ` +
      `JOIN pg_catalog.pg_namespace ns ON ns.oid = o.oprnamespace ORDER BY n))::text AS operators, ` +
      `pg_catalog.pg_get_expr(i.indpred, i.indrelid, true) AS predicate, ` +
      `NOT coalesce((to_jsonb(i) ->> 'indnullsnotdistinct')::boolean, false) AS "areNullsDistinct" ` +
      `FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid ` +
      `LEFT JOIN pg_catalog.pg_constraint k ON k.conindid = i.indexrelid AND k.conrelid = i.indrelid AND k.contype = 'x' ` +
      `WHERE i.indrelid = ${tableOid(table)} AND (i.indisunique OR i.indisexclusion) ORDER BY 1`,
    signal,
  );
  return rows.map((row) => {
    const operators = textArray(row['operators']);
    return {
      name: row['name'] ?? '',
      parts: textArray(row['parts']).map((expression, index) => ({ expression, operator: operators[index] ?? '=' })),
      predicate: row['predicate'] ?? null,
      areNullsDistinct: row['areNullsDistinct'] === 't',
    };
  });
}

function textArray(json: string | null | undefined): readonly string[] {
  const parsed: unknown = JSON.parse(json ?? '[]');
  return Array.isArray(parsed) ? parsed.map(String) : [];
}
