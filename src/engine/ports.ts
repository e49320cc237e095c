/**
 * The seam between the engine and a database, cut at verbs of the domain. MySQL, PostgreSQL and the simulated database
 * implement it; one contract test per sentence here runs on all of them.
 *
 * What holds for every member that returns a promise:
 *  - `signal` is the last parameter. Once it aborts, the statement is ended on the server and the promise rejects.
 *  - When a promise rejects, for whatever reason, no statement of it is still running on the server: after a lost connection
 *    the adapter ends that session and sees it gone before it rejects (rule 10). The statement may or may not have taken
 *    effect, unless the member says otherwise.
 *  - A fault that a repetition may cure rejects with a MigrationError whose code is transient (errors.ts). The engine repeats. An
 *    adapter repeats by itself only what it asks an empty clone while it plans, and what ends or keeps sessions and slots of its own.
 */

import type { MigrationError, RunFailure } from './errors.ts';
import type { LoadLimits } from './load.ts';
import type { NativeChange, NativePlace, RecordedPlan, StepOutcome } from './native-change.ts';
import type { Obstacle } from './obstacles.ts';
import type {
  Change,
  Checkpoint,
  Fence,
  KeyRange,
  MigrationId,
  MigrationRequest,
  Plan,
  Position,
  RowKey,
  TableName,
} from './model.ts';

/** A server that holds the table to migrate. Disposing it closes its connections. */
export interface Database extends AsyncDisposable {
  /** Reads the catalog and decides the plan. Changes nothing (at most it uses temporary tables of its own session, or an empty clone). */
  plan(request: MigrationRequest, signal: AbortSignal): Promise<Plan>;
  /** Every reason to refuse the plan, all of them and not just the first. Changes nothing. */
  findObstacles(plan: Plan, signal: AbortSignal): Promise<readonly Obstacle[]>;
  /**
   * Takes the exclusive right to migrate the plan's table. `start` records the migration, or finds that an attempt before it has, whose
   * outcome was not known; `resume` finds it recorded. Resolves only after every session of an earlier holder of the same migration has
   * been ended and seen gone (rule 10). Rejects with TABLE_CLAIMED if another live run has it.
   */
  claim(plan: Plan, purpose: 'start' | 'resume', signal: AbortSignal): Promise<TableClaim>;
  /** Like `claim` to resume, for a migration that is to be given up: works whatever has become of the source. */
  claimToGiveUp(plan: Plan, signal: AbortSignal): Promise<ClaimToGiveUp>;
  /** Rejects with BAD_USAGE where a limit is on a figure that this server does not tell, or it cannot answer the query. Changes nothing. */
  checkLoadLimits(limits: LoadLimits, signal: AbortSignal): Promise<void>;
  /** The migrations known on this server, newest first, without those of `findUnreadable`. */
  listMigrations(signal: AbortSignal): Promise<readonly MigrationRecord[]>;
  /** Those that another version has recorded in a layout that is not known here, newest first. */
  findUnreadable(signal: AbortSignal): Promise<readonly UnreadableMigration[]>;
  /** What is left of migrations that are not recorded any more, each as a sentence that says how it goes. Absent where nothing harms. */
  findStrays?(signal: AbortSignal): Promise<readonly string[]>;
  readonly retiredTables: RetiredTables;
  readonly eventLog: EventLog;
  /** Absent where every change goes by a shadow. */
  readonly native?: NativeChange;
  /** Absent where tables are only swapped one by one. */
  readonly families?: Families;
}

/** Several tables that are swapped together, all or none. Each has a migration of its own; its plan names all of them. */
export interface Families {
  /** As `Database.plan`, of at least two tables, each once; in the order of the requests. */
  plan(requests: readonly MigrationRequest[], signal: AbortSignal): Promise<readonly Plan[]>;
  /** As `Database.findObstacles`, of all of them: what keeps one from being swapped alone need not keep them together. */
  findObstacles(plans: readonly Plan[], signal: AbortSignal): Promise<readonly Obstacle[]>;
  /** As `Database.claim`, of all of them or none. To resume, those that are still open will do. */
  claim(plans: readonly Plan[], purpose: 'start' | 'resume', signal: AbortSignal): Promise<FamilyClaim>;
}

