/** What can go wrong while a migration runs. The registry is the troubleshooting page: docs/errors.md is made from it. */

interface ErrorEntry {
  readonly summary: string;
  /** What to do about it in a run: its migration is recorded. */
  readonly remedy: string;
  /** The same where there was no run yet, or none was asked for: nothing is recorded that could be resumed. */
  readonly remedyWithoutRun: string;
  /** Exit code of the process: 1 resumable, 2 refused, 3 differ, 4 aborted, 5 no lock, 6 critical load, 7 unknown, 8 to be given up. */
  readonly exitCode: 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8;
  /** Transient: the engine tries the same thing again, a bounded number of times. */
  readonly isTransient: boolean;
  /** A resume may succeed, perhaps after the remedy. Where it cannot, the migration has to be given up. */
  readonly isResumable: boolean;
}

/** A remedy that says to try again, in the words that it is given for that: `resume`, or `run the command again`. */
type Remedy = string | ((tryAgain: string) => string);

const fatal = (exitCode: ErrorEntry['exitCode'], summary: string, remedy: Remedy): ErrorEntry => ({
  summary,
  remedy: remedyText(remedy, 'resume'),
  remedyWithoutRun: remedyText(remedy, 'run the command again'),
  exitCode,
  isTransient: false,
  isResumable: [1, 5, 6, 7].includes(exitCode),
});
const transient = (summary: string, remedy: Remedy): ErrorEntry => ({ ...fatal(1, summary, remedy), isTransient: true });
const final = (summary: string, remedy: string): ErrorEntry => fatal(8, summary, remedy);

function remedyText(remedy: Remedy, tryAgain: string): string {
  const text = typeof remedy === 'string' ? remedy : remedy(tryAgain);
  return `${text.slice(0, 1).toUpperCase()}${text.slice(1)}`;
}

