/** Tables under migration as the engine works with them: claimed, recorded, and read. */

import { MigrationError } from '../engine/errors.ts';
import { COPY_WORKERS_MAX } from '../engine/options.ts';
import { DEFAULT_LOAD_LIMITS } from '../engine/load.ts';
import type { Plan } from '../engine/model.ts';
import type { RecordedPlan } from '../engine/native-change.ts';
import type { TableClaim, ThrottleSignal } from '../engine/ports.ts';
import { changedSincePlanned, checkResume, checkStart } from '../engine/record-check.ts';
import { bookkeepingSchema } from '../sessions/bookkeeping.ts';
import { disposeAll, disposeBefore } from '../sessions/disposal.ts';
import { systemClock } from '../sessions/system-clock.ts';
import { loggedColumns } from './binlog-column.ts';
import { fenceTableDefinition } from './binlog-fences.ts';
import { createBookkeeping, findMigrations, recordMigration, recordState } from './bookkeeping.ts';
import { dropStandIns } from './carry-over-triggers.ts';
import { keyColumns, readTable, type TableDescription } from './catalog.ts';
import { type LoggedChanges, openChangeStream } from './change-stream.ts';
import { createCheckpointStore } from './checkpoint-store.ts';
import { takeClaim, type Claim } from './claim.ts';
import type { CutoverParts } from './cutover-attempt.ts';
import { swapMark } from './cutover-one-session.ts';
import { removeSentry } from './cutover-two-sessions.ts';
import { createCutover } from './cutover.ts';
import type { DatabaseOptions } from './database.ts';
import { eventTableDefinition } from './event-log.ts';
import { removeGuards } from './foreign-key-swap.ts';
import { foundReplicas } from './found-replicas.ts';
import { freeDisk } from './free-disk.ts';
import { lockWaiters } from './lock-waiters.ts';
import { readLogRetention } from './log-retention.ts';
import type { LogPosition } from './position.ts';
import { replicaLag } from './replica-lag.ts';
import { retainedLog } from './retained-log.ts';
import type { Server } from './server.ts';
import { createSessionPool } from './session-pool.ts';
import type { Session, SessionPool } from './session.ts';
import { checkSource, comparePlanned } from './source-watch.ts';
import { quoteTable } from './statements.ts';
import { openTablePair, type LockablePair } from './table-pair.ts';
import { operatorLimits, runningThreads } from './throttle-signals.ts';
import { transactionTimes } from './transaction-times.ts';

/** Fences, barriers, checkpoints and samples never wait behind copying. */
const serviceSessionsMax = 8;

/** What is claimed together. */
export interface ClaimsOrder {
  readonly server: Server;
  readonly options: DatabaseOptions;
  /** Of tables that are swapped together, or of one. */
  readonly plans: readonly Plan[];
}

/**
 * Claims the tables of all plans or none (`Database.claim`, `Families.claim`). Nothing is done to any of them, or recorded, before
 * all are claimed: only then every session of an earlier run of theirs is gone (rule 10), whichever claim had opened it.
 */
export async function claimTables(
  { server, options, plans }: ClaimsOrder,
  purpose: 'start' | 'resume',
  signal: AbortSignal,
): Promise<readonly ClaimedTable[]> {
  await prepareBookkeeping(server, signal);
  const claims: Claim[] = [];
  const tables: ClaimedTable[] = [];
  try {
    for (const plan of plans) claims.push(await takeClaim(server, { table: plan.source, migration: plan.id }, signal));
    for (const claim of claims.slice(0, 1)) {
      await using session = await claim.openSession({}, signal);
      await (purpose === 'start' ? recordStart : recordResume)(session, plans, signal);
    }
    for (const [place, plan] of plans.entries()) {
      const claim = claims[place];
      if (claim !== undefined) tables.push(new ClaimedTable({ server, options, plan }, claim));
    }
    for (const table of tables) await table.begin(signal);
    return tables;
  } catch (error) {
    await disposeAll(tables);
    await disposeAll(claims.slice(tables.length));
    throw error;
  }
}

/** Makes what is missing of it. */
export async function prepareBookkeeping(server: Server, signal: AbortSignal): Promise<void> {
  await using session = await server.openSession({}, signal);
  await createBookkeeping(session, [fenceTableDefinition(bookkeepingSchema), eventTableDefinition], signal);
}

interface ClaimOrder extends Omit<ClaimsOrder, 'plans'> {
  readonly plan: Plan;
}

/** One of them. */
export class ClaimedTable implements TableClaim {
  readonly lost: AbortSignal;
  readonly cutover: TableClaim['cutover'];
  /** What an attempt to swap it works with. */
  readonly cutoverParts: CutoverParts;
  readonly checkpoints: TableClaim['checkpoints'];
  readonly throttleSignals: readonly ThrottleSignal[];
  readonly removal: string;
  readonly readTransactions: NonNullable<TableClaim['readTransactions']>;
  readonly #order: ClaimOrder;
  readonly #claim: Claim;
  readonly #working: SessionPool;
  readonly #service: SessionPool;
  readonly #replicas: readonly (ThrottleSignal & AsyncDisposable)[];
  #source: TableDescription | null = null;
  #pair: LockablePair | null = null;
  #stream: LoggedChanges | null = null;
  #acknowledged: LogPosition | null = null;

