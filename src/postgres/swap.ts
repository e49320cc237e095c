/**
 * The swap on PostgreSQL: one transaction of one session, for one table or for several that are swapped together.
 *
 *   wait until snapshots older than the shadows' rows are gone        nobody waits yet
 *   BEGIN, lock the shadows, the sources and what is tied to them     new statements wait; those in flight end, or we give up
 *   read what is to be carried over, look what is in the way          while all tables have their places, and changes come in
 *   drain side by side → carry over                                   through the session that holds the locks
 *   source SET SCHEMA retired, shadow SET SCHEMA source, of each      names of indexes, constraints and sequences stay
 *   carry over what needs the final names, are the claims ours?       the swaps are recorded
 *   COMMIT                                                            waiting statements go on, in the new tables
 *
 * Whatever fails before the COMMIT rolls all of it back, the drains included. If this process freezes, the server ends the
 * session (lockSettings), which rolls back too. The records of the swaps are part of the transaction, so they are what tells
 * whether a COMMIT whose answer was lost has been done.
 */

import { drainTogether } from '../engine/drains.ts';
import { assert, MigrationError } from '../engine/errors.ts';
import type { Plan, TableName } from '../engine/model.ts';
import type { CutoverOptions, CutoverOutcome, Drain, RowWriter } from '../engine/ports.ts';
import { runTogether } from '../engine/tasks.ts';
import { disposingOnFailure } from '../sessions/disposal.ts';
import { withinHoldTime } from '../sessions/hold-limit.ts';
import { timeLimit } from '../sessions/pause.ts';
import { type EndedHolders, OLDER_SNAPSHOTS_LEFT, OlderSnapshots } from '../sessions/older-snapshots.ts';
import { hasPassed } from '../sessions/pause.ts';
import { closeAttempt, notAskedFor, sendSwap } from '../sessions/swap-attempt.ts';
import { swapRecord } from './bookkeeping.ts';
import { Blockers } from './blockers.ts';
import type { Claim } from './claim.ts';
import type { OuterRelation } from './dependents.ts';
import type { Flavour } from './flavour.ts';
import type { Partners } from './foreign-keys.ts';
import { JoinedSession } from './joined-session.ts';
import { findLockHolders } from './lock-holders.ts';
import { readSnapshots } from './older-snapshots.ts';
import type { OwnedSession, Session } from './session.ts';
import { serverError } from './errors.ts';
import { quoteName, quoteTable, quoteText } from './statements.ts';
import { endOldHolders, findHopelessHolders, lockOrder, type LockRequest, lockSettings, lockTables } from './table-lock.ts';

/** What belongs to the tables besides their rows, and how it comes to the new ones: in the swap's transaction, under its locks. */
export interface CarryOver {
  /** Makes what takes long, before an attempt; nobody waits for it. Safe to repeat. */
  makeReady(session: Session, signal: AbortSignal): Promise<void>;
  /** What keeps an attempt from being of any use, a clause for each thing. Locks nothing. */
  findUnready(session: Session, signal: AbortSignal): Promise<readonly string[]>;
  /** The relations to lock before the sources, in this order. Locks nothing. */
  findOuter(session: Session, signal: AbortSignal): Promise<readonly OuterRelation[]>;
  /** The tables of which sources are partitions, in the order to lock them in, before these. Locks nothing. */
  findRoots(session: Session, signal: AbortSignal): Promise<readonly TableName[]>;
  /** What foreign keys tie to the sources. Locks nothing. */
  findPartners(session: Session, signal: AbortSignal): Promise<Partners>;
  /**
   * Reads what `prepare` will read, to no other end than that this session does it faster then (rehearsal.ts). Holds no lock when it
   * is done.
   */
  readAhead(session: Session, signal: AbortSignal): Promise<void>;
  /**
   * Reads, under the locks, what there is to carry over, and tells what is in the way: what others have made since the plan and
   * would stay with an old table. Rejects if a source is not what its shadow was made from.
   */
  prepare(session: Session, signal: AbortSignal): Promise<readonly string[]>;
  /** While all tables still have their places. Tells what others have changed since `prepare`, and then has done nothing. */
  beforeSwap(session: Session, signal: AbortSignal): Promise<readonly string[]>;
  /** When the new tables have the sources' names, and the old ones the retired tables'. */
  afterSwap(session: Session, signal: AbortSignal): Promise<void>;
  /**
   * Tells what others have changed since `prepare` although the tables were locked. They cannot from the moves on, but for a moment:
   * a GRANT writes what these have written, and waits.
   */
  findChanged(session: Session, signal: AbortSignal): Promise<readonly string[]>;
}

