/**
 * The lock of the cutover, in the transaction that will swap.
 *
 *   shadows    first: nobody but autovacuum uses them, so waiting for them blocks nobody
 *   views      those over the source that are replaced, and tables with rules that lead to it, the outermost first: a statement
 *              that uses one locks it before the source, and would keep it from us while it waited for the source. For transactions
 *              that begin with the source and go on to a view, they take turns: every other time they come last
 *   roots      of a partition: the table that it belongs to, and its DEFAULT partition, which DETACH and ATTACH lock. Most statements
 *              lock the table before its partitions, so it comes first; each but the first is waited for as partners are
 *   source     straight to ACCESS EXCLUSIVE, holding nothing else that an application could wait for. From a weaker lock upwards,
 *              a transaction that has read the table and goes on to write it would deadlock with us, and could be the one that dies
 *   partners   the tables that foreign keys tie to the source, waited for a short while. A transaction that writes a row and then
 *              one that refers to it has the parent and wants the child; one that writes only the latter has the child, and the
 *              server looks into the parent for it. No order suits all, so attempts take turns (lockOrder)
 *   sources    where several tables are swapped together, those behind the first one are to it what partners are. Every other
 *              attempt first closes the gate to writers, in SHARE ROW EXCLUSIVE from the parents down: that lets the server look
 *              into a parent for a row of a child, so whoever has begun to write comes to an end. But a transaction that has read
 *              and goes on to write does not get past the gate, which is why the other attempts do without
 *   the rest   whatever the swap touches besides is not waited for: lock_timeout is then 1 ms
 *
 * A transaction that has used the source and goes on to use a view or a partner does deadlock with us while we wait for the source.
 * It is not the one that dies: it would look for a deadlock after deadlock_timeout, and by then we have let go.
 *
 * An autovacuum worker gives way only to who has waited for deadlock_timeout, so that is lowered where the role may; else
 * a lock timeout below it (1 s by default) is in vain while one is at work.
 */

import { MigrationError } from '../engine/errors.ts';
import type { TableName } from '../engine/model.ts';
import type { CutoverOptions } from '../engine/ports.ts';
import { asACourtesy } from '../sessions/lock-wait.ts';
import { hasPassed } from '../sessions/pause.ts';
import type { Blockers } from './blockers.ts';
import type { OuterRelation } from './dependents.ts';
import type { Flavour } from './flavour.ts';
import type { Partners } from './foreign-keys.ts';
import { JoinedSession } from './joined-session.ts';
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
  /** The tables that are swapped together, or the only one; and before it those of which it is a partition. */
  readonly sources: readonly TableName[];
  readonly shadows: readonly TableName[];
  /** Views and tables with rules that lead to the sources, in the order to lock them in. */
  readonly outer: readonly OuterRelation[];
  readonly order: LockOrder;
  readonly options: CutoverOptions;
}

/** In which order the tables are locked. */
export interface LockOrder {
  /** Whether views and tables with rules come before all others, or behind. */
  readonly isOuterFirst: boolean;
  /** Whether all tables are first locked against writers alone. */
  readonly isGated: boolean;
  /** The sources, and what foreign keys tie to them: what is locked before the sources, they themselves, and what behind them. */
  readonly before: readonly TableName[];
  readonly sources: readonly TableName[];
  readonly after: readonly TableName[];
}

export type LockOutcome =
  /** `askedAt`: from when on applications may have waited, by performance.now(). */
  { readonly kind: 'locked'; readonly askedAt: number } | { readonly kind: 'not-locked'; readonly blockers: readonly string[] };

/** The server's own limits come this much after ours, which can say more about why. */
const graceMs = 500;
/** How long a partner is waited for: longer than it takes to send an autovacuum worker away. */
const partnerWaitMs = 300;
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
 * Sessions that will hardly let a table go within the lock's timeout: waiting for them would block others for nothing. Where
 * blockers are ended, these are ended now, and those that have long drawn a number of its sequences, for the swap moves these
 * too. Each is named once.
 */
export async function findHopelessHolders(request: LockRequest, signal: AbortSignal): Promise<readonly string[]> {
  const { inTheWay, locker, options, sources } = request;
  const { lockTimeoutMs } = options;
  const found = new Set<string>();
  for (const table of sources) {
    const search = { table, of: 'table', except: locker.pid, hopelessAfterMs: lockTimeoutMs } as const;
    if (inTheWay.areEnded) {
      await inTheWay.clear(search, lockTimeoutMs, signal);
      const drawn = { ...search, of: 'sequences', hopelessAfterMs: null, openLongerMs: lockTimeoutMs } as const;
      await inTheWay.clear(drawn, lockTimeoutMs, signal);
    }
    for (const holder of await inTheWay.find(search, signal)) found.add(holder);
  }
  return [...found];
}

