/**
 * A shadow with partitions. The clauses of the server's own are run on a plain copy, as for any other shadow; what that has
 * become is made once more with partitions, in the shadow's schema, so that all of it has the names that it will have.
 */

import type { TableName } from '../engine/model.ts';
import type { Partitioning } from './alter-clauses.ts';
import { type Index, type TableDescription, tableOid } from './catalog.ts';
import { indexProperties, indexStatement, partitionedCopy } from './create-statement.ts';
import { withDefaultPath } from './search-path.ts';
import type { Session } from './session.ts';
import { quoteName, quoteTable, quoteText } from './statements.ts';

/** The index of a partition that stands for one of the whole table. */
export interface PartitionIndex {
  readonly name: string;
  readonly partition: string;
  /** The table's. */
  readonly index: string;
}

/** Makes a partitioned copy of a plain table, under its name and with its sequences, which it takes over. Inside a transaction. */
export async function makePartitioned(
  session: Session,
  plain: TableDescription,
  { schema, partitioning }: { readonly schema: string; readonly partitioning: Partitioning },
  signal: AbortSignal,
): Promise<void> {
  const { table, parts, partitions, ofPartitions } = partitionedCopy(plain, schema, partitioning);
  const run = async (statements: readonly string[]): Promise<void> => {
    for (const statement of statements) await session.execute(statement, signal);
  };
  await withDefaultPath(session, () => run([table]), signal);
  await run([...sequenceMoves(plain, schema), ...parts]);
  await withDefaultPath(session, () => run(partitions), signal);
  await run(ofPartitions);
  const copy = { schema, table: plain.table };
  const identity = plain.indexes.find(({ isReplicaIdentity }) => isReplicaIdentity);
  const identities = await readPartitionIndexes(session, copy, signal);
  await run(
    identities
      .filter(({ index }) => index === identity?.name)
      .map(
        ({ name, partition }) =>
          `ALTER TABLE ${quoteTable({ schema, table: partition })} REPLICA IDENTITY USING INDEX ${quoteName(name)}`,
      ),
  );
}

/** Names of the partitions of a table, in the order of the catalog; none where it has none. Locks nothing. */
export async function readPartitions(session: Session, table: TableName, signal: AbortSignal): Promise<readonly string[]> {
  const rows = await session.query(
    `SELECT c.relname AS name FROM pg_catalog.pg_inherits AS i JOIN pg_catalog.pg_class AS c ON c.oid = i.inhrelid
     WHERE i.inhparent = ${tableOid(table)} AND c.relispartition ORDER BY c.oid`,
    signal,
  );
  return rows.map((row) => row['name'] ?? '');
}

/** The indexes of the partitions of a table that stand for indexes of the whole table. Locks nothing. */
export async function readPartitionIndexes(
  session: Session,
  table: TableName,
  signal: AbortSignal,
): Promise<readonly PartitionIndex[]> {
  const rows = await session.query(
    `SELECT c.relname AS name, t.relname AS partition, w.relname AS index FROM pg_catalog.pg_index AS x
       JOIN pg_catalog.pg_inherits AS i ON i.inhparent = x.indexrelid JOIN pg_catalog.pg_class AS w ON w.oid = x.indexrelid
       JOIN pg_catalog.pg_class AS c ON c.oid = i.inhrelid JOIN pg_catalog.pg_index AS y ON y.indexrelid = c.oid
       JOIN pg_catalog.pg_class AS t ON t.oid = y.indrelid
     WHERE x.indrelid = ${tableOid(table)} ORDER BY w.relname, t.oid`,
    signal,
  );
  return rows.map((row) => ({ name: row['name'] ?? '', partition: row['partition'] ?? '', index: row['index'] ?? '' }));
}

/** Names of the partitions and of their indexes. Reads the catalog. */
export async function readRelationsOfPartitions(
  session: Session,
  table: TableName,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const indexes = await readPartitionIndexes(session, table, signal);
  return [...(await readPartitions(session, table, signal)), ...indexes.map(({ name }) => name)];
}

/**
 * Builds an index of each partition without blocking writes, one after another, and the table's from them, which changes the
 * catalog only and makes the writers of the shadow wait for as long. One that was left half-built is dropped first. Safe to repeat.
 */
export async function buildPartitionedIndex(
  session: Session,
  { shadow, index, parts }: { readonly shadow: TableName; readonly index: Index; readonly parts: readonly PartitionIndex[] },
  signal: AbortSignal,
): Promise<void> {
  const { schema } = shadow;
  const place = (name: string): string => quoteTable({ schema, table: name });
  const own = parts.filter((part) => part.index === index.name);
  for (const { name, partition } of own) {
    const state = await indexState(session, { schema, table: name }, signal);
    if (state === 'half-built') await session.execute(`DROP INDEX CONCURRENTLY ${place(name)}`, signal);
    if (state === 'whole') continue;
    await session.execute(indexStatement({ ...index, name }, place(partition), 'CONCURRENTLY '), signal);
  }
  if ((await indexState(session, { schema, table: index.name }, signal)) === 'missing') {
    await session.execute(indexStatement(index, `ONLY ${quoteTable(shadow)}`), signal);
  }
  // One that is attached already is left as it is.
  for (const { name } of own) await session.execute(`ALTER INDEX ${place(index.name)} ATTACH PARTITION ${place(name)}`, signal);
  for (const statement of indexProperties({ ...index, tablespace: null }, schema)) await session.execute(statement, signal);
}

/** Whether there is an index of this name, and all of it. Locks nothing. */
export async function indexState(
  session: Session,
  index: TableName,
  signal: AbortSignal,
): Promise<'missing' | 'half-built' | 'whole'> {
  const [row] = await session.query(
    `SELECT indisvalid AND indisready AS is_whole FROM pg_catalog.pg_index
     WHERE indexrelid = pg_catalog.to_regclass(${quoteText(quoteTable(index))})`,
    signal,
  );
  if (row === undefined) return 'missing';
  return row['is_whole'] === 't' ? 'whole' : 'half-built';
}

/** Sequences that belong to columns which the clauses have added: they would go away with the plain copy. */
function sequenceMoves(plain: TableDescription, schema: string): readonly string[] {
  return plain.sequences
    .filter(({ isIdentity }) => !isIdentity)
    .flatMap((sequence) => {
      const column = plain.columns.find(({ attnum }) => attnum === sequence.attnum)?.name ?? '';
      const name = quoteTable({ schema: sequence.schema, table: sequence.name });
      const moved = quoteTable({ schema, table: sequence.name });
      return [
        `ALTER SEQUENCE ${name} OWNED BY NONE`,
        `ALTER SEQUENCE ${name} SET SCHEMA ${quoteName(schema)}`,
        `ALTER SEQUENCE ${moved} OWNED BY ${quoteTable({ schema, table: plain.table })}.${quoteName(column)}`,
      ];
    });
}
