/** What a table must hold: every acknowledged write of the traffic, kept apart from any server. */
import { type TrafficConnection, withApplication } from './traffic-dialect.ts';
import { firstId, initialRow, noteOf, trafficColumns, type TrafficRow, type TrafficTables } from './traffic-table.ts';

/** How many differences are told; one is enough to fail. */
const differencesToldMax = 20;

/** The expected rows: the initial ones and what acknowledged transactions made of them. */
export class Ledger {
  readonly #initialRows: number;
  /** Rows that transactions wrote, and null for those that they removed. */
  readonly #written = new Map<number, TrafficRow | null>();

  constructor(initialRows: number) {
    this.#initialRows = initialRows;
  }

  /** The row that the table must hold under this id, or null. */
  row(id: number): TrafficRow | null {
    const written = this.#written.get(id);
    if (written !== undefined) return written;
    const place = id - firstId;
    return place >= 0 && place < this.#initialRows ? initialRow(place) : null;
  }

  put(row: TrafficRow): void {
    this.#written.set(row.id, row);
  }

  remove(id: number): void {
    this.#written.set(id, null);
  }

  /** All expected rows in the order of their ids. */
  *rows(): Generator<TrafficRow> {
    const isInitial = (id: number): boolean => id >= firstId && id < firstId + this.#initialRows;
    const others = [...this.#written.keys()].filter((id) => !isInitial(id)).sort((a, b) => a - b);
    const live = (id: number): TrafficRow[] => [this.row(id)].filter((row) => row !== null);
    for (const id of others) if (id < firstId) yield* live(id);
    for (let place = 0; place < this.#initialRows; place += 1) yield* live(firstId + place);
    for (const id of others) if (id >= firstId) yield* live(id);
  }
}

/** What a ledger says against a table: empty when every row is there, exactly as written, and no other. */
export interface LedgerComparison {
  readonly rowsCompared: number;
  readonly differences: readonly string[];
}

/** Reads the whole table, as a stream, and compares it with the ledger row by row. */
export function compareWithLedger(url: string, tables: TrafficTables, ledger: Ledger): Promise<LedgerComparison> {
  return withApplication(url, (connection) => compareRows(connection, tables, ledger));
}

async function compareRows(connection: TrafficConnection, tables: TrafficTables, ledger: Ledger): Promise<LedgerComparison> {
  const differences: string[] = [];
  const tell = (difference: string): void => {
    if (differences.length < differencesToldMax) differences.push(difference);
  };
  const expected = ledger.rows();
  let next = expected.next();
  let rowsCompared = 0;
  for await (const found of readRows(connection, tables)) {
    while (!next.done && next.value.id < found.id) {
      tell(`row ${next.value.id} is missing; it must be ${show(next.value)}`);
      next = expected.next();
    }
    if (next.done || next.value.id > found.id) {
      tell(`row ${found.id} must not be there; it is ${show(found)}`);
      continue;
    }
    if (!isSame(next.value, found)) tell(`row ${found.id} must be ${show(next.value)}; it is ${show(found)}`);
    rowsCompared += 1;
    next = expected.next();
  }
  for (; !next.done; next = expected.next()) tell(`row ${next.value.id} is missing; it must be ${show(next.value)}`);
  return { rowsCompared, differences };
}

/** Compares the table with its twin on the server, without the ledger: rows that only one has, or that differ. Empty when equal. */
export function compareWithTwin(url: string, { schema, table, twin }: TrafficTables): Promise<readonly string[]> {
  return withApplication(url, async (connection, dialect) => {
    const oneWay = (left: string, right: string, what: string): string =>
      `(SELECT a.id, '${what}' AS what FROM ${schema}.${left} AS a LEFT JOIN ${schema}.${right} AS b ON a.id = b.id
        WHERE b.id IS NULL OR NOT (${dialect.areSame(trafficColumns)}) LIMIT ${differencesToldMax})`;
    const { rows } = await connection.query(
      `${oneWay(twin, table, 'is missing or differs')} UNION ALL ${oneWay(table, twin, 'is too many or differs')}`,
    );
    return rows.map((row) => `row ${String(row['id'])} ${String(row['what'])}`);
  });
}

interface FoundRow {
  readonly id: number;
  readonly handle: unknown;
  readonly amount: number;
  readonly version: number;
  readonly note: unknown;
}

async function* readRows(connection: TrafficConnection, { schema, table }: TrafficTables): AsyncGenerator<FoundRow> {
  const sql = `SELECT ${trafficColumns.join(', ')} FROM ${schema}.${table} ORDER BY id`;
  for await (const row of connection.stream(sql)) {
    const { id, handle, amount, version, note } = row as Record<(typeof trafficColumns)[number], unknown>;
    // Drivers give large and decimal numbers as text.
    yield { id: Number(id), handle, amount: Number(amount), version: Number(version), note };
  }
}

function isSame(expected: TrafficRow, found: FoundRow): boolean {
  return (
    expected.handle === found.handle &&
    expected.amount === found.amount &&
    expected.version === found.version &&
    noteOf(expected) === found.note
  );
}

function show(row: TrafficRow | FoundRow): string {
  return JSON.stringify('note' in row ? row : { ...row, note: noteOf(row) });
}
