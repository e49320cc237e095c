/** Reasons to slow down that MySQL and MariaDB can tell themselves. */

import { MigrationError } from '../engine/errors.ts';
import { judgeLoad, limitedNames, type LoadLimits } from '../engine/load.ts';
import type { Clock, ThrottleSignal } from '../engine/ports.ts';
import { type AskQuery, operatorQuery } from '../sessions/operator-query.ts';
import type { Session, SessionPool } from './session.ts';
import { quoteText } from './statements.ts';

/** Pressure by the number of statements that are running, our own included. */
export function runningThreads(pool: SessionPool, limit: number): ThrottleSignal {
  return {
    name: 'running threads',
    async sample(signal) {
      const rows = await pool.withSession(
        (session) => session.query("SHOW GLOBAL STATUS LIKE 'Threads_running'", signal),
        signal,
      );
      const running = Number(rows[0]?.['Value'] ?? 0);
      return { pressure: running / limit, detail: `${running} threads are running, the limit is ${limit}` };
    },
  };
}

/** What the operator asked to look at, each kind a signal of its own. */
export function operatorLimits(pool: SessionPool, limits: LoadLimits, clock: Clock): readonly ThrottleSignal[] {
  const { query } = limits;
  const ask =
    (sql: string): AskQuery =>
    (signal) =>
      pool.withSession((session) => session.query(sql, signal), signal);
  return [
    ...(limitedNames(limits).length === 0 ? [] : [statusLimits(pool, limits)]),
    ...(query === null ? [] : [operatorQuery(ask(query), clock)]),
  ];
}

/** Rejects with BAD_USAGE where a limit is on something that is no status variable of this server. */
export async function checkLoadLimits(session: Session, limits: LoadLimits, signal: AbortSignal): Promise<void> {
  if (limitedNames(limits).length === 0) return;
  const figures = await readStatus(session, limits, signal);
  const unknown = limitedNames(limits).filter((name) => !figures.has(name));
  if (unknown.length === 0) return;
  throw new MigrationError('BAD_USAGE', `This server has no status variable ${unknown.join(', ')} with a number to limit.`);
}

function statusLimits(pool: SessionPool, limits: LoadLimits): ThrottleSignal {
  return {
    name: 'server load',
    async sample(signal) {
      return judgeLoad(await pool.withSession((session) => readStatus(session, limits, signal), signal), limits);
    },
  };
}

/** Status variables by name in lower case. */
async function readStatus(session: Session, limits: LoadLimits, signal: AbortSignal): Promise<ReadonlyMap<string, number>> {
  const names = limitedNames(limits).map(quoteText).join(', ');
  const rows = await session.query(`SHOW GLOBAL STATUS WHERE Variable_name IN (${names})`, signal);
  return new Map(
    rows
      .map((row): [string, number] => [(row['Variable_name'] ?? '').toLowerCase(), Number.parseFloat(row['Value'] ?? '')])
      .filter(([, value]) => Number.isFinite(value)),
  );
}