  constructor(order: ClaimOrder, claim: Claim) {
    const { server, options, plan } = order;
    const open = (signal: AbortSignal): ReturnType<Claim['openSession']> => claim.openSession({}, signal);
    this.#order = order;
    this.#claim = claim;
    this.#working = createSessionPool({ sizeMax: COPY_WORKERS_MAX, open });
    this.#service = createSessionPool({ sizeMax: serviceSessionsMax, open });
    this.lost = claim.lost;
    this.removal = `DROP TABLE IF EXISTS ${quoteTable(plan.shadow)};`;
    this.checkpoints = createCheckpointStore(this.#service, plan.id);
    this.cutoverParts = {
      server,
      plan,
      claim,
      prepareWriter: (session, signal) => this.pair.prepareWriter(session, signal),
      undecided: () => this.#stream?.undecided() ?? [],
    };
    this.cutover = createCutover(this.cutoverParts);
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
    this.readTransactions = transactionTimes(this.#service);
    this.throttleSignals = [
      runningThreads(limited, systemClock),
      lockWaiters(watched),
      retainedLog({ ...watched, ...log }),
      freeDisk(watched),
      ...operatorLimits(limited, systemClock),
      ...this.#replicas,
    ];
  }

  get pair(): LockablePair {
    if (this.#pair === null) throw new MigrationError('INTERNAL', 'The claimed table was used before it was read.');
    return this.#pair;
  }

  /** Takes away what an earlier run may have left, and reads the source. Once all tables of a family are claimed. */
  async begin(signal: AbortSignal): Promise<void> {
    const { plan, server, options } = this.#order;
    this.#source = await this.#service.withSession(async (session) => {
      // On MySQL there is never one.
      await removeSentry(session, plan, signal);
      await removeGuards(session, { server, plan }, signal);
      await dropStandIns(session, plan, signal);
      return await readTable(session, plan.source, signal);
    }, signal);
    this.#pair = await openTablePair(
      {
        ...{ plan, keyColumns: this.#keyColumns(), sessions: this.#working, flavour: server.flavour },
        ...(options.isGentle === undefined ? {} : { isGentle: options.isGentle }),
      },
      signal,
    );
  }

  async findLogRetention(signal: AbortSignal): Promise<number | null> {
    const { age } = await this.#service.withSession((session) => readLogRetention(session, signal), signal);
    return age === null ? null : age.seconds * 1000;
  }

  async openChangeStream(from: string | null, signal: AbortSignal): ReturnType<TableClaim['openChangeStream']> {
    const { plan, server } = this.#order;
    const stream = await openChangeStream(
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
    try {
      await this.#service.withSession((session) => checkSource(session, plan, signal), signal);
      this.#stream = stream;
      return stream;
    } catch (error) {
      await stream[Symbol.asyncDispose]();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled(this.#replicas.map((replica) => replica[Symbol.asyncDispose]()));
    await disposeBefore(this.#claim, [this.#working, this.#service]);
  }

  /** None where the source no longer has them: it is then the former shadow, with its own names, and nothing more is read of it. */
  #keyColumns(): ReturnType<typeof keyColumns> {
    const source = this.#source;
    const names = this.#order.plan.key.columns;
    const hasAll = names.every((name) => source?.columns.some((column) => column.name === name));
    return source === null || !hasAll ? [] : keyColumns(source, names);
  }
}

/** Records all in one transaction. Rejects if another migration of a table is unfinished, or one has changed since its plan. */
export async function recordStart(session: Session, plans: readonly RecordedPlan[], signal: AbortSignal): Promise<void> {
  const recorded = await findMigrations(session, null, signal);
  for (const plan of plans) {
    checkStart(plan, recorded);
    if (plan.strategy === 'native') continue;
    const found = await comparePlanned(session, plan, signal);
    if (found !== 'as-planned') throw changedSincePlanned(plan, found === 'altered', recorded);
  }
  await session.execute('START TRANSACTION', signal);
  for (const plan of plans) await recordMigration(session, plan, signal);
  await session.execute('COMMIT', signal);
}

/** Finds each migration recorded with this very plan, and takes the failure of its last run off the record. */
export async function recordResume(session: Session, plans: readonly RecordedPlan[], signal: AbortSignal): Promise<void> {
  for (const plan of plans) {
    const [record] = await findMigrations(session, plan.id, signal);
    checkResume(plan, record, 'on this server');
  }
  for (const { id } of plans) await recordState(session, id, { state: 'open', failure: null }, signal);
}
