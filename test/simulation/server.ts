/**
 * The simulated server: shadow, bookkeeping, and statements. A statement is sent, arrives, waits for the tables' lock, begins
 * (and takes its snapshot), and has its whole effect at one later moment; each step happens at a time of its own, whether or not
 * the client is still there.
 */

import { MigrationError } from '../../src/engine/errors.ts';
import type { Checkpoint, KeyRange, Plan } from '../../src/engine/model.ts';
import type { MigrationState } from '../../src/engine/ports.ts';
import { Chance } from './chance.ts';
import type { Judge } from './judge.ts';
import type { SimulatedProcess } from './process.ts';
import type { Row, Table } from './rows.ts';
import { hasEqualColumns, showRow } from './rows.ts';
import type { Scenario } from './scenario.ts';
import type { SourceTable } from './source-table.ts';
import { type LockRequest, TableLock } from './table-lock.ts';
import type { World } from './world.ts';

/** What a statement does. `begin` runs when it begins, under its lock, and returns the effect, which runs when it ends. */
export interface Work<Result> {
  readonly name: string;
  /** Whether it needs the lock on source and shadow. */
  readonly usesTables: boolean;
  readonly begin: () => () => Result;
  /** It takes so much longer than others, milliseconds, a mean. */
  readonly takesMs?: number;
  /** Until this holds the statement waits. */
  readonly isReady?: () => boolean;
}

export type Outcome<Result> =
  | { readonly kind: 'result'; readonly result: Result }
  | { readonly kind: 'error'; readonly error: MigrationError }
  | { readonly kind: 'killed' };

/** A statement on the server. It outlives its client unless somebody kills it. */
export class Statement<Result> {
  readonly work: Work<Result>;
  readonly process: SimulatedProcess;
  readonly onEnd: (outcome: Outcome<Result>) => void;
  /** A fault that it will end with instead of its effect. */
  readonly fault: MigrationError | null;
  state: 'sent' | 'waiting' | 'running' | 'ended' = 'sent';
  lock: LockRequest | null = null;
  effect: (() => Result) | null = null;
  /** It does not arrive before this moment. */
  arrivesAfter = 0;
  /** It does not end before this moment. */
  endsAfter = 0;
  /** It takes so much longer than others, milliseconds. */
  extraMs = 0;

  constructor(
    parts: { readonly work: Work<Result>; readonly process: SimulatedProcess; readonly fault: MigrationError | null },
    onEnd: (outcome: Outcome<Result>) => void,
  ) {
    this.work = parts.work;
    this.process = parts.process;
    this.fault = parts.fault;
    this.onEnd = onEnd;
  }
}

/** The row that never is what was written, where a seed is about that. */
export const STUBBORN_KEY = 0;
/** More than any value of the further column. */
const LONGER_KEY_STEP = 1_000_000;

/** What the bookkeeping says about the one migration. */
export interface SimulatedRecord {
  plan: Plan;
  state: MigrationState;
  checkpoint: Checkpoint | null;
  failure: string | null;
}

export class Server {
  readonly world: World;
  readonly scenario: Scenario;
  readonly source: SourceTable;
  readonly judge: Judge;
  readonly chance: Chance;
  readonly lock = new TableLock();
  /** The shadow's rows, or null while there is no such table. */
  shadow: Map<number, Row> | null = null;
  /** Whether the shadow's migration key is there: without it nothing keeps a row from being there twice. */
  hasShadowKey = true;
  /** Whether the shadow has all that is left for the end of copying, such as indexes. */
  isShadowFinished = false;
  /** The shadow's rows as they are while a drain that its session has not committed is under way. */
  shadowBeforeDrain: Table | null = null;
  hasSwapped = false;
  /** What is swapped along has been filled. */
  isPrepared = false;
  /** What the swap has left to be done. */
  readonly unsettled = new Set<string>();
  /** The old rows after the swap, until somebody drops them. */
  retired: Table | null = null;
  record: SimulatedRecord | null = null;
  /** The live process that has the claim. */
  holder: SimulatedProcess | null = null;
  /** Every process that ever connected. */
  readonly processes: SimulatedProcess[] = [];
  /** Place in the log up to which the server may have forgotten it. */
  acknowledged = 0;
  /** Faults happen while this is true. */
  hasFaults = true;
  /** Where the first stream of this migration began; what was prepared before is decided by its barrier. */
  streamsBeganAt = 0;
  streamsOpened = 0;
  readonly #statements = new Set<Statement<never>>();
  readonly #parked = new Set<() => void>();
  /** Streams that are open, by how their connection is broken. */
  readonly streams = new Set<() => void>();
  /** Streams that are open, by how they are told that the log has the swap now. */
  readonly swapReaders = new Set<() => void>();
  /** Ranges of copying statements that their client still waits for; only counted. */
  readonly rangesInFlight = new Set<KeyRange>();
  /** Sessions that hold the cutover's lock, by how to end them. */
  readonly cutovers = new Map<SimulatedProcess, () => void>();

