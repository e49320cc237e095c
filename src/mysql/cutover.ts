/**
 * The swap on MySQL and MariaDB.
 *
 *   open sessions, make the writer ready, raise the counter        nobody waits yet
 *   LOCK TABLES source, shadow WRITE                               new statements wait; those in flight end, or we give up
 *   drain → carry the counter over → is the claim still ours?      through the session that holds the lock
 *   guards of foreign keys, if there are any                       foreign-key-swap.ts; their tables are locked too
 *   RENAME TABLE source TO retired, shadow TO source               MySQL: in that session. MariaDB: see cutover-two-sessions.ts
 *   right names of foreign keys                                    MySQL; on MariaDB `settle` does it, which follows at once
 *   UNLOCK TABLES                                                  waiting statements go on, in the new table
 *
 * Whatever fails before the RENAME unlocks, and both tables are as they were. If this process freezes, the server ends the
 * sessions (lockSettings), and a swap that was not sent is then never made.
 */

import { assert, MigrationError } from '../engine/errors.ts';
import type { Plan } from '../engine/model.ts';
import type { Cutover, CutoverOptions, CutoverOutcome, RowWriter } from '../engine/ports.ts';
import { carryAutoIncrement, counterSettings } from './auto-increment.ts';
import { createStandIns, dropStandIns, promoteStandIns, settleTriggers } from './carry-over-triggers.ts';
import type { Claim } from './claim.ts';
import { swapInOneSession, swapLimit } from './cutover-one-session.ts';
import { type Keeper, prepareSentry, removeSentry, sentryComment, swapInTwoSessions } from './cutover-two-sessions.ts';
import {
  addGuards,
  checkForeignKeys,
  childrenOf,
  type ForeignKeySwap,
  lockAndSettle,
  relatedTables,
  releaseChild,
  removeGuards,
  settleForeignKeys,
  shortWaits,
} from './foreign-key-swap.ts';
import type { Server } from './server.ts';
import type { OwnedSession, Session } from './session.ts';
import { readUnsettled } from './settlement.ts';
import { quoteText } from './statements.ts';
import { lockSettings, lockTables } from './table-lock.ts';

/** What a cutover works with. */
export interface CutoverParts {
  readonly server: Pick<Server, 'flavour' | 'ignoresNameCase'>;
  readonly plan: Plan;
  readonly claim: Pick<Claim, 'openSession' | 'check'>;
  /**
   * Makes a writer that works through this one session, with all that it needs in it (temporary tables): called before the
   * session locks source and shadow. Its statements name no table but these two and its own, once each, without aliases.
   */
  readonly prepareWriter: (session: Session, signal: AbortSignal) => Promise<RowWriter>;
}

/** The sessions of one attempt. `renamer` is `locker` where one session does all. */
export interface AttemptSessions {
  /** Holds the lock, drains. */
  readonly locker: OwnedSession;
  /** Sends the RENAME. */
  readonly renamer: OwnedSession;
  /** Looks around, holds nothing. */
  readonly observer: OwnedSession;
  /** Where a second session renames: one for each table that refers to the source. */
  readonly keepers: readonly Keeper[];
}

/** How the swap in an attempt ended. In each case no RENAME is under way any more. */
export type SwapResult =
  | { readonly kind: 'swapped' }
  /** It was found unsafe to try; why. */
  | { readonly kind: 'not-tried'; readonly reason: string }
  | { readonly kind: 'unknown'; readonly cause: MigrationError };

/** Makes the cutover of a claimed table. */
export function createCutover(parts: CutoverParts): Cutover {
  return new TableSwap(parts);
}

class TableSwap implements Cutover {
  readonly #parts: CutoverParts;

  constructor(parts: CutoverParts) {
    this.#parts = parts;
  }

