/**
 * Sessions of others that wait for a lock which one of ours holds, as a short reason to rest. What copying takes on the source
 * keeps no reader and no writer waiting, but it does keep who wants the table for himself: a DDL statement, LOCK TABLE, a VACUUM
 * FULL. Everybody else then queues behind him, so he should get it soon.
 */

import type { Plan } from '../engine/model.ts';
import type { Clock, ThrottleSignal } from '../engine/ports.ts';
import { askSeldom } from '../engine/spaced-signal.ts';
import { describeSession, sessionColumns } from './lock-holders.ts';
import type { SessionPool } from './session.ts';
import { quoteText } from './statements.ts';

/** Who comes to wait is noticed soon enough, and being asked costs the server something. */
const ASK_EACH_MS = 1_000;

/** A stop while somebody waits for us. A role that may not look at other sessions (without pg_monitor) sees nobody wait. */
export function lockWaiters(pool: SessionPool, plan: Plan, clock: Clock): ThrottleSignal {
  const ours = quoteText(`tableshift ${plan.id}`);
  // Who blocks whom is asked only for those that wait at all, since the server halts its lock tables for the answer.
  const statement = `SELECT ${sessionColumns}, count(*) OVER () AS waiters FROM pg_catalog.pg_stat_activity AS a
     WHERE a.wait_event_type = 'Lock' AND a.wait_event IN ('relation', 'tuple', 'transactionid') AND a.application_name <> ${ours}
       AND EXISTS (SELECT FROM pg_catalog.pg_stat_activity AS o WHERE o.application_name = ${ours}
         AND o.pid = ANY (pg_catalog.pg_blocking_pids(a.pid)))
     ORDER BY a.state_change LIMIT 1`;
  return askSeldom(
    {
      name: 'lock waiters',
      async sample(signal) {
        const [waiter] = await pool.withSession((session) => session.query(statement, signal), signal);
        if (waiter === undefined) return { pressure: 0, detail: 'nobody waits for a lock of ours' };
        const others = Number(waiter['waiters']) - 1;
        const more = others === 0 ? '' : `, and ${others} more`;
        return { pressure: 1, detail: `waiting for a lock of ours: ${describeSession(waiter)}${more}` };
      },
    },
    ASK_EACH_MS,
    clock,
  );
}
