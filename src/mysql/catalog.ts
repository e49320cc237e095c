/** What information_schema and SHOW CREATE say about a table, read once and parsed. */

import { assert } from '../engine/errors.ts';
import type { TableName } from '../engine/model.ts';
import { readCreateStatement, type CreateStatement } from './create-statement.ts';
import type { KeyColumn, KeyColumnKind } from './row-key.ts';
import type { Row, Session } from './session.ts';
import { tokenise } from './sql-tokens.ts';
import { quoteTable, quoteText } from './statements.ts';

/** One column, in table order. */
export interface Column {
  readonly name: string;
  /** From 0, as in the log's table map. */
  readonly ordinal: number;
  /** DATA_TYPE, lower case: `int`, `varchar`, `geometry`. */
  readonly dataType: string;
  /** COLUMN_TYPE, whole: `int unsigned`, `enum('a','b')`. */
  readonly columnType: string;
  readonly isNullable: boolean;
  readonly isUnsigned: boolean;
  readonly charset: string | null;
  readonly collation: string | null;
  /** Digits in all of a decimal, bits of a BIT; 0 for other types. */
  readonly precision: number;
  /** Digits of the fraction of a decimal; 0 for other types. */
  readonly scale: number;
  /** Digits of fractional seconds. */
  readonly fractionalDigits: number;
  /** Declared length: characters of CHAR and VARCHAR, bytes of BINARY, VARBINARY, TEXT and BLOB types; null for others. */
  readonly length: number | null;
  /** CHARACTER_OCTET_LENGTH of string types but ENUM and SET, or null. */
  readonly octetLength: number | null;
  /** Members of an ENUM or SET, in order; empty for other types. */
  readonly members: readonly string[];
  readonly generated: 'none' | 'virtual' | 'stored';
  readonly isAutoIncrement: boolean;
  /** DEFAULT as SHOW COLUMNS prints it, or null. */
  readonly defaultText: string | null;
  /** The definition behind the name, as SHOW CREATE TABLE prints it. */
  readonly definition: string;
}

/** One part of an index: a column, perhaps only a prefix of it, or an expression. */
export interface IndexPart {
  readonly column: string | null;
  readonly expression: string | null;
  readonly prefixLength: number | null;
  readonly isDescending: boolean;
}

export interface Index {
  readonly name: string;
  readonly isUnique: boolean;
  /** BTREE, HASH, FULLTEXT, SPATIAL, … */
  readonly type: string;
  /** INVISIBLE (MySQL) or IGNORED (MariaDB): kept up, but no statement uses it, and none may name it. */
  readonly isHidden: boolean;
  readonly parts: readonly IndexPart[];
}

/** Whether MariaDB keeps the values of this unique index, over long text, as a hash in a hidden column. SHOW INDEX says HASH. */
export function isKeptAsHash({ isUnique, type }: Index): boolean {
  return isUnique && type === 'HASH';
}

/** Whether it is nothing but a help for queries, over columns: neither unique nor for words or places. */
export function isPlain(index: Index): boolean {
  return !index.isUnique && index.type === 'BTREE' && !isOverExpression(index);
}

/** Whether one of its parts is no column. */
export function isOverExpression({ parts }: Index): boolean {
  return parts.some(({ expression }) => expression !== null);
}

export interface TableDescription {
  readonly schema: string;
  readonly table: string;
  readonly engine: string;
  readonly collation: string;
  readonly columns: readonly Column[];
  readonly indexes: readonly Index[];
  readonly isPartitioned: boolean;
  /** MariaDB: WITH SYSTEM VERSIONING. */
  readonly isSystemVersioned: boolean;
  /** The table itself refers to others, or to itself. */
  readonly hasForeignKeys: boolean;
  /** CHECK constraints, of the table or of a column. */
  readonly hasChecks: boolean;
  /** Next value, or null where the table has no AUTO_INCREMENT column. */
  readonly autoIncrement: bigint | null;
  /** SHOW CREATE TABLE. */
  readonly createStatement: string;
  /** Table options and partitions as SHOW CREATE TABLE prints them, without AUTO_INCREMENT. */
  readonly tableOptions: string;
  readonly estimatedRows: number;
  readonly dataBytes: number;
  readonly indexBytes: number;
}

