/** The simulated database as one process of the tool sees it. */

import { MigrationError } from '../../src/engine/errors.ts';
import type { MigrationId, MigrationRequest, Plan } from '../../src/engine/model.ts';
import type { Obstacle } from '../../src/engine/obstacles.ts';
import type {
  ChangeStream,
  ClaimToGiveUp,
  Database,
  EventLog,
  MigrationRecord,
  UnreadableMigration,
  RetiredTables,
  TableClaim,
  ThrottleSignal,
} from '../../src/engine/ports.ts';
import { SimulatedChangeStream } from './change-stream.ts';
import { SimulatedCheckpointStore } from './checkpoint-store.ts';
import { Client } from './client.ts';
import { SimulatedCutover } from './cutover.ts';
import type { SimulatedProcess } from './process.ts';
import type { KeyOrder } from './rows.ts';
import type { Server } from './server.ts';
import { SimulatedTablePair } from './table-pair.ts';

const STARTED_AT = '2026-01-01T00:00:00.000Z';
const UNUSED = { swappedAt: STARTED_AT, ageMs: 0, use: null };

export class SimulatedDatabase implements Database {
  readonly #client: Client;
  readonly #order: KeyOrder;

  constructor(server: Server, process: SimulatedProcess, order: KeyOrder) {
    this.#client = new Client(server, process);
    this.#order = order;
    server.processes.push(process);
  }

  async plan(request: MigrationRequest, signal: AbortSignal): Promise<Plan> {
    const begin = () => () => simulatedPlan(this.#client.server, request);
    return await this.#client.call({ name: 'plan', isWrite: false, usesTables: false, begin }, signal);
  }

  async findObstacles(_plan: Plan, signal: AbortSignal): Promise<readonly Obstacle[]> {
    return await this.#client.call(
      { name: 'find obstacles', isWrite: false, usesTables: false, begin: () => () => [] },
      signal,
    );
  }

  async claim(plan: Plan, purpose: 'start' | 'resume', signal: AbortSignal): Promise<SimulatedTableClaim> {
    const { server, process } = this.#client;
    const begin = () => {
      if (server.holder !== null && server.holder.isAlive && server.holder !== process) {
        throw new MigrationError('TABLE_CLAIMED', 'Another live run has the claim on this table.');
      }
      const isKnown = server.record?.plan.id === plan.id && server.record.state === 'open';
      if (purpose === 'resume' && !isKnown) throw new MigrationError('MIGRATION_NOT_FOUND', 'No such migration is open.');
      return () => {
        if (!process.isAlive) throw new MigrationError('CONNECTION_LOST', 'The session ended with its process.');
        server.endSessionsOfOthers(process);
        server.holder = process;
        process.hasClaim = true;
        if (purpose === 'start' && !isKnown) server.record = { plan, state: 'open', checkpoint: null, failure: null };
        return new SimulatedTableClaim(this.#client, this.#order);
      };
    };
    return await this.#client.call({ name: `claim to ${purpose}`, isWrite: false, usesTables: false, begin }, signal);
  }

  async claimToGiveUp(plan: Plan, signal: AbortSignal): Promise<ClaimToGiveUp> {
    const claim = await this.claim(plan, 'resume', signal);
    return {
      checkpoints: claim.checkpoints,
      hasSwapped: (signal) => claim.cutover.hasSwapped(signal),
      unsettled: (signal) => claim.cutover.unsettled(signal),
      async discard(_lockTimeoutMs, signal) {
        await claim.pair.dropShadow(signal);
        return { kind: 'done' };
      },
      [Symbol.asyncDispose]: () => claim[Symbol.asyncDispose](),
    };
  }

  async checkLoadLimits(): Promise<void> {}

  async findUnreadable(): Promise<readonly UnreadableMigration[]> {
    return [];
  }

  async listMigrations(signal: AbortSignal): Promise<readonly MigrationRecord[]> {
    const { server } = this.#client;
    const begin = () => () => {
      const { record, holder } = server;
      if (record === null) return [];
      const isRunning = holder?.isAlive ?? false;
      const unsettled = record.state === 'open' ? [...server.unsettled] : [];
      const times = { startedAt: STARTED_AT, updatedAt: STARTED_AT };
      return [{ ...record, ...times, place: null, id: record.plan.id, isRunning, lastRun: null, unsettled }];
    };
    return await this.#client.call({ name: 'list migrations', isWrite: false, usesTables: false, begin }, signal);
  }

  /** Runs of the simulation go without one: it is written beside the engine. */
  readonly eventLog: EventLog = { append: async () => undefined, read: async () => [] };

  readonly retiredTables: RetiredTables = {
    find: async (signal) => {
      const begin = () => () => {
        const { record, retired } = this.#client.server;
        return record === null || record.state !== 'done' || retired === null
          ? []
          : [{ ...{ id: record.plan.id, table: record.plan.retired, bytes: retired.size }, ...UNUSED }];
      };
      return await this.#client.call({ name: 'find retired tables', isWrite: false, usesTables: false, begin }, signal);
    },
    drop: async (_retired, _lockTimeoutMs, signal) => {
      const begin = () => () => {
        this.#client.server.retired = null;
      };
      await this.#client.call({ name: 'drop retired table', isWrite: true, usesTables: false, begin }, signal);
      return { kind: 'done' };
    },
  };

  async [Symbol.asyncDispose](): Promise<void> {}
}

export class SimulatedTableClaim implements TableClaim {
  readonly removal = 'nothing';
  readonly pair: SimulatedTablePair;
  readonly cutover: SimulatedCutover;
  readonly checkpoints: SimulatedCheckpointStore;
  readonly throttleSignals: readonly ThrottleSignal[];
  readonly #client: Client;
  readonly #order: KeyOrder;
  /** Streams that were opened, for the judge: all must be closed when the run is over. */
  readonly streams: SimulatedChangeStream[] = [];