export const ERRORS = {
  CONNECTION_LOST: transient('The connection to the server broke.', (again) => `${again} when the server can be reached.`),
  STATEMENT_TIMEOUT: transient(
    'A statement took longer than its limit and was ended.',
    (again) => `Look for load or locks on the server; ${again}.`,
  ),
  LOCK_WAIT: transient(
    'A lock on the table, the shadow or the bookkeeping was not had in time. While rows are copied, applied and verified it is tried again without a bound.',
    (again) => `Look who holds it; ${again}.`,
  ),
  DEADLOCK: transient(
    'The server chose our statement as a deadlock victim, or another transaction wrote the same row first.',
    (again) => `${again}; if it persists, lower --workers.`,
  ),
  SERVER_BUSY: transient(
    'The server refused for lack of a resource (connections, memory, disk, read-only for a moment).',
    (again) => `Make room where a disk or a limit that the message names is full, or wait until it is no more; ${again}.`,
  ),
  SERVER_LIMIT: fatal(
    1,
    'The server allows its sessions less than the migration needs, and would again (PostgreSQL: temp_file_limit, which the build of an index reaches; MySQL, MariaDB: max_binlog_cache_size, which the rows of one statement reach).',
    (again) =>
      `Raise what the message names, for the role or for all (on PostgreSQL a superuser can: ALTER ROLE … SET; on MySQL and MariaDB SET GLOBAL, no restart); ${again}.`,
  ),
  SLOT_BLOCKED: transient(
    'The replication slot waits for transactions that were running when it was asked for, anywhere on the server.',
    (again) => `End the transactions that are named, or start when they are over; ${again}.`,
  ),

  OBSTACLE: fatal(2, 'The migration was refused before anything changed.', 'Each obstacle names its own remedy.'),
  BAD_USAGE: fatal(2, 'The command line or an option is wrong.', 'See --help.'),
  ACCESS_DENIED: fatal(
    2,
    'The server refused the login, or the user lacks a privilege.',
    'Check user, password, database and TLS settings; grant what the message names.',
  ),
  PRIVILEGE_NEEDED: fatal(
    1,
    'A migration that has begun lacks a privilege, or is refused a login, or by an event trigger.',
    (again) =>
      `Grant what the message names, log in as the server now wants it, or have the event trigger let the user pass; then ${again}, which goes on where it was.`,
  ),
  UNREACHABLE: fatal(2, 'The server could not be reached.', 'Check host, port and network.'),
  TABLE_CLAIMED: fatal(
    2,
    'Another live run has the claim on this table.',
    'Wait for it or end it; `tableshift list` shows it.',
  ),
  MIGRATION_NOT_FOUND: fatal(
    2,
    'No such migration is recorded on this server.',
    '`tableshift list` shows those that are, and what is left of some that no longer are.',
  ),
  PLAN_CHANGED: fatal(
    2,
    'The table or the request is not what the recorded plan was made for.',
    'Give the old migration up with `tableshift cleanup ID` and start anew; where another version of TableShift has recorded it, use that one.',
  ),

  ROW_NOT_CONVERTIBLE: fatal(
    1,
    'A row does not fit the new definition.',
    (again) => `Correct the row that is named, or those that the constraint of the message does not allow; then ${again}.`,
  ),
  OBJECT_NEEDED: fatal(
    1,
    'Somebody dropped or renamed what the change is made with, such as a function or an operator in USING, or a table that such a function reads (PostgreSQL).',
    (again) => `Make what the message names again; then ${again}, which goes on where it was.`,
  ),
  DUPLICATE_KEY: fatal(
    1,
    'Two rows have the same value under a unique key that the change adds.',
    (again) => `Correct one of the two rows that are named, or those that have the value that is named; then ${again}.`,
  ),
  SOURCE_CHANGED: final(
    'Someone altered, truncated, renamed or dropped the source while the migration ran.',
    'Give this migration up with `tableshift cleanup ID` and start anew.',
  ),
  SHADOW_CHANGED: final(
    'Someone wrote to or altered the shadow while the migration ran.',
    'Give this migration up with `tableshift cleanup ID` and start anew.',
  ),
  SHADOW_PUBLISHED: fatal(
    1,
    'A publication that was made while the migration ran sends the shadow to its subscribers, which have no such table and stop.',
    (again) => `Drop the publication that is named, or let it list its tables; ${again}.`,
  ),
  RECORDS_LOST: final(
    'Someone dropped the bookkeeping (the schema `tableshift`), or deleted a part of it, while the migration ran.',
    'Remove what the message names as left; on PostgreSQL `tableshift list` names it, too. Then look at the table: unless it has its new definition, start anew.',
  ),
  STATEMENT_FORMAT_WRITE: final(
    'A client wrote to the source with statement-format logging, so the changed rows are not in the log.',
    'Make that client log rows, give this migration up and start anew.',
  ),
  LOGS_STATEMENTS: fatal(
    1,
    'The server logs statements now, and what the migration writes can only be logged as rows.',
    (again) =>
      `Set binlog_format=ROW globally (SET GLOBAL, no restart) and let clients reconnect; ${again}. It can be given up as it is.`,
  ),
  UNKNOWN_LOG_EVENT: final(
    'The log has an event that is not known here, so changes might be missed.',
    'Report the event that is named; nothing was skipped.',
  ),
  LOG_PURGED: final(
    'The server has removed the part of the log that the migration still needs.',
    'Give this migration up, lengthen the retention of the log if it was too short (PostgreSQL: max_slot_wal_keep_size, idle_replication_slot_timeout), and start anew.',
  ),
  LOG_DAMAGED: final(
    'A part of the log that the migration still needs cannot be read: the server was ended while it wrote it, such as to a full disk.',
    'Give this migration up with `tableshift cleanup ID` and start anew.',
  ),
  ONLINE_LOG_FULL: fatal(
    1,
    'Writes during an index build outgrew what the server keeps of them for the build.',
    (again) => `Raise innodb_online_alter_log_max_size (SET GLOBAL, no restart), or choose a calmer time; ${again}.`,
  ),
  STREAM_BROKEN: fatal(1, 'The change stream could not be kept up.', (again) => `Look at the cause; ${again}.`),
  FENCE_LOST: transient(
    'Nothing came out of the change stream for a minute, not even a fence that was committed. It is waited for a quarter of an hour in all.',
    (again) =>
      `Look for a stalled log, or a standby that is away and must have the log first (PostgreSQL: synchronized_standby_slots); ${again}.`,
  ),
  VISIBILITY_TIMEOUT: transient(
    'A logged transaction did not become visible for a minute. It is waited for a quarter of an hour in all.',
    (again) => `Look for a commit that waits for a replica, or for room on the disk of the log; ${again}.`,
  ),
  CLAIM_LOST: fatal(
    1,
    'The claim on the table was lost, so another run may have begun.',
    (again) => `Make sure that no other run is active; ${again}.`,
  ),
  SESSION_STUCK: fatal(
    1,
    'A session whose connection was lost could not be shown to have ended on the server.',
    (again) => `Look for it in the server’s process list, end it, then ${again}.`,
  ),
  CHUNK_STUCK: fatal(
    1,
    'Rows could not be brought into the shadow in the allowed attempts.',
    (again) => `Look at the cause; ${again}.`,
  ),
  TABLES_DIFFER: fatal(
    3,
    'Verification found differences that repair did not remove.',
    'Do not swap. Report it; the keys are in the message.',
  ),
  ABORTED: fatal(4, 'The operator gave the migration up.', 'Nothing to do; the shadow is gone.'),
  INTERRUPTED: fatal(1, 'The run was ended by a signal.', (again) => `${again}.`),
  CUTOVER_NOT_LOCKED: fatal(
    5,
    'The cutover did not succeed within the attempts allowed: its lock was not had, or what the message says was in the way.',
    (again) =>
      `End what blocks it, or choose a calmer time; ${again}. Past a transaction that only has an old snapshot, and will not read the table any more, with --old-snapshots ignore.`,
  ),
  UNSETTLED: fatal(
    1,
    'The tables are swapped, but something that the swap has left to be done is not done yet.',
    (again) =>
      `Remove the cause that is named, if there is one; ${again}, which does the rest. Nothing else of the migration is done again.`,
  ),
  NO_NATIVE_WAY: fatal(
    2,
    'The server has no cheap way for the change, and --strategy native forbids the copy.',
    'Use --strategy shadow, or auto; or run the clause that is named by itself.',
  ),
  NATIVE_NOT_LOCKED: fatal(
    5,
    'The lock for a step of a native change was not had within the attempts allowed.',
    (again) => `End what blocks it, or choose a calmer time; ${again}, which does what is left.`,
  ),
  RETIRED_TABLE_KEPT: fatal(
    2,
    'The old table is still kept: its soak is not over, or it is still used.',
    'Wait until the time that is named, or end the use; with --now it is dropped all the same.',
  ),
  TABLE_NEEDED: fatal(
    2,
    'Something else on the server depends on the table that is to be dropped.',
    'Drop or change what is named, then run the same cleanup again.',
  ),
  DROP_NOT_LOCKED: fatal(
    5,
    'The lock to drop a table was not had within the attempts allowed.',
    'End what blocks it, or choose a calmer time; run the same cleanup again.',
  ),
  CRITICAL_LOAD: fatal(
    6,
    'The server’s load went over the critical limit, or its disk is nearly full.',
    (again) => `${again} when the load has gone down, or when there is space.`,
  ),
  SWAP_UNKNOWN: fatal(
    7,
    'Whether the swap happened is not known.',
    'Look at the three tables that are named before doing anything. Where only one is left, the message says how to tell the tool what happened.',
  ),
  INTERNAL: fatal(1, 'A check of the tool on itself failed.', 'Report it with the message; nothing was swapped.'),
} as const satisfies Record<string, ErrorEntry>;

