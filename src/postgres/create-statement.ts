/** The statements that make an empty copy of a table in another schema, under the same names. Pure builders. */

import type { Partitioning } from './alter-clauses.ts';
import type { Column, Constraint, Index, OwnedSequence, Statistics, TableDescription } from './catalog.ts';
import { quoteName, quoteTable, quoteText } from './statements.ts';

/**
 * Statements for an empty copy of `source` in `schema`, in order, to be run in one transaction: columns with all their
 * properties, constraints, indexes, extended statistics, storage parameters. Without what must not work while rows are copied
 * (foreign keys, triggers, policies, grants). They take ACCESS SHARE on the source until the transaction ends.
 */
export function copyStatements(source: TableDescription, schema: string): readonly string[] {
  const copy = quoteTable({ schema, table: source.table });
  return [
    `${createTable(source, copy)} ${storageOf(source)}`,
    ...source.columns.flatMap((column) => columnStatements(column, copy)),
    ...partStatements(source, schema),
  ];
}

/** What a copy gets behind its columns. */
function partStatements(source: TableDescription, schema: string): readonly string[] {
  const copy = quoteTable({ schema, table: source.table });
  return [
    ...source.sequences.filter(({ isIdentity }) => isIdentity).flatMap((one) => identityStatements(one, source, schema)),
    ...source.constraints.filter(({ type, isValid }) => type === 'n' && !isValid).flatMap((one) => lateNotNull(one, copy)),
    ...source.constraints
      .filter(({ type }) => type !== 'n' && type !== 'f' && type !== 't')
      .flatMap((one) => constraintStatements(one, copy)),
    ...source.indexes.flatMap((index) => [
      ...(index.hasConstraint ? [] : [indexStatement(index, copy)]),
      ...indexProperties(index, schema),
    ]),
    ...source.statistics.flatMap((one) => statisticsStatements(one, copy, schema)),
    ...source.indexes.flatMap((index) => indexMarks(index, copy)),
    ...(source.replicaIdentity === 'f' ? [`ALTER TABLE ${copy} REPLICA IDENTITY FULL`] : []),
    ...(source.comment === null ? [] : [`COMMENT ON TABLE ${copy} IS ${quoteText(source.comment)}`]),
    ...typeComment(source, copy),
  ];
}

/** How a plain table becomes a partitioned one, statement by statement. */
export interface PartitionedCopy {
  /** To be run with the search path that the user has: the key, and the bounds, may name what is in it. */
  readonly table: string;
  readonly parts: readonly string[];
  readonly partitions: readonly string[];
  /** What the partitions have of their own, for it does not come to them from the table. */
  readonly ofPartitions: readonly string[];
}

/**
 * An empty partitioned copy of `plain`, with what `copyStatements` gives a copy; what only tables with storage can have, its
 * partitions get. In this order, in one transaction. Indexes and constraints come to the partitions by themselves.
 */
export function partitionedCopy(
  plain: TableDescription,
  schema: string,
  { method, partitions }: Partitioning,
): PartitionedCopy {
  const copy = quoteTable({ schema, table: plain.table });
  const storage = storageOf(plain);
  const places = partitions.map(({ name, bound }) => ({ bound, place: quoteTable({ schema, table: name }) }));
  return {
    table: `${createTable(plain, copy)} PARTITION BY ${method}`,
    parts: partStatements(plain, schema),
    partitions: places.map(({ place, bound }) => `CREATE TABLE ${place} PARTITION OF ${copy} ${bound} ${storage}`),
    ofPartitions: [
      ...[{ place: copy }, ...places].flatMap(({ place }) =>
        plain.columns.flatMap((column) => columnStatements(column, place)),
      ),
      ...(plain.replicaIdentity === 'f' ? places.map(({ place }) => `ALTER TABLE ${place} REPLICA IDENTITY FULL`) : []),
    ],
  };
}

/** Builds one index; the constraint that it may stand for is not made. */
export function indexStatement(index: Index, table: string, how: '' | 'CONCURRENTLY ' = ''): string {
  return `CREATE ${index.isUnique ? 'UNIQUE ' : ''}INDEX ${how}${quoteName(index.name)} ON ${table}${index.rest}`;
}

/** What an index has beside its definition. */
export function indexProperties(index: Index, schema: string): readonly string[] {
  const name = quoteTable({ schema, table: index.name });
  return [
    ...(index.hasConstraint && index.options.length > 0 ? [`ALTER INDEX ${name} SET (${assignments(index.options)})`] : []),
    ...(index.tablespace === null ? [] : [`ALTER INDEX ${name} SET TABLESPACE ${quoteName(index.tablespace)}`]),
    ...index.targets.map(([part, target]) => `ALTER INDEX ${name} ALTER COLUMN ${part} SET STATISTICS ${target}`),
    ...(index.comment === null ? [] : [`COMMENT ON INDEX ${name} IS ${quoteText(index.comment)}`]),
  ];
}

