/** What an error of the server or the driver means for the caller. */

import { MigrationError, type ErrorCode } from '../engine/errors.ts';
import { theStatement } from '../sessions/statement-text.ts';
import { runtimeFault } from '../sessions/open-files.ts';

/**
 * Any thrown value as a MigrationError: `what` begins the sentence (`Copying a range of shop.orders`). A MigrationError stays
 * as it is. The original is the `cause`, so `sqlState` works on the result too.
 */
export function translate(thrown: unknown, what: string): MigrationError {
  if (thrown instanceof MigrationError) return thrown;
  if (isByEventTrigger(thrown, what)) {
    const message = `An event trigger of the database refuses ${what.replace(/^The /, 'the ')}: ${messageOf(thrown)}.`;
    return new MigrationError('ACCESS_DENIED', message, { cause: thrown });
  }
  const code = codeOf(thrown, what);
  const gone = !isInFunction(thrown) && isGone(sqlState(thrown) ?? '', what) ? goneThings.get(code) : undefined;
  const message = gone === undefined ? `${what} failed: ${messageOf(thrown)}.` : `Somebody has ${gone}: ${messageOf(thrown)}.`;
  return new MigrationError(code, message, { cause: thrown });
}

/**
 * The same for an error while connecting. `first`: nothing has begun, so an unreachable server is a wrong address; `again`: it
 * was reached before, so it is a lost connection that may come back.
 */
export function translateConnecting(thrown: unknown, what: string, when: 'first' | 'again'): MigrationError {
  if (thrown instanceof MigrationError) return thrown;
  const state = sqlState(thrown);
  let code: ErrorCode;
  if (state !== null) code = loginCode(state);
  else if (isTlsFault(thrown) || isLoginFault(thrown)) code = 'ACCESS_DENIED';
  else code = when === 'first' ? 'UNREACHABLE' : 'CONNECTION_LOST';
  return new MigrationError(code, `${what} failed: ${messageOf(thrown)}.`, { cause: thrown });
}

/** The server's SQLSTATE behind a thrown value, or null if no server said it. */
export function sqlState(thrown: unknown): string | null {
  return serverError(thrown)?.code ?? null;
}

/** On an error of the server: how many statements of the same message were done before the one that failed (connection.ts). */
export const doneBefore = Symbol('statements done before');

/** The same error as that of the one that failed, of statements that were sent together; any other error as it is. */
export function ofFailedStatement(error: unknown, sent: readonly string[]): unknown {
  const cause = error instanceof MigrationError ? error.cause : null;
  const place = cause instanceof Error ? (cause as Error & { readonly [doneBefore]?: number })[doneBefore] : undefined;
  const failed = place === undefined ? undefined : sent[place];
  return failed === undefined ? error : translate(cause, theStatement(failed));
}

/** What the server says about an error beside its message; a part is null where it says nothing. */
export interface ServerReport {
  readonly code: string;
  readonly message: string;
  readonly severity: string | null;
  readonly detail: string | null;
  /** The function of the server that says it. */
  readonly routine: string | null;
}

/** The server's own words behind a thrown value, or null if no server said it. */
export function serverError(thrown: unknown): ServerReport | null {
  for (let error: unknown = thrown, depth = 0; error instanceof Error && depth < 10; error = error.cause, depth += 1) {
    const { code, severity, detail, routine } = error as Error & Readonly<Record<string, unknown>>;
    // Node's own errors have a code too, but no severity.
    if (typeof code !== 'string' || code.length !== 5 || severity === undefined) continue;
    return {
      code,
      message: error.message,
      severity: typeof severity === 'string' ? severity : null,
      detail: typeof detail === 'string' ? detail : null,
      routine: typeof routine === 'string' ? routine : null,
    };
  }
  return null;
}

/**
 * The same where the server refuses the statement for what it says; null where it may work another time: locks, resources, a
 * transaction that was undone, a lost connection.
 */
export function refusalIn(thrown: unknown): ServerReport | null {
  const report = serverError(thrown);
  return report === null || /^(?:08|25|40|53|55P03|57|58|XX)/.test(report.code) ? null : report;
}

/** Whether the session behind this error is gone or may be, so that the fate of its statement is not known. */
export function isConnectionLoss(thrown: unknown): boolean {
  if (thrown instanceof MigrationError) return thrown.code === 'CONNECTION_LOST';
  const report = serverError(thrown);
  // After FATAL and PANIC the server closes the connection; their severity may be in any language.
  if (report !== null) return report.code.startsWith('08') || endingStates.has(report.code) || isFatal(report.severity);
  const { code, message } = thrown as { readonly code?: unknown; readonly message?: unknown };
  return (
    (typeof code === 'string' && /^E[A-Z]+$/.test(code)) ||
    (typeof message === 'string' && /Connection terminated|connection was closed|not queryable|Connection ended/i.test(message))
  );
}

