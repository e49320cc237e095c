/**
 * Tries what no temporary table can have on an empty clone: partitions, full-text indexes, tablespaces, encryption, compression. What
 * the server refuses there it would refuse when the shadow is made.
 */

import { causeText, MigrationError } from '../engine/errors.ts';
import type { Obstacle } from '../engine/obstacles.ts';
import { accountText, readAccount } from './account.ts';
import { type AlterReading, withAlgorithm } from './alter-clauses.ts';
import type { ProbedTable } from './alter-probe.ts';
import { readTable, type TableDescription } from './catalog.ts';
import { ordinaryClient, withSettings } from './client-settings.ts';
import { serverErrno } from './errors.ts';
import { NativeTrials, refusalOf } from './native-trial.ts';
import { partitioningOf } from './partitions.ts';
import type { Server } from './server.ts';
import type { Session } from './session.ts';
import { quoteTable } from './statements.ts';

/** The clone is dropped even where the trial was aborted. */
const dropLimitMs = 10_000;

/** What is to be tried, and what a temporary table told about it. */
export interface CloneTrial {
  readonly server: Server;
  readonly source: TableDescription;
  readonly reading: AlterReading;
  readonly probed: ProbedTable;
}

/**
 * `probed` as it is where it is exact, or where no clone may be made; else what the server made of a clone. Gives an obstacle where the
 * server refuses the change, or where the shadow would lose something of the partitions. Locks and leaves behind what a NativeTrial
 * does.
 */
export async function probeOnClone(
  { server, source, reading, probed }: CloneTrial,
  signal: AbortSignal,
): Promise<ProbedTable | Obstacle> {
  if (probed.isExact) return probed;
  const isChanged = reading.clauses.some((clause) => clause.kind === 'partitioning');
  await using session = await server.openSession({}, signal);
  const name = { schema: source.schema, table: source.table };
  const trials = await NativeTrials.open(session, { source: name, flavour: server.flavour }, signal);
  const clone = quoteTable(trials.clone);
  try {
    const copy = await readClone(
      { session, trials },
      [`DROP TABLE IF EXISTS ${clone}`, `CREATE TABLE ${clone} LIKE ${quoteTable(name)}`],
      signal,
    );
    if (!isChanged && partitioningOf(copy.tableOptions) !== partitioningOf(source.tableOptions)) return lostOptions(source);
    const change = `ALTER TABLE ${clone} ${withAlgorithm('ALGORITHM=COPY', reading.text)}`;
    return { definition: await readClone({ session, trials }, [change], signal), isExact: true };
  } catch (error) {
    signal.throwIfAborted();
    // A server that takes no writes is refused by its settings.
    if (serverErrno(error) === readOnly) return probed;
    if (!(error instanceof MigrationError) || error.isTransient || serverErrno(error) === null) throw error;
    if (error.code === 'ACCESS_DENIED') return probed;
    if (serverErrno(error) === noEncryptionOfOwn) return await encryptionPrivilege(session, source, signal);
    const reason = causeText(error);
    return refusalOf(name, reason.replace(/\.$/, ''));
  } finally {
    await session.execute(`DROP TABLE IF EXISTS ${clone}`, AbortSignal.timeout(dropLimitMs)).catch(() => undefined);
  }
}

/** ER_OPTION_PREVENTS_STATEMENT. */
const readOnly = 1290;
/** ER_CANNOT_SET_TABLE_ENCRYPTION (MySQL), with table_encryption_privilege_check. */
const noEncryptionOfOwn = 3826;

async function encryptionPrivilege(
  session: Session,
  { schema, table }: TableDescription,
  signal: AbortSignal,
): Promise<Obstacle> {
  const account = accountText(await readAccount(session, signal));
  return {
    code: 'MISSING_PRIVILEGE',
    message: `${schema}.${table} is, or would be, encrypted otherwise than its schema is by default, which takes TABLE_ENCRYPTION_ADMIN: GRANT TABLE_ENCRYPTION_ADMIN ON *.* TO ${account};`,
  };
}

async function readClone(
  { session, trials }: { readonly session: Session; readonly trials: NativeTrials },
  statements: readonly string[],
  signal: AbortSignal,
): Promise<TableDescription> {
  for (const statement of statements) {
    await withSettings(session, ordinaryClient, () => session.execute(statement, signal), signal);
  }
  const definition = await readTable(session, trials.clone, signal);
  if (definition !== null) return definition;
  throw new MigrationError('INTERNAL', `The empty clone ${trials.clone.schema}.${trials.clone.table} is gone.`);
}

function lostOptions({ schema, table }: TableDescription): Obstacle {
  return {
    code: 'PARTITIONS',
    message: `The shadow of ${schema}.${table} would lose options of the partitions, such as a DATA DIRECTORY; write the partitions as they shall be into the ALTER (PARTITION BY …).`,
  };
}