/** Ends those that have used a table in a transaction older than the lock's timeout. False where there was none to end. */
export async function endOldHolders(request: LockRequest, signal: AbortSignal): Promise<boolean> {
  const { inTheWay, locker, options, sources } = request;
  const { lockTimeoutMs } = options;
  if (!inTheWay.areEnded) return false;
  let ended = 0;
  for (const table of sources) {
    const search: HolderSearch = {
      ...{ table, of: 'table', except: locker.pid, hopelessAfterMs: null, openLongerMs: lockTimeoutMs },
    };
    ended += await inTheWay.clear(search, lockTimeoutMs, signal);
  }
  return ended > 0;
}

/**
 * Takes the locks. From the moment at which a source is asked for, new statements on it wait behind us, which is why that
 * ends after `lockTimeoutMs`. When it is granted, transactions that used the table are over and what they did is visible:
 * a session lets go of its locks only after it has left the list of running transactions. After any other outcome the
 * transaction has failed and must be rolled back.
 */
export async function lockTables(request: LockRequest, signal: AbortSignal): Promise<LockOutcome> {
  const { flavour, locker, options, order, outer, shadows } = request;
  const { after, before, sources } = order;
  const isAlone = outer.length + before.length + sources.length + after.length === 1;
  const waitMs = isAlone ? options.lockTimeoutMs : await patienceOfOthersMs(locker, signal);
  await locker.query(
    `SELECT pg_catalog.set_config('deadlock_timeout', '${deadlockTimeoutMs}', true)
     WHERE pg_catalog.has_parameter_privilege('deadlock_timeout', 'SET')`,
    signal,
  );
  const shadowsUntil = performance.now() + options.lockTimeoutMs;
  for (const table of shadows) {
    const limitMs = Math.max(1, Math.round(shadowsUntil - performance.now()));
    const shadowHolders = await lockOne(request, { table, isShadow: true, limitMs }, signal);
    if (shadowHolders !== null) return { kind: 'not-locked', blockers: shadowHolders };
  }
  const askedAt = performance.now();
  const whole = flavour.hasTransactionTimeout ? [`SET LOCAL transaction_timeout = ${options.holdTimeoutMs + graceMs}`] : [];
  const whenLocked = ['SET LOCAL lock_timeout = 1', ...whole];
  const sourceHolders = await lockInTurn(request, { askedAt, waitMs, whenLocked }, signal);
  return sourceHolders === null ? { kind: 'locked', askedAt } : { kind: 'not-locked', blockers: sourceHolders };
}

/** The order for the next attempt, by the number of those before: sources with what is locked before and behind them. */
export function lockOrder(sources: readonly TableName[], partners: Partners, attempts: number): LockOrder {
  const { children, parents, between } = partners;
  const isOuterFirst = (orders: number): boolean => Math.floor(attempts / orders) % 2 === 0;
  const downwards = parentsFirst(sources, between);
  if (sources.length === 1) {
    const orders = children.length + parents.length === 0 ? 1 : 4;
    return { isOuterFirst: isOuterFirst(orders), isGated: false, ...tableOrder(downwards, partners, attempts) };
  }
  const isGated = attempts % 2 === 0;
  const turn = isGated ? fromParentToChild : Math.floor(attempts / 2);
  return { isOuterFirst: isOuterFirst(8), isGated, ...tableOrder(downwards, partners, turn) };
}

const fromParentToChild = 3;

function tableOrder(
  downwards: readonly TableName[],
  { children, parents }: Partners,
  turn: number,
): Pick<LockOrder, 'before' | 'sources' | 'after'> {
  const upwards = downwards.toReversed();
  switch (turn % 4) {
    case 0:
      // For transactions that begin with a source: what they have written refers to parents, and children to that.
      return { before: [], sources: downwards, after: [...parents, ...children] };
    case 1:
      // For those that write one row each: the server looks from the child to the parent.
      return { before: children, sources: upwards, after: parents };
    case 2:
      // For those that begin with a parent, and those that write only a child.
      return { before: [...parents, ...children], sources: upwards, after: [] };
    default:
      // For those that go from the parent to the child, as cascades do.
      return { before: parents, sources: downwards, after: children };
  }
}

/** Each table behind those that it refers to; where they refer to each other in a circle, as they come. */
function parentsFirst(tables: readonly TableName[], keys: Partners['between']): readonly TableName[] {
  const isSame = (a: TableName, b: TableName): boolean => a.schema === b.schema && a.table === b.table;
  const ordered: TableName[] = [];
  let waiting = tables;
  while (waiting.length > 0) {
    const refersToWaiting = (one: TableName): boolean =>
      keys.some(({ child, parent }) => isSame(child, one) && waiting.some((other) => isSame(other, parent)));
    const next = waiting.find((one) => !refersToWaiting(one)) ?? waiting[0];
    if (next !== undefined) ordered.push(next);
    waiting = waiting.filter((one) => one !== next);
  }
  return ordered;
}

