/** A bounded pool of equal PostgreSQL sessions, opened when first needed. */

import { assert } from '../engine/errors.ts';
import { createPool } from '../sessions/session-pool.ts';
import type { OwnedSession, SessionPool } from './session.ts';

/** What a pool opens, and how many of it. */
export interface PoolOptions {
  readonly sizeMax: number;
  readonly open: (signal: AbortSignal) => Promise<OwnedSession>;
}

/** Makes an empty pool. Waiters are served in the order in which they came. Work must end the transactions that it begins. */
export function createSessionPool({ sizeMax, open }: PoolOptions): SessionPool {
  const pool = createPool<OwnedSession>({
    sizeMax,
    open,
    ping: (session, signal) => session.execute('SELECT', signal),
    reset: async (session, signal) => {
      if (session.transaction !== 'none') await session.execute('ROLLBACK', signal);
    },
  });
  return {
    withSession: (work, signal) =>
      pool.withSession(async (session) => {
        const result = await work(session);
        assert(session.transaction === 'none', 'a session comes back to its pool outside a transaction');
        return result;
      }, signal),
    [Symbol.asyncDispose]: () => pool[Symbol.asyncDispose](),
  };
}
