/** PostgreSQL as the engine sees it: everything of this folder, put together. */

import { MigrationError } from '../engine/errors.ts';
import { DEFAULT_LOAD_LIMITS, type LoadLimits } from '../engine/load.ts';
import type { Plan } from '../engine/model.ts';
import { PlanRefusedError } from '../engine/obstacles.ts';
import type { ChangeStream, Database, MigrationRecord, TableClaim, ThrottleSignal } from '../engine/ports.ts';
import { systemClock } from '../system-clock.ts';
import { createBookkeeping, findMigrations, recordMigration, recordState } from './bookkeeping.ts';
import { createCarryOver } from './carry-over.ts';
import { readTable, type TableDescription } from './catalog.ts';
import { openChangeStream } from './change-stream.ts';
import { createCheckpointStore } from './checkpoint-store.ts';
import { claimName, findClaimHolder, takeClaim, type Claim } from './claim.ts';
import { claimToGiveUp, concludingStore, settlingCutover } from './clean-up.ts';
import { connectionConfig, type ConnectionDefaults } from './connection-config.ts';
import { createCutover } from './cutover.ts';
import { createEventLog } from './event-log.ts';
import { blockerObstacles } from './obstacles-blockers.ts';
import { createNativeChange } from './native-change.ts';
import { findObstacles } from './obstacles.ts';
import { lockWaiters } from './lock-waiters.ts';
import { makePlan } from './planner.ts';
import { prepareSlot, slotWaitMs } from './slot-preparation.ts';
import { slotName } from './replication-slot.ts';
import type { KeyColumn } from './row-key.ts';
import { openServer, type Server } from './server.ts';
import { createSessionPool } from './session-pool.ts';
import type { Session, SessionPool } from './session.ts';
import { createShadowBuilder, fingerprintOf, readUnfinished } from './shadow.ts';
import { createSourceCheck, type SourceCheck } from './source-watch.ts';
import { type ReplicaLag, replicaLag } from './replica-lag.ts';
import { retainedLog } from './retained-log.ts';
import { createRetiredTables } from './retired-tables.ts';
import { readUnsettled } from './settlement.ts';
import { quoteText } from './statements.ts';
import { openTablePair, type PostgresTablePair } from './table-pair.ts';
import { activeSessions, checkLoadLimits, indexBuild, operatorLimits, standbyLag } from './throttle-signals.ts';

/** How to log in, and what only this adapter knows how to hold back for. */
export interface DatabaseOptions extends ConnectionDefaults {
  /** Copying rests while one of these standbys, or one that the server itself sees, replays too far behind. */
  readonly replicas?: { readonly urls: readonly string[] };
  /** What copying rests for, as it is now; DEFAULT_LOAD_LIMITS when it is not given. */
  readonly load?: () => LoadLimits;
  /** Whether a cutover may end sessions that are in its way; what that lacks is then an obstacle. */
  readonly isKillingBlockers?: boolean;
}

/** The port, and what the entry asks before there is a plan. */
export interface PostgresDatabase extends Database {
  /** The first schema of the search path that has a relation of this name, or else the first at all. Rejects with BAD_USAGE. */
  findSchema(table: string, signal: AbortSignal): Promise<string>;
}

/** Sessions that copy, compare and write rows. More workers than that only wait for each other. */
const workingSessionsMax = 24;
/** Fences, barriers, checkpoints and samples never wait behind copying. */
const serviceSessionsMax = 8;

