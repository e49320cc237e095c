/** The application: writers whose transactions insert, update and delete rows, change keys, and swap unique values. */

import { Chance } from './chance.ts';
import type { Row, RowWrite } from './rows.ts';
import type { Server } from './server.ts';
import type { LockRequest } from './table-lock.ts';

/** Values of the unique columns; more than keys, so that a free one is always found. */
const UNIQUES_SPARE = 6;

/** From here on are values for the rare insert that finds none free. */
const FALLBACK = 100_000;

/** The rows that the table holds before anything happens. */
export function rowsAtStart(scenario: Server['scenario'], chance: Chance): readonly Row[] {
  const keys = shuffled(range(scenario.keysMax), chance).slice(0, scenario.rowsAtStart);
  const us = shuffled(range(scenario.keysMax + UNIQUES_SPARE), chance);
  const u2s = shuffled(range(scenario.keysMax + UNIQUES_SPARE), chance);
  const rows = keys.map((key, index): Row => {
    const spelling = scenario.hasCollation && chance.hits(0.3) ? 1 : 0;
    return { key, spelling, u: us[index] ?? 0, u2: u2s[index] ?? 0, v: chance.below(2), version: -1 };
  });
  const [first, second] = rows;
  if (scenario.hasDuplicates && chance.hits(0.3) && first !== undefined && second !== undefined) {
    return [{ ...first, u2: second.u2 }, ...rows.slice(1)];
  }
  return rows;
}

export class Writers {
  readonly #server: Server;
  readonly #chance: Chance;
  #transactionsLeft: number;
  #isHalted = false;

  constructor(server: Server) {
    this.#server = server;
    this.#chance = new Chance(server.scenario.seed, 'writers');
    this.#transactionsLeft = server.scenario.transactionsMax;
  }

  /** Lets every writer write, now and then, until its transactions are used up. */
  start(): void {
    for (let writer = 0; writer < this.#server.scenario.writers; writer++) this.#rest(writer);
  }

  /** No further transaction begins. */
  halt(): void {
    this.#isHalted = true;
  }

  /** The operator's repair: gives rows that stand in the way of the change values that don't, once nobody else has them locked. */
  correctRows(): void {
    const { source, world, scenario } = this.#server;
    const writes = this.#corrections();
    const isLocked = writes.some(({ before }) => before !== null && source.isKeyLocked(before.key));
    if (isLocked) world.after(scenario.statementMs, 'operator corrects rows', () => this.correctRows());
    else if (writes.length > 0) source.commit(writes, 0, () => {});
  }

  #rest(writer: number): void {
    const { world, scenario } = this.#server;
    world.after(this.#chance.delay(scenario.writerPauseMs), `writer ${writer}`, () => this.#begin(writer));
  }

  #begin(writer: number): void {
    const { lock, world, scenario, hasSwapped } = this.#server;
    if (this.#isHalted || hasSwapped || this.#transactionsLeft <= 0 || world.now > scenario.writersUntilMs) return;
    this.#transactionsLeft -= 1;
    const request: LockRequest = lock.share(`writer ${writer}`, () => {
      const lagMs = this.#chance.delay(scenario.statementMs * 0.5);
      world.after(lagMs, `writer ${writer} commits`, () => this.#commit(writer, request));
    });
  }

  #commit(writer: number, request: LockRequest): void {
    const { source, lock, world, scenario, hasSwapped } = this.#server;
    const end = (): void => {
      lock.release(request);
      this.#rest(writer);
    };
    const writes = hasSwapped ? [] : this.#transaction();
    if (writes.length === 0) {
      end();
      return;
    }
    world.count('transactions');
    const lagMs = this.#chance.hits(0.3) ? 0 : this.#chance.delay(scenario.visibilityLagMs);
    if (scenario.hasXa && this.#chance.hits(0.4)) {
      world.count('XA transactions');
      const prepared = source.prepare(writes);
      const isCommitted = this.#chance.hits(0.85);
      world.after(this.#chance.delay(scenario.visibilityLagMs * 3), 'decide', () =>
        source.decide(prepared, isCommitted, lagMs, end),
      );
    } else {
      source.commit(writes, lagMs, end);
    }
  }

  /** A transaction on rows that nobody else has locked; it may turn out empty. */
  #transaction(): readonly RowWrite[] {
    const { source, scenario } = this.#server;
    const draft = new Draft(this.#server, this.#chance, [...source.truth.values()]);
    const statements = this.#chance.between(1, scenario.statementsPerTransaction);
    for (let statement = 0; statement < statements; statement++) draft.addStatement();
    return draft.writes;
  }

  #corrections(): readonly RowWrite[] {
    const { source, scenario } = this.#server;
    const used = new Set([...source.truth.values()].map((row) => row.u2));
    const seen = new Set<number>();
    const writes: RowWrite[] = [];
    for (const row of source.truth.values()) {
      const isDuplicate = scenario.hasAddedUnique && seen.has(row.u2);
      seen.add(row.u2);
      if (!isDuplicate && row.v >= 0) continue;
      const u2 = isDuplicate ? (range(1000).find((value) => !used.has(value)) ?? row.u2) : row.u2;
      used.add(u2);
      writes.push({ before: row, after: { ...row, u2, v: Math.abs(row.v) } });
    }
    return writes;
  }
}