export type ErrorCode = keyof typeof ERRORS;

/** An error with a code that says what the caller can do, and one sentence that says what happened, where, and what next. */
export class MigrationError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.name = 'MigrationError';
    this.code = code;
  }

  /** Whether the same thing may be tried again. */
  get isTransient(): boolean {
    return ERRORS[this.code].isTransient;
  }

  /** Whether a recorded migration may go on after this. */
  get isResumable(): boolean {
    return ERRORS[this.code].isResumable;
  }

  get exitCode(): number {
    return ERRORS[this.code].exitCode;
  }
}

/** What the message of a lock that was not had says of its blockers, behind a full stop; nothing where none was found. */
export function inTheWay(blockers: readonly string[]): string {
  return blockers.length === 0 ? '' : ` In the way: ${blockers.join('; ')}.`;
}

/** What was thrown, or a signal's reason, as an error. */
export function asError(reason: unknown): Error {
  return reason instanceof Error
    ? reason
    : new MigrationError('INTERNAL', `Ended for a reason that is no error: ${String(reason)}`);
}

/** What a thrown value says. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/** What the cause of a thrown value says, without the words around it; where there is none, what the value itself says. */
export function causeText(thrown: unknown): string {
  return messageOf(thrown instanceof Error && thrown.cause instanceof Error ? thrown.cause : thrown);
}

/**
 * Any thrown value as a MigrationError: what is not one already is a fault of ours. Of the two errors of work and of clearing up after it
 * (`await using`) that of the work: what could not be given back afterwards, to a server that is gone for instance, tells less.
 */
export function asMigrationError(thrown: unknown): MigrationError {
  if (thrown instanceof MigrationError) return thrown;
  // Where the runtime has no such class, the compiler makes an Error of that name.
  if (thrown instanceof Error && thrown.name === 'SuppressedError')
    return asMigrationError((thrown as SuppressedError).suppressed);
  return new MigrationError('INTERNAL', `An unexpected error ended the run: ${messageOf(thrown)}`, { cause: thrown });
}

/** The same of a migration that has begun: what it lacks a privilege for, it can go on with when that is granted. */
export function asRunError(thrown: unknown): MigrationError {
  const error = asMigrationError(thrown);
  return error.code === 'ACCESS_DENIED' ? new MigrationError('PRIVILEGE_NEEDED', error.message, { cause: error }) : error;
}

/** What the work gives; `otherwise` where the user may not do it, or see what it asks for. */
export async function unlessDenied<Result, Otherwise>(
  work: () => Promise<Result>,
  otherwise: Otherwise,
): Promise<Result | Otherwise> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof MigrationError && error.code === 'ACCESS_DENIED') return otherwise;
    throw error;
  }
}

/** Stops on a state that cannot be, if the program is right. */
export function assert(isTrue: boolean, message: string): asserts isTrue {
  if (!isTrue) throw new MigrationError('INTERNAL', `Assertion failed: ${message}.`);
}

/** Whether a migration that ended so after its start, by the code of an error, can only be given up. */
export function isFinal(code: string): boolean {
  return Object.entries(ERRORS).some(([one, { exitCode }]) => one === code && exitCode === 8);
}

/** Why a run ended. */
export type RunFailure = Pick<MigrationError, 'code' | 'message'>;

/** The same as it is recorded; null where there is none. */
export function failureText(failure: RunFailure | null): string | null {
  return failure === null ? null : `${failure.code}: ${failure.message}`;
}
