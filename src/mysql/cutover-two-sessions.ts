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
 *
 * Several tables: the RENAME asks for one name after the other, so when the locker lets go of all it waits for the first source
 * alone, and writers would get at the second before it does. So each further source has a session of its own, its relay:
 *
 *   locker                       relays, one for each further source         renamer
 *   holds all, drained           FLUSH TABLES b WITH READ LOCK … waits       RENAME TABLE b TO …, a TO … waits for a
 *   sees all of them wait
 *   UNLOCK TABLES                gets b before any writer that waits         gets a, goes on, waits for b
 *                                is shown that the RENAME waits for it
 *   DROP TABLE sentry            still holds b
 *                                UNLOCK TABLES                               gets b before any writer, and swaps
 *
 * The sentry is that of the last source, and its pair is the first of the statement. It goes only when the RENAME has all other
 * sources and is next for the last one; whoever dies before that, the RENAME runs into the sentry, and after that it makes no difference.
 */

import { asMigrationError, assert, MigrationError } from '../engine/errors.ts';
import type { Plan, TableName } from '../engine/model.ts';
import type { CutoverOptions } from '../engine/ports.ts';
import type { AttemptSessions, SwapResult } from './cutover-attempt.ts';
import { rename, retiredNameTaken, type SwappedPlans, swapLimit, tableExists, unlock } from './cutover-one-session.ts';
import { serverErrno } from './errors.ts';
import { nameOf } from './foreign-keys.ts';
import { hasPassed, timeLimit } from '../sessions/pause.ts';
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
export async function prepareSentry(session: Session, plans: SwappedPlans, signal: AbortSignal): Promise<string | null> {
  for (const plan of plans) {
    if (isLockedFirst(plan)) continue;
    return `${plan.shadow.table} and ${plan.retired.table} must come behind ${plan.source.table} in the order of bytes, or MariaDB would lock them first`;
  }
  const [row] = await session.query('SELECT @@max_write_lock_count AS count', signal);
  if (BigInt(row?.['count'] ?? 0) < writeLockCountMin) {
    return `the server's max_write_lock_count is ${row?.['count'] ?? ''}, which could let writers pass ahead of the swap; set it to ${writeLockCountMin} or more`;
  }
  for (const plan of plans) {
    if ((await removeSentry(session, plan, signal)) === 'other') throw retiredNameTaken([plan]);
  }
  const guarded = lastLocked(plans);
  await session.execute(
    `CREATE TABLE ${quoteTable(guarded.retired)} (id INT NOT NULL PRIMARY KEY) ENGINE=InnoDB COMMENT='${sentryComment(guarded)}'`,
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

/** Whether the source is the first of its tables that the RENAME locks: MariaDB locks in the order of the bytes of schema and name. */
function isLockedFirst({ source, shadow, retired }: Plan): boolean {
  return [shadow, retired].every((other) => compareInLockOrder(source, other) < 0);
}

function compareInLockOrder(one: TableName, other: TableName): number {
  const bytes = ({ schema, table }: TableName): Buffer => Buffer.from(`${schema}\0${table}\0`);
  return Buffer.compare(bytes(one), bytes(other));
}

/** The one whose source the RENAME locks as the last of the sources. */
export function lastLocked([first, ...others]: SwappedPlans): Plan {
  return others.reduce((last, plan) => (compareInLockOrder(last.source, plan.source) < 0 ? plan : last), first);
}

/** The sources in the order in which the RENAME locks them; the first one needs no relay. */
export function relayedSources(plans: SwappedPlans): readonly TableName[] {
  return plans
    .map(({ source }) => source)
    .toSorted(compareInLockOrder)
    .slice(1);
}

/** A session that keeps writers away from one child while the RENAME runs. */
export interface Keeper {
  readonly session: OwnedSession;
  readonly child: TableName;
}

/** A session that takes a source over from the locker, and gives it to the RENAME. */
export interface Relay {
  readonly session: OwnedSession;
  readonly source: TableName;
}

/** What a swap is done with beside its sessions. `afterSwap` runs in each keeper that has got its lock, and must not reject. */
export interface TwoSessionSwap {
  readonly options: CutoverOptions;
  readonly keepers: readonly Keeper[];
  readonly afterSwap: (keeper: Keeper) => Promise<void>;
}

/**
 * Swaps and unlocks; all tables, and all children, are locked by `locker`, and drained. Rejects if the swap has certainly not
 * happened. No keeper and no relay holds or waits for anything when it ends.
 */
export async function swapInTwoSessions(
  plans: SwappedPlans,
  sessions: AttemptSessions,
  how: TwoSessionSwap,
): Promise<SwapResult> {
  const { keepers, options } = how;
  const { relays } = sessions;
  const keeping = keepers.map(({ session, child }) => isDone(session, `LOCK TABLES ${quoteTable(child)} WRITE`, options));
  // Not LOCK TABLES … WRITE, which would also wait for the tables that refer to this one, and so for the RENAME.
  const relaying = relays.map(({ session, source }) =>
    isDone(session, `FLUSH TABLES ${quoteTable(source)} WITH READ LOCK`, options),
  );
  let isSwapped = false;
  try {
    const result = await swapWithKeepers(plans, sessions, { ...how, relaying });
    isSwapped = result.kind === 'swapped';
    return result;
  } finally {
    if (!isSwapped) await Promise.all([...keepers, ...relays].map(({ session }) => session.kill()));
    await Promise.all(relaying);
    await Promise.all(
      keepers.map(async (keeper, place) => {
        if (!(await keeping[place])) return;
        if (isSwapped) await how.afterSwap(keeper);
        await unlock(keeper.session, options);
      }),
    );
  }
}

/** Whether the statement was carried out; one that waits for a lock, which may have to be ended by killing its session. */
function isDone(session: OwnedSession, statement: string, options: CutoverOptions): Promise<boolean> {
  return session.execute(statement, swapLimit(options)).then(
    () => true,
    () => false,
  );
}

async function swapWithKeepers(
  plans: SwappedPlans,
  sessions: AttemptSessions,
  { options, keepers, relaying }: TwoSessionSwap & { readonly relaying: readonly Promise<boolean>[] },
): Promise<SwapResult> {
  const { locker, relays, renamer } = sessions;
  const guarded = lastLocked(plans);
  const over = new AbortController();
  const renaming = rename([guarded, ...plans.filter((plan) => plan !== guarded)], renamer, options)
    .then((failure): SwapResult | MigrationError => failure ?? { kind: 'swapped' }, asMigrationError)
    .finally(() => over.abort());
  try {
    const waiters = [renamer, ...[...keepers, ...relays].map(({ session }) => session)].map(({ connectionId }) => connectionId);
    const reason =
      (await whyNotSafe({ plans, sessions, waiters }, over.signal)) ??
      (await whyNotPassedOn({ plans, sessions, relaying, options }, over.signal));
    if (reason !== null) {
      // What the server says against the RENAME, before anybody ends it, tells more than that it does not wait.
      const refusal = over.signal.aborted ? await renaming : null;
      await endRename(renamer, renaming);
      if (refusal instanceof MigrationError && serverErrno(refusal) !== tableExists) throw refusal;
      return { kind: 'not-tried', reason };
    }
    await locker.execute(`DROP TABLE ${quoteTable(guarded.retired)}`, swapLimit(options));
  } catch (error) {
    // As long as the sentry stands the RENAME cannot have succeeded, and ending it is safe in any case.
    if (locker.isUsable) {
      await endRename(renamer, renaming);
      throw error;
    }
    // The server has let go of the locks, with or without the sentry, which went only if the RENAME was next for the last source.
    // So it may have all of them, and ends by itself.
    await Promise.all(relays.map(({ session }) => session.kill()));
    const result = await renaming;
    // It met the sentry: of that the loss of the locker is the reason, and another attempt the cure.
    if (serverErrno(result) === tableExists) throw error;
    return settled(result);
  }
  await unlock(relays.at(-1)?.session ?? locker, options);
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

/** What is swapped, by whom, and who waits for it. */
interface Watched {
  readonly plans: SwappedPlans;
  readonly sessions: AttemptSessions;
  /** Connections that wait for a lock before the locker lets go of them. */
  readonly waiters: readonly number[];
}

/**
 * Null once the RENAME is seen waiting for the first source, each keeper for its child and each relay for its source, with
 * nothing ahead of them that would act on the old tables. The first source is the first table that the RENAME locks, and the
 * locker has it, so one that waits for a table waits for this one.
 */
async function whyNotSafe({ plans, sessions, waiters }: Watched, over: AbortSignal): Promise<string | null> {
  const limit = AbortSignal.timeout(seenLimitMs);
  while (!over.aborted && !limit.aborted) {
    const rows = await readWaiting(sessions.observer, plans);
    const isWaiting = waiters.every((id) =>
      rows.some((row) => Number(row['id']) === id && /^(RENAME|LOCK|FLUSH) /.test(row['statement'] ?? '')),
    );
    if (isWaiting) {
      const others = rows.filter((row) => !waiters.includes(Number(row['id'])));
      // The RENAME asks for an exclusive lock, which comes before that of a LOCK TABLES; a relay's does not.
      const isLocking = (row: Row): boolean => sessions.relays.length > 0 && mayLock(row);
      return describeAhead(others.find((row) => isDefinitionChange(row) || isLocking(row)));
    }
    await hasPassed(pollMs, over);
  }
  return waiters.length === 1
    ? 'the RENAME was not seen waiting for the table'
    : 'the RENAME and the locks of the tables that are swapped with this one, or refer to it, were not seen waiting';
}

/** The sessions that wait for a table at this moment. */
function readWaiting(observer: Session, plans: SwappedPlans): Promise<readonly Row[]> {
  const isAbout = plans.map(({ source }) => `LOCATE(${quoteText(source.table)}, INFO) > 0`).join(' OR ');
  return observer.query(
    `SELECT ID AS id, LEFT(INFO, 1000) AS statement, ${isAbout} AS isAboutSource
     FROM information_schema.PROCESSLIST WHERE STATE = 'Waiting for table metadata lock'`,
    answerLimit(seenLimitMs),
  );
}

/** Of a question under the lock. What is late is no fault of ours: another attempt follows. */
function answerLimit(ms: number): AbortSignal {
  return timeLimit(ms, `The server did not answer a question about who waits for the tables within ${ms / 1000} s.`);
}

function describeAhead(row: Row | undefined): string | null {
  if (row === undefined) return null;
  return `connection ${row['id'] ?? ''} waits to ${isDefinitionChange(row) ? 'change' : 'lock'} the table: ${(row['statement'] ?? '').slice(0, 120)}`;
}

/**
 * The locker lets go, and each relay in turn gives its source to the RENAME, but for the last one, which still has it when this
 * is null: the RENAME then has all other sources, and is next for that one.
 */
async function whyNotPassedOn(
  swap: Omit<Watched, 'waiters'> & { readonly relaying: readonly Promise<boolean>[]; readonly options: CutoverOptions },
  over: AbortSignal,
): Promise<string | null> {
  let holder = swap.sessions.locker;
  for (const [place, relay] of swap.sessions.relays.entries()) {
    await unlock(holder, swap.options);
    if ((await swap.relaying[place]) !== true) return `the lock of ${nameOf(relay.source)} was not taken over`;
    const reason = await whyNotReached(relay, swap, over);
    if (reason !== null) return reason;
    holder = relay.session;
  }
  return null;
}

/** So long a relay waits for a lock of the renamer's, at most: whole seconds are what all versions take. */
const proofSeconds = 1;

/**
 * Null once the RENAME is shown to wait for the relay's table, with no other change of definition beside it.
 *
 * The process list does not say for which table a session waits, and may still show a wait that is over. So the relay asks twice.
 * First for the definition of the table that the RENAME locks just before its own: that is refused as soon as the RENAME has it, and
 * then there is nothing else left that the RENAME could wait for. Then for a lock that the renamer has for as long as it lives, its
 * mark. If the renamer waits for the relay, that is a circle, which the server finds at once and ends with an error for who closed
 * it. Should the RENAME come later than the question, it is the one that gets the error, and nothing has happened.
 */
async function whyNotReached(
  { session, source }: Relay,
  { plans, sessions }: Omit<Watched, 'waiters'>,
  over: AbortSignal,
): Promise<string | null> {
  const { observer, renamer } = sessions;
  const notShown = `the RENAME was not shown to wait for ${nameOf(source)}`;
  const limit = AbortSignal.timeout(seenLimitMs);
  const before = lockedBefore(plans, source);
  while (!(await isBeingRenamed(session, before))) {
    if (over.aborted || limit.aborted) return notShown;
    await hasPassed(pollMs, over);
  }
  const isCircle = await session
    .query(`SELECT GET_LOCK(${quoteText(renamer.identity.mark)}, ${proofSeconds}) AS isHeld`, answerLimit(proofLimitMs))
    .then(() => false, isDeadlock);
  if (!isCircle || over.aborted) return notShown;
  const relays = sessions.relays.map((relay) => relay.session.connectionId);
  const others = (await readWaiting(observer, plans)).filter((row) => !relays.includes(Number(row['id'])));
  return describeAhead(others.find((row) => isDefinitionChange(row) && Number(row['id']) !== renamer.connectionId));
}

const proofLimitMs = 5_000;

/** The existing table that the RENAME locks as the last one before this source. */
function lockedBefore(plans: SwappedPlans, source: TableName): TableName {
  const names = plans.flatMap((plan) => [plan.source, plan.shadow]).toSorted(compareInLockOrder);
  const before = names.findLast((name) => compareInLockOrder(name, source) < 0);
  assert(before !== undefined, 'the first source has no relay');
  return before;
}

/**
 * Whether somebody has the exclusive lock of the table. A session with locks of its own is not let wait for a definition, and one
 * that only waits for the exclusive lock does not keep it from reading.
 */
async function isBeingRenamed(relay: Session, table: TableName): Promise<boolean> {
  try {
    await relay.query(`SHOW COLUMNS FROM ${quoteTable(table)}`, answerLimit(proofLimitMs));
    return false;
  } catch (error) {
    if (serverErrno(error) === beingRenamed) return true;
    throw error;
  }
}

/** ER_WARN_I_S_SKIPPED_TABLE. */
const beingRenamed = 1684;

function isDeadlock(error: unknown): boolean {
  if (error instanceof MigrationError && error.code === 'DEADLOCK') return true;
  throw error;
}

/** First words of statements that only read or write rows, or lock tables: the RENAME gets its lock ahead of these. */
const rowStatements =
  /^(SELECT|INSERT|UPDATE|DELETE|REPLACE|WITH|VALUES|TABLE|CALL|EXECUTE|DO|SET|SHOW|EXPLAIN|DESC|DESCRIBE|LOAD|LOCK|HANDLER|BEGIN|START|FOR|IF|WHILE|LOOP|REPEAT|FETCH|OPEN)\b/i;

/** A statement that may ask for LOCK TABLES; a prepared one does not show what it is. */
function mayLock(row: Row): boolean {
  const statement = textOf(row);
  return /^EXECUTE\b/i.test(statement) || (row['isAboutSource'] === '1' && /^LOCK\b/i.test(statement));
}

/**
 * A statement that asked for an exclusive lock before the RENAME did (TRUNCATE, DROP) would hit the table that is being retired. That
 * which drops a trigger names no table.
 */
function isDefinitionChange(row: Row): boolean {
  const statement = textOf(row);
  if (/^DROP\s+TRIGGER\b/i.test(statement)) return true;
  return row['isAboutSource'] === '1' && !rowStatements.test(statement);
}

/** From the first word on that says what is done, without the settings of `SET STATEMENT … FOR`. */
function textOf(row: Row): string {
  return fromFirstWord(fromFirstWord(row['statement'] ?? '').replace(/^SET\b.*?\bFOR\b/is, ''));
}

function fromFirstWord(text: string): string {
  return text.replace(/^(\s|\(|\/\*.*?\*\/|(--\s|#).*?\n)+/s, '');
}
