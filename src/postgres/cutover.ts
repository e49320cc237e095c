/**
 * The swap on PostgreSQL: one transaction of one session.
 *
 *   wait until snapshots older than the shadow's rows are gone        nobody waits yet
 *   BEGIN, lock the shadow, the source and what is tied to it         new statements wait; those in flight end, or we give up
 *   look what is in the way → drain → carry over → is the claim ours? through the session that holds the locks
 *   source SET SCHEMA retired, shadow SET SCHEMA source               names of indexes, constraints and sequences stay
 *   carry over what needs the final name, record the swap
 *   COMMIT                                                            waiting statements go on, in the new table
 *
 * Whatever fails before the COMMIT rolls all of it back, the drain included. If this process freezes, the server ends the
 * session (lockSettings), which rolls back too. The record of the swap is part of the transaction, so it is what tells
 * whether a COMMIT whose answer was lost has been done.
 */

import { asMigrationError, assert, MigrationError } from '../engine/errors.ts';
import type { Plan, TableName } from '../engine/model.ts';
import type { Cutover, CutoverOptions, CutoverOutcome, RowWriter } from '../engine/ports.ts';
import { isSwapRecorded, swapRecord } from './bookkeeping.ts';
import { Blockers } from './blockers.ts';
import type { Claim } from './claim.ts';
import type { OuterRelation } from './dependents.ts';
import type { Flavour } from './flavour.ts';
import type { Partners } from './foreign-keys.ts';
import { findLockHolders } from './lock-holders.ts';
import { OlderSnapshots } from './older-snapshots.ts';
import type { OwnedSession, Session } from './session.ts';
import { readUnsettled, settle } from './settlement.ts';
import { quoteName, quoteTable, quoteText } from './statements.ts';
import { endOldHolders, findHopelessHolders, lockOrder, type LockRequest, lockSettings, lockTables } from './table-lock.ts';

/** What belongs to the table besides its rows, and how it comes to the new one: in the swap's transaction, under its locks. */
export interface CarryOver {
  /** The relations to lock before the source, in this order. Locks nothing. */
  findOuter(session: Session, signal: AbortSignal): Promise<readonly OuterRelation[]>;
  /** The tables that foreign keys tie to the source. Locks nothing. */
  findPartners(session: Session, signal: AbortSignal): Promise<Partners>;
  /**
   * Reads, under the locks, what there is to carry over, and tells what is in the way: what others have made since the plan and
   * would stay with the old table. Rejects if the source is not what the shadow was made from.
   */
  prepare(session: Session, signal: AbortSignal): Promise<readonly string[]>;
  /** While both tables still have their places. */
  beforeSwap(session: Session, signal: AbortSignal): Promise<void>;
  /** When the new table has the source's name, and the old one the retired table's. */
  afterSwap(session: Session, signal: AbortSignal): Promise<void>;
}

/** What a cutover works with. */
export interface CutoverParts {
  readonly flavour: Flavour;
  readonly plan: Plan;
  readonly claim: Pick<Claim, 'openSession' | 'check'>;
  /** A writer that works through this session, inside its transaction. */
  readonly lockedWriter: (session: Session) => RowWriter;
  readonly carryOver: CarryOver;
}

interface Attempt {
  /** Holds the locks, drains, swaps. */
  readonly locker: OwnedSession;
  /** Looks around, holds nothing. */
  readonly observer: OwnedSession;
  readonly options: CutoverOptions;
  readonly drain: (locked: RowWriter) => Promise<void>;
}

/** Makes the cutover of a claimed table. */
export function createCutover(parts: CutoverParts): Cutover {
  return new TableSwap(parts);
}

class TableSwap implements Cutover {
  readonly #parts: CutoverParts;
  readonly #olderSnapshots = new OlderSnapshots();
  #attempts = 0;

  constructor(parts: CutoverParts) {
    this.#parts = parts;
  }

