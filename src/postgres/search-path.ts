/** Our sessions search pg_catalog alone; what the user has written is read as he would have it read. */

import type { Session } from './session.ts';

/** Runs work that names things as the user would. Inside a transaction. */
export async function withDefaultPath(session: Session, work: () => Promise<unknown>, signal: AbortSignal): Promise<void> {
  await session.execute('SET LOCAL search_path TO DEFAULT', signal);
  await work();
  await session.execute('SET LOCAL search_path = pg_catalog, pg_temp', signal);
}