/** The exclusive right to migrate several tables. Disposing it gives all of it back. */
export interface FamilyClaim extends AsyncDisposable {
  /** In the order of the plans. None is disposed, and none attempts a cutover, by itself. */
  readonly members: readonly TableClaim[];
  /**
   * As `Cutover.attempt`, of all tables in one: all are locked, each is drained by its own function in the order of the plans,
   * side by side (drains.ts), and then all are swapped atomically. `lockTimeoutMs` and `holdTimeoutMs` are for all together.
   */
  attempt(options: CutoverOptions, drains: readonly Drain[], signal: AbortSignal): Promise<CutoverOutcome>;
}

/** What the bookkeeping in the database says about one migration. */
export interface MigrationRecord {
  readonly id: MigrationId;
  readonly plan: RecordedPlan;
  readonly state: MigrationState;
  readonly checkpoint: Checkpoint | null;
  /** Of a native change, which has no checkpoint. */
  readonly place: NativePlace | null;
  /** Server time, ISO 8601 in UTC. */
  readonly startedAt: string;
  readonly updatedAt: string;
  /** True while a live process holds the claim. */
  readonly isRunning: boolean;
  /** Of an unfinished migration; null where its newest claim is not recorded any more. */
  readonly lastRun: LastRun | null;
  /** Code and sentence of what ended the last run, if it failed. */
  readonly failure: string | null;
  /** As `Cutover.unsettled`, for an open migration that has swapped; none for any other. */
  readonly unsettled: readonly string[];
}

/** What can be said of a migration whose record cannot be read. */
export interface UnreadableMigration {
  readonly id: MigrationId;
  readonly source: TableName;
  readonly state: MigrationState;
  /** A sentence: whose it is, and by whom it was recorded. */
  readonly sentence: string;
}

/** Where the newest run of a migration has its process, or had it. */
export interface LastRun {
  readonly host: string;
  readonly pid: number;
  /** Server time, ISO 8601 in UTC. */
  readonly startedAt: string;
  /** When the server heard of it last: its claim, what it saved, or, while it holds the claim, its newest ping. */
  readonly heardAt: string;
  /**
   * How long ago that was when it was asked, by the clock of the server; null where it does not tell us the pings of who holds the
   * claim.
   */
  readonly silentMs: number | null;
}

/** What runs leave in the database for whoever reads it later. Of each migration the newest entries are kept, a bounded number. */
export interface EventLog {
  /**
   * Appends in this order, each with the time of the server at which it happened; makes the log where there is none. Locks rows
   * of the log alone. Repeated, the entries are there twice.
   */
  append(id: MigrationId, entries: readonly LogEntry[], signal: AbortSignal): Promise<void>;
  /** The newest, the oldest of them first; none where there is no log. */
  read(id: MigrationId, entriesMax: number, signal: AbortSignal): Promise<readonly LogRecord[]>;
}

export interface LogEntry {
  readonly kind: string;
  /** A JSON object. */
  readonly details: string;
  /** How long ago it happened. */
  readonly ageMs: number;
}

export interface LogRecord extends Omit<LogEntry, 'ageMs'> {
  /** Server time, ISO 8601 in UTC. */
  readonly time: string;
}

/** The exclusive right to a migration that is given up. Disposing it gives the right back. */
export interface ClaimToGiveUp extends AsyncDisposable {
  readonly checkpoints: CheckpointStore;
  /** As `Cutover.hasSwapped`. */
  hasSwapped(signal: AbortSignal): Promise<boolean>;
  /** As `Cutover.unsettled`. */
  unsettled(signal: AbortSignal): Promise<readonly string[]>;
  /**
   * Removes everything that the migration has built, and nothing else. Only while the swap has not happened. Waits for locks, and
   * rejects, as `RetiredTables.drop`. Safe to repeat.
   */
  discard(lockTimeoutMs: number, signal: AbortSignal): Promise<StepOutcome>;
}