  async attempt(
    options: CutoverOptions,
    drain: (locked: RowWriter) => Promise<void>,
    signal: AbortSignal,
  ): Promise<CutoverOutcome> {
    const { claim } = this.#parts;
    const opened: OwnedSession[] = [];
    const open = async (settings: readonly string[]): Promise<OwnedSession> => {
      const session = await claim.openSession({ settings }, signal);
      opened.push(session);
      return session;
    };
    let outcome: CutoverOutcome | null = null;
    try {
      const locker = await open(lockSettings(options));
      const observer = await open([]);
      outcome = await this.#attemptWith({ locker, observer, options, drain }, signal);
      if (outcome.kind === 'swapped') await dropEmptied(observer, this.#parts.plan, signal);
      return outcome;
    } finally {
      await closeAll(opened, outcome);
    }
  }

  /** The record of the swap says it. Tables that look swapped although no swap is recorded are somebody else's work. */
  async hasSwapped(signal: AbortSignal): Promise<boolean> {
    const { claim, plan } = this.#parts;
    await using session = await claim.openSession({}, signal);
    if (await isSwapRecorded(session, plan.id, signal)) return true;
    const exists = (table: TableName): string => `pg_catalog.to_regclass(${quoteText(quoteTable(table))}) IS NOT NULL`;
    const [row] = await session.query(
      `SELECT ${exists(plan.source)} AND NOT ${exists(plan.shadow)} AND ${exists(plan.retired)} AS looks_swapped`,
      signal,
    );
    if (row?.['looks_swapped'] !== 't') return false;
    throw new MigrationError(
      'SWAP_UNKNOWN',
      `No swap is recorded for migration ${plan.id}, but ${nameOf(plan.shadow)} is missing and ${nameOf(plan.retired)} exists. Look at the tables before doing anything.`,
    );
  }

  async unsettled(signal: AbortSignal): Promise<readonly string[]> {
    const { claim, plan } = this.#parts;
    await using session = await claim.openSession({}, signal);
    return await readUnsettled(session, plan.id, signal);
  }

  async settle(onSettled: (what: string) => void, signal: AbortSignal): Promise<void> {
    const { claim, plan } = this.#parts;
    await using session = await claim.openSession({}, signal);
    await settle(session, { id: plan.id, onSettled }, signal);
  }

  async #attemptWith(attempt: Attempt, signal: AbortSignal): Promise<CutoverOutcome> {
    const { carryOver, flavour, plan } = this.#parts;
    const { locker, observer, options } = attempt;
    const inTheWay = new Blockers(observer, options.onBlockerEnded);
    const outer = await carryOver.findOuter(observer, signal);
    const order = lockOrder(await carryOver.findPartners(observer, signal), this.#attempts);
    this.#attempts += 1;
    const request = { locker, inTheWay, flavour, source: plan.source, shadow: plan.shadow, outer, ...order, options };
    const hopeless = await findHopelessHolders(request, signal);
    if (hopeless.length > 0) return { kind: 'not-locked', blockers: hopeless };
    const older = await this.#awaitOlderSnapshots(observer, request, signal);
    if (older.length > 0) return { kind: 'not-locked', blockers: older };
    await prepareRetiredSchema(observer, plan.retired, signal);
    // A deferred check would come too late to be answered, and keep the table from being altered until then.
    await locker.execute('BEGIN ISOLATION LEVEL READ COMMITTED; SET CONSTRAINTS ALL IMMEDIATE', signal);
    try {
      const lock = await lockTables(request, signal);
      if (lock.kind === 'not-locked') return lock;
      const inTheWay = await this.#fillTransaction(attempt, signal);
      if (inTheWay !== null) return { kind: 'not-locked', blockers: inTheWay };
      const failure = await commit(plan, locker, options);
      return failure ?? { kind: 'swapped', blockedMs: performance.now() - lock.askedAt };
    } finally {
      await rollBack(locker);
    }
  }

  /** Who is left. Those that have used the table are ended where that is asked for; a snapshot alone takes nothing from anybody. */
  async #awaitOlderSnapshots(observer: Session, request: LockRequest, signal: AbortSignal): Promise<readonly string[]> {
    const { inTheWay, options } = request;
    let left = await this.#olderSnapshots.awaitGone(observer, options.lockTimeoutMs, signal);
    if (left.length === 0 || !inTheWay.areEnded) return left;
    if (await endOldHolders(request, signal)) {
      left = await this.#olderSnapshots.awaitGone(observer, options.lockTimeoutMs, signal);
    }
    return left.map((sentence) => `${sentence} (not ended: it holds no lock on the table, or must be spared)`);
  }

