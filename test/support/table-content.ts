/** Everything that a table holds, in a form that two tables can be compared by: the server's own bytes, no value decoded. */
import { createHash } from 'node:crypto';
import type { Connection, RowDataPacket } from 'mysql2/promise';

/** A table's definition and its rows. */
export interface TableContent {
  /** SHOW CREATE TABLE, the next AUTO_INCREMENT value included. */
  readonly definition: string;
  /** Each row as `column=bytes in hexadecimal`, long values as a digest, in sorted order. */
  readonly rows: readonly string[];
}

/** Longer values are told by length and digest. */
const bytesShownMax = 200;

const quote = (name: string): string => `\`${name.replaceAll('`', '``')}\``;

/** Reads a whole small table. Sets the session so that nothing is converted: use a connection for nothing else. */
export async function readTable(connection: Connection, schema: string, table: string): Promise<TableContent> {
  await connection.query("SET SESSION time_zone = '+00:00', character_set_results = NULL");
  const created = await rawRows(connection, `SHOW CREATE TABLE ${quote(schema)}.${quote(table)}`);
  const columns = await rawRows(
    connection,
    `SELECT column_name, data_type FROM information_schema.columns
     WHERE table_schema = ${asText(schema)} AND table_name = ${asText(table)} ORDER BY ordinal_position`,
  );
  const named = columns.map(([name, type]) => ({ name: name?.toString() ?? '', type: type?.toString() ?? '' }));
  const values = named.flatMap(({ name, type }) => exactValues(name, type));
  const rows = await rawRows(
    connection,
    `SELECT ${values.map(({ sql }) => sql).join(', ')} FROM ${quote(schema)}.${quote(table)}`,
  );
  return {
    definition: created[0]?.[1]?.toString() ?? '',
    rows: rows.map((row) => row.map((value, place) => `${values[place]?.label}=${show(value)}`).join(' ')).sort(),
  };
}

function asText(text: string): string {
  return `_utf8mb4 X'${Buffer.from(text).toString('hex')}'`;
}

/** FLOAT is printed with six digits only, ENUM and SET hide their number, JSON the type of a number; the driver lacks some charsets. */
function exactValues(name: string, type: string): readonly { readonly label: string; readonly sql: string }[] {
  const column = quote(name);
  const plain = { label: name, sql: column };
  switch (type.toLowerCase()) {
    case 'float':
    case 'double':
      return [{ label: name, sql: `${column} + 0e0` }];
    case 'char':
    case 'varchar':
    case 'tinytext':
    case 'text':
    case 'mediumtext':
    case 'longtext':
      return [{ label: name, sql: `CAST(${column} AS BINARY)` }];
    case 'enum':
    case 'set':
      return [
        { label: name, sql: `CAST(${column} AS BINARY)` },
        { label: `${name}(number)`, sql: `CAST(${column} + 0 AS UNSIGNED)` },
      ];
    case 'json':
      return [plain, { label: `${name}(type)`, sql: `JSON_TYPE(${column})` }];
    default:
      return [plain];
  }
}

async function rawRows(connection: Connection, sql: string): Promise<(Buffer | null)[][]> {
  const [rows] = await connection.query<RowDataPacket[][]>({ sql, rowsAsArray: true, typeCast: (field) => field.buffer() });
  return rows as unknown as (Buffer | null)[][];
}

function show(value: Buffer | null | undefined): string {
  if (value === null || value === undefined) return 'NULL';
  if (value.length <= bytesShownMax)
    return /^[\x20-\x7e]*$/.test(value.toString('latin1')) ? `'${value.toString('latin1')}'` : value.toString('hex');
  return `${value.length} bytes ${createHash('sha256').update(value).digest('hex').slice(0, 16)}`;
}
