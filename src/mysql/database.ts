/** MySQL and MariaDB as the engine sees them: everything of this folder, put together. */

import { MigrationError } from '../engine/errors.ts';
import { DEFAULT_LOAD_LIMITS, type LoadLimits } from '../engine/load.ts';
import type { Plan } from '../engine/model.ts';
import { PlanRefusedError } from '../engine/obstacles.ts';
import type { Database, MigrationRecord, TableClaim, ThrottleSignal } from '../engine/ports.ts';
import { systemClock } from '../system-clock.ts';
import { loggedColumns } from './binlog-column.ts';
import { fenceTableDefinition } from './binlog-fences.ts';
import { bookkeepingSchema, createBookkeeping, findMigrations, recordMigration, recordState } from './bookkeeping.ts';
import { dropStandIns } from './carry-over-triggers.ts';
import { keyColumns, readTable, type TableDescription } from './catalog.ts';
import { openChangeStream } from './change-stream.ts';
import { createCheckpointStore } from './checkpoint-store.ts';
import { claimName, findClaimHolder, takeClaim, type Claim } from './claim.ts';
import { claimToGiveUp } from './clean-up.ts';
import { connectionConfig, type ConnectionDefaults } from './connection-config.ts';
import { swapMark } from './cutover-one-session.ts';
import { removeSentry } from './cutover-two-sessions.ts';
import { createCutover } from './cutover.ts';
import { foundReplicas } from './found-replicas.ts';
import { type ForeignKeySwap, removeGuards } from './foreign-key-swap.ts';
import { createEventLog, eventTableDefinition } from './event-log.ts';
import { createNativeChange } from './native-change.ts';
import { blockerObstacles } from './obstacles-blockers.ts';
import { freeDisk } from './free-disk.ts';
import { findObstacles } from './obstacles.ts';
import { lockWaiters } from './lock-waiters.ts';
import { readLogRetention } from './log-retention.ts';
import { makePlan } from './planner.ts';
import type { LogPosition } from './position.ts';
import { retainedLog } from './retained-log.ts';
import { createRetiredTables } from './retired-tables.ts';
import { openServer, type Server } from './server.ts';
import { createSessionPool } from './session-pool.ts';
import { readUnsettled } from './settlement.ts';
import type { Session, SessionPool } from './session.ts';
import { openTablePair, type LockablePair } from './table-pair.ts';
import { replicaLag } from './replica-lag.ts';
import { checkLoadLimits, operatorLimits, runningThreads } from './throttle-signals.ts';

/** How to log in, and what only this adapter knows how to hold back for. */
export interface DatabaseOptions extends ConnectionDefaults {
  /** Copying rests while one of these replicas, or where `isFinding` one that the server tells of, is too far behind. */
  readonly replicas?: { readonly urls: readonly string[]; readonly isFinding: boolean };
  /** What copying rests for, as it is now; DEFAULT_LOAD_LIMITS when it is not given. */
  readonly load?: () => LoadLimits;
  /** Whether a cutover may end sessions that are in its way; what that lacks is then an obstacle. */
  readonly isKillingBlockers?: boolean;
}

/** Sessions that copy, compare and write rows. More workers than that only wait for each other. */
const workingSessionsMax = 24;
/** Fences, barriers, checkpoints and samples never wait behind copying. */
const serviceSessionsMax = 8;

