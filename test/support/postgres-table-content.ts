/** Everything that a table of PostgreSQL holds, in a form that two tables can be compared by: the server's own text, no value decoded. */
import { createHash } from 'node:crypto';
import pg from 'pg';
import type { PostgresApplication } from './postgres-adapter.ts';
import { type Inventory, inventoryOf } from './postgres-inventory.ts';

/** A table's definition and its rows. */
export interface PostgresTableContent {
  /** See `inventoryOf`. */
  readonly inventory: Inventory;
  /** The columns from left to right. */
  readonly columns: readonly string[];
  /** What each sequence of the table gave last. */
  readonly sequences: readonly string[];
  /** Each row as `column='text'`, long values as a digest, in sorted order. */
  readonly rows: readonly string[];
}

/** What is not read. */
export interface LeftOut {
  /** Names of columns. */
  readonly valuesLeftOut: readonly string[];
  /** Keys of the inventory; without `sequences` their values are not read either. */
  readonly subjectsLeftOut: readonly string[];
}

/** Longer values are told by length and digest. */
const charactersShownMax = 200;

/** All that decides how the server writes a value. */
const outputSettings =
  "SET timezone = 'UTC'; SET datestyle = 'ISO, YMD'; SET intervalstyle = 'postgres'; SET extra_float_digits = 3; " +
  "SET bytea_output = 'hex'; SET xmlbinary = 'base64'; SET lc_monetary = 'C'; SET row_security = off";

/** Reads a whole small table, or null where there is none. Sets the session: use it for nothing else. */
export async function readPostgresTable(
  application: PostgresApplication,
  name: { readonly schema: string; readonly table: string },
  { valuesLeftOut, subjectsLeftOut }: LeftOut,
): Promise<PostgresTableContent | null> {
  await application.run(outputSettings);
  const table = `${pg.escapeIdentifier(name.schema)}.${pg.escapeIdentifier(name.table)}`;
  const oid = `${pg.escapeLiteral(table)}::regclass`;
  const [found] = await application.run(`SELECT relkind FROM pg_class WHERE oid = to_regclass(${pg.escapeLiteral(table)})`);
  if (found?.['relkind'] !== 'r' && found?.['relkind'] !== 'p') return null;
  const inventory = await inventoryOf(application, name.schema, name.table);
  const columns = (
    await application.run(
      `SELECT attname FROM pg_attribute WHERE attrelid = ${oid} AND attnum > 0 AND NOT attisdropped ORDER BY attnum`,
    )
  ).map((row) => row['attname'] ?? '');
  const shown = columns.filter((column) => !valuesLeftOut.includes(column));
  const rows = await application.run(
    `SELECT ${shown.map((column) => pg.escapeIdentifier(column)).join(', ')} FROM ONLY ${table}`,
  );
  const isLeftOut = (subject: string): boolean => subjectsLeftOut.includes(subject);
  return {
    inventory: Object.fromEntries(Object.entries(inventory).filter(([subject]) => !isLeftOut(subject))),
    columns,
    sequences: isLeftOut('sequences') ? [] : await sequenceValues(application, oid),
    rows: rows.map((row) => shown.map((column) => `${column}=${show(row[column] ?? null)}`).join(' ')).sort(),
  };
}

async function sequenceValues(application: PostgresApplication, oid: string): Promise<readonly string[]> {
  const sequences = await application.run(
    `SELECT format('%I.%I', n.nspname, s.relname) AS name FROM pg_depend AS d JOIN pg_class AS s ON s.oid = d.objid AND s.relkind = 'S'
     JOIN pg_namespace AS n ON n.oid = s.relnamespace WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
     AND d.refobjid = ${oid} AND d.deptype IN ('a', 'i') ORDER BY 1`,
  );
  const values: string[] = [];
  for (const { name } of sequences) {
    const [row] = await application.run(`SELECT last_value, is_called FROM ${name}`);
    values.push(`${name} ${row?.['last_value']} ${row?.['is_called']}`);
  }
  return values;
}

/** As it is; longer ones by length and digest. */
function show(value: string | null): string {
  if (value === null) return 'NULL';
  if (value.length <= charactersShownMax) return `'${value}'`;
  return `${value.length} characters ${createHash('sha256').update(value).digest('hex').slice(0, 16)}`;
}
