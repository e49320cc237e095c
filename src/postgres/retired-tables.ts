/** The old tables that finished migrations have left on PostgreSQL. */

import type { RetiredTable, RetiredTables } from '../engine/ports.ts';
import { findMigrations, isoTime, readMigrations, swaps } from './bookkeeping.ts';
import { dropEmptySchema } from './clean-up.ts';
import type { Server } from './server.ts';
import type { Session } from './session.ts';
import { quoteTable, quoteText } from './statements.ts';
import { dropInSteps } from './table-drop.ts';

/** Sessions tell the server what they have read some seconds late; what the migration itself has read is told by then. */
const lateSeconds = 60;

/** Each call uses sessions of its own, for calls are rare. */
export function createRetiredTables(server: Server): RetiredTables {
  return {
    async find(signal) {
      await using session = await server.openSession({}, signal);
      return await findRetired(session, server, signal);
    },

    drop: ({ id, table }, lockTimeoutMs, signal) =>
      dropInSteps(
        {
          open: (settings): Promise<Session> => server.openSession({ settings }, signal),
          table,
          lockTimeoutMs,
          async drop(session) {
            await session.execute(`DROP TABLE IF EXISTS ${quoteTable(table)} RESTRICT`, signal);
            await dropEmptySchema(session, table, signal);
            // A run that lost its connection right behind the swap has left it.
            for (const { plan } of await findMigrations(session, id, signal))
              if (plan.strategy !== 'native') await dropEmptySchema(session, plan.shadow, signal);
          },
        },
        signal,
      ),
  };
}

/** Reads the catalog, the statistics and the record of the swaps, and asks the file system for sizes. */
async function findRetired(session: Session, { flavour }: Server, signal: AbortSignal): Promise<readonly RetiredTable[]> {
  const done = (await readMigrations(session, null, signal)).readable.flatMap(({ id, plan, state }) =>
    state === 'done' && plan.strategy !== 'native' ? [{ id, plan }] : [],
  );
  if (done.length === 0) return [];
  const names = done
    .map(({ id, plan }) => `(${[id, plan.retired.schema, plan.retired.table].map(quoteText).join(', ')})`)
    .join(', ');
  const lastRead = flavour.tellsLastScan ? 'GREATEST(s.last_seq_scan, s.last_idx_scan)' : 'NULL::timestamptz';
  const rows = await session.query(
    // By name, not by to_regclass, which wants the privilege to use the schema.
    `SELECT r.id, pg_catalog.pg_total_relation_size(c.oid) AS bytes, ${isoTime('w.swapped_at')} AS swapped_at,
       pg_catalog.floor(extract(epoch FROM clock_timestamp() - w.swapped_at) * 1000) AS age_ms,
       CASE WHEN ${lastRead} > w.swapped_at + interval '${lateSeconds} s' THEN ${isoTime(lastRead)} END AS last_read
     FROM (VALUES ${names}) AS r (id, "schema", "table")
     JOIN ${swaps} AS w ON w.migration_id = r.id
     JOIN pg_catalog.pg_namespace AS n ON n.nspname = r."schema"
     JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = r."table"
     LEFT JOIN pg_catalog.pg_stat_all_tables AS s ON s.relid = c.oid`,
    signal,
  );
  return done.flatMap(({ id, plan }) => {
    const row = rows.find((one) => one['id'] === id);
    if (row === undefined) return [];
    const lastRead = row['last_read'] ?? null;
    return [
      {
        id,
        table: plan.retired,
        bytes: Number(row['bytes'] ?? 0),
        swappedAt: row['swapped_at'] ?? '',
        ageMs: Number(row['age_ms']),
        use: lastRead === null ? null : `it was read at ${lastRead}, since the swap`,
      },
    ];
  });
}
