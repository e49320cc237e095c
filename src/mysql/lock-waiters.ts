/**
 * Sessions of others that wait for a metadata lock which one of ours holds, as a short reason to rest. What copying takes on the
 * source keeps no reader and no writer waiting, but it does keep who wants the table for himself: ALTER, LOCK TABLES, FLUSH
 * TABLES. Everybody else then queues behind him, so he should get it soon. Row locks are not asked for, which would halt
 * InnoDB's lock table for a moment each time: ours are on the shadow, where nobody else writes.
 */

import type { Plan, TableName } from '../engine/model.ts';
import type { Clock, ThrottleSample, ThrottleSignal } from '../engine/ports.ts';
import { askSeldom } from '../engine/spaced-signal.ts';
import { beginningOf, STATEMENT_CHARS_MAX } from '../sessions/statement-text.ts';
import { claimName } from './claim.ts';
import { untilUntold } from './errors.ts';
import type { Server } from './server.ts';
import type { Row, Session, SessionPool } from './session.ts';
import { nameList, quoteText } from './statements.ts';

/** Who comes to wait is noticed soon enough, and being asked costs the server something. */
const ASK_EACH_MS = 1_000;

/** What to look at. */
export interface LockWaiterOptions {
  readonly pool: SessionPool;
  readonly server: Pick<Server, 'flavour' | 'ignoresNameCase'>;
  readonly plan: Plan;
  readonly clock: Clock;
}

/** A stop while somebody waits for us. Where the server or a lack of privileges keeps that from being told, it is asked once. */
export function lockWaiters({ pool, server, plan, clock }: LockWaiterOptions): ThrottleSignal {
  const find = server.flavour.metadataLockSource === 'performance_schema' ? inPerformanceSchema : inMetadataLockInfo;
  const search = { tables: [plan.source, plan.shadow], marks: `${claimName(server, plan.source)}:%` };
  const ask = async (signal: AbortSignal): Promise<ThrottleSample> =>
    judge(await pool.withSession((session) => find(session, search, signal), signal));
  const sample = untilUntold(ask, untold);
  return askSeldom({ name: 'lock waiters', sample }, ASK_EACH_MS, clock);
}

const untold: ThrottleSample = { pressure: 0, detail: 'the server does not tell who waits for locks' };

interface WaiterSearch {
  readonly tables: readonly TableName[];
  /** LIKE pattern of the user-level locks that our sessions hold. */
  readonly marks: string;
}

/**
 * MySQL: who waits, holds and is ours all stands in one table in the server's memory. A thread of the server itself, such as the one
 * that gathers statistics, has no number in the process list; nobody waits behind the lock that it reads with.
 */
function inPerformanceSchema(session: Session, { tables, marks }: WaiterSearch, signal: AbortSignal): Promise<readonly Row[]> {
  const isOurs = (thread: string): string =>
    `EXISTS (SELECT 1 FROM performance_schema.metadata_locks AS m WHERE m.OBJECT_TYPE = 'USER LEVEL LOCK'
       AND m.OBJECT_NAME LIKE ${quoteText(marks)} AND m.OWNER_THREAD_ID = ${thread})`;
  return session.query(
    `SELECT DISTINCT t.PROCESSLIST_ID AS id, t.PROCESSLIST_USER AS user, t.PROCESSLIST_HOST AS host, t.PROCESSLIST_TIME AS seconds,
       LEFT(t.PROCESSLIST_INFO, ${STATEMENT_CHARS_MAX + 1}) AS statement
     FROM performance_schema.metadata_locks AS w
     JOIN performance_schema.threads AS t ON t.THREAD_ID = w.OWNER_THREAD_ID
     WHERE w.LOCK_STATUS = 'PENDING' AND w.OBJECT_TYPE = 'TABLE' AND (w.OBJECT_SCHEMA, w.OBJECT_NAME) IN (${nameList(tables)})
       AND t.PROCESSLIST_ID IS NOT NULL AND NOT ${isOurs('w.OWNER_THREAD_ID')}
       AND EXISTS (SELECT 1 FROM performance_schema.metadata_locks AS h WHERE h.OBJECT_TYPE = 'TABLE' AND h.LOCK_STATUS = 'GRANTED'
         AND h.OBJECT_SCHEMA = w.OBJECT_SCHEMA AND h.OBJECT_NAME = w.OBJECT_NAME AND ${isOurs('h.OWNER_THREAD_ID')})
     ORDER BY seconds DESC, id`,
    signal,
  );
}

/**
 * MariaDB: who waits stands in the process list, for what only in the text of the statement; who holds, in the plug-in's table,
 * which is read only when somebody waits.
 */
async function inMetadataLockInfo(
  session: Session,
  { tables, marks }: WaiterSearch,
  signal: AbortSignal,
): Promise<readonly Row[]> {
  const named = tables.map(({ table }) => `LOCATE(${quoteText(table)}, p.INFO) > 0`).join(' OR ');
  const waiting = `p.STATE = 'Waiting for table metadata lock' AND (${named})`;
  const columns = `p.ID AS id, p.USER AS user, p.HOST AS host, p.TIME AS seconds, LEFT(p.INFO, ${STATEMENT_CHARS_MAX + 1}) AS statement`;
  const waiters = await session.query(
    `SELECT ${columns} FROM information_schema.PROCESSLIST AS p WHERE ${waiting} ORDER BY p.TIME_MS DESC`,
    signal,
  );
  if (waiters.length === 0) return [];
  const holders = await session.query(
    `SELECT THREAD_ID AS id, MAX(LOCK_TYPE = 'Table metadata lock' AND (TABLE_SCHEMA, TABLE_NAME) IN (${nameList(tables)})) AS holds
     FROM information_schema.METADATA_LOCK_INFO
     GROUP BY THREAD_ID HAVING MAX(LOCK_TYPE = 'User lock' AND TABLE_SCHEMA LIKE ${quoteText(marks)}) = 1`,
    signal,
  );
  if (holders.every((row) => row['holds'] !== '1')) return [];
  const ours = holders.map((row) => row['id']);
  return waiters.filter((row) => !ours.includes(row['id']));
}

function judge(waiters: readonly Row[]): ThrottleSample {
  const [first] = waiters;
  if (first === undefined) return { pressure: 0, detail: 'nobody waits for a lock of ours' };
  const { id, user, host, seconds, statement } = first;
  const text = statement == null ? '' : `: ${beginningOf(statement)}`;
  const more = waiters.length === 1 ? '' : `, and ${waiters.length - 1} more`;
  const who = `connection ${id ?? ''} of ${user ?? ''} from ${host ?? ''}, waiting for ${seconds ?? '0'} s`;
  return { pressure: 1, detail: `waiting for a lock of ours: ${who}${text}${more}` };
}