/**
 * Reads a base table (MariaDB: also a system-versioned one); null where there is none of that name or it is a view or a
 * sequence. Takes no lock beyond each statement's short metadata lock. Sets two session variables of MySQL, so that generated
 * invisible primary keys are seen, as the log has them, and statistics are fresh.
 */
export async function readTable(session: Session, name: TableName, signal: AbortSignal): Promise<TableDescription | null> {
  await showEverything(session, signal);
  const found = await session.query(
    `SELECT @@lower_case_table_names AS letter_case, TABLE_SCHEMA AS schema_name, TABLE_NAME AS table_name,
      TABLE_TYPE AS table_type, TABLE_COLLATION AS table_collation, TABLE_ROWS AS table_rows, DATA_LENGTH AS data_length,
      INDEX_LENGTH AS index_length
    FROM information_schema.TABLES
    WHERE TABLE_SCHEMA = ${quoteText(name.schema)} AND TABLE_NAME = ${quoteText(name.table)}`,
    signal,
  );
  const row = found.find((row) => row['schema_name'] === name.schema && row['table_name'] === name.table) ?? withoutCase(found);
  if (row === undefined || !['BASE TABLE', 'SYSTEM VERSIONED'].includes(row['table_type'] ?? '')) return null;
  const canonical = { schema: textOf(row, 'schema_name'), table: textOf(row, 'table_name') };
  return {
    ...(await readDefinition(session, { name: canonical, isTemporary: false }, signal)),
    collation: row['table_collation'] ?? '',
    estimatedRows: Number(row['table_rows'] ?? 0),
    dataBytes: Number(row['data_length'] ?? 0),
    indexBytes: Number(row['index_length'] ?? 0),
  };
}

/** Reads a temporary table of this session: information_schema does not have it. Its collation and its size are left empty. */
export async function readTemporaryTable(session: Session, name: TableName, signal: AbortSignal): Promise<TableDescription> {
  await showEverything(session, signal);
  const definition = await readDefinition(session, { name, isTemporary: true }, signal);
  return { ...definition, collation: '', estimatedRows: 0, dataBytes: 0, indexBytes: 0 };
}

/** The columns of a key as row keys need them. Rejects columns of types that no key can have (keyColumnKind). */
export function keyColumns(table: TableDescription, columnNames: readonly string[]): readonly KeyColumn[] {
  return columnNames.map((name) => {
    const column = table.columns.find((column) => column.name === name);
    assert(column !== undefined, `${table.table} has no column ${name}`);
    const kind = keyColumnKind(column);
    assert(kind !== null, `${table.table}.${name} (${column.columnType}) cannot be part of a key`);
    return {
      name,
      kind,
      ordinal: column.ordinal,
      isUnsigned: column.isUnsigned,
      charset: kind === 'text' ? column.charset : null,
      fixedBytes: column.dataType === 'binary' ? column.length : null,
      scale: kind === 'decimal' ? column.scale : column.fractionalDigits,
      precision: kind === 'decimal' ? column.precision : 0,
    };
  });
}

const keyKinds: Readonly<Record<string, KeyColumnKind>> = {
  tinyint: 'integer',
  smallint: 'integer',
  mediumint: 'integer',
  int: 'integer',
  bigint: 'integer',
  bit: 'bit',
  enum: 'enum',
  set: 'set',
  year: 'year',
  decimal: 'decimal',
  char: 'text',
  varchar: 'text',
  binary: 'binary',
  varbinary: 'binary',
  date: 'date',
  time: 'time',
  datetime: 'datetime',
  timestamp: 'timestamp',
  uuid: 'uuid',
  inet4: 'inet4',
  inet6: 'inet6',
};

