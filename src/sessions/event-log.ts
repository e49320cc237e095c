/** What runs leave to be read later, in the bookkeeping on the server. */

import type { EventLog, LogEntry } from '../engine/ports.ts';
import type { MigrationId } from '../engine/model.ts';

/** The newest entries of each migration that are kept. An entry takes the place of the one that is so many older. */
const entriesKept = 2_000;

/** What this needs of a session. */
interface LogSession extends AsyncDisposable {
  query(sql: string, signal: AbortSignal): Promise<readonly Readonly<Record<string, string | null>>[]>;
  execute(sql: string, signal: AbortSignal): Promise<unknown>;
}

/** What differs between servers. */
export interface EventLogOptions<Session extends LogSession> {
  readonly openSession: (signal: AbortSignal) => Promise<Session>;
  /** Makes the table where there is none. */
  readonly createTable?: (session: Session, signal: AbortSignal) => Promise<void>;
  /** Name of the table, quoted. */
  readonly table: string;
  readonly quoteText: (text: string) => string;
  /** A JSON object, as an expression. */
  readonly quoteDetails: (json: string) => string;
  /** The server's time so many milliseconds ago, as an expression. */
  readonly ago: (ms: number) => string;
  /** Of a column of times: ISO 8601 in UTC with milliseconds, as an expression. */
  readonly isoTime: (column: string) => string;
  /** A statement that writes these rows, in the place of those with the same `migration_id` and `place`. */
  readonly replacement: (table: string, columns: string, rows: string) => string;
  /** Whether it is the error of a table that is not there. */
  readonly isMissing: (error: unknown) => boolean;
}

/** Opens a session for each call: writes are rare, and shall not wait for the work of the run. */
export function createEventLog<Session extends LogSession>(options: EventLogOptions<Session>): EventLog {
  const { openSession, createTable, table, quoteText, isoTime, isMissing } = options;
  return {
    async append(id, entries, signal) {
      await using session = await openSession(signal);
      await createTable?.(session, signal);
      await append(session, options, { id, entries }, signal);
    },
    async read(id, entriesMax, signal) {
      await using session = await openSession(signal);
      try {
        const rows = await session.query(
          `SELECT kind, details, ${isoTime('time')} AS at FROM ${table} WHERE migration_id = ${quoteText(id)}
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

interface Addition {
  readonly id: MigrationId;
  readonly entries: readonly LogEntry[];
}

/** One statement by primary keys, which commits by itself. Only the run that has the claim writes, so numbers are not given twice. */
async function append<Session extends LogSession>(
  session: Session,
  { table, quoteText, quoteDetails, ago, replacement }: EventLogOptions<Session>,
  { id, entries }: Addition,
  signal: AbortSignal,
): Promise<void> {
  const [row] = await session.query(
    `SELECT COALESCE(MAX(number), 0) AS last FROM ${table} WHERE migration_id = ${quoteText(id)}`,
    signal,
  );
  const last = Number(row?.['last']);
  const rows = entries.map(({ kind, details, ageMs }, index) => {
    const number = last + 1 + index;
    const time = ago(Math.max(0, Math.round(ageMs)));
    return `(${[quoteText(id), number % entriesKept, number, time, quoteText(kind), quoteDetails(details)].join(', ')})`;
  });
  await session.execute(replacement(table, 'migration_id, place, number, time, kind, details', rows.join(', ')), signal);
}
