/** A claimed table: its pair, its change stream, its cutover, and the sessions that they work with. */

import { MigrationError } from '../engine/errors.ts';
import { COPY_WORKERS_MAX } from '../engine/options.ts';
import { DEFAULT_REST_RATIO } from '../engine/nice-ratio.ts';
import { DEFAULT_LOAD_LIMITS, type LoadLimits } from '../engine/load.ts';
import type { Plan } from '../engine/model.ts';
import type { TableClaim, ThrottleSignal } from '../engine/ports.ts';
import { bookkeepingSchema } from '../sessions/bookkeeping.ts';
import { disposeBefore, disposingOnFailure } from '../sessions/disposal.ts';
import { SessionsOfOthers } from '../sessions/sessions-of-others.ts';
import { systemClock } from '../sessions/system-clock.ts';
import { loggedColumns } from './binlog-column.ts';
import { dropStandIns } from './carry-over-triggers.ts';
import { keyColumns, readTable, type TableDescription } from './catalog.ts';
import { type LoggedChanges, openChangeStream } from './change-stream.ts';
import { createCheckpointStore } from './checkpoint-store.ts';
import type { Claim } from './claim.ts';
import type { ConnectionDefaults } from './connection-config.ts';
import type { CutoverParts } from './cutover-attempt.ts';
import { swapMark } from './cutover-one-session.ts';
import { removeSentry } from './cutover-two-sessions.ts';
import { createCutover } from './cutover.ts';
import { removeGuards } from './foreign-key-swap.ts';
import { foundReplicas } from './found-replicas.ts';
import { freeDisk } from './free-disk.ts';
import { lockWaiters } from './lock-waiters.ts';
import { readLogRetention } from './log-retention.ts';
import type { LogPosition } from './position.ts';
import { processListLooks } from './process-list.ts';
import { replicaLag } from './replica-lag.ts';
import { retainedLog } from './retained-log.ts';
import type { Server } from './server.ts';
import { createSessionPool } from './session-pool.ts';
import type { SessionPool } from './session.ts';
import { checkSource, readIndexChanges } from './source-watch.ts';
import { quoteTable } from './statements.ts';
import { openTablePair, type LockablePair } from './table-pair.ts';
import { openQueryPool, operatorLimits, runningThreads } from './throttle-signals.ts';
import { transactionTimes } from './transaction-times.ts';

/** How to log in, and what only this adapter knows how to hold back for. */
export interface DatabaseOptions extends ConnectionDefaults {
  /** Copying rests while one of these replicas, or where `isFinding` one that the server tells of, is too far behind. */
  readonly replicas?: { readonly urls: readonly string[]; readonly isFinding: boolean };
  /** What copying rests for, as it is now; DEFAULT_LOAD_LIMITS when it is not given. */
  readonly load?: () => LoadLimits;
  /** Whether indexes are built by one thread of the server, which leaves the others to applications; as it is now. */
  readonly isGentle?: () => boolean;
  /** Whether a cutover may end sessions that are in its way; what that lacks is then an obstacle. */
  readonly isKillingBlockers?: boolean;
}

/** Where tables are claimed. */
export interface ClaimContext {
  readonly server: Server;
  readonly options: DatabaseOptions;
}

interface ClaimOrder extends ClaimContext {
  readonly plan: Plan;
}

/** Fences, barriers, checkpoints and samples never wait behind copying. */
const serviceSessionsMax = 8;

/** Disposing it gives the claim back, too. To be begun before anything else. */
export class ClaimedTable implements TableClaim {
  readonly lost: AbortSignal;
  readonly cutover: TableClaim['cutover'];
  /** What an attempt to swap it works with. */
  readonly cutoverParts: CutoverParts;
  readonly checkpoints: TableClaim['checkpoints'];
  readonly throttleSignals: readonly ThrottleSignal[];
  readonly removal: string;
  readonly readTransactions: NonNullable<TableClaim['readTransactions']>;
  readonly restRatio: TableClaim['restRatio'];
  readonly #order: ClaimOrder;
  readonly #claim: Claim;
  readonly #working: SessionPool;
  readonly #service: SessionPool;
  readonly #queries: SessionPool;
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
    this.#queries = openQueryPool(server.config.database, open);
    this.lost = claim.lost;
    this.removal = `DROP TABLE IF EXISTS ${quoteTable(plan.shadow)};`;
    this.checkpoints = createCheckpointStore(this.#service, plan.id);
    this.cutoverParts = {
      server,
      plan,
      claim,
      prepareWriter: (session, signal) => this.pair.prepareWriter(session, signal),
      checkDefinitions: async (session, signal) =>
        await this.pair.checkShadow(session, await checkSource(session, plan, signal), signal),
      indexChanges: () => this.#stream?.indexChanges ?? 0,
      undecided: () => this.#stream?.undecided() ?? [],
    };
    this.cutover = createCutover({ ...this.cutoverParts, followIndexes: (signal) => this.pair.followIndexes(signal) });
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
    // What MySQL counts holds the pace itself back.
    const others = server.flavour.isMariaDb ? new SessionsOfOthers(systemClock) : null;
    this.restRatio = others === null ? undefined : () => others.restRatio(DEFAULT_REST_RATIO);
    const looks = others === null ? {} : { look: processListLooks(server, others) };
    this.throttleSignals = [
      runningThreads({ ...limited, ...looks }, systemClock),
      lockWaiters(watched),
      retainedLog({ ...watched, ...log }),
      freeDisk(watched),
      ...operatorLimits({ ...limited, queries: this.#queries }, systemClock),
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
        shadow: plan.shadow,
        columns: this.#source === null ? [] : loggedColumns(this.#source),
        key: this.#keyColumns(),
        from,
        ownMark: swapMark(plan),
        clock: systemClock,
        findIndexChanges: (inner) => this.#service.withSession((session) => readIndexChanges(session, plan, inner), inner),
        onAcknowledge: (position) => {
          this.#acknowledged = position;
        },
      },
      signal,
    );
    return await disposingOnFailure(stream, async () => {
      await this.#service.withSession((session) => checkSource(session, plan, signal), signal);
      this.#stream = stream;
      return stream;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled(this.#replicas.map((replica) => replica[Symbol.asyncDispose]()));
    await disposeBefore(this.#claim, [this.#working, this.#service, this.#queries]);
  }

  /** None where the source no longer has them: it is then the former shadow, with its own names, and nothing more is read of it. */
  #keyColumns(): ReturnType<typeof keyColumns> {
    const source = this.#source;
    const names = this.#order.plan.key.columns;
    const hasAll = names.every((name) => source?.columns.some((column) => column.name === name));
    return source === null || !hasAll ? [] : keyColumns(source, names);
  }
}
