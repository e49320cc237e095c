/**
 * One attempt to swap one table, or several together: all or none.
 *
 *   wait until snapshots older than the shadows' rows are gone     nobody waits yet
 *   does a backup keep tables from being renamed?                  else writers would wait for it under our lock
 *   does somebody rest for long who holds a lock?                  else writers would wait for him
 *   make the writers ready, raise the counters
 *   are sources and shadows what they were?                        else what somebody did to them, unseen in the log, would be lost
 *   LOCK TABLES sources, shadows WRITE                             new statements wait; those in flight end, or we give up;
 *                                                                  MariaDB: sequences of defaults, too
 *   drain all, side by side                                        through the session that holds the lock; another one reads
 *                                                                  meanwhile what foreign keys and triggers there are
 *   has a prepared XA transaction changed a source?                MariaDB: it may have lost its locks
 *   carry the counters over, are the claims still ours?
 *   guards of foreign keys, if there are any                       foreign-key-swap.ts; their tables are locked too
 *   RENAME TABLE source TO retired, shadow TO source, …            MySQL: in that session. MariaDB: see cutover-two-sessions.ts
 *   right names of foreign keys                                    MySQL; on MariaDB `settle` does it, which follows at once
 *   UNLOCK TABLES                                                  waiting statements go on, in the new tables
 *
 * Whatever fails before the RENAME unlocks, and all tables are as they were. If this process freezes, the server ends the
 * sessions (lockSettings), and a swap that was not sent is then never made.
 */

import { drainTogether } from '../engine/drains.ts';
import { assert } from '../engine/errors.ts';
import type { Plan, TableName } from '../engine/model.ts';
import type { CutoverOptions, CutoverOutcome, Drain, RowWriter } from '../engine/ports.ts';
import { runTogether } from '../engine/tasks.ts';
import { withinHoldTime } from '../sessions/hold-limit.ts';
import { OLDER_SNAPSHOTS_LEFT, type OlderSnapshots } from '../sessions/older-snapshots.ts';
import { timeLimit } from '../sessions/pause.ts';
import { closeAttempt, notAskedFor, type UnknownSwap } from '../sessions/swap-attempt.ts';
import { carryAutoIncrement, counterSettings } from './auto-increment.ts';
import { Blockers } from './blockers.ts';
import { createStandIns, dropStandIns, promoteStandIns, readCarriedTriggers } from './carry-over-triggers.ts';
import type { Claim } from './claim.ts';
import { swapInOneSession, swapLimit, type SwappedPlans } from './cutover-one-session.ts';
import {
  type Keeper,
  lastLocked,
  prepareSentry,
  type Relay,
  relayedSources,
  removeSentry,
  swapInTwoSessions,
} from './cutover-two-sessions.ts';
import {
  addGuards,
  checkForeignKeys,
  childrenOf,
  type ForeignKeySwap,
  relatedTables,
  releaseChild,
  removeGuards,
  settleForeignKeys,
  shortWaits,
} from './foreign-key-swap.ts';
import { findHopelessHolders, type HopelessHolders } from './lock-holders.ts';
import { readVariables, whyReadOnly } from './obstacles-server.ts';
import { readSnapshots, snapshotPollMs, snapshotWaitMsMin } from './older-snapshots.ts';
import type { Server } from './server.ts';
import { readSequences } from './sequences.ts';
import type { OwnedSession, Session } from './session.ts';
import { helperSettings, lockSettings, type LockRequest, lockTables } from './table-lock.ts';
import type { Trigger } from './triggers.ts';