/** One of the tables that are swapped. */
export interface SwapMember {
  readonly plan: Plan;
  readonly claim: Pick<Claim, 'openSession' | 'mark' | 'check'>;
  /** A writer that works through this session, inside its transaction. */
  readonly lockedWriter: (session: Session) => RowWriter;
}

/** What a swap works with. */
export interface SwapParts {
  readonly flavour: Flavour;
  /** All tables that are swapped together; mostly it is one. */
  readonly members: readonly SwapMember[];
  readonly carryOver: CarryOver;
}

interface Attempt {
  /** Holds the locks, drains, swaps. */
  readonly locker: OwnedSession;
  /** Looks around, holds nothing. */
  readonly observer: OwnedSession;
  readonly options: CutoverOptions;
  /** One for each member, in the same order. */
  readonly drains: readonly Drain[];
}

/** The swap of one table or of several, as often as it is attempted. */
export class TableSwap {
  readonly #parts: SwapParts;
  readonly #plans: readonly Plan[];
  readonly #olderSnapshots = new OlderSnapshots();
  #attempts = 0;

  constructor(parts: SwapParts) {
    this.#parts = parts;
    this.#plans = parts.members.map(({ plan }) => plan);
  }

  /** As `Cutover.prepare`. */
  async prepare(signal: AbortSignal): Promise<void> {
    await using session = await this.#openSession([], signal);
    await this.#parts.carryOver.makeReady(session, signal);
  }

  /** As `FamilyClaim.attempt`, and as `Cutover.attempt` where there is one table. */
  async attempt(options: CutoverOptions, drains: readonly Drain[], signal: AbortSignal): Promise<CutoverOutcome> {
    this.#assertWhole(drains);
    const opened: OwnedSession[] = [];
    const open = async (settings: readonly string[]): Promise<OwnedSession> => {
      const session = await this.#openSession(settings, signal);
      opened.push(session);
      return session;
    };
    let outcome: CutoverOutcome | null = null;
    try {
      const locker = await open(lockSettings(options));
      const observer = await open([]);
      outcome = await this.#attemptWith({ locker, observer, options, drains }, signal);
      return outcome;
    } finally {
      await closeAttempt(opened, outcome);
    }
  }

  /** Tables that are swapped together are never swapped in part. */
  #assertWhole(drains: readonly Drain[]): void {
    assert(drains.length === this.#plans.length, 'each table is drained by a function of its own');
    for (const { family } of this.#plans) {
      const isWhole = (family?.members ?? []).every(({ id }) => this.#plans.some((plan) => plan.id === id));
      assert(isWhole, 'all tables of a family are swapped together');
    }
  }

  /** Marked for every table: whoever takes one of the claims finds the session, and ends it. */
  async #openSession(settings: readonly string[], signal: AbortSignal): Promise<OwnedSession> {
    const [first, ...others] = this.#parts.members;
    assert(first !== undefined, 'a swap has a table');
    const session = await first.claim.openSession({ settings }, signal);
    return await disposingOnFailure(session, async () => {
      for (const other of others) await other.claim.mark((sql, signal) => session.query(sql, signal), signal);
      return session;
    });
  }