function isFatal(severity: string | null): boolean {
  return severity === 'FATAL' || severity === 'PANIC';
}

/** Ended by an operator, a crash, a shutdown, a dropped database; idle, idle in a transaction, or in one, for too long. */
const endingStates: ReadonlySet<string> = new Set(['57P01', '57P02', '57P03', '57P04', '57P05', '25P03', '25P04']);

function loginCode(state: string): ErrorCode {
  // Too many connections; starting up, shutting down or in recovery.
  if (state.startsWith('53')) return 'SERVER_BUSY';
  return state.startsWith('57') || endingStates.has(state) ? 'CONNECTION_LOST' : 'ACCESS_DENIED';
}

/**
 * Whether a login was refused for its password: by the server itself, or by what it asks (PAM, LDAP), which has the code of all other
 * refusals, and words in the language of the server. Not for a role that may not log in, nor by pg_hba.conf.
 */
export function isPasswordRefused(thrown: unknown): boolean {
  const report = serverError(thrown);
  return report?.code === '28P01' || (report?.code === '28000' && report.routine === 'auth_failed');
}

/** By SQLSTATE, or else by its class. */
const codes: ReadonlyMap<string, ErrorCode> = new Map<string, ErrorCode>([
  ['55P03', 'LOCK_WAIT'],
  ['40P01', 'DEADLOCK'],
  ['40001', 'DEADLOCK'],
  // Cancelled by hand or by statement_timeout.
  ['57014', 'STATEMENT_TIMEOUT'],
  // Resources: disk, memory, connections, configured limits. A read-only server: for a moment, in a failover.
  ['53', 'SERVER_BUSY'],
  ['25006', 'SERVER_BUSY'],
  // A value that does not fit the column: too long, out of range, not that type, NULL, against a CHECK; or what a function says.
  ['22', 'ROW_NOT_CONVERTIBLE'],
  ['23502', 'ROW_NOT_CONVERTIBLE'],
  ['23514', 'ROW_NOT_CONVERTIBLE'],
  // Larger than an index, a row, an array or a type can hold; nested deeper than the server reads.
  ['54000', 'ROW_NOT_CONVERTIBLE'],
  ['54001', 'ROW_NOT_CONVERTIBLE'],
  ['P0', 'ROW_NOT_CONVERTIBLE'],
  // In a function: a CASE without this value, several rows where one is expected.
  ['20', 'ROW_NOT_CONVERTIBLE'],
  ['21', 'ROW_NOT_CONVERTIBLE'],
  // A function or an operator that the change or a default calls, and that was there when the change was planned.
  ['42883', 'OBJECT_NEEDED'],
  // A unique key, an exclusion constraint.
  ['23505', 'DUPLICATE_KEY'],
  ['23P01', 'DUPLICATE_KEY'],
  ['42501', 'ACCESS_DENIED'],
  ['28', 'ACCESS_DENIED'],
]);

/** No such table, column or schema: our statements name only what the plan found. */
const goneStates: ReadonlySet<string> = new Set(['42P01', '42703', '3F000']);

/** What a function of the user's means by an error that would mean something else where no function has met it. */
const codesInFunctions: ReadonlyMap<string, ErrorCode> = new Map<string, ErrorCode>([
  ...[...goneStates, '42704'].map((state) => [state, 'OBJECT_NEEDED'] as const),
  // What it raises itself has nothing to do with a key of the shadow.
  ['23505', 'ROW_NOT_CONVERTIBLE'],
  ['23P01', 'ROW_NOT_CONVERTIBLE'],
]);

