/**
 * Taking turns at inserting into the shadow. With `innodb_autoinc_lock_mode` 0 or 1 (MariaDB's default) each INSERT … SELECT into a
 * table with an AUTO_INCREMENT column locks its counter to the end of the statement, so two of them never run side by side anyway.
 * But the second has a row in already when it waits for the counter: where the first meets that row under a unique key, both wait
 * for each other, and the server ends one as a deadlock.
 */

import { Turnstile } from '../engine/tasks.ts';
import type { PairLayout } from './pair-layout.ts';
import type { Session, SessionPool } from './session.ts';

/** From this mode on the counter is not locked. */
const INTERLEAVED = 2;

/** Runs an insert into the shadow of this layout on a session. */
export type WithInsertSession = <Result>(
  layout: PairLayout,
  insert: (session: Session) => Promise<Result>,
  signal: AbortSignal,
) => Promise<Result>;

/** Sessions of the pool, each behind the inserts for which the server would make it wait. Asks the server for its mode. */
export async function insertSessions(sessions: SessionPool, signal: AbortSignal): Promise<WithInsertSession> {
  const rows = await sessions.withSession(
    (session) => session.query('SELECT @@innodb_autoinc_lock_mode AS mode', signal),
    signal,
  );
  if (Number(rows[0]?.['mode']) >= INTERLEAVED) return (_layout, insert, inner) => sessions.withSession(insert, inner);
  const turnstile = new Turnstile();
  return (layout, insert, inner) => {
    const atOnce = (): ReturnType<typeof insert> => sessions.withSession(insert, inner);
    return layout.shadow.autoIncrement === null ? atOnce() : turnstile.run(atOnce, inner);
  };
}