/** The old tables that finished migrations kept. */
export interface RetiredTables {
  /** Those that still exist, with the space they take. A table by a retired name that no finished migration left is not among them. */
  find(signal: AbortSignal): Promise<readonly RetiredTable[]>;
  /**
   * Drops one, step by step: tables that it refers to are let go one at a time, so that none of them is locked while it is
   * dropped. Waits at most `lockTimeoutMs` for the lock of each step; `not-locked`: the steps before are done, and the rest can
   * be tried again. Resolves if it is gone already. Rejects with TABLE_NEEDED where something else depends on it.
   */
  drop(retired: RetiredTable, lockTimeoutMs: number, signal: AbortSignal): Promise<StepOutcome>;
}

export interface RetiredTable {
  readonly id: MigrationId;
  readonly table: TableName;
  /** Estimate of the server. */
  readonly bytes: number;
  /** When the swap was recorded, which is never before it: server time, ISO 8601 in UTC. */
  readonly swappedAt: string;
  /** How long ago that was by the same clock, milliseconds. */
  readonly ageMs: number;
  /** What the server tells of its use since the swap, as a clause; null: it was not used, or the server does not tell. */
  readonly use: string | null;
}

/** `open`: may be resumed. `done`: swapped. `aborted`: given up and cleaned. */
export type MigrationState = 'open' | 'done' | 'aborted';

/** The exclusive right to migrate one table, and what can be done with it. Disposing it gives the right back. */
export interface TableClaim extends AsyncDisposable {
  /** Aborts, with a MigrationError as reason, once the claim cannot be shown to be held any more. */
  readonly lost: AbortSignal;
  readonly pair: TablePair;
  readonly cutover: Cutover;
  readonly checkpoints: CheckpointStore;
  readonly throttleSignals: readonly ThrottleSignal[];
  /** Statements that take away what the migration builds, for a person who has no record of it any more. */
  readonly removal: string;
  /**
   * So many times as long as a chunk took, a worker rests after it by default while applications write the table, as it is now; absent:
   * half as long.
   */
  readonly restRatio?: (() => number) | undefined;
  /**
   * What the sessions of others have done, of any database, without those of this program. Absent where the server never tells; empty where
   * it does not tell at present, or not to us.
   */
  readTransactions?(signal: AbortSignal): Promise<readonly SessionTransactions[]>;
  /** For how long the server keeps log that a resume needs, milliseconds; null: without a limit. Absent where it waits for us. */
  findLogRetention?(signal: AbortSignal): Promise<number | null>;
  /**
   * Opens the change stream behind `from`, or at the present end of the log when null. Reading begins at the latest with the
   * first transaction that was logged after this resolves. Rejects with LOG_PURGED if the position is gone.
   */
  openChangeStream(from: string | null, signal: AbortSignal): Promise<ChangeStream>;
}

/** Writing rows into the shadow by key, and judging them. Each call takes at most `keysPerStatement` keys. */
export interface RowWriter {
  readonly keysPerStatement: number;
  /** Deletes these keys from the shadow; absent ones are fine. Safe to repeat. Takes locks on the shadow only. */
  deleteRows(keys: readonly RowKey[], signal: AbortSignal): Promise<void>;
  /**
   * Reads these keys on the source in one snapshot taken after the call began, without a lock on the source, and inserts what
   * is there into the shadow; all of them or, when it collides or rejects, none. `collided`: a unique key of the shadow
   * already holds one of the values. Rejects with ROW_NOT_CONVERTIBLE, naming the row, where a value does not fit.
   */
  insertRows(keys: readonly RowKey[], signal: AbortSignal): Promise<'inserted' | 'collided'>;
  /**
   * As `insertRows`, but a row that the shadow has under the same key is changed in place, and left alone where the source has none.
   * Safe to repeat. Where a value does not fit this is `collided` too: deleting and inserting tells why. Present only where keys that
   * are told apart here are never equal to the server.
   */
  upsertRows?(keys: readonly RowKey[], signal: AbortSignal): Promise<'upserted' | 'collided'>;
  /**
   * Why `insertRows(keys)` collides, judged in one snapshot of the source: two source rows with the same value under a unique
   * key of the shadow, or else the keys of shadow rows that hold a value which one of `keys` now has (possibly none).
   */
  explainCollision(keys: readonly RowKey[], signal: AbortSignal): Promise<CollisionCause>;
  /**
   * Which of these keys differ between source and shadow (missing, extra or unequal as the shadow's types see them), in one
   * snapshot; each as the source spells it there, or else the shadow, where the server holds several spellings equal.
   */
  findDifferingRows(keys: readonly RowKey[], signal: AbortSignal): Promise<readonly RowKey[]>;
}