/** How a column's values are written in a row key, or null where its type cannot identify rows exactly. */
export function keyColumnKind(column: Column): KeyColumnKind | null {
  return keyKinds[column.dataType] ?? null;
}

/** Without these a table's hidden key column is left out (and ordinals are wrong), and row counts are a day old. */
async function showEverything(session: Session, signal: AbortSignal): Promise<void> {
  const variables = await session.query(
    `SHOW SESSION VARIABLES WHERE
      Variable_name = 'show_gipk_in_create_table_and_information_schema' AND Value = 'OFF'
      OR Variable_name = 'information_schema_stats_expiry' AND Value <> '0'`,
    signal,
  );
  for (const row of variables) {
    const name = textOf(row, 'Variable_name');
    await session.execute(`SET SESSION ${name} = ${name === 'information_schema_stats_expiry' ? '0' : 'ON'}`, signal);
  }
}

/** With lower_case_table_names the server knows the name in another case. */
function withoutCase(found: readonly Row[]): Row | undefined {
  const [only] = found;
  return found.length === 1 && only?.['letter_case'] !== '0' ? only : undefined;
}

type Definition = Omit<TableDescription, 'collation' | 'estimatedRows' | 'dataBytes' | 'indexBytes'>;

async function readDefinition(
  session: Session,
  { name, isTemporary }: { readonly name: TableName; readonly isTemporary: boolean },
  signal: AbortSignal,
): Promise<Definition> {
  const [created] = await session.query(`SHOW CREATE TABLE ${quoteTable(name)}`, signal);
  assert(created !== undefined, `SHOW CREATE TABLE says nothing about ${name.table}`);
  const createStatement = textOf(created, 'Create Table');
  const parsed = readCreateStatement(createStatement);
  const columnRows = await session.query(`SHOW FULL COLUMNS FROM ${quoteTable(name)}`, signal);
  const indexRows = await session.query(`SHOW INDEX FROM ${quoteTable(name)}`, signal);
  const maxBytes = await readCharsetWidths(session, signal);
  const columns = columnRows
    .filter((row) => !isTemporary || parsed.columns.has(textOf(row, 'Field')) || !isHidden(textOf(row, 'Field')))
    .map((row, ordinal) => readColumn(row, ordinal, { parsed, maxBytes }));
  assert(
    columns.length === parsed.columns.size && columns.every((column) => parsed.columns.has(column.name)),
    `SHOW COLUMNS and SHOW CREATE TABLE differ about ${name.table}`,
  );
  return {
    ...name,
    engine: parsed.engine,
    columns,
    indexes: readIndexes(indexRows),
    isPartitioned: parsed.isPartitioned,
    isSystemVersioned: parsed.isSystemVersioned,
    hasForeignKeys: parsed.hasForeignKeys,
    hasChecks: parsed.hasChecks,
    autoIncrement: columns.some((column) => column.isAutoIncrement) ? (parsed.autoIncrement ?? 1n) : null,
    createStatement,
    tableOptions: parsed.options,
  };
}

/** Of a temporary table MySQL also lists the hidden columns behind expressions of indexes. */
function isHidden(column: string): boolean {
  return column.startsWith('!hidden!');
}

/** Bytes that a character can take, by character set. */
async function readCharsetWidths(session: Session, signal: AbortSignal): Promise<ReadonlyMap<string, number>> {
  const rows = await session.query(
    'SELECT CHARACTER_SET_NAME AS name, MAXLEN AS width FROM information_schema.CHARACTER_SETS',
    signal,
  );
  return new Map(rows.map((row) => [textOf(row, 'name'), Number(row['width'])]));
}