/** One table of an attempt. */
export interface CutoverParts {
  readonly server: Pick<Server, 'flavour' | 'ignoresNameCase'>;
  readonly plan: Plan;
  readonly claim: Pick<Claim, 'openSession' | 'check'>;
  /**
   * Makes a writer that works through this one session, with all that it needs in it (temporary tables): called before the
   * session locks source and shadow. Its statements name no table but these two and its own, once each, without aliases.
   */
  readonly prepareWriter: (session: Session, signal: AbortSignal) => Promise<RowWriter>;
  /**
   * Rejects with SOURCE_CHANGED or SHADOW_CHANGED where somebody has altered one of both, whatever the log says. False where the shadow
   * has not followed the source's indexes.
   */
  readonly checkDefinitions: (session: Session, signal: AbortSignal) => Promise<boolean>;
  /** How often the log told of a change of the source's indexes, as far as it has been read. */
  readonly indexChanges: () => number;
  /** XA transactions that have changed the source and are prepared, as far as the log has been read. */
  readonly undecided: () => readonly string[];
}

/** All tables of an attempt. */
export type Swapped = readonly [CutoverParts, ...CutoverParts[]];

/** The sessions of one attempt. `renamer` is `locker` where one session does all. */
export interface AttemptSessions {
  /** Holds the lock, drains. */
  readonly locker: OwnedSession;
  /** Sends the RENAME. */
  readonly renamer: OwnedSession;
  /** Looks around, holds nothing. */
  readonly observer: OwnedSession;
  /** Where a second session renames: one for each table that refers to a source, and is none. */
  readonly keepers: readonly Keeper[];
  /** Where a second session renames: one for each source but the first, in the order in which the RENAME locks them. */
  readonly relays: readonly Relay[];
}

/** What an attempt works with beside the tables. */
export interface AttemptHow {
  readonly options: CutoverOptions;
  /** One for each table, in the same order. */
  readonly drains: readonly Drain[];
  /** Of the same run, for all its attempts. */
  readonly olderSnapshots: OlderSnapshots;
}

/** How the swap in an attempt ended. In each case no RENAME is under way any more. */
export type SwapResult =
  | { readonly kind: 'swapped' }
  /** It was found unsafe to try; why. */
  | { readonly kind: 'not-tried'; readonly reason: string }
  | UnknownSwap;

/**
 * Attempts the swap of all tables (`Cutover.attempt`, `FamilyClaim.attempt`); each is drained by the function in its place.
 *
 * All sessions are opened by the claim of the first table, so the slots of that one table mark them. That is enough for rule 10:
 * whoever comes after us claims all tables of a family before anything is done to any of them, and with the first table's
 * claim ends the sessions in its slots. Only after the swap may the first be left out, being done; what a session of ours
 * could still do then is what `settle` does too. The locker is shown to hold every table's claim.
 */
export async function attemptSwap(tables: Swapped, how: AttemptHow, signal: AbortSignal): Promise<CutoverOutcome> {
  const [{ claim, server }] = tables;
  const { options } = how;
  const opened: OwnedSession[] = [];
  const open = async (settings: readonly string[], takesSeveral = false): Promise<OwnedSession> => {
    const session = await claim.openSession({ settings, takesSeveral }, signal);
    opened.push(session);
    return session;
  };
  let outcome: CutoverOutcome | null = null;
  try {
    const locker = await open([...lockSettings(options), ...counterSettings(server.flavour)], true);
    const isInOneSession = server.flavour.renamesUnderLock;
    const renamer = isInOneSession ? locker : await open([...helperSettings(options), renameWait]);
    const observer = await open(shortWaits);
    const keepers: Keeper[] = [];
    for (const child of isInOneSession ? [] : childrenOf(tables)) {
      keepers.push({ session: await open(helperSettings(options)), child });
    }
    const relays: Relay[] = [];
    for (const source of isInOneSession ? [] : relayedSources(plansOf(tables))) {
      relays.push({ session: await open(helperSettings(options)), source });
    }
    outcome = await new Attempt(tables, { locker, renamer, observer, keepers, relays }, how).run(signal);
    return outcome;
  } finally {
    await closeAttempt(opened, outcome);
  }
}

function indexesChanged({ source: { schema, table } }: Plan): string {
  return `somebody has just changed indexes of ${schema}.${table}, and the new table has to be given the same first`;
}

