/** Whether the server tells a role what the sessions of others do, which is what a run goes by when its cutover gets no lock. */

import type { Session } from './session.ts';

/** What an operator should know of it before a run: at most one sentence. Sessions of roles that it is a member of are seen in any case. */
export async function readHolderNotes(session: Session, signal: AbortSignal): Promise<readonly string[]> {
  const [blind] = await session.query(
    "SELECT quote_ident(current_user) AS name WHERE NOT pg_has_role('pg_read_all_stats', 'USAGE')",
    signal,
  );
  return blind === undefined
    ? []
    : [
        `Of sessions of other roles only process and role are told: not what they run and since when, nor who of them waits for the migration; standbys are not seen either: GRANT pg_monitor TO ${blind['name'] ?? ''};`,
      ];
}
