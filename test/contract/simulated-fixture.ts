/** The contract's table on the simulated server. A pump lets virtual time go on for as long as the fixture is open. */

import type { Clock, Database } from '../../src/engine/ports.ts';
import { SimulatedDatabase, simulatedPlan } from '../simulation/database.ts';
import { Judge } from '../simulation/judge.ts';
import { SimulatedProcess } from '../simulation/process.ts';
import { KeyOrder, type Row, rowKey, type RowWrite, type Table } from '../simulation/rows.ts';
import { type Scenario, scenarioOf } from '../simulation/scenario.ts';
import { Server } from '../simulation/server.ts';
import { SourceTable } from '../simulation/source-table.ts';
import type { LockRequest } from '../simulation/table-lock.ts';
import { VirtualClock, World } from '../simulation/world.ts';
import { Chance } from '../simulation/chance.ts';
import { CONTRACT_ROWS, type ContractRow, type ContractWrite, type PortFixture } from './port-fixture.ts';

const QUIET: Partial<Scenario> = {
  hasAddedUnique: true,
  hasCollation: false,
  changesInPlace: true,
  isOrderKnown: true,
  keysPerStatement: 10,
  transientFaults: 0,
  lostConnections: 0,
  slowStatements: 0,
  reconnects: 0,
  brokenStreams: 0,
  lockTimeouts: 0,
  lostSwaps: 0,
};

export async function openSimulatedFixture(bias: Partial<Scenario>): Promise<SimulatedFixture> {
  return new SimulatedFixture({ ...QUIET, ...bias });
}

class SimulatedFixture implements PortFixture {
  readonly database: Database;
  readonly other: Database;
  readonly plan: PortFixture['plan'];
  readonly clock: Clock;
  readonly #world = new World(null);
  readonly #server: Server;
  readonly #process = new SimulatedProcess(0);
  readonly #pump: Promise<void>;
  #isClosed = false;

  constructor(bias: Partial<Scenario>) {
    const scenario = scenarioOf(1, bias);
    const order = new KeyOrder([]);
    const judge = new Judge(order);
    const rows = CONTRACT_ROWS.map(({ id, u, u2, v }): Row => ({ key: id, spelling: 0, u, u2, v, version: -1 }));
    const source = new SourceTable(this.#world, rows, scenario.isVisibilityOrdered);
    this.#server = new Server({ world: this.#world, scenario, source, judge });
    this.plan = simulatedPlan(this.#server, {
      table: { schema: 'app', table: 'orders' },
      clauses: 'ADD UNIQUE KEY u2 (u2)',
      options: { deferIndexes: 'never', key: null },
    });
    this.database = new SimulatedDatabase(this.#server, this.#process, order);
    this.other = new SimulatedDatabase(this.#server, new SimulatedProcess(1), order);
    this.clock = new VirtualClock(this.#world, this.#process, new Chance(1, 'clock'));
    this.#pump = this.#run();
  }

  readonly key = (id: number): ReturnType<PortFixture['key']> => rowKey(id, 0);

  async write(...writes: readonly ContractWrite[]): Promise<void> {
    await new Promise<void>((resolve) => {
      const request = this.#server.lock.share('an application', () => this.#commit(writes, () => request, resolve));
    });
  }

  async rows(table: 'source' | 'shadow' | 'retired'): Promise<readonly ContractRow[] | null> {
    const rows = this.#table(table);
    if (rows === null) return null;
    const sorted = [...rows.values()].sort((a, b) => a.key - b.key);
    return sorted.map(({ key, u, u2, v }) => ({ id: key, u, u2, v }));
  }

  /** Reads never meet row locks here. */
  async lockRow(): Promise<AsyncDisposable> {
    return { [Symbol.asyncDispose]: async () => undefined };
  }

  async useSource(): Promise<AsyncDisposable> {
    return await held((onGranted) => this.#server.lock.share('an application', onGranted, () => {}), this.#server);
  }

  async lockShadow(): Promise<AsyncDisposable> {
    return await held((onGranted) => this.#server.lock.takeAlone('an application', onGranted), this.#server);
  }

  async freeze(): Promise<void> {
    this.#process.isAlive = false;
  }

  async cutConnections(): Promise<void> {
    this.#process.isAlive = true;
    for (const breakStream of this.#server.streams) breakStream();
    if (this.#process.isFenced) this.#process.loseClaim();
  }

  readonly commitUnseen = async (...writes: readonly ContractWrite[]): Promise<AsyncDisposable> => {
    const place = this.#server.source.commit(this.#rowWrites(writes), null, () => {});
    return { [Symbol.asyncDispose]: async () => this.#server.source.show(place) };
  };

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    await this.#pump;
    const violation = this.#server.judge.violation;
    if (violation !== null) throw violation;
  }

  async #run(): Promise<void> {
    while (!this.#isClosed) await this.#world.step();
  }

  #table(table: 'source' | 'shadow' | 'retired'): Table | null {
    const { hasSwapped, shadow, retired, source } = this.#server;
    if (table === 'retired') return retired;
    if (table === 'shadow') return hasSwapped ? null : shadow;
    return hasSwapped ? shadow : source.visible;
  }

  #commit(writes: readonly ContractWrite[], request: () => LockRequest, onDone: () => void): void {
    const end = (): void => {
      this.#server.lock.release(request());
      onDone();
    };
    this.#world.after(1, 'application commits', () => {
      const { hasSwapped, shadow, source } = this.#server;
      if (!hasSwapped) {
        source.commit(this.#rowWrites(writes), 2, end);
        return;
      }
      // The new table has no log that anybody reads.
      for (const { before, after } of this.#rowWrites(writes)) {
        if (before !== null) shadow?.delete(before.key);
        if (after !== null) shadow?.set(after.key, after);
      }
      end();
    });
  }

  #rowWrites(writes: readonly ContractWrite[]): readonly RowWrite[] {
    const rows = new Map(this.#server.hasSwapped ? this.#server.shadowRowsOrNone() : this.#server.source.truth);
    return writes.map((write): RowWrite => {
      if (write.kind === 'insert') {
        const { id, ...columns } = write.row;
        return { before: null, after: { key: id, spelling: 0, ...columns, version: -1 } };
      }
      const before = rows.get(write.id) ?? null;
      if (before === null) throw new Error(`No row has the key ${write.id}`);
      if (write.kind === 'delete') return { before, after: null };
      const { id = before.key, ...columns } = write.set;
      return { before, after: { ...before, ...columns, key: id } };
    });
  }
}

/** A lock, once it is had. */
async function held(take: (onGranted: () => void) => LockRequest, server: Server): Promise<AsyncDisposable> {
  let request: LockRequest | null = null;
  await new Promise<void>((resolve) => {
    request = take(resolve);
  });
  return {
    [Symbol.asyncDispose]: async () => {
      if (request !== null) server.lock.release(request);
    },
  };
}
