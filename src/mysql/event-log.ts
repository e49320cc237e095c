/** Where runs on MySQL and MariaDB leave what is to be read later. */

import type { EventLog } from '../engine/ports.ts';
import * as log from '../sessions/event-log.ts';
import { bookkeepingSchema } from '../sessions/bookkeeping.ts';
import { isoTime } from './bookkeeping.ts';
import { isUnknownTable } from './errors.ts';
import type { Server } from './server.ts';
import { quoteTable, quoteText } from './statements.ts';

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

/** The table comes with the bookkeeping. */
export function createEventLog(server: Server): EventLog {
  return log.createEventLog({
    openSession: (signal) => server.openSession({ isolation: 'REPEATABLE READ' }, signal),
    table: events,
    quoteText,
    quoteDetails: quoteText,
    ago: (ms) => `UTC_TIMESTAMP(3) - INTERVAL ${ms * 1_000} MICROSECOND`,
    isoTime,
    replacement: (table, columns, rows) => `REPLACE INTO ${table} (${columns}) VALUES ${rows}`,
    isMissing: isUnknownTable,
  });
}