/**
 * See RowWriter.explainCollision. `index` and `values` are for the message; `values` as the server prints them. `respelled`: those of
 * `keys` that stand for rows which were asked for in another spelling; absent where there is none.
 */
export type CollisionCause =
  | { readonly kind: 'duplicates'; readonly index: string; readonly values: string; readonly rows: readonly [RowKey, RowKey] }
  | { readonly kind: 'in-the-way'; readonly keys: readonly RowKey[]; readonly respelled?: readonly RowKey[] };

/** The source and its shadow. No member ever takes a lock on a row of the source. */
export interface TablePair extends RowWriter {
  /** Creates the empty shadow, perhaps without its migration key. A shadow that this migration left behind is dropped first. */
  createShadow(signal: AbortSignal): Promise<void>;
  /** Builds what was deferred (the key, other indexes) and gathers statistics. Safe to repeat. */
  finishShadow(signal: AbortSignal): Promise<void>;
  /** Whether comparing rows beside `finishShadow` takes less time than after it. */
  readonly isFinishedWhileCompared: boolean;
  /** Greatest key in the shadow in key order, or null when it is empty. Only called where `compareKeys` exists. */
  greatestShadowKey(signal: AbortSignal): Promise<RowKey | null>;
  /** Present only where it is provably the server's own order; negative, zero, positive. */
  readonly compareKeys?: (a: RowKey, b: RowKey) => number;
  /** Present only where a key is one whole number, in the order of numbers: those of the source, or null when it is empty. */
  readonly readKeySpan?: (signal: AbortSignal) => Promise<KeySpan | null>;
  /** Key of the `limitRows`-th row behind `after` in key order, or null when fewer are left. */
  findChunkEnd(after: RowKey | null, limitRows: number, signal: AbortSignal): Promise<RowKey | null>;
  /**
   * Copies a range in one statement: a snapshot taken after the call began, no lock on the source. `existing: 'skip'` leaves
   * out rows whose migration key is already in the shadow (and no others: any other collision is still one). `collided`:
   * nothing was copied. Rejects with ROW_NOT_CONVERTIBLE, naming the row, where a value does not fit.
   *
   * 'collide' is for a range that meets none that may have been copied before. In the process that created the shadow an equal
   * migration key need not be noticed then, until the shadow was read, written by key, copied into by 'skip' or finished.
   */
  copyRange(range: KeyRange, existing: 'collide' | 'skip', signal: AbortSignal): Promise<CopyResult>;
  /** All keys of the source in the range, in one snapshot. */
  findSourceKeys(range: KeyRange, signal: AbortSignal): Promise<readonly RowKey[]>;
  /** Counts the rows of the range and compares them, by checksum or one by one, in ONE snapshot for both tables. */
  compareRange(range: KeyRange, signal: AbortSignal): Promise<RangeComparison>;
  /** Keys in the range that differ, at most `limitRows` of them, in one snapshot for both tables. */
  findDifferences(range: KeyRange, limitRows: number, signal: AbortSignal): Promise<readonly RowKey[]>;
  /** The key as an operator reads it: `id = 42`. */
  describeKey(key: RowKey): string;
}

/** The keys of a source as numbers, from that of its first row to that of its last. */
export interface KeySpan {
  readonly first: bigint;
  readonly last: bigint;
  readonly valueOf: (key: RowKey) => bigint;
  /** The key with this value, which is up to `last`; whether or not a row has it. */
  readonly keyAt: (value: bigint) => RowKey;
}

export type CopyResult = { readonly kind: 'copied'; readonly rows: number } | { readonly kind: 'collided' };

export interface RangeComparison {
  readonly isEqual: boolean;
  readonly sourceRows: number;
  readonly shadowRows: number;
  /** All keys that differ, where the comparison has come by them; `findDifferences` tells them otherwise. */
  readonly differing?: readonly RowKey[];
}