/** A transaction being made: its own view of the rows, and what it wrote. */
class Draft {
  readonly writes: RowWrite[] = [];
  readonly #server: Server;
  readonly #chance: Chance;
  readonly #rows = new Map<number, Row>();
  readonly #usedUniques = new Set<number>();

  constructor(server: Server, chance: Chance, rows: readonly Row[]) {
    this.#server = server;
    this.#chance = chance;
    for (const row of rows) {
      this.#rows.set(row.key, row);
      this.#usedUniques.add(row.u);
    }
  }

  addStatement(): void {
    const { scenario } = this.#server;
    if (scenario.hasUniqueShifts && this.#chance.hits(0.2)) {
      this.#shiftUniques();
      return;
    }
    const draw = this.#chance.next();
    if (draw < 0.2) this.#insert();
    else if (draw < 0.4) this.#update();
    else if (draw < 0.58) this.#delete();
    else if (draw < 0.68) this.#changeKey();
    else if (draw < 0.76) this.#deleteAndInsertAgain();
    else if (scenario.hasUniqueSwaps) this.#swapUniques();
    else this.#update();
  }

  #insert(): void {
    const key = this.#freeKey();
    const u = this.#freeUnique();
    if (key === undefined || u === undefined) return;
    this.#write(null, { key, spelling: this.#spelling(), u, u2: this.#addedUnique(null), v: this.#value(0), version: -1 });
  }

  #update(): void {
    const row = this.#row();
    if (row === undefined) return;
    const u = this.#chance.hits(0.25) ? this.#freeUnique() : row.u;
    const u2 = this.#chance.hits(0.4) ? this.#addedUnique(row) : row.u2;
    this.#write(row, { ...row, u: u ?? row.u, u2, v: this.#value(row.v) });
  }

  #delete(): void {
    const row = this.#row();
    if (row !== undefined) this.#write(row, null);
  }

  #changeKey(): void {
    const row = this.#row();
    if (row === undefined) return;
    if (this.#server.scenario.hasCollation && this.#chance.hits(0.5)) {
      this.#write(row, { ...row, spelling: row.spelling === 0 ? 1 : 0 });
      return;
    }
    const key = this.#freeKey();
    if (key !== undefined) this.#write(row, { ...row, key });
  }

  #deleteAndInsertAgain(): void {
    const row = this.#row();
    if (row === undefined) return;
    this.#write(row, null);
    this.#write(null, { ...row, spelling: this.#spelling(), u2: this.#addedUnique(row), v: this.#value(row.v) });
  }

  /** Two rows exchange their values, by way of a free one, as an application has to. */
  #swapUniques(): void {
    const one = this.#row();
    const other = this.#row();
    const spare = this.#freeUnique();
    if (one === undefined || other === undefined || one.key === other.key || spare === undefined) return;
    const parked = { ...one, u: spare };
    this.#write(one, parked);
    const exchanged = { ...other, u: one.u, u2: one.u2 };
    this.#write(other, exchanged);
    this.#write(parked, { ...parked, u: other.u, u2: other.u2 });
  }

  /** Each row gets the value of the next, the last a free one. Logged in an order in which each meets the old version of the next. */
  #shiftUniques(): void {
    const { source } = this.#server;
    const rows = [...this.#rows.values()].filter((row) => !source.isKeyLocked(row.key) && !source.isUniqueLocked(row.u));
    rows.sort((one, other) => other.u - one.u);
    let next = this.#freeUnique();
    const logged = this.writes.length;
    for (const row of rows) {
      if (next === undefined) return;
      this.#write(row, { ...row, u: next });
      next = row.u;
    }
    this.writes.push(...this.writes.splice(logged).toReversed());
  }

  #write(before: Row | null, after: Row | null): void {
    if (before !== null) {
      this.#rows.delete(before.key);
      this.#usedUniques.delete(before.u);
    }
    if (after !== null) {
      this.#rows.set(after.key, after);
      this.#usedUniques.add(after.u);
    }
    this.writes.push({ before, after });
  }

  #row(): Row | undefined {
    const { source, scenario } = this.#server;
    const free = [...this.#rows.values()].filter((row) => !source.isKeyLocked(row.key) && !source.isUniqueLocked(row.u));
    const hot = scenario.hasHotRows && this.#chance.hits(0.7) ? free.filter((row) => row.key < 3) : free;
    return this.#chance.some(hot.length > 0 ? hot : free);
  }

  #freeKey(): number | undefined {
    const { source, scenario } = this.#server;
    return this.#chance.some(range(scenario.keysMax).filter((key) => !this.#rows.has(key) && !source.isKeyLocked(key)));
  }

  #freeUnique(): number | undefined {
    const { source, scenario } = this.#server;
    const values = range(scenario.keysMax + UNIQUES_SPARE);
    return this.#chance.some(values.filter((u) => !this.#usedUniques.has(u) && !source.isUniqueLocked(u)));
  }

  /** A value for the column that becomes unique: rarely one that another row has, if the seed is about that. */
  #addedUnique(row: Row | null): number {
    const { scenario, source } = this.#server;
    const others = [...this.#rows.values()].filter((other) => other.key !== row?.key).map((other) => other.u2);
    if (scenario.hasDuplicates && this.#chance.hits(0.1)) return this.#chance.some(others) ?? 0;
    const isFree = (u2: number): boolean => !others.includes(u2) && (scenario.hasDuplicates || !source.isAddedUniqueInUse(u2));
    return (
      this.#chance.some(range(scenario.keysMax + UNIQUES_SPARE).filter(isFree)) ??
      row?.u2 ??
      FALLBACK + this.#chance.below(FALLBACK)
    );
  }

  #spelling(): 0 | 1 {
    return this.#server.scenario.hasCollation && this.#chance.hits(0.5) ? 1 : 0;
  }

  #value(before: number): number {
    const { scenario } = this.#server;
    if (scenario.hasBadRows && this.#chance.hits(0.05)) return -1;
    return scenario.hasToggles ? (before === 0 ? 1 : 0) : Math.abs(before) + 1;
  }
}

function range(length: number): readonly number[] {
  return Array.from({ length }, (_, index) => index);
}

export function shuffled<Item>(items: readonly Item[], chance: Chance): readonly Item[] {
  const left = [...items];
  const result: Item[] = [];
  while (left.length > 0) result.push(...left.splice(chance.below(left.length), 1));
  return result;
}