const longTypes: Readonly<Record<string, number>> = { tiny: 255, '': 65_535, medium: 16_777_215, long: 4_294_967_295 };
const temporalTypes = ['time', 'datetime', 'timestamp'];

interface ColumnContext {
  readonly parsed: CreateStatement;
  readonly maxBytes: ReadonlyMap<string, number>;
}

/** `row` is one of SHOW FULL COLUMNS. */
function readColumn(row: Row, ordinal: number, { parsed, maxBytes }: ColumnContext): Column {
  const name = textOf(row, 'Field');
  const columnType = textOf(row, 'Type');
  const dataType = /^[a-z0-9]+/.exec(columnType)?.[0] ?? columnType;
  const isMemberList = dataType === 'enum' || dataType === 'set';
  const [first, second] = isMemberList ? [0, 0] : numbersOf(columnType);
  const collation = row['Collation'] ?? null;
  const charset = collation === null ? null : (collation.split('_')[0] ?? null);
  const extra = (row['Extra'] ?? '').toUpperCase();
  const length = lengthOf(dataType, first);
  const isCounted = dataType === 'char' || dataType === 'varchar';
  return {
    name,
    ordinal,
    dataType,
    columnType,
    isNullable: row['Null'] === 'YES',
    isUnsigned: !isMemberList && / unsigned\b/.test(columnType),
    charset,
    collation,
    precision: dataType === 'decimal' || dataType === 'bit' ? first : 0,
    scale: dataType === 'decimal' ? second : 0,
    fractionalDigits: temporalTypes.includes(dataType) ? first : 0,
    length,
    octetLength: length === null ? null : length * (isCounted ? (maxBytes.get(charset ?? '') ?? 4) : 1),
    members: isMemberList ? membersOf(columnType) : [],
    generated: extra.includes('VIRTUAL GENERATED') ? 'virtual' : extra.includes('STORED GENERATED') ? 'stored' : 'none',
    isAutoIncrement: extra.includes('AUTO_INCREMENT'),
    defaultText: row['Default'] ?? null,
    definition: parsed.columns.get(name) ?? '',
  };
}

/** The numbers in parentheses: `decimal(10,3)` gives 10 and 3. */
function numbersOf(columnType: string): readonly [number, number] {
  const match = /\((\d+)(?:,(\d+))?\)/.exec(columnType);
  return [Number(match?.[1] ?? 0), Number(match?.[2] ?? 0)];
}

function lengthOf(dataType: string, declared: number): number | null {
  if (['char', 'varchar', 'binary', 'varbinary'].includes(dataType)) return declared;
  const long = /^(tiny|medium|long|)(?:text|blob)$/.exec(dataType);
  return long === null ? null : (longTypes[long[1] ?? ''] ?? null);
}

/** `enum('a','b')` gives a and b. */
function membersOf(columnType: string): readonly string[] {
  return tokenise(columnType)
    .filter((token) => token.kind === 'string')
    .map((token) => token.value);
}

/** `rows` are those of SHOW INDEX, one a part, in order. */
function readIndexes(rows: readonly Row[]): readonly Index[] {
  const names = [...new Set(rows.map((row) => textOf(row, 'Key_name')))];
  return names.map((name) => {
    const parts = rows.filter((row) => row['Key_name'] === name);
    return {
      name,
      isUnique: parts[0]?.['Non_unique'] === '0',
      type: parts[0]?.['Index_type'] ?? '',
      isHidden: parts[0]?.['Visible'] === 'NO' || parts[0]?.['Ignored'] === 'YES',
      parts: parts.map((part) => ({
        column: part['Column_name'] ?? null,
        expression: part['Expression'] ?? null,
        prefixLength: part['Sub_part'] == null ? null : Number(part['Sub_part']),
        isDescending: part['Collation'] === 'D',
      })),
    };
  });
}

function textOf(row: Row, name: string): string {
  const value = row[name];
  assert(value != null, `the catalog gave no ${name}`);
  return value;
}