  constructor(parts: { world: World; scenario: Scenario; source: SourceTable; judge: Judge }) {
    this.world = parts.world;
    this.scenario = parts.scenario;
    this.source = parts.source;
    this.judge = parts.judge;
    this.chance = new Chance(parts.scenario.seed, 'server');
    this.source.listen(() => {
      for (const wake of [...this.#parked]) wake();
    });
  }

  get hasStatements(): boolean {
    return this.#statements.size > 0;
  }

  send<Result>(statement: Statement<Result>): void {
    this.#statements.add(statement as unknown as Statement<never>);
    this.world.after(this.chance.delay(this.scenario.statementMs * 0.2), 'arrive', () => this.#arrive(statement));
  }

  /** Lets a statement arrive late, or end late. */
  slowDown<Result>(statement: Statement<Result>): void {
    const until = this.world.now + this.chance.delay(this.scenario.hangMs);
    if (statement.state === 'sent' && this.chance.hits(0.4)) statement.arrivesAfter = until;
    else statement.endsAfter = until;
  }

  /** Ends a statement, as KILL does: it may finish first. `onGone` is called when it is over. */
  kill<Result>(statement: Statement<Result>, onGone: () => void): void {
    this.world.after(this.chance.delay(this.scenario.statementMs * 0.3), 'kill', () => {
      this.#endNow(statement);
      onGone();
    });
  }

  /** Leaves the statements of a dead process to themselves: some were never sent, some go on for long. */
  orphan(process: SimulatedProcess): void {
    for (const statement of [...this.#statements]) {
      if (statement.process !== process) continue;
      if (statement.state === 'sent' && this.chance.hits(0.5)) this.#end(statement, { kind: 'killed' });
      else if (this.chance.hits(0.7)) this.slowDown(statement);
      this.world.count(statement.state === 'ended' ? 'unsent at a crash' : 'outlived their process');
    }
    const endCutover = this.cutovers.get(process);
    if (endCutover !== undefined) this.world.after(this.chance.delay(this.scenario.hangMs), 'dead session', endCutover);
  }

  /** Ends every session of other processes and sees them gone (rule 10). Planted: `Z` doesn't, `ZL` only waits for locks on the tables. */
  endSessionsOfOthers(process: SimulatedProcess): void {
    for (const other of this.processes) {
      if (other === process || !other.hasClaim) continue;
      other.isFenced = true;
      this.world.reach(other, this.scenario.statementMs, 'claim found lost', () => other.loseClaim());
    }
    for (const statement of [...this.#statements]) {
      if (statement.process === process) continue;
      if (this.scenario.plants.has('Z')) continue;
      if (this.scenario.plants.has('ZL') && !(statement.work.usesTables && statement.state === 'running')) continue;
      this.world.count('statements ended at resume');
      this.#endNow(statement);
    }
    for (const [owner, end] of [...this.cutovers]) if (owner !== process) end();
  }

  /** A session that waits for a lock or a condition is gone at once; one that runs may still have its effect. */
  #endNow<Result>(statement: Statement<Result>): void {
    if (statement.state === 'ended') return;
    const mayFinish = statement.state === 'running' && (statement.work.isReady?.() ?? true);
    if (mayFinish && this.chance.hits(0.5)) this.#finish(statement);
    else this.#end(statement, { kind: 'killed' });
  }

  #arrive<Result>(statement: Statement<Result>): void {
    if (statement.state !== 'sent') return;
    if (statement.arrivesAfter > this.world.now) {
      this.world.after(statement.arrivesAfter - this.world.now, 'late arrival', () => this.#arrive(statement));
      return;
    }
    statement.state = 'waiting';
    const { name, usesTables } = statement.work;
    if (usesTables) statement.lock = this.lock.share(name, () => this.#begin(statement));
    else this.#begin(statement);
  }

  #begin<Result>(statement: Statement<Result>): void {
    if (statement.state !== 'waiting') return;
    statement.state = 'running';
    try {
      statement.effect = statement.work.begin();
    } catch (error) {
      this.#end(statement, { kind: 'error', error: asMigrationError(error) });
      return;
    }
    this.world.note(() => `p${statement.process.number} begins ${statement.work.name}`);
    const { takesMs = 0 } = statement.work;
    const ownMs = this.chance.delay(this.scenario.statementMs) + (takesMs > 0 ? this.chance.delay(takesMs) : 0);
    const runMs = ownMs + statement.extraMs;
    this.world.after(runMs, 'effect', () => this.#tryToFinish(statement));
  }

  #tryToFinish<Result>(statement: Statement<Result>): void {
    if (statement.state !== 'running') return;
    if (statement.endsAfter > this.world.now) {
      this.world.after(statement.endsAfter - this.world.now, 'effect', () => this.#tryToFinish(statement));
    } else if (statement.work.isReady?.() === false) {
      const wake = (): void => {
        if (statement.state === 'running' && statement.work.isReady?.() === false) return;
        this.#parked.delete(wake);
        this.#tryToFinish(statement);
      };
      this.#parked.add(wake);
    } else {
      this.#finish(statement);
    }
  }

  #finish<Result>(statement: Statement<Result>): void {
    if (statement.fault !== null) {
      this.#end(statement, { kind: 'error', error: statement.fault });
      return;
    }
    try {
      const effect = statement.effect;
      if (effect === null) throw new Error('a statement ended before it began');
      const result = effect();
      this.world.note(() => `p${statement.process.number} effect of ${statement.work.name}: ${show(result)}`);
      this.#end(statement, { kind: 'result', result });
    } catch (error) {
      this.#end(statement, { kind: 'error', error: asMigrationError(error) });
    }
  }

  #end<Result>(statement: Statement<Result>, outcome: Outcome<Result>): void {
    if (statement.state === 'ended') return;
    statement.state = 'ended';
    this.#statements.delete(statement as unknown as Statement<never>);
    if (outcome.kind !== 'result')
      this.world.note(() => `p${statement.process.number} no effect: ${statement.work.name} (${outcome.kind})`);
    statement.onEnd(outcome);
    if (statement.lock !== null) this.lock.release(statement.lock);
  }

  // The shadow as statements see and change it.

  /** Rejects where the shadow does not exist, as any statement on it would. */
  shadowRows(): Map<number, Row> {
    if (this.hasSwapped || this.shadow === null) throw new MigrationError('SHADOW_CHANGED', 'There is no shadow table.');
    return this.shadow;
  }

  sourceRows(): Table {
    if (this.hasSwapped) throw new MigrationError('SOURCE_CHANGED', 'The source is not what it was.');
    return this.source.visible;
  }

  /** Judges rows that are about to be copied into a shadow without its key. */
  checkNew(rows: readonly Row[]): void {
    if (this.hasShadowKey) return;
    this.world.count('ranges copied without the key');
    const twice = rows.find((row) => this.rowsWith(row.key, this.shadowRows()).length > 0);
    if (twice !== undefined) this.judge.violate('a row was copied twice into a shadow without its key', showRow(twice));
  }

  /** Shadow rows that hold a unique value of this row, the migration key included. */
  inTheWayOf(row: Row, shadow: Table): readonly Row[] {
    return [...shadow.values()].filter((other) => this.#isConflict(row, other));
  }

  /** Whether the row can be inserted, together with `others` that are inserted by the same statement. */
  fits(row: Row, shadow: Table): boolean {
    for (const other of shadow.values()) if (this.#isConflict(row, other)) return false;
    return true;
  }

  #isConflict(row: Row, other: Row): boolean {
    if (this.scenario.hasLongerKey && row.v !== other.v) return false;
    return row.key === other.key || row.u === other.u || (this.scenario.hasAddedUnique && row.u2 === other.u2);
  }

  /** Under which number the shadow keeps a row: where its unique keys are longer, several rows may have one key. */
  placeOf(row: Row): number {
    return this.scenario.hasLongerKey ? row.key * LONGER_KEY_STEP + row.v : row.key;
  }

  /** Rows of a shadow with this key: one at most, but for a longer key. */
  rowsWith(key: number, shadow: Table): readonly Row[] {
    return [...shadow.values()].filter((row) => row.key === key);
  }

  /** Puts all rows in or none, those whose keys are there in place; says whether they went in. */
  upsertAll(rows: readonly Row[], shadow: Map<number, Row>): boolean {
    if (this.scenario.plants.has('UO')) return this.insertAll(rows, shadow);
    const after = new Map(shadow);
    // One after the other: a value may still be where it is about to be taken away.
    for (const row of rows) {
      if (this.inTheWayOf(row, after).some((other) => other.key !== row.key)) return false;
      after.set(this.placeOf(row), row);
    }
    for (const row of rows) {
      shadow.set(this.placeOf(row), this.#stored(row));
      this.judge.shadowWritten(row);
    }
    this.world.count('rows upserted');
    return true;
  }

  /** Inserts all rows or none; says whether they went in. Planted: `WR` displaces rows in the way, `UO` overwrites them in place. */
  insertAll(rows: readonly Row[], shadow: Map<number, Row>): boolean {
    const { plants } = this.scenario;
    if (plants.has('WR') || plants.has('UO')) {
      for (const row of rows) this.#insertOver(row, shadow, plants.has('UO'));
      return true;
    }
    const after = new Map(shadow);
    for (const row of rows) {
      if (!this.fits(row, after)) return false;
      after.set(this.placeOf(row), row);
    }
    for (const row of rows) {
      shadow.set(this.placeOf(row), this.#stored(row));
      if (this.rowsWith(row.key, shadow).length > 1) this.world.count('rows in two versions');
      this.judge.shadowWritten(row);
    }
    return true;
  }

  #stored(row: Row): Row {
    const isStubborn = this.scenario.hasStubbornRow && row.key === STUBBORN_KEY;
    return isStubborn ? { ...row, v: row.v + 7 } : { ...row };
  }

  #insertOver(row: Row, shadow: Map<number, Row>, isInPlace: boolean): void {
    const others = this.inTheWayOf(row, shadow);
    const [hit] = others;
    for (const other of others) shadow.delete(other.key);
    if (isInPlace && hit !== undefined) shadow.set(hit.key, { ...row, key: hit.key, spelling: hit.spelling });
    else shadow.set(row.key, { ...row });
  }

  /** A row of the source that the new definition can't hold. */
  refuseBadRow(rows: readonly Row[]): void {
    const bad = rows.find((row) => row.v < 0);
    if (bad === undefined) return;
    this.world.count('rows that do not fit');
    throw new MigrationError('ROW_NOT_CONVERTIBLE', `The row id = ${bad.key} does not fit the new definition.`);
  }

  /** Keys at which two tables differ, in no order. */
  differences(source: Table, shadow: Table): readonly Row[] {
    const differing: Row[] = [];
    for (const row of source.values()) {
      const others = this.rowsWith(row.key, shadow);
      if (others.length !== 1 || !others.every((other) => hasEqualColumns(row, other))) differing.push(row);
    }
    for (const row of shadow.values()) if (!source.has(row.key)) differing.push(row);
    return differing;
  }

  /** The swap, as one atomic step. */
  swap(): void {
    this.judge.swapped();
    this.hasSwapped = true;
    this.retired = new Map(this.source.truth);
    for (let number = 1; number <= this.scenario.thingsToSettle; number++) this.unsettled.add(`Thing ${number} is left.`);
    for (const read of this.swapReaders) read();
    this.world.count('swaps');
    this.world.note(() => `swapped; ${[...this.shadowRowsOrNone().values()].map(showRow).join(' ')}`);
  }

  /** PostgreSQL drains and swaps in one transaction. */
  beginDrain(): void {
    if (this.scenario.dialect === 'postgres' && this.shadow !== null) this.shadowBeforeDrain = new Map(this.shadow);
  }

  /** The session of the drain ends: what was not swapped is undone. */
  endDrain(): void {
    const before = this.shadowBeforeDrain;
    this.shadowBeforeDrain = null;
    if (this.hasSwapped || before === null || this.shadow === null) return;
    this.shadow.clear();
    for (const [key, row] of before) this.shadow.set(key, row);
    this.world.count('drains undone');
  }

  /** What of the shadow would be left after a crash. */
  committedShadow(): Table | null {
    return this.shadowBeforeDrain ?? this.shadow;
  }

  shadowRowsOrNone(): Table {
    return this.shadow ?? new Map();
  }
}

function asMigrationError(thrown: unknown): MigrationError {
  if (thrown instanceof MigrationError) return thrown;
  throw thrown;
}

function show(result: unknown): string {
  const asText = (_name: string, value: unknown): unknown => (typeof value === 'bigint' ? String(value) : value);
  return result === undefined ? 'done' : JSON.stringify(result, asText);
}