  async attempt(
    options: CutoverOptions,
    drain: (locked: RowWriter) => Promise<void>,
    signal: AbortSignal,
  ): Promise<CutoverOutcome> {
    const { claim, server } = this.#parts;
    const opened: OwnedSession[] = [];
    const open = async (settings: readonly string[]): Promise<OwnedSession> => {
      const session = await claim.openSession({ settings }, signal);
      opened.push(session);
      return session;
    };
    let outcome: CutoverOutcome | null = null;
    try {
      const locker = await open([...lockSettings(options), ...counterSettings(server.flavour)]);
      const renamer = server.flavour.renamesUnderLock ? locker : await open(lockSettings(options));
      const observer = await open(shortWaits);
      const keepers: Keeper[] = [];
      for (const child of server.flavour.renamesUnderLock ? [] : childrenOf(this.#parts)) {
        keepers.push({ session: await open(lockSettings(options)), child });
      }
      outcome = await this.#attemptWith({ locker, renamer, observer, keepers }, { options, drain }, signal);
      return outcome;
    } finally {
      await closeAll(opened, outcome);
    }
  }

  async hasSwapped(signal: AbortSignal): Promise<boolean> {
    const { claim, plan, server } = this.#parts;
    const { source, shadow, retired } = plan;
    await using session = await claim.openSession({}, signal);
    const rows = await session.query(
      `SELECT TABLE_NAME AS name, TABLE_COMMENT AS comment FROM information_schema.TABLES
       WHERE TABLE_SCHEMA = ${quoteText(source.schema)}
         AND TABLE_NAME IN (${[source, shadow, retired].map((name) => quoteText(name.table)).join(', ')})`,
      signal,
    );
    const spelled = (name: string): string => (server.ignoresNameCase ? name.toLowerCase() : name);
    const find = (name: string): (typeof rows)[number] | undefined =>
      rows.find((row) => spelled(row['name'] ?? '') === spelled(name));
    const hasSource = find(source.table) !== undefined;
    const hasShadow = find(shadow.table) !== undefined;
    const retiredTable = find(retired.table);
    // A sentry stands under the retired table's name while an attempt is under way, or after one that died.
    const hasRetired = retiredTable !== undefined && retiredTable['comment'] !== sentryComment(plan);
    if (hasSource && hasShadow && !hasRetired) return false;
    if (hasSource && !hasShadow && hasRetired) return true;
    const list = [source, shadow, retired].map(
      ({ table }) => `${table} ${find(table) === undefined ? 'is missing' : 'exists'}`,
    );
    throw new MigrationError(
      'SWAP_UNKNOWN',
      `Whether the swap happened cannot be told from the tables in ${source.schema}: ${list.join(', ')}. Look at them before doing anything.`,
    );
  }

  async unsettled(signal: AbortSignal): Promise<readonly string[]> {
    await using session = await this.#parts.claim.openSession({}, signal);
    return await readUnsettled(session, this.#parts, signal);
  }

  async settle(onSettled: (what: string) => void, signal: AbortSignal): Promise<void> {
    if (this.#hasForeignKeys) {
      await using session = await this.#parts.claim.openSession({ settings: shortWaits }, signal);
      await lockAndSettle(session, { swap: this.#parts, onSettled }, signal);
    }
    await settleTriggers(this.#parts, onSettled, signal);
  }

  get #hasForeignKeys(): boolean {
    return (this.#parts.plan.foreignKeys ?? []).length > 0;
  }

  async #attemptWith(
    sessions: AttemptSessions,
    how: { readonly options: CutoverOptions; readonly drain: (locked: RowWriter) => Promise<void> },
    signal: AbortSignal,
  ): Promise<CutoverOutcome> {
    const { plan, prepareWriter, server } = this.#parts;
    const { locker, observer } = sessions;
    const isInTwoSessions = locker !== sessions.renamer;
    const writer = await prepareWriter(locker, signal);
    await carryAutoIncrement(locker, plan, signal);
    if (isInTwoSessions) {
      const reason = await prepareSentry(observer, plan, signal);
      if (reason !== null) return { kind: 'not-locked', blockers: [reason] };
    }
    let isSwapped: boolean | null = false;
    try {
      // What an attempt with an unknown end may have left.
      await removeGuards(observer, this.#parts, signal);
      await dropStandIns(observer, plan, signal);
      await checkForeignKeys(observer, this.#parts, signal);
      const sentry = isInTwoSessions ? [plan.retired] : [];
      const tables = [plan.source, plan.shadow, ...sentry, ...relatedTables(this.#parts)];
      const askedAt = performance.now();
      const lock = await lockTables({ locker, observer, flavour: server.flavour, tables, options: how.options }, signal);
      if (lock.kind === 'not-locked') return lock;
      await this.#drain(sessions, { ...how, writer }, signal);
      isSwapped = null;
      const beforeUnlock = (): Promise<void> => this.#settleUnderLock(locker, how.options);
      const swap = isInTwoSessions
        ? await swapInTwoSessions(plan, sessions, { options: how.options, keepers: sessions.keepers, afterSwap: this.#release })
        : await swapInOneSession(plan, locker, { options: how.options, beforeUnlock });
      isSwapped = swap.kind === 'unknown' ? null : swap.kind === 'swapped';
      if (swap.kind === 'swapped') return { kind: 'swapped', blockedMs: performance.now() - askedAt };
      if (swap.kind === 'unknown') return await this.#afterUnknown(observer, swap);
      return { kind: 'not-locked', blockers: [swap.reason] };
    } catch (error) {
      // A swap that rejects has not happened.
      isSwapped ??= false;
      throw error;
    } finally {
      if (isSwapped === false) await this.#restore(sessions, isInTwoSessions);
    }
  }

  /** All that happens under the lock but the swap, within the time that it may be held. */
  async #drain(
    { locker, observer }: AttemptSessions,
    how: { readonly options: CutoverOptions; readonly drain: (locked: RowWriter) => Promise<void>; readonly writer: RowWriter },
    signal: AbortSignal,
  ): Promise<void> {
    const { holdTimeoutMs } = how.options;
    const killed: Promise<void>[] = [];
    const timer = setTimeout(() => {
      const killing = locker.kill();
      // Reported below, or by closing the session.
      killing.catch(() => undefined);
      killed.push(killing);
    }, holdTimeoutMs);
    try {
      await how.drain(how.writer);
      await carryAutoIncrement(locker, this.#parts.plan, signal);
      await this.#parts.claim.check(locker, signal);
      // A key that was made just before the lock would be lost without a word.
      await checkForeignKeys(observer, this.#parts, signal);
      if (this.#hasForeignKeys) await addGuards(locker, this.#parts, signal);
      await createStandIns(locker, this.#parts.plan, signal);
      assert(locker.isUsable, 'the session that holds the lock is alive before the swap');
    } catch (error) {
      if (killed.length === 0) throw error;
      await Promise.all(killed);
      signal.throwIfAborted();
      throw new MigrationError(
        'STATEMENT_TIMEOUT',
        `Draining took longer than the ${holdTimeoutMs} ms for which the lock may be held, so writers were let go on in the old table.`,
        { cause: error },
      );
    } finally {
      clearTimeout(timer);
    }
  }

  /** Guards of a swap that did not happen are in the way of applications. Where that cannot be told now, the next attempt or resume does it. */
  async #afterUnknown(observer: OwnedSession, swap: Extract<SwapResult, { kind: 'unknown' }>): Promise<CutoverOutcome> {
    const signal = AbortSignal.timeout(restoreLimitMs);
    // They refer to the shadow only as long as there is one.
    if (observer.isUsable) await removeGuards(observer, this.#parts, signal).catch(() => undefined);
    return swap;
  }

  /** As the next. */
  readonly #release = async ({ session, child }: Keeper): Promise<void> => {
    const signal = AbortSignal.timeout(restoreLimitMs);
    await releaseChild(session, { swap: this.#parts, child }, signal).catch(() => undefined);
  };

  /** What cannot be done now is left to `settle`. */
  async #settleUnderLock(locker: OwnedSession, options: CutoverOptions): Promise<void> {
    const swap: ForeignKeySwap = this.#parts;
    const onSettled = (): void => undefined;
    await settleForeignKeys(locker, { swap, onSettled }, swapLimit(options)).catch(() => undefined);
    await promoteStandIns(locker, { plan: swap.plan, onSettled }, swapLimit(options)).catch(() => undefined);
  }

  /** Lets writers go on in the old table, and takes guards and the sentry away. Must finish in spite of an abort. */
  async #restore({ locker, observer, renamer }: AttemptSessions, isInTwoSessions: boolean): Promise<void> {
    const signal = AbortSignal.timeout(restoreLimitMs);
    let areGuardsGone = false;
    if (locker.isUsable) {
      try {
        await removeGuards(locker, this.#parts, signal);
        areGuardsGone = true;
        await locker.execute('UNLOCK TABLES', signal);
      } catch {
        await locker.kill();
      }
    } else {
      await locker.kill();
    }
    if (!areGuardsGone && observer.isUsable) await removeGuards(observer, this.#parts, signal);
    if (observer.isUsable) await dropStandIns(observer, this.#parts.plan, signal);
    if (!isInTwoSessions) return;
    if (!renamer.isUsable) await renamer.kill();
    if (observer.isUsable) await removeSentry(observer, this.#parts.plan, signal);
  }
}

const restoreLimitMs = 15_000;

/**
 * Ends the sessions of an attempt. After a swap a session that cannot be shown to have ended is none that could do harm, and
 * the outcome matters more; after anything else it is an error.
 */
async function closeAll(sessions: readonly OwnedSession[], outcome: CutoverOutcome | null): Promise<void> {
  const results = await Promise.allSettled(sessions.map((session) => session[Symbol.asyncDispose]()));
  if (outcome?.kind === 'swapped') return;
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}
