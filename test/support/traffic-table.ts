/**
 * The table that test traffic works on. What a row holds follows from its id and from the transaction that wrote it, in SQL and
 * in JavaScript alike, so that the ledger need not keep whole rows and a million rows need not be sent to be known.
 */

/** A row as the ledger knows it; `version` is 0 for the initial content, else the number of the transaction that wrote it. */
export interface TrafficRow {
  readonly id: number;
  readonly handle: string;
  readonly amount: number;
  readonly version: number;
}

/** Names of the tables, unquoted plain words. */
export interface TrafficTables {
  readonly schema: string;
  /** The table that is migrated. */
  readonly table: string;
  /** Gets the same changes and is not migrated. */
  readonly twin: string;
  /** Has one row for each transaction, written by that transaction. */
  readonly journal: string;
}

/** Below are the ids that rows get by a change of their key, above those that the server gives. */
export const firstId = 10_000_000;

/** The columns of the table, which no traffic-tested ALTER may drop. */
export const trafficColumns = ['id', 'handle', 'amount', 'version', 'note'] as const;

export function trafficTables(schema: string, table = 'accounts'): TrafficTables {
  return { schema, table, twin: `${table}_twin`, journal: `${table}_journal` };
}

/** The initial row at place 0, 1, 2, … */
export function initialRow(place: number): TrafficRow {
  const id = firstId + place;
  return { id, handle: `h${id}`, amount: (place * 7919) % 100_003, version: 0 };
}

/** The text that a row has; some rows have none. */
export function noteOf(row: Pick<TrafficRow, 'id' | 'version'>): string | null {
  return (row.id + row.version) % 11 === 0
    ? null
    : `Größe ☃ ${row.id}/${row.version} ${'x'.repeat((row.id + row.version) % 97)}`;
}
