/** Writers that never rest, each on rows of its own, and what the server acknowledged to them. */
import type { RowWriter } from '../../src/engine/ports.ts';
import { never, openApplication, type Application } from './adapter-server.ts';
import { keysThrough } from './claimed-table.ts';
import { seededRandom } from './random.ts';

/** Rows have the keys 1 to this. */
const busyKeys = 200;
const writerCount = 4;

/** Running writers. */
export interface BusyRows {
  /** Resolves when nothing is under way any more. Rejects with the first error that a writer got: none is expected. */
  stop(): Promise<void>;
  /** Number of acknowledged writes so far. */
  readonly writes: number;
  /** What the table must hold: value by key. */
  readonly expected: ReadonlyMap<number, number>;
}

/** Creates `orders` with an id, a value, and nothing in it. */
export async function createBusyTable(application: Application, schema: string): Promise<void> {
  await application.run(`CREATE TABLE ${schema}.orders (id INT PRIMARY KEY AUTO_INCREMENT, v INT NOT NULL) ENGINE=InnoDB`);
}

/** Starts writers: plain and prepared upserts, deletes, and transactions over two rows, one after the other without a pause. */
export function startWriters(url: string, schema: string, seed: number): BusyRows {
  const state = { isStopping: false, writes: 0 };
  const expected = new Map<number, number>();
  const work = Array.from({ length: writerCount }, async (_, writer) => {
    await using application = await openApplication(url);
    const random = seededRandom(seed, 'writer', writer);
    for (let value = 1; !state.isStopping; value += 1) {
      const id = 1 + writer + writerCount * Math.floor((random() * busyKeys) / writerCount);
      const other = 1 + writer + writerCount * Math.floor((random() * busyKeys) / writerCount);
      for (const [key, now] of await writeOnce(application, `${schema}.orders`, { id, other, value, chance: random() })) {
        if (now === null) expected.delete(key);
        else expected.set(key, now);
      }
      state.writes += 1;
    }
  });
  return {
    expected,
    get writes() {
      return state.writes;
    },
    async stop() {
      state.isStopping = true;
      await Promise.all(work);
    },
  };
}

/** One write and what it made of which row, once it is acknowledged. */
async function writeOnce(
  application: Application,
  table: string,
  write: { readonly id: number; readonly other: number; readonly value: number; readonly chance: number },
): Promise<readonly (readonly [number, number | null])[]> {
  const { id, other, value, chance } = write;
  const upsert = (key: number): string =>
    `INSERT INTO ${table} (id, v) VALUES (${key}, ${value}) ON DUPLICATE KEY UPDATE v = ${value}`;
  if (chance < 0.2) {
    await application.run(`DELETE FROM ${table} WHERE id = ${id}`);
    return [[id, null]];
  }
  if (chance < 0.5) {
    await application.runPrepared(`INSERT INTO ${table} (id, v) VALUES (?, ?) ON DUPLICATE KEY UPDATE v = ?`, [
      id,
      value,
      value,
    ]);
    return [[id, value]];
  }
  if (chance < 0.8) {
    await application.run(upsert(id));
    return [[id, value]];
  }
  await application.run('BEGIN');
  await application.run(upsert(id));
  await application.run(upsert(other));
  await application.run('COMMIT');
  return [
    [id, value],
    [other, value],
  ];
}

/** What the table holds now: value by key. */
export async function readBusyRows(application: Application, schema: string): Promise<Map<number, number>> {
  const rows = await application.run(`SELECT id, v FROM ${schema}.orders`);
  return new Map(rows.map((row) => [Number(row['id']), Number(row['v'])]));
}

/** A drain that brings every row up to date that the writers can have touched. */
export async function drainBusyRows(locked: RowWriter): Promise<void> {
  await locked.deleteRows(keysThrough(busyKeys), never);
  await locked.insertRows(keysThrough(busyKeys), never);
}