  async #attemptWith(attempt: Attempt, signal: AbortSignal): Promise<CutoverOutcome> {
    const { carryOver, flavour } = this.#parts;
    const { locker, observer, options } = attempt;
    const swapped = this.#plans.map(({ source }) => source);
    const shadows = this.#plans.map(({ shadow }) => shadow);
    const inTheWay = new Blockers(observer, options.onBlockerEnded);
    const unready = await carryOver.findUnready(observer, signal);
    if (unready.length > 0) return { kind: 'prevented', reason: usedOrChanged, blockers: unready };
    const outer = await carryOver.findOuter(observer, signal);
    const roots = await carryOver.findRoots(observer, signal);
    const sources = [...roots, ...swapped];
    const tables = lockOrder(swapped, await carryOver.findPartners(observer, signal), this.#attempts);
    const order = { ...tables, sources: [...roots, ...tables.sources] };
    this.#attempts += 1;
    const request = { locker, inTheWay, flavour, sources, shadows, outer, order, options };
    const hopeless = await findHopelessHolders(request, signal);
    if (hopeless.length > 0) return { kind: 'prevented', reason: notAskedFor(options), blockers: hopeless };
    const older = await this.#awaitOlderSnapshots(observer, request, signal);
    if (older.length > 0) return { kind: 'prevented', reason: OLDER_SNAPSHOTS_LEFT, blockers: older };
    for (const { retired } of this.#plans) await prepareRetiredSchema(observer, retired, signal);
    await this.#readAhead(locker, signal);
    // A deferred check would come too late to be answered, and keep the table from being altered until then.
    await locker.execute('BEGIN ISOLATION LEVEL READ COMMITTED; SET CONSTRAINTS ALL IMMEDIATE', signal);
    try {
      const lock = await lockTables(request, signal);
      if (lock.kind === 'not-locked') return lock;
      const inTheWay = await this.#fillTransaction(attempt, signal);
      if (inTheWay !== null) return { kind: 'prevented', reason: usedOrChanged, blockers: inTheWay };
      const statement = { sql: 'COMMIT', session: locker, sessionName: `server process ${locker.pid}`, sources: swapped };
      const limitMs = options.holdTimeoutMs + commitGraceMs;
      const limit = timeLimit(limitMs, `The server did not answer the COMMIT of the swap within ${limitMs / 1000} s.`);
      const failure = await sendSwap(statement, limit);
      const blockedMs = performance.now() - lock.askedAt;
      return failure === null ? { kind: 'swapped', blockedMs } : { ...failure, blockedMs };
    } finally {
      await rollBack(locker);
    }
  }

  /** Who is left. */
  async #awaitOlderSnapshots(observer: Session, request: LockRequest, signal: AbortSignal): Promise<readonly string[]> {
    const { inTheWay, options } = request;
    if (options.oldSnapshots === 'ignore') return [];
    const end = async (_: readonly number[], inner: AbortSignal): Promise<EndedHolders> => ({
      isAnyEnded: await endOldHolders(request, inner),
      whyNot: () => null,
    });
    const wait = {
      read: (inner: AbortSignal) => readSnapshots(observer, inner),
      pollMs: snapshotPollMs,
      limitMs: options.lockTimeoutMs,
      end: inTheWay.areEnded ? end : null,
    };
    return await this.#olderSnapshots.awaitGone(wait, signal);
  }

