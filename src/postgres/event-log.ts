/** What runs leave to be read later, in the bookkeeping in the database. */

import type { EventLog, LogEntry } from '../engine/ports.ts';
import type { MigrationId } from '../engine/model.ts';
import { bookkeepingSchema, createFurther, isMissing, isoTime, quoteJson } from './bookkeeping.ts';
import type { Server } from './server.ts';
import type { Session } from './session.ts';
import { quoteTable, quoteText } from './statements.ts';

/** The newest entries of each migration that are kept. An entry takes the place of the one that is so many older. */
const entriesKept = 2_000;

const events = quoteTable({ schema: bookkeepingSchema, table: 'events' });

/** Details are JSON in ASCII, so that any encoding of the database can hold them. */
const definition = `CREATE TABLE IF NOT EXISTS ${events} (
    migration_id text NOT NULL,
    place integer NOT NULL,
    number bigint NOT NULL,
    time timestamptz NOT NULL,
    kind text NOT NULL,
    details text NOT NULL,
    PRIMARY KEY (migration_id, place)
  )`;

/** Opens a session for each call: writes are rare, and shall not wait for the work of the run. */
export function createEventLog(server: Server): EventLog {
  return {
    async append(id, entries, signal) {
      await using session = await server.openSession({}, signal);
      await createFurther(session, 'events', definition, signal);
      await append(session, id, entries, signal);
    },
    async read(id, entriesMax, signal) {
      await using session = await server.openSession({}, signal);
      try {
        const rows = await session.query(
          `SELECT kind, details, ${isoTime('time')} AS at FROM ${events} WHERE migration_id = ${quoteText(id)}
           ORDER BY number DESC LIMIT ${entriesMax}`,
          signal,
        );
        return rows
          .map((row) => ({ kind: row['kind'] ?? '', details: row['details'] ?? '', time: row['at'] ?? '' }))
          .toReversed();
      } catch (error) {
        if (isMissing(error)) return [];
        throw error;
      }
    },
  };
}

/** One statement by primary keys, which commits by itself. Only the run that has the claim writes, so numbers are not given twice. */
async function append(session: Session, id: MigrationId, entries: readonly LogEntry[], signal: AbortSignal): Promise<void> {
  const [row] = await session.query(
    `SELECT coalesce(max(number), 0) AS last FROM ${events} WHERE migration_id = ${quoteText(id)}`,
    signal,
  );
  const last = Number(row?.['last']);
  const rows = entries.map(({ kind, details }, index) => {
    const number = last + 1 + index;
    const text = quoteJson(JSON.parse(details));
    return `(${[quoteText(id), number % entriesKept, number, 'clock_timestamp()', quoteText(kind), text].join(', ')})`;
  });
  await session.execute(
    `INSERT INTO ${events} (migration_id, place, number, time, kind, details) VALUES ${rows.join(', ')}
     ON CONFLICT (migration_id, place) DO UPDATE
       SET number = EXCLUDED.number, time = EXCLUDED.time, kind = EXCLUDED.kind, details = EXCLUDED.details`,
    signal,
  );
}
