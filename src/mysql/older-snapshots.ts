/**
 * Snapshots that transactions on MySQL and MariaDB hold: src/sessions/older-snapshots.ts says why a swap waits for them. Those that
 * are older than the empty shadow get an error from the server (1412), as after its own ALTER; all others would find rows missing.
 */

import { randomUUID } from 'node:crypto';
import { MigrationError } from '../engine/errors.ts';
import type { HeldSnapshot } from '../sessions/older-snapshots.ts';
import { serverErrno } from './errors.ts';
import { describeSession, systemUsers } from './lock-holders.ts';
import type { Row, Session } from './session.ts';

/** The server collects its transactions anew only for who comes when nobody has looked for 100 ms. */
export const snapshotPollMs = 130;
/**
 * The server tells in whole seconds when a transaction began, so for that long a short one may be taken for the next of the same
 * session. A wait takes longer.
 */
export const snapshotWaitMsMin = 1_500;
/** So many looks in vain take about 7 s: then others look all the time. */
const looksMax = 20;
/** Those who look again after the same time would go on disturbing each other, so up to so many polls lie between two looks. */
const pollsMax = 4;

/** A transaction that may keep its view of the rows. */
interface OpenTransaction extends HeldSnapshot {
  readonly seconds: number;
}

/**
 * Transactions of clients in REPEATABLE READ or SERIALIZABLE by what tells them apart. One that has only written has no view yet, and
 * is listed too, for the server does not tell. Not listed: single statements that only read, and prepared transactions whose session is
 * gone. Takes no locks. Rejects with ACCESS_DENIED without the privilege PROCESS.
 */
export async function readSnapshots(session: Session, signal: AbortSignal): Promise<ReadonlyMap<string, OpenTransaction>> {
  const transactions = await readTransactions(session, signal);
  if (transactions.length === 0) return new Map();
  // Not information_schema: on MySQL it fails whenever any session runs a statement with a character beyond the BMP (3854).
  const processes = await session.query('SHOW PROCESSLIST', signal);
  return new Map(
    transactions.flatMap(({ id, since, seconds }) => {
      const process = processes.find((row) => row['Id'] === id);
      // It is gone since, or replicates, which reads nothing for anybody.
      if (process === undefined || systemUsers.includes(process['User'] ?? '')) return [];
      const { User: user, Host: host, Command: command, Time: time, Info: statement } = process;
      const shown = { id, user, host, command, seconds: time, statement, transactionSince: since, isSure: '1' } as Row;
      const snapshot = {
        sessionId: Number(id),
        sentence: describeSession(shown),
        isResting: command === 'Sleep',
        seconds: Number(seconds),
      };
      return [[`${id ?? ''} ${since ?? ''}`, snapshot] as const];
    }),
  );
}

/**
 * As they are now, and not as somebody else was shown them before: our own statement stands among them with its mark. It has to be in
 * a transaction for that, which at our READ COMMITTED keeps no view and takes no locks. What is shown to somebody else meanwhile will do,
 * so we wait in a statement with that mark too. Ends a transaction of the session.
 */
async function readTransactions(session: Session, signal: AbortSignal): Promise<readonly Row[]> {
  const mark = `tableshift ${randomUUID()}`;
  await session.execute('START TRANSACTION WITH CONSISTENT SNAPSHOT', signal);
  try {
    for (let looks = 0; looks < looksMax; looks += 1) {
      if (looks > 0) await session.query(`SELECT /* ${mark} */ SLEEP(${pauseSeconds(looks)})`, signal);
      // Times are in the zone of the machine.
      const sql = `SELECT /* ${mark} */ trx_mysql_thread_id AS id, trx_started AS since, trx_isolation_level AS isolation, trx_query AS statement,
          TIMESTAMPDIFF(SECOND, trx_started, CONVERT_TZ(NOW(), '+00:00', 'SYSTEM')) AS seconds
        FROM information_schema.INNODB_TRX WHERE trx_mysql_thread_id > 0 AND trx_autocommit_non_locking = 0
        ORDER BY trx_started, trx_mysql_thread_id`;
      const rows = await queryShowable(session, sql, signal);
      if (!rows.some((row) => row['statement']?.includes(mark) === true)) continue;
      return rows.filter((row) => keepingLevels.includes(row['isolation'] ?? '') && row['id'] !== String(session.connectionId));
    }
  } finally {
    await session.execute('COMMIT', signal);
  }
  throw new MigrationError(
    'STATEMENT_TIMEOUT',
    'The server did not show its transactions as they are now: others look at information_schema.INNODB_TRX all the time, or run statements that it cannot show (error 3854).',
  );
}

/** Nothing while a transaction runs a statement with a character beyond the BMP, which MySQL cannot show: it fails for all of them. */
async function queryShowable(session: Session, sql: string, signal: AbortSignal): Promise<readonly Row[]> {
  try {
    return await session.query(sql, signal);
  } catch (error) {
    if (serverErrno(error) !== cannotConvert) throw error;
    return [];
  }
}

const cannotConvert = 3854;

function pauseSeconds(looks: number): string {
  return ((snapshotPollMs / 1000) * (1 + Math.random() * Math.min(looks, pollsMax - 1))).toFixed(3);
}

const keepingLevels = ['REPEATABLE READ', 'SERIALIZABLE'];

/** More of them help nobody. */
const snapshotsMax = 20;

/** Who holds one for that long, one sentence each. Without the privilege PROCESS, nobody. */
export async function findOldSnapshots(
  session: Session,
  { secondsMin }: { readonly secondsMin: number },
  signal: AbortSignal,
): Promise<readonly string[]> {
  try {
    const snapshots = await readSnapshots(session, signal);
    return [...snapshots.values()]
      .filter(({ seconds }) => seconds >= secondsMin)
      .map(({ sentence }) => sentence)
      .slice(0, snapshotsMax);
  } catch (error) {
    if (error instanceof MigrationError && (error.code === 'ACCESS_DENIED' || error.code === 'STATEMENT_TIMEOUT')) return [];
    throw error;
  }
}
