/** What runs leave to be read later, in the bookkeeping on the server. */

import type { EventLog, LogEntry } from '../engine/ports.ts';
import type { MigrationId } from '../engine/model.ts';
import { bookkeepingSchema, isMissing, isoTime } from './bookkeeping.ts';
import type { Server } from './server.ts';
import type { Session } from './session.ts';
import { quoteTable, quoteText } from './statements.ts';

/** The newest entries of each migration that are kept. An entry takes the place of the one that is so many older. */
const entriesKept = 2_000;

const events = quoteTable({ schema: bookkeepingSchema, table: 'events' });

/** Creates the table unless it is there. Takes no lock on anything else; safe to run twice. */
export const eventTableDefinition = `CREATE TABLE IF NOT EXISTS ${events} (
    migration_id VARCHAR(24) NOT NULL,
    place INT NOT NULL,
    number BIGINT NOT NULL,
    time DATETIME(3) NOT NULL,
    kind VARCHAR(32) NOT NULL,
    details TEXT NOT NULL,
    PRIMARY KEY (migration_id, place)
  ) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin`;

/** Opens a session for each call: writes are rare, and shall not wait for the work of the run. */
export function createEventLog(server: Server): EventLog {
  return {
    async append(id, entries, signal) {
      await using session = await server.openSession({}, signal);
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
    `SELECT COALESCE(MAX(number), 0) AS last FROM ${events} WHERE migration_id = ${quoteText(id)}`,
    signal,
  );
  const last = Number(row?.['last']);
  const rows = entries.map(({ kind, details }, index) => {
    const number = last + 1 + index;
    const values = [quoteText(id), number % entriesKept, number, 'UTC_TIMESTAMP(3)', quoteText(kind), quoteText(details)];
    return `(${values.join(', ')})`;
  });
  await session.execute(
    `REPLACE INTO ${events} (migration_id, place, number, time, kind, details) VALUES ${rows.join(', ')}`,
    signal,
  );
}