  /**
   * Everything under the locks up to the COMMIT, within the time that they may be held. Null, or what would keep it from being
   * done: things that others made, and holders of a sequence, which the swap moves too: they may go on to wait for the table.
   */
  async #fillTransaction(attempt: Attempt, signal: AbortSignal): Promise<readonly string[] | null> {
    const { locker, options } = attempt;
    const fill = async (): Promise<readonly string[] | null> => {
      const inTheWay = await this.#fill(attempt, signal);
      if (inTheWay !== null) return inTheWay;
      assert(
        locker.isUsable && locker.transaction === 'open',
        'the transaction that holds the locks is alive before it is committed',
      );
      return null;
    };
    return await withinHoldTime({ holder: locker, holdTimeoutMs: options.holdTimeoutMs }, fill, signal);
  }

  /** Looked for twice: a transaction that ends may let the table go before a sequence. */
  async #findSequenceHolders(observer: Session, locker: OwnedSession, signal: AbortSignal): Promise<readonly string[]> {
    const holders = await this.#readSequenceHolders(observer, locker, signal);
    if (holders.length === 0 || !(await hasPassed(lettingGoMs, signal))) return holders;
    return await this.#readSequenceHolders(observer, locker, signal);
  }

  async #readSequenceHolders(observer: Session, locker: OwnedSession, signal: AbortSignal): Promise<readonly string[]> {
    for (const { source } of this.#plans) {
      const search = { table: source, of: 'sequences', except: locker.pid, hopelessAfterMs: null } as const;
      const holders = await findLockHolders(observer, search, signal);
      if (holders.length > 0) return holders;
    }
    return [];
  }

  /** What fails here is read again under the locks, and may have been a change of somebody else's on its way. */
  async #readAhead(locker: OwnedSession, signal: AbortSignal): Promise<void> {
    try {
      await this.#parts.carryOver.readAhead(locker, signal);
    } catch (error) {
      signal.throwIfAborted();
      if (!locker.isUsable) throw error;
    }
  }

  async #fill({ locker, observer, drains }: Attempt, signal: AbortSignal): Promise<readonly string[] | null> {
    const { carryOver, members } = this.#parts;
    const inTheWay: string[] = [];
    const look = async (inner: AbortSignal): Promise<void> => {
      await runTogether(
        [
          async (either) => void inTheWay.push(...(await this.#findSequenceHolders(observer, locker, either))),
          async (either) => void inTheWay.push(...(await carryOver.prepare(locker, either))),
        ],
        inner,
      );
      if (inTheWay.length > 0) throw new MigrationError('INTERRUPTED', 'Something is in the way of this attempt.');
    };
    const writers = members.map(({ lockedWriter }) => lockedWriter(locker));
    try {
      await drainTogether(drains, writers, signal, look);
    } catch (error) {
      signal.throwIfAborted();
      if (inTheWay.length === 0) throw error;
      return inTheWay;
    }
    const joined = new JoinedSession(locker);
    const changed = await this.#move(joined, signal);
    if (changed.length > 0) return changed;
    for (const { claim } of members) await claim.check(joined, signal);
    await joined.flush(signal);
    return null;
  }

  /** What others have changed meanwhile; none where all is in its place. */
  async #move(locker: JoinedSession, signal: AbortSignal): Promise<readonly string[]> {
    const { carryOver } = this.#parts;
    try {
      const changed = await carryOver.beforeSwap(locker, signal);
      if (changed.length > 0) return changed;
      for (const plan of this.#plans) await swap(locker, plan, signal);
      await carryOver.afterSwap(locker, signal);
      const changedSince = await carryOver.findChanged(locker, signal);
      await locker.flush(signal);
      return changedSince;
    } catch (error) {
      if (!isCatalogRace(error)) throw error;
      return ['The privileges or the comment of the table, or of one that is tied to it, were changed meanwhile'];
    }
  }
}

/** Whether an entry of the catalog was changed while we waited to change it. The server never translates these words. */
function isCatalogRace(error: unknown): boolean {
  return /^tuple concurrently (?:updated|deleted)$/.test(serverError(error)?.message ?? '');
}

/** Takes no lock that an application could wait for. Safe to run twice; left behind, an empty schema does no harm. */
async function prepareRetiredSchema(session: Session, { schema }: TableName, signal: AbortSignal): Promise<void> {
  const known = await session.query(`SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = ${quoteText(schema)}`, signal);
  if (known.length === 0) await session.execute(`CREATE SCHEMA ${quoteName(schema)}`, signal);
}

/**
 * Moves both tables, with all that has a name of its own in their schemas and belongs to them. Changes the catalog only. The
 * record makes it fail when it has been done before.
 */
async function swap(session: Session, plan: Plan, signal: AbortSignal): Promise<void> {
  const { source, shadow, retired } = plan;
  for (const statement of [swapRecord(plan), ...move(source, retired), ...move(shadow, source)]) {
    await session.execute(statement, signal);
  }
}

/** Statements that bring a table to another name. Its indexes, constraints and sequences go along into another schema. */
function move(from: TableName, to: TableName): readonly string[] {
  const inPlace = { schema: to.schema, table: from.table };
  return [
    ...(from.schema === to.schema ? [] : [`ALTER TABLE ${quoteTable(from)} SET SCHEMA ${quoteName(to.schema)}`]),
    ...(from.table === to.table ? [] : [`ALTER TABLE ${quoteTable(inPlace)} RENAME TO ${quoteName(to.table)}`]),
  ];
}

const usedOrChanged = 'something of the table is in use, or was made or changed meanwhile';
const snapshotPollMs = 50;
/** The locks of a transaction that has ended are all gone by then. */
const lettingGoMs = 5;
/** A COMMIT that has not answered by then hangs. */
const commitGraceMs = 10_000;
const rollBackLimitMs = 15_000;

/** Lets writers go on in the old table, unless the transaction has ended. Must finish in spite of an abort. */
async function rollBack(session: OwnedSession): Promise<void> {
  if (!session.isUsable) return session.kill();
  if (session.transaction === 'none') return;
  try {
    await session.execute('ROLLBACK', AbortSignal.timeout(rollBackLimitMs));
  } catch {
    await session.kill();
  }
}
