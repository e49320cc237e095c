/** What an error of the server or the driver means for the caller. */

import { MigrationError, type ErrorCode } from '../engine/errors.ts';
import { bookkeepingSchema } from '../sessions/bookkeeping.ts';
import { runtimeFault } from '../sessions/open-files.ts';

/**
 * Any thrown value as a MigrationError: `what` begins the sentence (`Copying a range of shop.orders`). A MigrationError stays
 * as it is. The original is the `cause`, so `serverErrno` works on the result too.
 */
export function translate(thrown: unknown, what: string): MigrationError {
  if (thrown instanceof MigrationError) return thrown;
  const code = codeOf(thrown);
  const remedy = serverErrno(thrown) === triggersLost ? ` ${triggersLostRemedy}` : '';
  return new MigrationError(code, `${what} failed: ${messageOf(thrown)}.${remedy}`, { cause: thrown });
}

/** ER_FPARSER_ERROR_IN_PARAMETER: MariaDB keeps triggers in files, and has no statement that mends one. */
const triggersLost = 1343;
const triggersLostRemedy =
  'MariaDB lost the triggers of the table when somebody killed a RENAME TABLE of it, and lets nobody use the table: remove its file, with ' +
  'the ending .TRG, from the directory of the database, run FLUSH TABLES, then DROP TRIGGER IF EXISTS for each of its triggers, and make them again.';

/**
 * The same for an error while connecting. `first`: nothing has begun, so an unreachable server is a wrong address; `again`: it
 * was reached before, so it is a lost connection that may come back.
 */
export function translateConnecting(thrown: unknown, what: string, when: 'first' | 'again'): MigrationError {
  if (thrown instanceof MigrationError) return thrown;
  const errno = serverErrno(thrown);
  const known = errno === null ? undefined : connectingCodes.get(errno);
  const code =
    known ?? (errno === null && !isTlsFault(thrown) ? (when === 'first' ? 'UNREACHABLE' : 'CONNECTION_LOST') : 'ACCESS_DENIED');
  return new MigrationError(code, `${what} failed: ${messageOf(thrown)}.`, { cause: thrown });
}

/** The server's error number behind a thrown value, or null if no server said it. */
export function serverErrno(thrown: unknown): number | null {
  for (let error: unknown = thrown, depth = 0; error instanceof Error && depth < 10; error = error.cause, depth += 1) {
    const { errno, sqlState } = error as Error & { readonly errno?: unknown; readonly sqlState?: unknown };
    // Node's own network errors have a (negative) errno too, but no SQL state.
    if (typeof errno === 'number' && errno > 0 && sqlState !== undefined) return errno;
  }
  return null;
}

/** Whether a login was refused for its password: a wrong one, none, or one that has expired. */
export function isPasswordRefused(thrown: unknown): boolean {
  return passwordRefused.has(serverErrno(thrown) ?? 0);
}

/** Whether the session behind this error is gone or may be, so that the fate of its statement is not known. */
export function isConnectionLoss(thrown: unknown): boolean {
  if (thrown instanceof MigrationError) return thrown.code === 'CONNECTION_LOST';
  const errno = serverErrno(thrown);
  if (errno !== null) return lossErrnos.has(errno);
  const { fatal, code, message } = thrown as { readonly fatal?: unknown; readonly code?: unknown; readonly message?: unknown };
  return (
    fatal === true ||
    (typeof code === 'string' && /^(PROTOCOL_|E[A-Z]+$)/.test(code)) ||
    (typeof message === 'string' && message.includes('closed state'))
  );
}

/** Whether a statement names a table, or a database, that is not there. */
export function isUnknownTable(thrown: unknown): boolean {
  return unknownTable.has(serverErrno(thrown) ?? 0);
}

/** Whether the server does not tell what was asked: it has no such table, or this user may not read it. */
export function isUntold(thrown: unknown): boolean {
  return isUnknownTable(thrown) || codeByErrno.get(serverErrno(thrown) ?? 0) === 'ACCESS_DENIED';
}