/** What a table says about an index: that it orders the rows, that it identifies them. */
export function indexMarks(index: Index, table: string): readonly string[] {
  return [
    ...(index.isClustered ? [`ALTER TABLE ${table} CLUSTER ON ${quoteName(index.name)}`] : []),
    ...(index.isReplicaIdentity ? [`ALTER TABLE ${table} REPLICA IDENTITY USING INDEX ${quoteName(index.name)}`] : []),
  ];
}

/** The rows of a table, or of a materialised view, have a type of its name. */
export function typeComment({ typeComment: comment }: TableDescription, table: string): readonly string[] {
  return comment === undefined ? [] : [`COMMENT ON TYPE ${table} IS ${quoteText(comment)}`];
}

/** Adds a constraint under its name, with its comment. */
export function constraintStatements({ name, definition, comment }: Constraint, table: string): readonly string[] {
  return [
    `ALTER TABLE ${table} ADD CONSTRAINT ${quoteName(name)} ${definition}`,
    ...(comment === null ? [] : [`COMMENT ON CONSTRAINT ${quoteName(name)} ON ${table} IS ${quoteText(comment)}`]),
  ];
}

function createTable(source: TableDescription, copy: string): string {
  const including = ['COMMENTS', 'COMPRESSION', 'DEFAULTS', 'GENERATED', 'STORAGE']
    .map((what) => ` INCLUDING ${what}`)
    .join('');
  return `CREATE TABLE ${copy} (LIKE ${quoteTable(source)}${including})`;
}

/** How rows are stored. */
export function storageOf(source: TableDescription): string {
  const options = [...source.options, ...source.toastOptions.map((option) => `toast.${option}`)];
  const parameters = options.length === 0 ? '' : ` WITH (${assignments(options)})`;
  const tablespace = source.tablespace === null ? '' : ` TABLESPACE ${quoteName(source.tablespace)}`;
  return `USING ${quoteName(source.accessMethod)}${parameters}${tablespace}`;
}

/** What a column has that is said once it is there. */
export function columnStatements(column: Column, copy: string): readonly string[] {
  const alter = `ALTER TABLE ${copy} ALTER COLUMN ${quoteName(column.name)}`;
  return [
    ...(column.statisticsTarget === null ? [] : [`${alter} SET STATISTICS ${column.statisticsTarget}`]),
    ...(column.options.length === 0 ? [] : [`${alter} SET (${assignments(column.options)})`]),
  ];
}

function identityStatements(one: OwnedSequence, source: TableDescription, schema: string): readonly string[] {
  const column = source.columns.find(({ attnum }) => attnum === one.attnum);
  const sequence = quoteTable({ schema, table: one.name });
  const kind = column?.identity === 'a' ? 'ALWAYS' : 'BY DEFAULT';
  return [
    `ALTER TABLE ${quoteTable({ schema, table: source.table })} ALTER COLUMN ${quoteName(column?.name ?? '')} ` +
      `ADD GENERATED ${kind} AS IDENTITY (SEQUENCE NAME ${sequence} ${one.options})`,
    ...(one.isUnlogged === true ? [`ALTER SEQUENCE ${sequence} SET UNLOGGED`] : []),
    ...(one.comment === null ? [] : [`COMMENT ON SEQUENCE ${sequence} IS ${quoteText(one.comment)}`]),
  ];
}

/** LIKE makes it a valid one. */
function lateNotNull(constraint: Constraint, copy: string): readonly string[] {
  return [`ALTER TABLE ${copy} DROP CONSTRAINT ${quoteName(constraint.name)}`, ...constraintStatements(constraint, copy)];
}

/** Extended statistics on a copy. */
export function statisticsStatements(one: Statistics, copy: string, schema: string): readonly string[] {
  const name = quoteTable({ schema, table: one.name });
  return [
    `CREATE STATISTICS ${name}${one.middle}${copy}`,
    ...(one.target === null ? [] : [`ALTER STATISTICS ${name} SET STATISTICS ${one.target}`]),
    ...(one.comment === null ? [] : [`COMMENT ON STATISTICS ${name} IS ${quoteText(one.comment)}`]),
  ];
}

/** `fillfactor=70` as `"fillfactor" = '70'`; a prefix such as `toast.` stays before the name. */
export function assignments(options: readonly string[]): string {
  return options
    .map((option) => {
      const at = option.indexOf('=');
      const names = option.slice(0, at).split('.').map(quoteName);
      return `${names.join('.')} = ${quoteText(option.slice(at + 1))}`;
    })
    .join(', ');
}
