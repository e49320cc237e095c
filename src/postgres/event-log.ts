/** Where runs on PostgreSQL leave what is to be read later. */

import type { EventLog } from '../engine/ports.ts';
import * as log from '../sessions/event-log.ts';
import { bookkeepingSchema } from '../sessions/bookkeeping.ts';
import { createFurther, isMissing, isoTime, quoteJson } from './bookkeeping.ts';
import type { Server } from './server.ts';
import { quoteTable, quoteText } from './statements.ts';

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

/** The first entry makes the table. */
export function createEventLog(server: Server): EventLog {
  return log.createEventLog({
    openSession: (signal) => server.openSession({}, signal),
    createTable: (session, signal) => createFurther(session, 'events', definition, signal),
    table: events,
    quoteText,
    quoteDetails: (json) => quoteJson(JSON.parse(json)),
    ago: (ms) => `clock_timestamp() - interval '${ms} milliseconds'`,
    isoTime,
    replacement: (table, columns, rows) =>
      `INSERT INTO ${table} (${columns}) VALUES ${rows} ON CONFLICT (migration_id, place) DO UPDATE
         SET number = EXCLUDED.number, time = EXCLUDED.time, kind = EXCLUDED.kind, details = EXCLUDED.details`,
    isMissing,
  });
}
