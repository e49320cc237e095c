/**
 * The lock of the cutover, in the transaction that will swap.
 *
 *   shadow     first: nobody but autovacuum uses it, so waiting for it blocks nobody
 *   views      those over the source that are replaced, and tables with rules that lead to it, the outermost first: a statement
 *              that uses one locks it before the source, and would keep it from us while it waited for the source
 *   source     straight to ACCESS EXCLUSIVE, holding nothing else that an application could wait for. From a weaker lock upwards,
 *              a transaction that has read the table and goes on to write it would deadlock with us, and could be the one that dies
 *   the rest   whatever the swap touches besides is not waited for: lock_timeout is then 1 ms
 *
 * A transaction that has used the source and goes on to use a view does deadlock with us while we wait for the source. It is not the
 * one that dies: it would look for a deadlock after deadlock_timeout, and by then we have let go.
 *
 * An autovacuum worker gives way only to who has waited for deadlock_timeout, so that is lowered where the role may; else
 * a lock timeout below it (1 s by default) is in vain while one is at work.
 */

import { MigrationError } from '../engine/errors.ts';
import type { TableName } from '../engine/model.ts';
import type { CutoverOptions } from '../engine/ports.ts';
import { hasPassed } from '../sessions/pause.ts';
import type { Blockers } from './blockers.ts';
import type { OuterRelation } from './dependents.ts';
import type { Flavour } from './flavour.ts';
import type { HolderSearch } from './lock-holders.ts';
import type { Session } from './session.ts';
import { quoteName, quoteTable, quoteText } from './statements.ts';

/** Who asks for what. */
export interface LockRequest {
  /** Will hold the locks; inside a transaction. */
  readonly locker: Session;
  /** Looks around meanwhile. */
  readonly inTheWay: Blockers;
  readonly flavour: Flavour;
  readonly source: TableName;
  readonly shadow: TableName;
  /** What is locked before the source, in this order. */
  readonly outer: readonly OuterRelation[];
  readonly options: CutoverOptions;
}

export type LockOutcome =
  /** `askedAt`: from when on applications may have waited, by performance.now(). */
  { readonly kind: 'locked'; readonly askedAt: number } | { readonly kind: 'not-locked'; readonly blockers: readonly string[] };

/** The server's own limits come this much after ours, which can say more about why. */
const graceMs = 500;
/** Long enough to tell a deadlock from a short wait, short enough for an autovacuum worker to be sent away in good time. */
const deadlockTimeoutMs = 200;

/**
 * Settings for a session that will hold the lock. If this process freezes, the server itself ends what it left: the wait for
 * the lock after lock_timeout, a statement and an idle transaction, and the locks with them, after the time for holding.
 */
export function lockSettings({ holdTimeoutMs, lockTimeoutMs }: CutoverOptions): readonly string[] {
  return [
    `lock_timeout = ${lockTimeoutMs}`,
    `idle_in_transaction_session_timeout = ${holdTimeoutMs + graceMs}`,
    `statement_timeout = ${Math.max(holdTimeoutMs, lockTimeoutMs) + graceMs}`,
  ];
}

/**
 * Sessions that will hardly let the table go within the lock's timeout: waiting for them would block others for nothing. Where
 * blockers are ended, these are ended now, and those that have long drawn a number of the table's sequences, for the swap moves
 * these too.
 */
export async function findHopelessHolders(request: LockRequest, signal: AbortSignal): Promise<readonly string[]> {
  const { inTheWay, locker, options, source } = request;
  const { lockTimeoutMs } = options;
  const search = { table: source, of: 'table', except: locker.pid, restingLongerMs: lockTimeoutMs } as const;
  if (inTheWay.areEnded) {
    await inTheWay.clear(search, lockTimeoutMs, signal);
    const drawn = { ...search, of: 'sequences', restingLongerMs: null, openLongerMs: lockTimeoutMs } as const;
    await inTheWay.clear(drawn, lockTimeoutMs, signal);
  }
  return await inTheWay.find(search, signal);
}

/** Ends those that have used the table in a transaction older than the lock's timeout. False where there was none to end. */
export async function endOldHolders(request: LockRequest, signal: AbortSignal): Promise<boolean> {
  const { inTheWay, locker, options, source } = request;
  const { lockTimeoutMs } = options;
  const search: HolderSearch = {
    ...{ table: source, of: 'table', except: locker.pid, restingLongerMs: null, openLongerMs: lockTimeoutMs },
  };
  return inTheWay.areEnded && (await inTheWay.clear(search, lockTimeoutMs, signal)) > 0;
}

/**
 * Takes the locks. From the moment at which the source is asked for, new statements on it wait behind us, which is why that
 * ends after `lockTimeoutMs`. When it is granted, transactions that used the table are over and what they did is visible:
 * a session lets go of its locks only after it has left the list of running transactions. After any other outcome the
 * transaction has failed and must be rolled back.
 */