function codeOf(thrown: unknown, what: string): ErrorCode {
  if (isConnectionLoss(thrown)) return 'CONNECTION_LOST';
  const state = sqlState(thrown);
  if (state === null) return 'INTERNAL';
  // Two at once wrote one row of the catalog (a GRANT, an ANALYZE); an internal error to the server, which has no other code for it.
  if (state === 'XX000' && /tuple concurrently (?:updated|deleted)/.test(messageOf(thrown))) return 'DEADLOCK';
  // No message has the name of a setting in another language.
  if (state === '53400' && messageOf(thrown).includes('temp_file_limit')) return 'SERVER_LIMIT';
  if (state === '54000' && isOutOfIds(thrown)) return 'SERVER_BUSY';
  const inFunction = isInFunction(thrown) ? codesInFunctions.get(state) : undefined;
  if (inFunction !== undefined) return inFunction;
  if (isGone(state, what)) return state.startsWith('22') ? 'SOURCE_CHANGED' : goneCode(messageOf(thrown));
  // Of a value: NaN as an integer, a text whose collation LIKE does not work with. A definition was tried without rows before.
  if (state === '0A000' && (!isDefining(what) || /^The statement "CREATE (?:UNIQUE )?INDEX /.test(what)))
    return 'ROW_NOT_CONVERTIBLE';
  return knownCode(state) ?? (isInFunction(thrown) && !state.startsWith('XX') ? 'ROW_NOT_CONVERTIBLE' : 'INTERNAL');
}

function knownCode(state: string): ErrorCode | undefined {
  return codes.get(state) ?? codes.get(state.slice(0, 2));
}

/**
 * Whether a function that our statement calls has met it, or raised it under whatever code: in whatever language, the context names the one
 * that the function is in. Other contexts are that of a parallel worker, or of a place in a table.
 */
function isInFunction(thrown: unknown): boolean {
  const { where } = thrown as { readonly where?: unknown };
  return typeof where === 'string' && /\bSQL\b|\bPL\//.test(where);
}

/** Whether the server gives no more transaction ids out, or none for rows that several lock, until it has been vacuumed. */
function isOutOfIds(thrown: unknown): boolean {
  return /^GetNew(?:TransactionId|MultiXactId)$/.test(serverError(thrown)?.routine ?? '');
}

/**
 * Whether a function that takes no arguments has raised it, and not in a statement that writes rows, where it may be a trigger's or a
 * default's. What else runs functions for rows, building an index or checking a constraint, gives them values.
 */
function isByEventTrigger(thrown: unknown, what: string): boolean {
  const { where } = thrown as { readonly where?: unknown };
  const state = sqlState(thrown) ?? '';
  const isRaised =
    state.startsWith('P0') || (!state.startsWith('XX') && knownCode(state) === undefined && !codesInFunctions.has(state));
  return isRaised && isDefining(what) && typeof where === 'string' && /^[^\n]*\(\)/.test(where);
}

/**
 * Whether a statement names what is there no more: beside the above the type of a key, which has moved to another schema, or a key
 * that its type reads no more (a renamed value of an enum, an attribute more), for a DELETE and a search for keys have no other values.
 */
function isGone(state: string, what: string): boolean {
  if (state === '42704')
    return /^The statement "(?:(?:DELETE FROM|INSERT INTO) .*"tableshift_|SELECT (?:pg_catalog\.(?:concat|count)|coalesce|\(SELECT pg_catalog\.concat)\()/.test(
      what,
    );
  if (state.startsWith('22'))
    return /^The statement "(?:DELETE FROM (?:ONLY )?"tableshift_|SELECT pg_catalog\.concat\()/.test(what);
  return goneStates.has(state);
}

/** By what the server's message names, in whatever language and quotes. */
function goneCode(message: string): ErrorCode {
  if (/\btableshift_/.test(message)) return 'SHADOW_CHANGED';
  return /(?<!\.)\btableshift\b/.test(message) ? 'RECORDS_LOST' : 'SOURCE_CHANGED';
}

/** What was done to each, behind `Somebody has`. */
const goneThings: ReadonlyMap<ErrorCode, string> = new Map<ErrorCode, string>([
  ['SOURCE_CHANGED', 'renamed, altered or dropped the table, or what it is made of'],
  ['SHADOW_CHANGED', 'renamed, altered or dropped the shadow'],
  ['RECORDS_LOST', 'dropped the bookkeeping, or a part of it'],
]);

/** OpenSSL's and Node's own codes, and a server that has no TLS although it is required. */
function isTlsFault(thrown: unknown): boolean {
  const { code, message } = thrown as { readonly code?: unknown; readonly message?: unknown };
  return (
    (typeof code === 'string' && /^(ERR_TLS|ERR_SSL|ERR_OSSL|CERT_|DEPTH_|SELF_SIGNED|UNABLE_TO_|EPROTO)/.test(code)) ||
    (typeof message === 'string' && / SSL connection/.test(message))
  );
}

/** What the driver says when the server wants a password that it does not have, or another way to log in than it knows. */
function isLoginFault(thrown: unknown): boolean {
  const { message } = thrown as { readonly message?: unknown };
  return typeof message === 'string' && /^SASL|authentication/i.test(message);
}

function messageOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  const report = serverError(thrown);
  // Several addresses of one host that all failed: the parts say why.
  const text = thrown instanceof AggregateError ? thrown.errors.map(messageOf).join('; ') : runtimeFault(thrown);
  const said = /must be a (non-empty )?string/.test(text) ? 'the server wants a password and none was given' : text;
  return `${said.replace(/\.$/, '')}${report === null ? '' : ` (SQLSTATE ${report.code})`}`;
}

function isDefining(what: string): boolean {
  return /^The statement "(?:CREATE|ALTER|DROP|GRANT|REVOKE|COMMENT|REFRESH) /.test(what);
}