/** Asks as `ask` does until the server has not told once; `untold` is the answer from then on. */
export function untilUntold<Asked extends readonly unknown[], Answer>(
  ask: (...asked: Asked) => Promise<Answer>,
  untold: Answer,
): (...asked: Asked) => Promise<Answer> {
  let isSilent = false;
  return async (...asked) => {
    if (isSilent) return untold;
    try {
      return await ask(...asked);
    } catch (error) {
      if (!isUntold(error)) throw error;
      isSilent = true;
      return untold;
    }
  };
}

/** ER_SERVER_SHUTDOWN, aborted and net errors, ER_CONNECTION_KILLED (MariaDB), ER_SESSION_WAS_KILLED, idle time-out. */
const lossErrnos: ReadonlySet<number> = new Set([
  1053, 1152, 1153, 1156, 1157, 1158, 1159, 1160, 1161, 1184, 1927, 2006, 2013, 3169, 4031,
]);

/**
 * Errors of the login by number: too many connections of the server, of the user, by hour; no memory or thread; too many failures of this
 * host; offline for a while (MySQL); a connection that broke. Everything else is a refusal.
 */
const connectingCodes: ReadonlyMap<number, ErrorCode> = new Map([
  ...[1037, 1040, 1041, 1129, 1135, 1203, 1226, 3032].map((errno) => [errno, 'SERVER_BUSY'] as const),
  ...[1053, 1158, 1159, 1160, 1161].map((errno) => [errno, 'CONNECTION_LOST'] as const),
]);

/** ER_ACCESS_DENIED_ERROR, ER_ACCESS_DENIED_NO_PASSWORD_ERROR, ER_MUST_CHANGE_PASSWORD_LOGIN. */
const passwordRefused: ReadonlySet<number> = new Set([1045, 1698, 1862]);

const codes: ReadonlyMap<ErrorCode, readonly number[]> = new Map<ErrorCode, readonly number[]>([
  // ER_LOCK_WAIT_TIMEOUT (row and metadata locks), ER_LOCK_NOWAIT.
  ['LOCK_WAIT', [1205, 3572]],
  // ER_LOCK_DEADLOCK, the one of user-level locks, and MariaDB's for a statement that went on although a deadlock had undone it.
  ['DEADLOCK', [1213, 3058, 4060]],
  // ER_QUERY_INTERRUPTED, ER_QUERY_TIMEOUT (MySQL), ER_STATEMENT_TIMEOUT (MariaDB).
  ['STATEMENT_TIMEOUT', [1317, 3024, 1969]],
  // Full disk, also where an index is sorted (1878), or table, out of memory or threads, connections used up, read-only for a moment
  // (a failover), commit refused by a plug-in, table definition cache raced, the definition is being changed (of the shadow: by
  // ourselves), or the schema is read-only (MySQL).
  [
    'SERVER_BUSY',
    [1021, 1037, 1038, 1040, 1041, 1114, 1135, 1180, 1203, 1226, 1290, 1412, 1615, 1684, 1792, 1836, 1878, 3100, 3101, 3989],
  ],
  // ER_TRANS_CACHE_FULL, ER_STMT_CACHE_FULL.
  ['SERVER_LIMIT', [1197, 1705]],
  // A value that a column cannot take: NULL, range, truncation, wrong text, too long, wrong date, JSON, CHECK; a geometry's kind,
  // latitude and SRID; what an indexed expression cannot compute; a vector; a row that no partition takes. Then what else an expression
  // over a row's values rejects: bytes, lengths, moments and other arguments; geometries; JSON; regular expressions; key derivation;
  // MariaDB's own.
  [
    'ROW_NOT_CONVERTIBLE',
    [
      ...[1048, 1264, 1265, 1292, 1364, 1366, 1367, 1406, 1411, 1416, 1425, 1525, 1526, 1690, 3140, 3141, 3819, 4025],
      ...[3516, 3617, 3643, 3751, 3752, 3903, 3904, 3905, 3906, 3907, 3908, 6138],
      ...[1210, 1256, 1259, 1300, 1301, 1441, 1772, 3020, 3513, 3854, 6527],
      ...[3033, 3034, 3037, 3064, 3070, 3072, 3548, 3560, 3616, 3618, 3704, 3706, 3726, 3741, 3902, 4032],
      ...[3143, 3144, 3149, 3153, 3154, 3156, 3158, 3853, 3966, 3967],
      ...[3685, 3686, 3688, 3689, 3691, 3692, 3693, 3694, 3695, 3696, 3697, 3698, 3699, 3700, 3887, 4007],
      ...[3235, 3236, 3238],
      ...[1919, 1958, 4036, 4037, 4038, 4041, 4042, 4044, 4046, 4048, 4051, 4183],
    ],
  ],
  ['DUPLICATE_KEY', [1022, 1062, 1169, 1586, 1859]],
  ['OBJECT_NEEDED', [triggersLost]],
  ['ONLINE_LOG_FULL', [1799]],
  // ER_BINLOG_STMT_MODE_AND_ROW_ENGINE.
  ['LOGS_STATEMENTS', [1665]],
  ['ACCESS_DENIED', [1044, 1045, 1095, 1142, 1143, 1227, 1370, 1410, 1820]],
]);

