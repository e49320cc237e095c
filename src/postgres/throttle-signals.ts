/** Reasons to slow down that PostgreSQL can tell itself. */

import { MigrationError } from '../engine/errors.ts';
import { judgeLoad, limitedNames, type LoadLimits } from '../engine/load.ts';
import type { Plan } from '../engine/model.ts';
import type { Clock, ThrottleSignal } from '../engine/ports.ts';
import { checkQuery, operatorQuery } from '../sessions/operator-query.ts';
import type { SessionsOfOthers } from '../sessions/sessions-of-others.ts';
import { askSeldom } from '../engine/spaced-signal.ts';
import { describeSession, sessionColumns } from './lock-holders.ts';
import type { Server } from './server.ts';
import type { Session, SessionPool } from './session.ts';
import { quoteName, quoteText } from './statements.ts';

/** What is looked at, and the limits as they are now. */
interface Limited {
  readonly pool: SessionPool;
  readonly limits: () => LoadLimits;
}

/** To answer, the server looks through all of its sessions. */
const ASK_EACH_MS = 1_000;

/** Whether a session is none of ours, as `connection.ts` names them. */
export const isOfOthers = "application_name NOT LIKE 'tableshift %'";
/** Whether it is one that applications have used of late. */
const areOthers = `${isOfOthers} AND state_change > clock_timestamp() - interval '2 seconds'`;

/**
 * Pressure by the number of sessions that are at work, our own included. What other databases of the server do counts too. `others` is told
 * of those that are not ours.
 */
export function activeSessions({ pool, limits }: Limited, others: SessionsOfOthers, clock: Clock): ThrottleSignal {
  return askSeldom(
    {
      name: 'active sessions',
      async sample(signal) {
        // Who may not see what others do sees of their sessions that they are there, but not their state.
        const rows = await pool.withSession(
          (session) =>
            session.query(
              `SELECT count(*) FILTER (WHERE state = 'active') AS active, count(*) FILTER (WHERE ${areOthers}) AS others,
               count(*) FILTER (WHERE ${areOthers} AND state <> 'idle') AS busy
             FROM pg_catalog.pg_stat_activity WHERE backend_type = 'client backend'`,
              signal,
            ),
          signal,
        );
        const limit = limits().runningThreadsMax;
        const active = Number(rows[0]?.['active'] ?? 0);
        others.see({ count: Number(rows[0]?.['others'] ?? 0), inTransaction: Number(rows[0]?.['busy'] ?? 0) });
        return { pressure: active / limit, detail: `${active} sessions are active, the limit is ${limit}` };
      },
    },
    ASK_EACH_MS,
    clock,
  );
}

/**
 * Pressure by the standby that is furthest behind, as this server sees it: the time by which replay lags, which the server
 * forgets while nothing is written. Standbys of other standbys are not seen, and none by a role without pg_monitor.
 */
export function standbyLag({ pool, limits }: Limited): ThrottleSignal {
  return {
    name: 'standby lag',
    async sample(signal) {
      const rows = await pool.withSession(
        (session) =>
          session.query(
            `SELECT application_name AS name, coalesce(pg_catalog.floor(extract(epoch FROM replay_lag) * 1000), 0) AS lag
             FROM pg_catalog.pg_stat_replication WHERE state IN ('streaming', 'catchup') AND replay_lsn IS NOT NULL
               AND pid NOT IN (SELECT active_pid FROM pg_catalog.pg_replication_slots WHERE slot_type = 'logical' AND active)
             ORDER BY replay_lag DESC NULLS LAST LIMIT 1`,
            signal,
          ),
        signal,
      );
      const [slowest] = rows;
      if (slowest === undefined) return { pressure: 0, detail: 'there is no standby' };
      const lagMaxMs = limits().replicaLagMaxMs;
      const lagMs = Number(slowest['lag']);
      const detail = `the standby ${slowest['name'] ?? ''} replays ${lagMs / 1000} s behind, the limit is ${lagMaxMs / 1000} s`;
      return { pressure: lagMs / lagMaxMs, detail, lag: { ms: lagMs, limitMs: lagMaxMs } };
    },
  };
}

/**
 * Not a load, but a wait of ours that has no end of its own: building an index beside writers waits for every transaction of
 * the database that is older, and the operator should know for which.
 */