function plansOf([first, ...others]: Swapped): SwappedPlans {
  return [first.plan, ...others.map(({ plan }) => plan)];
}

class Attempt {
  readonly #tables: Swapped;
  readonly #plans: SwappedPlans;
  readonly #sessions: AttemptSessions;
  readonly #options: CutoverOptions;
  readonly #drains: readonly Drain[];
  readonly #olderSnapshots: OlderSnapshots;
  /** That rows of the shadows may take numbers from. */
  #sequences: readonly TableName[] = [];
  /** Of each source, as they are under the lock. */
  readonly #triggers = new Map<Plan, readonly Trigger[]>();

  constructor(tables: Swapped, sessions: AttemptSessions, how: AttemptHow) {
    this.#tables = tables;
    this.#plans = plansOf(tables);
    this.#sessions = sessions;
    this.#options = how.options;
    this.#drains = how.drains;
    this.#olderSnapshots = how.olderSnapshots;
  }

  async run(signal: AbortSignal): Promise<CutoverOutcome> {
    const { locker, observer } = this.#sessions;
    // Of a source that has become a replica meanwhile the tables are not swapped by a user who may write nevertheless.
    const readOnly = whyReadOnly(await readVariables(observer, signal));
    if (readOnly !== null) return { kind: 'prevented', reason: `the server takes no writes: ${readOnly}`, blockers: [] };
    if (this.#isInTwoSessions) this.#sequences = await readSequences(observer, this.#plans, signal);
    const older = await this.#awaitOlderSnapshots(signal);
    if (older.length > 0) return { kind: 'prevented', reason: OLDER_SNAPSHOTS_LEFT, blockers: older };
    const { backups, resting } = await this.#findHopeless(signal);
    if (backups.length > 0) return { kind: 'prevented', reason: 'a backup lets no table be renamed', blockers: backups };
    // Those that may be ended are ended while the lock is waited for.
    if (resting.length > 0 && this.#options.onBlockerEnded === undefined)
      return { kind: 'prevented', reason: notAskedFor(this.#options), blockers: resting };
    const writers: RowWriter[] = [];
    for (const { plan, prepareWriter } of this.#tables) {
      writers.push(await prepareWriter(locker, signal));
      await carryAutoIncrement(locker, plan, signal);
    }
    if (this.#isInTwoSessions) {
      const reason = await prepareSentry(observer, this.#plans, signal);
      if (reason !== null) return { kind: 'prevented', reason, blockers: [] };
    }
    let isSwapped: boolean | null = false;
    try {
      await this.#prepareForeignKeys(signal);
      const changes = this.#indexChanges;
      for (const { plan, checkDefinitions } of this.#tables)
        if (!(await checkDefinitions(observer, signal)))
          return { kind: 'prevented', reason: indexesChanged(plan), blockers: [] };
      const lock = await lockTables(this.#lockRequest, signal);
      if (lock.kind === 'not-locked') return lock;
      await this.#drain(writers, signal);
      // Behind the look at the definitions, and before the lock.
      const changed = this.#plans.find((_, index) => this.#indexChanges[index] !== changes[index]);
      if (changed !== undefined) return { kind: 'prevented', reason: indexesChanged(changed), blockers: [] };
      const undecided = this.#undecided;
      if (undecided.length > 0)
        return { kind: 'prevented', reason: 'XA transactions on the table are prepared', blockers: undecided };
      isSwapped = null;
      const swap = await this.#swap();
      isSwapped = swap.kind === 'unknown' ? null : swap.kind === 'swapped';
      if (swap.kind === 'swapped') return { kind: 'swapped', blockedMs: performance.now() - lock.askedAt };
      if (swap.kind === 'unknown') return await this.#afterUnknown(swap, performance.now() - lock.askedAt);
      return { kind: 'prevented', reason: swap.reason, blockers: [] };
    } catch (error) {
      // A swap that rejects has not happened.
      isSwapped ??= false;
      throw error;
    } finally {
      if (isSwapped === false) await this.#restore();
    }
  }

  /** Who is left. */
  async #awaitOlderSnapshots(signal: AbortSignal): Promise<readonly string[]> {
    const { lockTimeoutMs, oldSnapshots, onBlockerEnded } = this.#options;
    if (oldSnapshots === 'ignore') return [];
    const inTheWay = new Blockers(this.#lockRequest, onBlockerEnded);
    const wait = {
      read: (inner: AbortSignal) => readSnapshots(this.#sessions.observer, inner),
      pollMs: snapshotPollMs,
      limitMs: Math.max(lockTimeoutMs, snapshotWaitMsMin),
      end: inTheWay.areEnded ? (ids: readonly number[], inner: AbortSignal) => inTheWay.endAmong(ids, inner) : null,
    };
    return await this.#olderSnapshots.awaitGone(wait, signal);
  }

  async #findHopeless(signal: AbortSignal): Promise<HopelessHolders> {
    const { tables, locker, flavour, observer, options } = this.#lockRequest;
    const search = { flavour, except: locker.connectionId, longerMs: options.lockTimeoutMs };
    return await findHopelessHolders(observer, tables, search, signal);
  }

  get #isInTwoSessions(): boolean {
    return this.#sessions.locker !== this.#sessions.renamer;
  }

  /**
   * MariaDB lets go of the locks of a prepared transaction when its session ends. So LOCK TABLES does not wait for it, but the
   * RENAME would inside InnoDB, and were it committed meanwhile its changes would stay behind.
   */
  get #undecided(): readonly string[] {
    if (!this.#isInTwoSessions) return [];
    const xids = new Set(this.#tables.flatMap(({ undecided }) => undecided()));
    return [...xids].map((xid) => `the prepared XA transaction ${xid}, which only XA COMMIT or XA ROLLBACK ends`);
  }

  get #indexChanges(): readonly number[] {
    return this.#tables.map(({ indexChanges }) => indexChanges());
  }

  async #prepareForeignKeys(signal: AbortSignal): Promise<void> {
    const { observer } = this.#sessions;
    for (const table of this.#tables) {
      // What an attempt with an unknown end may have left.
      await removeGuards(observer, table, signal);
      await dropStandIns(observer, table.plan, signal);
      await checkForeignKeys(observer, table, signal);
    }
  }

  /** One statement for all: the server takes the locks in one order, and sees circles with those that applications take. */
  get #lockRequest(): LockRequest {
    const { locker, observer } = this.#sessions;
    const [{ server }] = this.#tables;
    const sentry = this.#isInTwoSessions ? [lastLocked(this.#plans).retired] : [];
    const own = this.#plans.flatMap(({ source, shadow }) => [source, shadow]);
    const related = relatedTables(this.#tables);
    const tables = [...own, ...sentry, ...related, ...this.#sequences];
    const used = [...this.#plans.map(({ source }) => source), ...related];
    return { locker, observer, flavour: server.flavour, tables, used, options: this.#options };
  }

  async #swap(): Promise<SwapResult> {
    const options = this.#options;
    if (this.#isInTwoSessions) {
      const { keepers } = this.#sessions;
      return await swapInTwoSessions(this.#plans, this.#sessions, { options, keepers, afterSwap: this.#release });
    }
    const beforeUnlock = (): Promise<void> => this.#settleUnderLock();
    return await swapInOneSession(this.#plans, this.#sessions.locker, { options, beforeUnlock });
  }

  /** All that happens under the lock but the swap, within the time that it may be held. */
  async #drain(writers: readonly RowWriter[], signal: AbortSignal): Promise<void> {
    const { locker } = this.#sessions;
    const { holdTimeoutMs } = this.#options;
    const drainAll = async (): Promise<void> => {
      const drain = (inner: AbortSignal): Promise<void> => drainTogether(this.#drains, writers, inner);
      await runTogether([drain, (inner) => this.#lookAround(inner)], signal);
      await this.#makeReady(signal);
      assert(locker.isUsable, 'the session that holds the lock is alive before the swap');
    };
    await withinHoldTime({ holder: locker, holdTimeoutMs }, drainAll, signal);
  }

  /** Nobody can make a key or a trigger any more; one that was made just before the lock would be lost without a word. */
  async #lookAround(signal: AbortSignal): Promise<void> {
    const { observer } = this.#sessions;
    for (const table of this.#tables) {
      await checkForeignKeys(observer, table, signal);
      this.#triggers.set(table.plan, await readCarriedTriggers(observer, table.plan, signal));
    }
  }

  /** What the shadows lack yet when all rows are there. */
  async #makeReady(signal: AbortSignal): Promise<void> {
    const { locker } = this.#sessions;
    for (const { plan } of this.#tables) await carryAutoIncrement(locker, plan, signal);
    for (const { claim } of this.#tables) await claim.check(locker, signal);
    await addGuards(locker, this.#tables, signal);
    for (const [plan, triggers] of this.#triggers) await createStandIns(locker, { plan, triggers }, signal);
  }

  /**
   * Guards of a swap that did not happen are in the way of applications. Where that cannot be told now, the next attempt or
   * resume does it.
   */
  async #afterUnknown(swap: UnknownSwap, blockedMs: number): Promise<CutoverOutcome> {
    const { observer } = this.#sessions;
    const signal = restoreLimit();
    // They refer to the shadow only as long as there is one.
    if (observer.isUsable) await this.#removeGuards(observer, signal).catch(() => undefined);
    return { ...swap, blockedMs };
  }

  async #removeGuards(session: Session, signal: AbortSignal): Promise<void> {
    for (const table of this.#tables) await removeGuards(session, table, signal);
  }

  /** After this the keeper's child refers to no retired table. What cannot be done now is left to `settle`. */
  readonly #release = async ({ session, child }: Keeper): Promise<void> => {
    const signal = restoreLimit();
    for (const swap of this.#tables) await releaseChild(session, { swap, child }, signal).catch(() => undefined);
  };

  /** What cannot be done now is left to `settle`. */
  async #settleUnderLock(): Promise<void> {
    const { locker } = this.#sessions;
    const onSettled = (): void => undefined;
    for (const table of this.#tables) {
      const swap: ForeignKeySwap = table;
      await settleForeignKeys(locker, { swap, onSettled }, swapLimit(this.#options)).catch(() => undefined);
      if (this.#triggers.get(table.plan)?.length === 0) continue;
      await promoteStandIns(locker, { plan: table.plan, onSettled }, swapLimit(this.#options)).catch(() => undefined);
    }
  }

  /** Lets writers go on in the old tables, and takes guards and the sentry away. Must finish in spite of an abort. */
  async #restore(): Promise<void> {
    const { locker, observer, renamer } = this.#sessions;
    const signal = restoreLimit();
    let areGuardsGone = false;
    if (locker.isUsable) {
      try {
        await this.#removeGuards(locker, signal);
        areGuardsGone = true;
        await locker.execute('UNLOCK TABLES', signal);
      } catch {
        await locker.kill();
      }
    } else {
      await locker.kill();
    }
    if (!areGuardsGone && observer.isUsable) await this.#removeGuards(observer, signal);
    for (const { plan } of this.#tables) if (observer.isUsable) await dropStandIns(observer, plan, signal);
    if (!this.#isInTwoSessions) return;
    if (!renamer.isUsable) await renamer.kill();
    for (const plan of this.#plans) if (observer.isUsable) await removeSentry(observer, plan, signal);
  }
}

const restoreLimitMs = 15_000;

function restoreLimit(): AbortSignal {
  return timeLimit(
    restoreLimitMs,
    `The server did not let an attempt to swap be cleared up within ${restoreLimitMs / 1000} s.`,
  );
}

/** For what is in the way inside InnoDB, where nobody sees it: seconds, the fewest that the server takes. */
const renameWait = 'innodb_lock_wait_timeout = 1';
