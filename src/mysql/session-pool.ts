/** A bounded pool of equal MySQL or MariaDB sessions, opened when first needed. */

import { createPool } from '../sessions/session-pool.ts';
import type { OwnedSession, SessionPool } from './session.ts';

/** What a pool opens, and how many of it. */
export interface PoolOptions {
  readonly sizeMax: number;
  readonly open: (signal: AbortSignal) => Promise<OwnedSession>;
}

/** Makes an empty pool. Waiters are served in the order in which they came. */
export function createSessionPool({ sizeMax, open }: PoolOptions): SessionPool {
  return createPool<OwnedSession>({
    sizeMax,
    open,
    ping: (session, signal) => session.execute('DO 0', signal),
    reset: async (session, signal) => {
      await session.execute('ROLLBACK', signal);
      await session.execute('UNLOCK TABLES', signal);
      await session.execute('SET autocommit = 1', signal);
    },
  });
}
