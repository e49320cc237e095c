/**
 * What no clean-up finds: what is left of migrations that are not recorded any more, because somebody has dropped the bookkeeping or
 * restored an older one, and empty schemas of those that are over, whose process ended between two steps.
 */

import type { RecordedPlan } from '../engine/native-change.ts';
import { readMigrations } from './bookkeeping.ts';
import { tableNames } from './plan-names.ts';
import type { Server } from './server.ts';
import { slotName } from './replication-slot.ts';
import { quoteName, quoteText } from './statements.ts';

/** Each as a sentence with the statement that removes it. A slot that somebody reads from is left out: its run is still there. */
export async function findStrays(server: Server, signal: AbortSignal): Promise<readonly string[]> {
  await using session = await server.openSession({}, signal);
  const ours = String.raw`LIKE 'tableshift\_%'`;
  const found = await session.query(
    `SELECT 'slot' AS kind, slot_name AS name, false AS is_empty FROM pg_catalog.pg_replication_slots
       WHERE slot_name ${ours} AND database = pg_catalog.current_database() AND NOT active
     UNION ALL SELECT 'publication', pubname, false FROM pg_catalog.pg_publication
       WHERE pubname ${ours} AND NOT EXISTS (SELECT FROM pg_catalog.pg_replication_slots WHERE slot_name = pubname AND active)
     UNION ALL SELECT 'schema', nspname, NOT EXISTS (SELECT FROM pg_catalog.pg_class WHERE relnamespace = n.oid)
       FROM pg_catalog.pg_namespace AS n WHERE nspname ${ours} ORDER BY 1 DESC, 2`,
    signal,
  );
  if (found.length === 0) return [];
  // Read last: whoever makes these has recorded its migration before.
  const { readable, unreadable } = await readMigrations(session, null, signal);
  const known = new Set([
    ...readable.flatMap(({ id, plan }) => [slotName(id), ...schemasOf(plan)]),
    ...unreadable.flatMap(({ id, source }) => [slotName(id), ...schemasOf(tableNames(source, id))]),
  ]);
  const over = new Set(readable.flatMap(({ plan, state }) => (state === 'open' ? [] : schemasOf(plan))));
  return found.flatMap((row) => {
    const { kind, name } = { kind: row['kind'] ?? '', name: row['name'] ?? '' };
    if (!known.has(name)) return [sentenceOf({ kind, name })];
    const isLeft = row['is_empty'] === 't' && over.has(name);
    return isLeft ? [`The schema ${name} of a migration that is over is empty: DROP SCHEMA ${quoteName(name)}.`] : [];
  });
}

function schemasOf(plan: RecordedPlan | ReturnType<typeof tableNames>): readonly string[] {
  return 'shadow' in plan ? [plan.shadow.schema, plan.retired.schema] : [];
}

function sentenceOf({ kind, name }: { readonly kind: string; readonly name: string }): string {
  const what = `The ${kind === 'slot' ? 'replication slot' : kind} ${name} is of a migration that is not recorded any more`;
  switch (kind) {
    case 'slot':
      return `${what}, and keeps the server’s log: SELECT pg_drop_replication_slot(${quoteText(name)}).`;
    case 'publication':
      return `${what}: DROP PUBLICATION ${quoteName(name)}.`;
    default:
      return `${what}, with its ${name.startsWith('tableshift_old_') ? 'old table' : 'shadow'}: DROP SCHEMA ${quoteName(name)} CASCADE.`;
  }
}