/**
 * Committed changes of the source, in log order, each transaction once, without jumps, for the life of the stream: after a lost
 * connection it goes on behind the last wholly received transaction by itself, a bounded number of times.
 * Rejects (from `batches`) with a code of its own for: DDL or TRUNCATE on the source, statement-format writes to it, a purged
 * log, an event it does not know. Nothing is ever skipped in silence.
 */
export interface ChangeStream extends AsyncDisposable {
  /** Where the stream began. Everything logged before it may not be visible yet: `awaitVisible(start)` waits for it (rule 1). */
  readonly start: Position;
  /** The changes, pulled by one consumer: nothing more than a bounded number of bytes is read ahead. Ends when `signal` aborts. */
  batches(signal: AbortSignal): AsyncIterable<ChangeBatch>;
  /** Puts a fence behind everything committed so far: it comes out of `batches` behind all of that. Safe to repeat (a new fence). */
  placeFence(signal: AbortSignal): Promise<Fence>;
  /** Resolves once every statement that starts from now on sees all transactions up to `reach`, half-received ones included. */
  awaitVisible(reach: Position, signal: AbortSignal): Promise<void>;
  /** Tells the server that everything up to here is durable here. Never ahead of what was applied. */
  acknowledge(position: Position, signal: AbortSignal): Promise<void>;
  /**
   * Gives the connection that reads the log up, as if it had been lost: for one that lives and brings nothing. Absent where one that is
   * at work may bring nothing for long.
   */
  readAnew?(): void;
  /** From now on `told` hears of each attempt to have a lost connection again. Absent where there is none to lose. */
  watchReconnects?(told: OnReconnect): void;
  /**
   * `told` hears of each thing that the server warns of, or that others have made of the source without harm, once, also of those before
   * this call. Absent where it warns of nothing.
   */
  watchWarnings?(told: OnWarning): void;
}

/** The connection that reads the log was lost, or one that asks about what it has read, and will be tried again. */
export interface Reconnect {
  /** Counts from 1, in a row. */
  readonly attempt: number;
  readonly cause: MigrationError;
}

export type OnReconnect = (reconnect: Reconnect) => void;

/** `about`: what is warned of, where it is anything but reading the log. */
export type OnWarning = (message: string, about?: string) => void;

/** Several whole transactions, or a part of a large one. */
export interface ChangeBatch {
  /** In log order. Empty when only the position or a fence moved. */
  readonly changes: readonly Change[];
  /** Behind the last wholly received transaction (XA: before the oldest PREPARE that is still undecided). */
  readonly position: Position;
  /** A position from which a reader would receive all of `changes` again; never behind `position`. */
  readonly resumeFrom: Position;
  /** Just behind the last transaction of which anything has been received, half-received ones included. */
  readonly reach: Position;
  /** The greatest fence that has come by, in this batch or before. */
  readonly fence: Fence | null;
}

/** Applies what is left to the shadow, through the session that holds the lock. */
export type Drain = (locked: RowWriter, signal: AbortSignal) => Promise<void>;

/** The swap. */
export interface Cutover {
  /**
   * Does what takes long and must have been done before an attempt, such as filling what is swapped along; nobody waits for it.
   * Called before each attempt; does again only what is out of date. Absent where there is nothing of the kind.
   */
  prepare?(signal: AbortSignal): Promise<void>;
  /**
   * Blocks writers within `lockTimeoutMs` and sees those in flight end, calls `drain` once with a writer that works through
   * the lock, then swaps source and shadow atomically (source becomes retired) and lets writers go on, in the new table.
   * `not-locked`: the lock was not had in time; `prevented`: something else was in the way; in both nothing happened. `unknown`: the
   * swap was sent and its outcome was not learned (the session is gone; ask `hasSwapped`). If `drain` rejects, writers go on in the
   * old table and its reason is passed on. What the drain wrote lasts only if the swap does: where both are one transaction, anything
   * but `swapped` undoes it.
   */
  attempt(options: CutoverOptions, drain: Drain, signal: AbortSignal): Promise<CutoverOutcome>;
  /** Whether the swap has happened, by the catalog. Rejects with SWAP_UNKNOWN if the catalog fits neither. */
  hasSwapped(signal: AbortSignal): Promise<boolean>;
  /** What the swap has left to be done, a sentence for each thing, read from the server. Only after the swap. */
  unsettled(signal: AbortSignal): Promise<readonly string[]>;
  /**
   * Does what the swap has left to be done; `onSettled` is called with the sentence of each thing when it is done, synchronously,
   * and must not throw. Only after the swap, when no change stream is read any more. May take long, but nobody waits for it: it
   * waits for locks a bounded, short time and rejects with LOCK_WAIT. Safe to repeat: what is done is not done again.
   */
  settle(onSettled: (what: string) => void, signal: AbortSignal): Promise<void>;
}