  /**
   * Everything under the locks up to the COMMIT, within the time that they may be held. Null, or what would keep it from being
   * done: things that others made, and holders of a sequence, which the swap moves too: they may go on to wait for the table.
   */
  async #fillTransaction(attempt: Attempt, signal: AbortSignal): Promise<readonly string[] | null> {
    const { carryOver, claim, lockedWriter, plan } = this.#parts;
    const { locker, observer, options, drain } = attempt;
    const { holdTimeoutMs } = options;
    const killed: Promise<void>[] = [];
    const timer = setTimeout(() => {
      const killing = locker.kill();
      // Reported below, or by closing the session.
      killing.catch(() => undefined);
      killed.push(killing);
    }, holdTimeoutMs);
    try {
      const search = { table: plan.source, of: 'sequences', except: locker.pid, restingLongerMs: null } as const;
      const holders = await findLockHolders(observer, search, signal);
      if (holders.length > 0) return holders;
      const inTheWay = await carryOver.prepare(locker, signal);
      if (inTheWay.length > 0) return inTheWay;
      await drain(lockedWriter(locker));
      await carryOver.beforeSwap(locker, signal);
      await swap(locker, plan, signal);
      await carryOver.afterSwap(locker, signal);
      await claim.check(locker, signal);
      assert(
        locker.isUsable && locker.transaction === 'open',
        'the transaction that holds the locks is alive before it is committed',
      );
      return null;
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
async function swap(session: Session, { id, source, shadow, retired }: Plan, signal: AbortSignal): Promise<void> {
  const oid = (table: TableName): string => `${quoteText(quoteTable(table))}::pg_catalog.regclass::pg_catalog.oid`;
  const [oids] = await session.query(`SELECT ${oid(source)} AS source, ${oid(shadow)} AS shadow`, signal);
  const record = swapRecord(id, { source: Number(oids?.['source']), shadow: Number(oids?.['shadow']) });
  await session.execute([record, ...move(source, retired), ...move(shadow, source)].join('; '), signal);
}

/** Statements that bring a table to another name. Its indexes, constraints and sequences go along into another schema. */
function move(from: TableName, to: TableName): readonly string[] {
  const inPlace = { schema: to.schema, table: from.table };
  return [
    ...(from.schema === to.schema ? [] : [`ALTER TABLE ${quoteTable(from)} SET SCHEMA ${quoteName(to.schema)}`]),
    ...(from.table === to.table ? [] : [`ALTER TABLE ${quoteTable(inPlace)} RENAME TO ${quoteName(to.table)}`]),
  ];
}

/**
 * Sends the COMMIT. Null when it was done; `unknown` when its reply was lost: the session is then gone. Not abortable: its
 * outcome is wanted more than a quick end. Rejects with what the server said if it refused, or with SWAP_UNKNOWN if the
 * session cannot be shown to be gone.
 */
async function commit(
  plan: Plan,
  session: OwnedSession,
  options: CutoverOptions,
): Promise<Extract<CutoverOutcome, { kind: 'unknown' }> | null> {
  const limit = AbortSignal.timeout(options.holdTimeoutMs + commitGraceMs);
  try {
    await session.execute('COMMIT', limit);
    return null;
  } catch (thrown) {
    const error = asMigrationError(thrown);
    const isRefused = !limit.aborted && error.code !== 'CONNECTION_LOST' && error.code !== 'SESSION_STUCK';
    if (isRefused) throw error;
    try {
      await session.kill();
    } catch (cause) {
      throw new MigrationError(
        'SWAP_UNKNOWN',
        `The swap of ${nameOf(plan.source)} was sent, its outcome is not known, and its session could not be shown to have ended. Look at server process ${session.pid} and the tables before doing anything.`,
        { cause },
      );
    }
    return { kind: 'unknown', cause: error };
  }
}

/** The schema that the shadow has left. What else is in it keeps it; it does no harm. */
async function dropEmptied(session: Session, { shadow, source, retired }: Plan, signal: AbortSignal): Promise<void> {
  if (shadow.schema === source.schema || shadow.schema === retired.schema) return;
  await session.execute(`DROP SCHEMA IF EXISTS ${quoteName(shadow.schema)} RESTRICT`, signal).catch(() => undefined);
}

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

/**
 * Ends the sessions of an attempt. After a swap a session that cannot be shown to have ended is none that could do harm, and
 * the outcome matters more; after anything else it is an error.
 */
async function closeAll(sessions: readonly OwnedSession[], outcome: CutoverOutcome | null): Promise<void> {
  const results = await Promise.allSettled(sessions.map((session) => session[Symbol.asyncDispose]()));
  if (outcome?.kind === 'swapped') return;
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}

function nameOf({ schema, table }: TableName): string {
  return `${schema}.${table}`;
}
