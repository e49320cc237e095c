/** Our sessions search pg_catalog alone, and make what is ours in our way; what the user has written is run as it would be for him. */

import { ownPlaces, type Session } from './session.ts';

/** Runs work that names things as the user would. Inside a transaction. */
export async function withDefaultPath(session: Session, work: () => Promise<unknown>, signal: AbortSignal): Promise<void> {
  await session.execute('SET LOCAL search_path TO DEFAULT', signal);
  await work();
  await session.execute('SET LOCAL search_path = pg_catalog, pg_temp', signal);
}

/** By which the user's own statements make tables and indexes, as assignments for SET. */
export const USERS_PLACES: readonly string[] = ownPlaces.map((assignment) => assignment.replace(/ = .*/, ' TO DEFAULT'));

/** Runs the user's own statements: they name things, and make tables and indexes, as they would for him. Inside a transaction. */
export async function withDefaults(session: Session, work: () => Promise<unknown>, signal: AbortSignal): Promise<void> {
  const set = (assignments: readonly string[]): Promise<unknown> =>
    session.execute(assignments.map((one) => `SET LOCAL ${one}`).join('; '), signal);
  await set(USERS_PLACES);
  await withDefaultPath(session, work, signal);
  await set(ownPlaces);
}