/** After how long a session that waits for a lock looks whether it is in a deadlock, milliseconds, as most have it. */
async function patienceOfOthersMs(session: Session, signal: AbortSignal): Promise<number> {
  const [row] = await session.query("SELECT reset_val FROM pg_catalog.pg_settings WHERE name = 'deadlock_timeout'", signal);
  return Number(row?.['reset_val'] ?? 0) * 0.75;
}

/**
 * All but the shadows. Whoever waits for the first one has waited since it was asked for, and must not come to see a deadlock in it.
 * `whenLocked` goes with the last of them.
 */
async function lockInTurn(
  request: LockRequest,
  {
    askedAt,
    waitMs,
    whenLocked,
  }: { readonly askedAt: number; readonly waitMs: number; readonly whenLocked: readonly string[] },
  signal: AbortSignal,
): Promise<readonly string[] | null> {
  const { locker, options, order, outer } = request;
  const givenUpAt = askedAt + options.lockTimeoutMs;
  const partner = (table: TableName): Wanted => ({ table, isPartner: true });
  const sources = order.sources.map((table, index): Wanted => ({ table, isPartner: index > 0 }));
  const locked: readonly Wanted[] = [...order.before.map(partner), ...sources, ...order.after.map(partner)];
  const gate = order.isGated ? locked.map((one): Wanted => ({ ...one, isGate: true })) : [];
  const tables = [...gate, ...locked];
  const views: readonly Wanted[] = outer.map((table) => ({ table }));
  let until = givenUpAt;
  const all = order.isOuterFirst ? [...views, ...tables] : [...tables, ...views];
  for (const [index, wanted] of all.entries()) {
    const restMs = until - performance.now();
    const limitMs = Math.max(1, Math.round(wanted.isPartner === true ? Math.min(partnerWaitMs, restMs) : restMs));
    const whenHad = index === all.length - 1 ? whenLocked : [];
    const holders = await lockOne(request, { ...wanted, limitMs, whenHad }, signal);
    if (holders !== null) return holders;
    if (index === 0) until = Math.min(givenUpAt, askedAt + waitMs);
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
  readonly isPartner?: boolean;
  readonly isShadow?: boolean;
  /** Against writers alone. */
  readonly isGate?: boolean;
}

/**
 * To lock a view by LOCK TABLE would lock all that it reads, other tables too. Its owner stays the same. A partner may be
 * partitioned, and then foreign keys to it touch its partitions; and so may a shadow, whose partitions are moved with it.
 */
function lockStatement({ table, isPartner, isShadow, isGate }: Wanted): string {
  if ('kind' in table && table.kind !== 'TABLE') {
    return `ALTER ${table.kind} IF EXISTS ${quoteTable(table)} OWNER TO ${quoteName(table.owner)}`;
  }
  const mode = isGate === true ? 'SHARE ROW EXCLUSIVE' : 'ACCESS EXCLUSIVE';
  return `LOCK TABLE ${isPartner === true || isShadow === true ? '' : 'ONLY '}${quoteTable(table)} IN ${mode} MODE`;
}

/** Null once the lock is had, else who is in the way. All in one message, for of all locks but the first writers wait meanwhile. */
async function lockOne(
  { inTheWay, locker }: LockRequest,
  { limitMs, whenHad = [], ...wanted }: Wanted & { readonly limitMs: number; readonly whenHad?: readonly string[] },
  signal: AbortSignal,
): Promise<readonly string[] | null> {
  const { table } = wanted;
  const settled = new AbortController();
  let blockers: readonly string[] = [];
  // Asked for while the lock is still waited for: whoever holds one now is in the way; afterwards it may be anybody.
  const look = async (): Promise<void> => {
    const search = { table, of: 'table', except: locker.pid, hopelessAfterMs: null } as const;
    if (!(await hasPassed(limitMs * 0.5, settled.signal))) return;
    if (inTheWay.areEnded) await inTheWay.end(search, settled.signal, signal);
    if (await hasPassed(limitMs * 0.25, settled.signal)) blockers = await inTheWay.find(search, signal);
  };
  const looking = asACourtesy(look);
  try {
    const joined = new JoinedSession(locker);
    const statements = [`SET LOCAL lock_timeout = ${limitMs}`, lockStatement(wanted), ...whenHad];
    for (const statement of statements) await joined.execute(statement, signal);
    await joined.flush(signal);
    return null;
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof MigrationError && error.code === 'DEADLOCK') {
      return [`transactions that use ${table.schema}.${table.table} and the tables tied to it in another order`];
    }
    if (!(error instanceof MigrationError) || error.code !== 'LOCK_WAIT') throw error;
    await looking;
    return blockers;
  } finally {
    settled.abort();
    await Promise.allSettled([looking]);
  }
}