export async function lockTables(request: LockRequest, signal: AbortSignal): Promise<LockOutcome> {
  const { flavour, locker, options, outer, shadow } = request;
  const waitMs = outer.length === 0 ? options.lockTimeoutMs : await patienceOfOthersMs(locker, signal);
  await locker.query(
    `SELECT pg_catalog.set_config('deadlock_timeout', '${deadlockTimeoutMs}', true)
     WHERE pg_catalog.has_parameter_privilege('deadlock_timeout', 'SET')`,
    signal,
  );
  const shadowHolders = await lockOne(request, { table: shadow, limitMs: options.lockTimeoutMs }, signal);
  if (shadowHolders !== null) return { kind: 'not-locked', blockers: shadowHolders };
  const askedAt = performance.now();
  const sourceHolders = await lockInTurn(request, { askedAt, waitMs }, signal);
  if (sourceHolders !== null) return { kind: 'not-locked', blockers: sourceHolders };
  const whole = flavour.hasTransactionTimeout ? `; SET LOCAL transaction_timeout = ${options.holdTimeoutMs + graceMs}` : '';
  await locker.execute(`SET LOCAL lock_timeout = 1${whole}`, signal);
  return { kind: 'locked', askedAt };
}

/** After how long a session that waits for a lock looks whether it is in a deadlock, milliseconds, as most have it. */
async function patienceOfOthersMs(session: Session, signal: AbortSignal): Promise<number> {
  const [row] = await session.query("SELECT reset_val FROM pg_catalog.pg_settings WHERE name = 'deadlock_timeout'", signal);
  return Number(row?.['reset_val'] ?? 0) * 0.75;
}

/** The views and the source. From the first one that is had, the rest must be had before anybody could see a deadlock in it. */
async function lockInTurn(
  request: LockRequest,
  { askedAt, waitMs }: { readonly askedAt: number; readonly waitMs: number },
  signal: AbortSignal,
): Promise<readonly string[] | null> {
  const { locker, options, outer, source } = request;
  const givenUpAt = askedAt + options.lockTimeoutMs;
  let until = givenUpAt;
  for (const [index, table] of [...outer, source].entries()) {
    const limitMs = Math.max(1, Math.round(until - performance.now()));
    if (index > 0) await locker.execute(`SET LOCAL lock_timeout = ${limitMs}`, signal);
    const holders = await lockOne(request, { table, limitMs }, signal);
    if (holders !== null) return holders;
    if (index === 0) until = Math.min(givenUpAt, performance.now() + waitMs);
  }
  return outer.length === 0 ? null : await alteredMeanwhile(locker, outer, signal);
}

/** What was altered between when it was read and when it was locked: the next attempt finds it as it is then. */
async function alteredMeanwhile(
  locker: Session,
  outer: readonly OuterRelation[],
  signal: AbortSignal,
): Promise<readonly string[] | null> {
  const altered: string[] = [];
  for (const relation of outer) {
    const [row] = await locker.query(
      `SELECT xmin::text AS version FROM pg_class WHERE oid = to_regclass(${quoteText(quoteTable(relation))})`,
      signal,
    );
    if (row?.['version'] !== relation.version) altered.push(`${relation.schema}.${relation.table} was altered meanwhile`);
  }
  return altered.length === 0 ? null : altered;
}

interface Wanted {
  readonly table: TableName | OuterRelation;
  /** The lock timeout that is set. */
  readonly limitMs: number;
}

/** To lock a view by LOCK TABLE would lock all that it reads, other tables too. Its owner stays the same. */
function lockStatement(table: TableName | OuterRelation): string {
  const isView = 'isView' in table && table.isView;
  if (isView) return `ALTER VIEW IF EXISTS ${quoteTable(table)} OWNER TO ${quoteName(table.owner)}`;
  return `LOCK TABLE ONLY ${quoteTable(table)} IN ACCESS EXCLUSIVE MODE`;
}

/** Null once the lock is had, else who is in the way. */
async function lockOne(
  { inTheWay, locker }: LockRequest,
  { table, limitMs }: Wanted,
  signal: AbortSignal,
): Promise<readonly string[] | null> {
  const settled = new AbortController();
  let blockers: readonly string[] = [];
  // Asked for while the lock is still waited for: whoever holds one now is in the way; afterwards it may be anybody.
  const look = async (): Promise<void> => {
    const search = { table, of: 'table', except: locker.pid, restingLongerMs: null } as const;
    if (!(await hasPassed(limitMs * 0.5, settled.signal))) return;
    if (inTheWay.areEnded) await inTheWay.end(search, settled.signal, signal);
    if (await hasPassed(limitMs * 0.25, settled.signal)) blockers = await inTheWay.find(search, signal);
  };
  const looking = look();
  try {
    await locker.execute(lockStatement(table), signal);
    return null;
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof MigrationError) || error.code !== 'LOCK_WAIT') throw error;
    await looking.catch(() => undefined);
    return blockers;
  } finally {
    settled.abort();
    // Looking for blockers is a courtesy: its failure is no reason to fail.
    await Promise.allSettled([looking]);
  }
}