  constructor(client: Client, order: KeyOrder) {
    this.#client = client;
    this.#order = order;
    this.pair = new SimulatedTablePair(client, order);
    this.cutover = new SimulatedCutover(client);
    this.checkpoints = new SimulatedCheckpointStore(client);
    this.throttleSignals = [new SimulatedPressure(client)];
  }

  get lost(): AbortSignal {
    return this.#client.process.lost;
  }

  async openChangeStream(from: string | null, signal: AbortSignal): Promise<ChangeStream> {
    const { server } = this.#client;
    const begin = () => () => {
      const end = server.source.log.length;
      if (from === null) {
        server.streamsBeganAt = end;
        return end;
      }
      // A replication slot can't go back behind what was acknowledged.
      return server.scenario.dialect === 'postgres' ? Math.max(Number(from), server.acknowledged) : Number(from);
    };
    const work = { name: `open stream ${from ?? 'at the end'}`, isWrite: false, usesTables: false, begin };
    const stream = new SimulatedChangeStream(this.#client, this.#order, await this.#client.call(work, signal));
    this.streams.push(stream);
    return stream;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { server, process } = this.#client;
    process.hasClaim = false;
    if (server.holder === process) server.holder = null;
  }
}

/** Load that comes and goes while there are faults. */
class SimulatedPressure implements ThrottleSignal {
  readonly name = 'simulated load';
  readonly #client: Client;

  constructor(client: Client) {
    this.#client = client;
  }

  async sample(signal: AbortSignal): Promise<{ readonly pressure: number; readonly detail: string }> {
    const { server } = this.#client;
    const begin = () => () => {
      const isBusy = server.hasFaults && server.chance.hits(server.scenario.throttling);
      if (isBusy) server.world.count('throttled samples');
      return { pressure: isBusy ? 1.2 : server.chance.next() * 0.9, detail: 'simulated' };
    };
    return await this.#client.call({ name: 'sample load', isWrite: false, usesTables: false, begin }, signal);
  }
}

/** The plan of the one table there is. */
export function simulatedPlan(server: Server, request: MigrationRequest): Plan {
  const { hasAddedUnique, isOrderKnown, rowsAtStart } = server.scenario;
  return {
    id: 'simulated' as MigrationId,
    hash: 'simulated plan',
    source: request.table,
    shadow: { ...request.table, table: `${request.table.table}_shadow` },
    retired: { ...request.table, table: `${request.table.table}_retired` },
    clauses: request.clauses,
    options: request.options,
    strategy: 'shadow',
    key: { index: 'PRIMARY', columns: ['id'], shadowColumns: ['id'], shadowIndex: 'PRIMARY', isOrderKnown },
    columns: ['id', 'u', 'u2', 'v'].map((name) => ({ source: name, shadow: name })),
    droppedColumns: [],
    addedColumns: [],
    addedUniques: hasAddedUnique ? ['u2'] : [],
    deferredIndexes: [],
    shadowDefinition: 'CREATE TABLE simulated',
    server: { flavour: 'simulated', version: '1' },
    estimate: { rows: rowsAtStart, dataBytes: 0, indexBytes: 0 },
    notes: [],
  };
}