const codeByErrno: ReadonlyMap<number, ErrorCode> = new Map(
  [...codes].flatMap(([code, errnos]) => errnos.map((errno) => [errno, code] as const)),
);

function codeOf(thrown: unknown): ErrorCode {
  if (isConnectionLoss(thrown)) return 'CONNECTION_LOST';
  const errno = serverErrno(thrown);
  if (errno === null) return 'INTERNAL';
  if (unknownTable.has(errno) && namesBookkeeping.test(messageOf(thrown))) return 'RECORDS_LOST';
  if (errno === noSuchTable && namesShadow.test(messageOf(thrown))) return 'SHADOW_CHANGED';
  if (errno === syntaxError && saysTriggerKilled.test(messageOf(thrown))) return 'STATEMENT_TIMEOUT';
  return codeByErrno.get(errno) ?? (saysDiskFull.test(messageOf(thrown)) ? 'SERVER_BUSY' : 'INTERNAL');
}

/**
 * ENOSPC, EDQUOT: whoever could not write (a log, a temporary file, an engine) has an error of its own, and none names these. Errors that
 * name values of rows, which may say anything, are known by their numbers.
 */
const saysDiskFull = /\b(?:errno:?|errcode:|got error) (?:28|122)\b/i;
/** ER_PARSE_ERROR, which MariaDB also says of the body of a trigger that it did not read on, as the RENAME was killed. */
const syntaxError = 1064;
const saysTriggerKilled = /trigger has an error in its body: 'Query was empty'/;
/** ER_NO_SUCH_TABLE. */
const noSuchTable = 1146;
/** ER_BAD_DB_ERROR, ER_UNKNOWN_TABLE (of information_schema), ER_NO_SUCH_TABLE. */
const unknownTable: ReadonlySet<number> = new Set([1049, 1109, noSuchTable]);
const namesBookkeeping = new RegExp(`'${bookkeepingSchema}['.]`);
/** plan-names.ts has its names. */
const namesShadow = /_ts_new(?:_[a-z0-9]+)?'/;

/** OpenSSL's and Node's own codes, and a server that has no TLS although it is required. */
function isTlsFault(thrown: unknown): boolean {
  const { code, message } = thrown as { readonly code?: unknown; readonly message?: unknown };
  // A server that dies during the handshake resets or closes the connection, which says nothing about TLS.
  if (typeof message === 'string' && /\b(ECONNRESET|EPIPE|ETIMEDOUT)\b|socket disconnected/.test(message)) return false;
  return (
    typeof code === 'string' && /^(HANDSHAKE_|ERR_TLS|ERR_SSL|ERR_OSSL|CERT_|DEPTH_|SELF_SIGNED|UNABLE_TO_|EPROTO)/.test(code)
  );
}

function messageOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  const errno = serverErrno(thrown);
  // Several addresses of one host that all failed: the parts say why.
  const text = thrown instanceof AggregateError ? thrown.errors.map(messageOf).join('; ') : runtimeFault(thrown);
  return `${text.replace(/\.$/, '')}${errno === null ? '' : ` (error ${errno})`}`;
}