/** Connects and finds out what the server is. Rejects with BAD_USAGE, ACCESS_DENIED, UNREACHABLE or SERVER_BUSY. */
export async function openDatabase(url: string, options: DatabaseOptions, signal: AbortSignal): Promise<Database> {
  const server = await openServer(await connectionConfig(url, options), signal);
  return {
    plan: (request, signal) => makePlan(server, request, { random: () => systemClock.random() }, signal),
    findObstacles: async (plan, signal) => [
      ...(await findObstacles(server, plan, signal)),
      ...(options.isKillingBlockers === true ? await blockerObstacles(server, plan, signal) : []),
    ],
    claim: (plan, purpose, signal) => claimTable({ server, options, plan }, purpose, signal),
    claimToGiveUp: (plan, signal) => claimToGiveUp(server, plan, signal),
    checkLoadLimits: (limits, signal) => checkLoadLimits(server, limits, signal),
    listMigrations: (signal) => listMigrations(server, signal),
    retiredTables: createRetiredTables(server),
    native: createNativeChange(server),
    eventLog: createEventLog(server),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

async function listMigrations(server: Server, signal: AbortSignal): Promise<readonly MigrationRecord[]> {
  await using session = await server.openSession({}, signal);
  const recorded = await findMigrations(session, null, signal);
  const records: MigrationRecord[] = [];
  for (const record of recorded) {
    const name = claimName(server, record.plan.source);
    const isRunning = record.state === 'open' && (await findClaimHolder(session, name, signal)) !== null;
    const left = record.state === 'open' ? await leftUnlessDenied(session, { server, plan: record.plan }, signal) : [];
    records.push({ ...record, isRunning, unsettled: left });
  }
  return records;
}

/** Who may not see the tables is told nothing of them. */
async function leftUnlessDenied(session: Session, swap: ForeignKeySwap, signal: AbortSignal): Promise<readonly string[]> {
  try {
    return await readUnsettled(session, swap, signal);
  } catch (error) {
    if (error instanceof MigrationError && error.code === 'ACCESS_DENIED') return [];
    throw error;
  }
}

interface ClaimOrder {
  readonly server: Server;
  readonly options: DatabaseOptions;
  readonly plan: Plan;
}

async function claimTable(order: ClaimOrder, purpose: 'start' | 'resume', signal: AbortSignal): Promise<TableClaim> {
  const { server, plan } = order;
  {
    await using session = await server.openSession({}, signal);
    await createBookkeeping(session, [fenceTableDefinition(bookkeepingSchema), eventTableDefinition], signal);
  }
  const claim = await takeClaim(server, { table: plan.source, migration: plan.id }, signal);
  const table = new ClaimedTable(order, claim);
  try {
    await table.begin(purpose, signal);
    return table;
  } catch (error) {
    await table[Symbol.asyncDispose]();
    throw error;
  }
}

class ClaimedTable implements TableClaim {
  readonly lost: AbortSignal;
  readonly cutover: TableClaim['cutover'];
  readonly checkpoints: TableClaim['checkpoints'];
  readonly throttleSignals: readonly ThrottleSignal[];
  readonly #order: ClaimOrder;
  readonly #claim: Claim;
  readonly #working: SessionPool;
  readonly #service: SessionPool;
  readonly #replicas: readonly (ThrottleSignal & AsyncDisposable)[];
  #source: TableDescription | null = null;
  #pair: LockablePair | null = null;
  #acknowledged: LogPosition | null = null;

  constructor(order: ClaimOrder, claim: Claim) {
    const { server, options, plan } = order;
    const open = (signal: AbortSignal): ReturnType<Claim['openSession']> => claim.openSession({}, signal);
    this.#order = order;
    this.#claim = claim;
    this.#working = createSessionPool({ sizeMax: workingSessionsMax, open });
    this.#service = createSessionPool({ sizeMax: serviceSessionsMax, open });
    this.lost = claim.lost;
    this.checkpoints = createCheckpointStore(this.#service, plan.id);
    this.cutover = createCutover({
      server,
      plan,
      claim,
      prepareWriter: (session, signal) => this.#lockablePair.prepareWriter(session, signal),
    });
    const { urls = [], isFinding = false } = options.replicas ?? {};
    const limits = options.load ?? (() => DEFAULT_LOAD_LIMITS);
    const lag = { source: this.#service, lagMaxMs: () => limits().replicaLagMaxMs, clock: systemClock };
    const named = urls.map((url) => new URL(url)).map(({ host, port }) => (port === '' ? `${host}:3306` : host));
    this.#replicas = [
      ...urls.map((url) => replicaLag({ ...lag, url, login: options })),
      ...(isFinding ? [foundReplicas({ ...lag, server, named })] : []),
    ];
    const limited = { pool: this.#service, limits };
    const watched = { pool: this.#service, server, plan, clock: systemClock };
    const log = { flavour: server.flavour, limit: () => limits().retainedLogBytesMax, resumeFrom: () => this.#acknowledged };
    this.throttleSignals = [
      runningThreads(limited),
      lockWaiters(watched),
      retainedLog({ ...watched, ...log }),
      freeDisk(watched),
      ...operatorLimits(limited, systemClock),
      ...this.#replicas,
    ];
  }

  get pair(): TableClaim['pair'] {
    return this.#lockablePair;
  }

  get #lockablePair(): LockablePair {
    if (this.#pair === null) throw new MigrationError('INTERNAL', 'The claimed table was used before it was read.');
    return this.#pair;
  }

  /** Records the migration, or finds it recorded, and reads the source. */
  async begin(purpose: 'start' | 'resume', signal: AbortSignal): Promise<void> {
    const { plan, server } = this.#order;
    const record = purpose === 'start' ? recordStart : recordResume;
    this.#source = await this.#service.withSession(async (session) => {
      await record(session, plan, signal);
      // What an attempt of a run that died may have left; on MySQL there is never one.
      await removeSentry(session, plan, signal);
      await removeGuards(session, { server, plan }, signal);
      await dropStandIns(session, plan, signal);
      return await readTable(session, plan.source, signal);
    }, signal);
    this.#pair = await openTablePair(
      { plan, keyColumns: this.#keyColumns(), sessions: this.#working, flavour: server.flavour },
      signal,
    );
  }

  async findLogRetention(signal: AbortSignal): Promise<number | null> {
    const { age } = await this.#service.withSession((session) => readLogRetention(session, signal), signal);
    return age === null ? null : age.seconds * 1000;
  }

  async openChangeStream(from: string | null, signal: AbortSignal): ReturnType<TableClaim['openChangeStream']> {
    const { plan, server } = this.#order;
    return await openChangeStream(
      {
        server,
        sessions: this.#service,
        bookkeeping: bookkeepingSchema,
        source: plan.source,
        columns: this.#source === null ? [] : loggedColumns(this.#source),
        key: this.#keyColumns(),
        from,
        ownMark: swapMark(plan),
        clock: systemClock,
        onAcknowledge: (position) => {
          this.#acknowledged = position;
        },
      },
      signal,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled(this.#replicas.map((replica) => replica[Symbol.asyncDispose]()));
    const pools = [this.#working, this.#service];
    const results = await Promise.allSettled(pools.map((pool) => pool[Symbol.asyncDispose]()));
    await this.#claim[Symbol.asyncDispose]();
    for (const result of results) if (result.status === 'rejected') throw result.reason;
  }

  /** None where the source no longer has them: it is then the former shadow, with its own names, and nothing more is read of it. */
  #keyColumns(): ReturnType<typeof keyColumns> {
    const source = this.#source;
    const names = this.#order.plan.key.columns;
    const hasAll = names.every((name) => source?.columns.some((column) => column.name === name));
    return source === null || !hasAll ? [] : keyColumns(source, names);
  }
}

/** Rejects if another migration of the same table is unfinished. */
async function recordStart(session: Session, plan: Plan, signal: AbortSignal): Promise<void> {
  const open = (await findMigrations(session, null, signal)).find(
    (other) =>
      other.state === 'open' &&
      other.plan.source.schema === plan.source.schema &&
      other.plan.source.table === plan.source.table,
  );
  if (open !== undefined) {
    const message = `Migration ${open.id} of ${plan.source.schema}.${plan.source.table} is unfinished.`;
    throw new PlanRefusedError([{ code: 'MIGRATION_OPEN', message }]);
  }
  await recordMigration(session, plan, signal);
}

/** Finds the migration recorded with this very plan, and takes the failure of its last run off the record. */
async function recordResume(session: Session, plan: Plan, signal: AbortSignal): Promise<void> {
  const [record] = await findMigrations(session, plan.id, signal);
  if (record === undefined || record.state !== 'open') {
    const state = record === undefined ? 'is not recorded on this server' : `is ${record.state}`;
    throw new MigrationError('MIGRATION_NOT_FOUND', `Migration ${plan.id} ${state}, so there is nothing to resume.`);
  }
  if (record.plan.hash !== plan.hash) {
    throw new MigrationError(
      'PLAN_CHANGED',
      `Migration ${plan.id} is recorded with another plan; give it up with \`tableshift cleanup ${plan.id}\` and start anew.`,
    );
  }
  await recordState(session, plan.id, { state: 'open', failure: null }, signal);
}