export function indexBuild(pool: SessionPool, plan: Plan, clock: Clock): ThrottleSignal {
  return askSeldom(
    {
      name: 'index build',
      async sample(signal) {
        const [awaited] = await pool.withSession(
          (session) =>
            session.query(
              `SELECT ${sessionColumns} FROM pg_catalog.pg_stat_progress_create_index AS p
             JOIN pg_catalog.pg_stat_activity AS ours ON ours.pid = p.pid JOIN pg_catalog.pg_stat_activity AS a ON a.pid = p.current_locker_pid
             WHERE ours.application_name = ${quoteText(`tableshift ${plan.id}`)} AND p.phase LIKE 'waiting for %'`,
              signal,
            ),
          signal,
        );
        if (awaited === undefined) return { pressure: 0, detail: 'no index build waits' };
        return { pressure: 1, detail: `building an index waits for ${describeSession(awaited)}` };
      },
    },
    ASK_EACH_MS,
    clock,
  );
}

/**
 * What an operator may limit, and the SQL that gives it, over the sessions of clients. Our own are counted but for the oldest
 * transaction.
 */
const figures = {
  sessions: 'count(*)',
  active_sessions: "count(*) FILTER (WHERE state = 'active')",
  idle_in_transaction: "count(*) FILTER (WHERE state LIKE 'idle in transaction%')",
  lock_waiters: "count(*) FILTER (WHERE wait_event_type = 'Lock')",
  oldest_transaction_seconds: `coalesce(pg_catalog.floor(extract(epoch FROM clock_timestamp()
    - min(xact_start) FILTER (WHERE ${isOfOthers}))), 0)`,
} as const;

/** What the operator asked to look at, each kind a signal of its own. The query finds tables by `searchPath`. */
export function operatorLimits(
  { pool, limits }: Limited,
  { searchPath, clock }: { readonly searchPath: readonly string[]; readonly clock: Clock },
): readonly ThrottleSignal[] {
  const ask = (sql: string, signal: AbortSignal): ReturnType<Session['query']> =>
    pool.withSession((session) => askReadOnly(session, { sql, searchPath }, signal), signal);
  return [statusLimits({ pool, limits }), operatorQuery(() => limits().query, ask, clock)];
}

/** In a transaction that leaves nothing behind. Where the query fails the pool ends it. */
async function askReadOnly(
  session: Session,
  { sql, searchPath }: { readonly sql: string; readonly searchPath: readonly string[] },
  signal: AbortSignal,
): ReturnType<Session['query']> {
  await session.execute('BEGIN READ ONLY', signal);
  if (searchPath.length > 0) await session.execute(`SET LOCAL search_path = ${searchPath.map(quoteName).join(', ')}`, signal);
  const rows = await session.query(sql, signal);
  await session.execute('ROLLBACK', signal);
  return rows;
}

/** Rejects with BAD_USAGE where a limit is on something that is not known here, or the server cannot answer the query. */
export async function checkLoadLimits(server: Server, limits: LoadLimits, signal: AbortSignal): Promise<void> {
  const unknown = limitedNames(limits).filter((name) => !Object.keys(figures).includes(name));
  if (unknown.length > 0) {
    const known = Object.keys(figures).join(', ');
    throw new MigrationError('BAD_USAGE', `On PostgreSQL there is no figure ${unknown.join(', ')} to limit, only ${known}.`);
  }
  if (limits.query === null) return;
  await using session = await server.openSession({}, signal);
  const { searchPath } = server;
  await checkQuery(limits.query, (sql, inner) => askReadOnly(session, { sql, searchPath }, inner), signal);
}

function statusLimits({ pool, limits }: Limited): ThrottleSignal {
  const columns = Object.entries(figures).map(([name, sql]) => `${sql} AS ${name}`);
  const statement = `SELECT ${columns.join(', ')} FROM pg_catalog.pg_stat_activity WHERE backend_type = 'client backend'`;
  return {
    name: 'server load',
    async sample(signal) {
      const now = limits();
      if (limitedNames(now).length === 0) return judgeLoad(new Map(), now);
      const [row = {}] = await pool.withSession((session) => session.query(statement, signal), signal);
      return judgeLoad(new Map(Object.entries(row).map(([name, value]) => [name, Number(value)])), now);
    },
  };
}