/** Connects and finds out what the server is. Rejects with BAD_USAGE, ACCESS_DENIED, UNREACHABLE or SERVER_BUSY. */
export async function openDatabase(url: string, options: DatabaseOptions, signal: AbortSignal): Promise<PostgresDatabase> {
  const server = await openServer(await connectionConfig(url, options), signal);
  return {
    findSchema: (table, signal) => findSchema(server, table, signal),
    plan: (request, signal) => makePlan(server, request, { random: () => systemClock.random() }, signal),
    findObstacles: async (plan, signal) => [
      ...(await findObstacles(server, plan, signal)),
      ...(options.isKillingBlockers === true ? await blockerObstacles(server, signal) : []),
    ],
    claim: (plan, purpose, signal) => claimTable({ server, options, plan }, purpose, signal),
    claimToGiveUp: (plan, signal) => claimToGiveUp(server, { plan, shadow: createShadowBuilder(plan) }, signal),
    checkLoadLimits: (limits, signal) => checkLoadLimits(server, limits, signal),
    listMigrations: (signal) => listMigrations(server, signal),
    retiredTables: createRetiredTables(server),
    native: createNativeChange(server),
    eventLog: createEventLog(server),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

async function findSchema(server: Server, table: string, signal: AbortSignal): Promise<string> {
  const [first] = server.searchPath;
  if (first === undefined) {
    throw new MigrationError(
      'BAD_USAGE',
      `The schema of ${table} is not known, for the search path names none that exists: write schema.${table}.`,
    );
  }
  await using session = await server.openSession({}, signal);
  const rows = await session.query(
    `SELECT nspname AS schema FROM pg_catalog.pg_class JOIN pg_catalog.pg_namespace ON pg_namespace.oid = relnamespace
     WHERE relname = ${quoteText(table)} AND nspname IN (${server.searchPath.map(quoteText).join(', ')})`,
    signal,
  );
  const schemas = rows.map((row) => row['schema']);
  return server.searchPath.find((schema) => schemas.includes(schema)) ?? first;
}

async function listMigrations(server: Server, signal: AbortSignal): Promise<readonly MigrationRecord[]> {
  await using session = await server.openSession({}, signal);
  const recorded = await findMigrations(session, null, signal);
  const records: MigrationRecord[] = [];
  for (const record of recorded) {
    const name = claimName(record.plan.source);
    const isRunning = record.state === 'open' && (await findClaimHolder(session, name, signal)) !== null;
    const unsettled = record.state === 'open' ? await readUnsettled(session, record.id, signal) : [];
    records.push({ ...record, isRunning, unsettled });
  }
  return records;
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
    await createBookkeeping(session, signal);
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
  readonly #replicas: readonly ReplicaLag[];
  #source: TableDescription | null = null;
  #pair: PostgresTablePair | null = null;
  #stream: ChangeStream | null = null;
  #slotAttempts = 0;

  constructor(order: ClaimOrder, claim: Claim) {
    const { server, options, plan } = order;
    const open = (signal: AbortSignal): ReturnType<Claim['openSession']> => claim.openSession({}, signal);
    this.#order = order;
    this.#claim = claim;
    this.#working = createSessionPool({ sizeMax: workingSessionsMax, open });
    this.#service = createSessionPool({ sizeMax: serviceSessionsMax, open });
    this.lost = claim.lost;
    const store = createCheckpointStore(this.#service, plan.id);
    this.checkpoints = concludingStore(store, () => this.#closeStream(), { plan, sessions: this.#service });
    const swap = createCutover({
      flavour: server.flavour,
      plan,
      claim,
      lockedWriter: (session) => this.#openPair.lockedWriter(session),
      carryOver: createCarryOver(plan),
    });
    this.cutover = settlingCutover(swap, () => this.#closeStream(), { plan, sessions: this.#service });
    const { urls = [] } = options.replicas ?? {};
    const limits = options.load ?? (() => DEFAULT_LOAD_LIMITS);
    const limited = { pool: this.#service, limits };
    const lag = { source: this.#service, lagMaxMs: () => limits().replicaLagMaxMs, clock: systemClock };
    this.#replicas = urls.map((url) => replicaLag({ ...lag, url, login: options }));
    this.throttleSignals = [
      activeSessions(limited),
      standbyLag(limited),
      indexBuild(this.#service, plan),
      lockWaiters(this.#service, plan, systemClock),
      retainedLog({ pool: this.#service, plan, limit: () => limits().retainedLogBytesMax, clock: systemClock }),
      ...operatorLimits(limited, { searchPath: server.searchPath, clock: systemClock }),
      ...this.#replicas,
    ];
  }

  get pair(): TableClaim['pair'] {
    return this.#openPair;
  }

  get #openPair(): PostgresTablePair {
    if (this.#pair === null) throw new MigrationError('INTERNAL', 'The claimed table was used before it was read.');
    return this.#pair;
  }

  /** Records the migration, or finds it recorded, and reads the source. */
  async begin(purpose: 'start' | 'resume', signal: AbortSignal): Promise<void> {
    const { plan } = this.#order;
    const record = purpose === 'start' ? recordStart : recordResume;
    this.#source = await this.#service.withSession(async (session) => {
      await record(session, plan, signal);
      return await readTable(session, plan.source, signal);
    }, signal);
    this.#pair = openTablePair({
      plan,
      keyColumns: keyColumns(plan, this.#source),
      sessions: this.#working,
      shadow: createShadowBuilder(plan),
    });
  }

  async openChangeStream(from: string | null, signal: AbortSignal): Promise<ChangeStream> {
    const { plan, server } = this.#order;
    await this.#closeStream();
    const checkSource = await this.#sourceCheck(from !== null, signal);
    this.#slotAttempts += 1;
    const waitLimitMs = slotWaitMs(this.#slotAttempts);
    const slot = { claim: this.#claim, sessions: this.#service, server, plan, source: this.#source, waitLimitMs };
    const stream = await openChangeStream(
      {
        config: server.config,
        sessions: this.#service,
        slot: slotName(plan.id),
        publication: slotName(plan.id),
        source: plan.source,
        keyColumns: plan.key.columns,
        from: await prepareSlot(slot, from, signal),
        mark: (run, signal) => this.#claim.mark(run, signal),
        checkSource,
      },
      signal,
    );
    this.#stream = stream;
    return stream;
  }

  /** Against what the shadow was made from, or is about to be. */
  async #sourceCheck(hasShadow: boolean, signal: AbortSignal): Promise<SourceCheck> {
    const { plan } = this.#order;
    const { fingerprint } = hasShadow
      ? await this.#service.withSession((session) => readUnfinished(session, plan, signal), signal)
      : { fingerprint: this.#source === null ? '' : fingerprintOf(this.#source) };
    const check = createSourceCheck(plan, fingerprint, this.#service);
    await check(signal);
    return check;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const results = await Promise.allSettled([
      this.#closeStream(),
      this.#working[Symbol.asyncDispose](),
      this.#service[Symbol.asyncDispose](),
      ...this.#replicas.map((replica) => replica[Symbol.asyncDispose]()),
    ]);
    await this.#claim[Symbol.asyncDispose]();
    for (const result of results) if (result.status === 'rejected') throw result.reason;
  }

  async #closeStream(): Promise<void> {
    const stream = this.#stream;
    this.#stream = null;
    await stream?.[Symbol.asyncDispose]();
  }
}

/** None where the source no longer has them: it is then the former shadow, with its own names, and nothing more is read of it. */
function keyColumns(plan: Plan, source: TableDescription | null): readonly KeyColumn[] {
  const columns = plan.key.columns.flatMap((name) => source?.columns.filter((column) => column.name === name) ?? []);
  if (columns.length < plan.key.columns.length) return [];
  return columns.map(({ name, attnum, type }) => ({ name, attnum, type }));
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
    const state = record === undefined ? 'is not recorded in this database' : `is ${record.state}`;
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