export interface CutoverOptions {
  /** How long writers may wait for us to get the lock, milliseconds. */
  readonly lockTimeoutMs: number;
  /** How long the lock may be held in all, milliseconds; the adapter makes the server end it even if this process freezes. */
  readonly holdTimeoutMs: number;
  /**
   * Where it is given, sessions that hold a lock in the way are ended in good time before `lockTimeoutMs` is over, except for
   * those that must not be (ours, backups, the server's own, prepared transactions, much to roll back): they stay among the
   * `blockers`, with the reason. Called for each that was ended, synchronously; must not throw.
   */
  readonly onBlockerEnded?: (blocker: string) => void;
  /**
   * Transactions of others whose snapshot is older than rows of the shadow: they would find these missing in the new table, without
   * an error. `wait`, or nothing: for up to `lockTimeoutMs`, while nobody waits for us; those that stay are `blockers`, and nothing
   * happened.
   */
  readonly oldSnapshots?: OldSnapshots;
}

/** What becomes of transactions whose snapshot is older than the new table. */
export type OldSnapshots = 'wait' | 'ignore';

export type CutoverOutcome =
  | { readonly kind: 'swapped'; readonly blockedMs: number }
  | { readonly kind: 'not-locked'; readonly blockers: readonly string[] }
  /** `reason` is a clause. */
  | { readonly kind: 'prevented'; readonly reason: string; readonly blockers: readonly string[] }
  /** The session that has sent the swap is gone. `blockedMs`: at most. */
  | { readonly kind: 'unknown'; readonly cause: MigrationError; readonly blockedMs: number };

/** Where a migration's progress is kept: in the database itself. */
export interface CheckpointStore<Saved = Checkpoint> {
  load(signal: AbortSignal): Promise<Saved | null>;
  /** Durable when it resolves. */
  save(saved: Saved, signal: AbortSignal): Promise<void>;
  /** Marks the migration `done` or `aborted`, or keeps it `open` with the failure that ended the run. */
  conclude(state: MigrationState, failure: RunFailure | null, signal: AbortSignal): Promise<void>;
}

/** One reason to slow down. */
export interface ThrottleSignal {
  readonly name: string;
  sample(signal: AbortSignal): Promise<ThrottleSample>;
}

export interface ThrottleSample {
  /** Load relative to the stop point: 1 or more means stop. */
  readonly pressure: number;
  /** The same in words, with figures. */
  readonly detail: string;
  /** Of a replica, milliseconds: so far it is behind, and may be. The pressure is then by the lag that the next commit will have. */
  readonly lag?: { readonly ms: number; readonly limitMs: number };
  /** So much that the run shall end, resumably, rather than wait. */
  readonly isCritical?: boolean;
  /**
   * What the operator should look at although it is no reason to stop, or more than that: a sentence, told once for as long as it
   * stays the same.
   */
  readonly warning?: string;
  /**
   * What the operator may like to know, such as what was found and is looked at: a sentence, told once for as long as it stays
   * the same.
   */
  readonly notice?: string;
}

/** Transactions that one session has ended since it was opened. */
export interface SessionTransactions {
  /** Names the session for as long as it lives. */
  readonly id: string;
  readonly count: number;
  /** From their begin to their end, all together, milliseconds. */
  readonly busyMs: number;
}

/** Time and chance, so that the simulator can own both. */
export interface Clock {
  /** Milliseconds, monotonic, from an arbitrary origin. */
  now(): number;
  /** Resolves after `ms`; rejects with the signal's reason if it aborts first. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
  /** Uniform in [0, 1). */
  random(): number;
}
