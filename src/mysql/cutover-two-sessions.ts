/**
 * The swap where RENAME TABLE is refused under LOCK TABLES (MariaDB: error 1192). The reasoning is in
 * docs/decisions/mariadb-cutover.md.
 *
 *   locker                                          renamer
 *   a sentry table stands under the retired name
 *   LOCK TABLES source, shadow, sentry WRITE
 *   drain
 *                                                   RENAME TABLE source TO retired, shadow TO source
 *                                                   … waits for the source, the first name that it locks
 *   sees the renamer wait, and no DDL ahead of it
 *                                                   keepers, one a child: LOCK TABLES child WRITE, each seen waiting
 *   DROP TABLE sentry           ← from here on the RENAME may succeed, and everything has been drained
 *   UNLOCK TABLES
 *                                                   gets the source before any writer that waits, and swaps
 *                                                   keepers get the children in the same way, drop their keys to the retired
 *                                                   table, and unlock
 *
 * Children are tables that refer to the source by foreign keys. The RENAME locks them inside InnoDB, where it would wait for
 * transactions that have written to them and that wait, outside of it, for the RENAME. So nobody may write to them meanwhile.
 *
 * Whoever dies, and when:
 *   locker before the DROP      its locks go, the RENAME runs into the sentry and fails: nothing swapped, no write lost
 *   locker after the DROP       the same as UNLOCK TABLES
 *   renamer before the swap     no RENAME; the locker unlocks, writers go on in the old table
 *   renamer in the swap         the server finishes or undoes it (atomic DDL); the catalog says which
 */

import { asMigrationError, MigrationError } from '../engine/errors.ts';
import type { Plan, TableName } from '../engine/model.ts';
import type { CutoverOptions } from '../engine/ports.ts';
import { rename, retiredNameTaken, swapLimit, unlock } from './cutover-one-session.ts';
import type { AttemptSessions, SwapResult } from './cutover.ts';
import { hasPassed } from '../sessions/pause.ts';
import type { OwnedSession, Row, Session } from './session.ts';
import { quoteTable, quoteText } from './statements.ts';

const seenLimitMs = 1_000;
const pollMs = 2;
/**
 * A server that lets readers and writers pass after this few exclusive locks could let them pass ahead of the RENAME, into the
 * old table (seen with 1). The default is 4294967295.
 */
const writeLockCountMin = 1_000;

/** Marks the sentry, so that it is never taken for the retired table. Needs no escaping; a COMMENT takes plain literals only. */
export function sentryComment(plan: Plan): string {
  return `TableShift: keeps the name for migration ${plan.id}`;
}

/**
 * Creates the sentry, or says why the swap cannot be made safely here. Takes a lock on its own name only; safe to run twice.
 * Rejects with SWAP_UNKNOWN if another table has the name.
 */
export async function prepareSentry(session: Session, plan: Plan, signal: AbortSignal): Promise<string | null> {
  if (!isLockedFirst(plan)) {
    return `${plan.shadow.table} and ${plan.retired.table} must come behind ${plan.source.table} in the order of bytes, or MariaDB would lock them first`;
  }
  const [row] = await session.query('SELECT @@max_write_lock_count AS count', signal);
  if (BigInt(row?.['count'] ?? 0) < writeLockCountMin) {
    return `the server's max_write_lock_count is ${row?.['count'] ?? ''}, which could let writers pass ahead of the swap; set it to ${writeLockCountMin} or more`;
  }
  if ((await removeSentry(session, plan, signal)) === 'other') {
    throw retiredNameTaken(plan);
  }
  await session.execute(
    `CREATE TABLE ${quoteTable(plan.retired)} (id INT NOT NULL PRIMARY KEY) ENGINE=InnoDB COMMENT='${sentryComment(plan)}'`,
    signal,
  );
  return null;
}

/**
 * Drops the sentry, if there is one; `other`: another table has its name, such as the retired one. Only called while no RENAME
 * of ours can be under way. Safe to run twice.
 */
export async function removeSentry(session: Session, plan: Plan, signal: AbortSignal): Promise<'none' | 'other'> {
  const rows = await session.query(
    `SELECT TABLE_COMMENT AS comment FROM information_schema.TABLES
     WHERE TABLE_SCHEMA = ${quoteText(plan.retired.schema)} AND TABLE_NAME = ${quoteText(plan.retired.table)}`,
    signal,
  );
  if (rows.some((row) => row['comment'] !== sentryComment(plan))) return 'other';
  if (rows.length > 0) await session.execute(`DROP TABLE ${quoteTable(plan.retired)}`, signal);
  return 'none';
}

/** Whether the source is the first table that the RENAME locks: MariaDB locks in the order of the bytes of schema and name. */
export function isLockedFirst(plan: Plan): boolean {
  const [source, ...others] = [plan.source, plan.shadow, plan.retired].map(({ schema, table }) =>
    Buffer.from(`${schema}\0${table}\0`),
  );
  return source !== undefined && others.every((other) => Buffer.compare(source, other) < 0);
}

/** A session that keeps writers away from one child while the RENAME runs. */
export interface Keeper {
  readonly session: OwnedSession;
  readonly child: TableName;
}

/** What a swap is done with beside its sessions. `afterSwap` runs in each keeper that has got its lock, and must not reject. */
export interface TwoSessionSwap {
  readonly options: CutoverOptions;
  readonly keepers: readonly Keeper[];
  readonly afterSwap: (keeper: Keeper) => Promise<void>;
}

