/** Reasons to slow down that MySQL and MariaDB can tell themselves. */

import { MigrationError } from '../engine/errors.ts';
import { judgeLoad, limitedNames, type LoadLimits } from '../engine/load.ts';
import type { Clock, ThrottleSignal } from '../engine/ports.ts';
import { checkQuery, operatorQuery } from '../sessions/operator-query.ts';
import { askSeldom } from '../engine/spaced-signal.ts';
import { disposingOnFailure } from '../sessions/disposal.ts';
import type { Server } from './server.ts';
import { createSessionPool } from './session-pool.ts';
import type { OwnedSession, Session, SessionPool } from './session.ts';
import { quoteName, quoteText } from './statements.ts';

/** What is looked at, and the limits as they are now. */
interface Limited {
  readonly pool: SessionPool;
  readonly limits: () => LoadLimits;
}

/** To count what runs, the server looks through all of its status variables. */
const ASK_EACH_MS = 1_000;

/** Pressure by the number of statements that are running, our own included. `look`: what else to look at at that moment. */
export function runningThreads(
  { pool, limits, look }: Limited & { readonly look?: (session: Session, signal: AbortSignal) => Promise<void> },
  clock: Clock,
): ThrottleSignal {
  return askSeldom(
    {
      name: 'running threads',
      async sample(signal) {
        const rows = await pool.withSession(async (session) => {
          await look?.(session, signal);
          return await session.query("SHOW GLOBAL STATUS LIKE 'Threads_running'", signal);
        }, signal);
        const limit = limits().runningThreadsMax;
        const running = Number(rows[0]?.['Value'] ?? 0);
        return { pressure: running / limit, detail: `${running} threads are running, the limit is ${limit}` };
      },
    },
    ASK_EACH_MS,
    clock,
  );
}

/** What the operator asked to look at, each kind a signal of its own. `queries`: a pool for the operator's query alone. */
export function operatorLimits(
  { pool, limits, queries }: Limited & { readonly queries: SessionPool },
  clock: Clock,
): readonly ThrottleSignal[] {
  const ask = (sql: string, signal: AbortSignal): ReturnType<Session['query']> =>
    queries.withSession((session) => session.query(sql, signal), signal);
  return [statusLimits({ pool, limits }), operatorQuery(() => limits().query, ask, clock)];
}

/** Nothing of ours is done in its database: filters of the binary log would go by that. */
export function openQueryPool(database: string | null, open: (signal: AbortSignal) => Promise<OwnedSession>): SessionPool {
  const openIn = async (signal: AbortSignal): Promise<OwnedSession> => {
    const session = await open(signal);
    return await disposingOnFailure(session, async () => {
      await useDatabase(session, database, signal);
      return session;
    });
  };
  return createSessionPool({ sizeMax: 1, open: openIn });
}

/** Where names of the operator's query are looked up that have no database: in that of the URL. Locks nothing. */
async function useDatabase(session: Session, database: string | null, signal: AbortSignal): Promise<void> {
  if (database !== null) await session.execute(`USE ${quoteName(database)}`, signal);
}

/** Rejects with BAD_USAGE where a limit is on something that is no status variable of this server, or it cannot answer the query. */
export async function checkLoadLimits(server: Server, limits: LoadLimits, signal: AbortSignal): Promise<void> {
  const names = limitedNames(limits);
  if (names.length === 0 && limits.query === null) return;
  await using session = await server.openSession({}, signal);
  const figures = names.length === 0 ? new Map() : await readStatus(session, limits, signal);
  const unknown = names.filter((name) => !figures.has(name));
  if (unknown.length > 0) {
    throw new MigrationError('BAD_USAGE', `This server has no status variable ${unknown.join(', ')} with a number to limit.`);
  }
  if (limits.query === null) return;
  await useDatabase(session, server.config.database, signal);
  await checkQuery(limits.query, (sql, inner) => session.query(sql, inner), signal);
}

function statusLimits({ pool, limits }: Limited): ThrottleSignal {
  return {
    name: 'server load',
    async sample(signal) {
      const now = limits();
      if (limitedNames(now).length === 0) return judgeLoad(new Map(), now);
      return judgeLoad(await pool.withSession((session) => readStatus(session, now, signal), signal), now);
    },
  };
}

/** Status variables by name in lower case; at least one is limited. */
async function readStatus(session: Session, limits: LoadLimits, signal: AbortSignal): Promise<ReadonlyMap<string, number>> {
  const names = limitedNames(limits).map(quoteText).join(', ');
  const rows = await session.query(`SHOW GLOBAL STATUS WHERE Variable_name IN (${names})`, signal);
  return new Map(
    rows
      .map((row): [string, number] => [(row['Variable_name'] ?? '').toLowerCase(), Number.parseFloat(row['Value'] ?? '')])
      .filter(([, value]) => Number.isFinite(value)),
  );
}