/**
 * Swaps and unlocks; both tables, and all children, are locked by `locker`, and drained. Rejects if the swap has certainly not
 * happened. No keeper holds or waits for anything when it ends.
 */
export async function swapInTwoSessions(plan: Plan, sessions: AttemptSessions, how: TwoSessionSwap): Promise<SwapResult> {
  const { keepers, options } = how;
  const keeping = keepers.map(({ session, child }) =>
    session.execute(`LOCK TABLES ${quoteTable(child)} WRITE`, swapLimit(options)).then(
      () => true,
      () => false,
    ),
  );
  let isSwapped = false;
  try {
    const result = await swapWithKeepers(plan, sessions, how);
    isSwapped = result.kind === 'swapped';
    return result;
  } finally {
    if (!isSwapped) await Promise.all(keepers.map(({ session }) => session.kill()));
    await Promise.all(
      keepers.map(async (keeper, place) => {
        if (!(await keeping[place])) return;
        if (isSwapped) await how.afterSwap(keeper);
        await unlock(keeper.session, options);
      }),
    );
  }
}

async function swapWithKeepers(
  plan: Plan,
  sessions: AttemptSessions,
  { options, keepers }: TwoSessionSwap,
): Promise<SwapResult> {
  const { locker, renamer } = sessions;
  const over = new AbortController();
  const renaming = rename(plan, renamer, options)
    .then((failure): SwapResult | MigrationError => failure ?? { kind: 'swapped' }, asMigrationError)
    .finally(() => over.abort());
  try {
    const waiters = [renamer, ...keepers.map(({ session }) => session)].map(({ connectionId }) => connectionId);
    const reason = await whyNotSafe(plan, sessions, waiters, over.signal);
    if (reason !== null) {
      await endRename(renamer, renaming);
      return { kind: 'not-tried', reason };
    }
    await locker.execute(`DROP TABLE ${quoteTable(plan.retired)}`, swapLimit(options));
  } catch (error) {
    // As long as the sentry stands the RENAME cannot have succeeded, and ending it is safe in any case.
    if (locker.isUsable) {
      await endRename(renamer, renaming);
      throw error;
    }
    // The server has let go of the locks, with or without the sentry; the RENAME ends by itself.
    return settled(await renaming);
  }
  await unlock(locker, options);
  return settled(await renaming);
}

function settled(result: SwapResult | MigrationError): SwapResult {
  if (result instanceof MigrationError) throw result;
  return result;
}

/** Ends the RENAME while the sentry keeps it from succeeding. */
async function endRename(renamer: OwnedSession, renaming: Promise<unknown>): Promise<void> {
  await renamer.kill();
  await renaming;
}

/**
 * Null once the RENAME is seen waiting for the source, and each keeper for its child, with nothing ahead of it that would act on the old table. The source is
 * the first table that it locks and the locker has it, so one that waits for a table waits for this one.
 */
async function whyNotSafe(
  plan: Plan,
  sessions: AttemptSessions,
  waiters: readonly number[],
  over: AbortSignal,
): Promise<string | null> {
  const { observer, renamer } = sessions;
  const limit = AbortSignal.timeout(seenLimitMs);
  while (!over.aborted && !limit.aborted) {
    const rows = await observer.query(
      `SELECT ID AS id, LEFT(INFO, 1000) AS statement, LOCATE(${quoteText(plan.source.table)}, INFO) > 0 AS isAboutSource
       FROM information_schema.PROCESSLIST WHERE STATE = 'Waiting for table metadata lock'`,
      AbortSignal.timeout(seenLimitMs),
    );
    const isWaiting = waiters.every((id) =>
      rows.some((row) => Number(row['id']) === id && /^(RENAME|LOCK) /.test(row['statement'] ?? '')),
    );
    if (isWaiting) {
      const ahead = rows.find((row) => Number(row['id']) !== renamer.connectionId && isDefinitionChange(row));
      if (ahead === undefined) return null;
      return `connection ${ahead['id'] ?? ''} waits to change the table: ${(ahead['statement'] ?? '').slice(0, 120)}`;
    }
    await hasPassed(pollMs, over);
  }
  return waiters.length === 1
    ? 'the RENAME was not seen waiting for the table'
    : 'the RENAME and the locks of the tables that refer to this one were not seen waiting';
}

/** First words of statements that only read or write rows, or lock tables: the RENAME gets its lock ahead of these. */
const rowStatements =
  /^(SELECT|INSERT|UPDATE|DELETE|REPLACE|WITH|VALUES|TABLE|CALL|EXECUTE|DO|SET|SHOW|EXPLAIN|DESC|DESCRIBE|LOAD|LOCK|HANDLER|BEGIN|START|FOR|IF|WHILE|LOOP|REPEAT|FETCH|OPEN)\b/i;

/** A statement that asked for an exclusive lock before the RENAME did (TRUNCATE, DROP) would hit the table that is being retired. */
function isDefinitionChange(row: Row): boolean {
  if (row['isAboutSource'] !== '1') return false;
  const statement = (row['statement'] ?? '').replace(/^(\s|\(|\/\*.*?\*\/|(--\s|#).*?\n)+/s, '');
  return !rowStatements.test(statement);
}
