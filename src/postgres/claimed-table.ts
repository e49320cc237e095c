/** A claimed table: its pair, its change stream, its cutover, and the sessions that they work with. */

import { MigrationError } from '../engine/errors.ts';
import { COPY_WORKERS_MAX } from '../engine/options.ts';
import { DEFAULT_LOAD_LIMITS, type LoadLimits } from '../engine/load.ts';
import type { Plan } from '../engine/model.ts';
import type { ChangeStream, TableClaim, ThrottleSignal } from '../engine/ports.ts';
import { disposeBefore } from '../sessions/disposal.ts';
import type { ReplicaLag } from '../sessions/replica-lag.ts';
import { SessionsOfOthers } from '../sessions/sessions-of-others.ts';
import { systemClock } from '../sessions/system-clock.ts';
import { createCarryOver } from './carry-over.ts';
import { readTable, type TableDescription } from './catalog.ts';
import { openChangeStream } from './change-stream.ts';
import { createCheckpointStore } from './checkpoint-store.ts';
import type { Claim } from './claim.ts';
import { concludingStore, settlingCutover } from './clean-up.ts';
import type { ConnectionDefaults } from './connection-config.ts';
import { createCutover } from './cutover.ts';
import { IndexFollower } from './followed-indexes.ts';
import { lockWaiters } from './lock-waiters.ts';
import { replicaLag } from './replica-lag.ts';
import { slotName, slotRemoval } from './replication-slot.ts';
import { retainedLog } from './retained-log.ts';
import type { KeyColumn } from './row-key.ts';
import type { Server } from './server.ts';
import { createSessionPool } from './session-pool.ts';
import type { SessionPool } from './session.ts';
import { isMadeFrom, isMadeFromBut, readUnfinished } from './shadow.ts';
import { prepareSlot, slotWaitMs } from './slot-preparation.ts';
import { checkPlanned, isAsPlanned, type SourceWatch, watchSource } from './source-watch.ts';
import type { SwapMember } from './swap.ts';
import { quoteName } from './statements.ts';
import { openTablePair, type PostgresTablePair } from './table-pair.ts';
import { activeSessions, indexBuild, operatorLimits, standbyLag } from './throttle-signals.ts';
import { transactionTimes } from './transaction-times.ts';

/** How to log in, and what only this adapter knows how to hold back for. */
export interface DatabaseOptions extends ConnectionDefaults {
  /** Copying rests while one of these standbys, or one that the server itself sees, replays too far behind. */
  readonly replicas?: { readonly urls: readonly string[] };
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

/** While the sessions of applications are idle. Measured: docs/decisions/workers-and-latency.md. */
const REST_RATIO = 1;

/** Disposing it gives the claim back, too. To be begun before anything else. */
export class ClaimedTable implements TableClaim {
  readonly lost: AbortSignal;
  readonly cutover: TableClaim['cutover'];
  readonly checkpoints: TableClaim['checkpoints'];
  readonly throttleSignals: readonly ThrottleSignal[];
  readonly removal: string;
  readonly readTransactions: NonNullable<TableClaim['readTransactions']>;
  readonly restRatio = (): number => this.#others.restRatio(REST_RATIO);
  readonly #order: ClaimOrder;
  readonly #claim: Claim;
  readonly #follower: IndexFollower;
  readonly #working: SessionPool;
  readonly #service: SessionPool;
  readonly #replicas: readonly ReplicaLag[];
  readonly #others = new SessionsOfOthers(systemClock);
  #source: TableDescription | null = null;
  #known: TableDescription | null = null;
  #pair: PostgresTablePair | null = null;
  /** By this run. */
  #isShadowMade = false;
  #stream: ChangeStream | null = null;
  #slotAttempts = 0;

  constructor(order: ClaimOrder, claim: Claim) {
    const { server, options, plan } = order;
    const open = (signal: AbortSignal): ReturnType<Claim['openSession']> => claim.openSession({}, signal);
    this.#order = order;
    this.#claim = claim;
    this.#follower = new IndexFollower({ plan, known: () => this.known });
    this.#working = createSessionPool({ sizeMax: COPY_WORKERS_MAX, open });
    this.#service = createSessionPool({ sizeMax: serviceSessionsMax, open });
    this.lost = claim.lost;
    this.readTransactions = transactionTimes(this.#service, systemClock);
    const { slot, publication } = slotRemoval(slotName(plan.id));
    this.removal = `${slot}; ${publication}; DROP SCHEMA IF EXISTS ${quoteName(plan.shadow.schema)} CASCADE;`;
    const store = createCheckpointStore(this.#service, plan.id);
    this.checkpoints = concludingStore(store, () => this.#closeStream(), { plan, sessions: this.#service });
    const swap = createCutover({
      ...this.swapMember,
      flavour: server.flavour,
      carryOver: createCarryOver([plan], () => this.known),
    });
    const settling = settlingCutover(swap, () => this.#closeStream(), { plan, sessions: this.#service });
    const prepare = async (signal: AbortSignal): Promise<void> => {
      await this.pair.finishAnew(signal);
      await settling.prepare?.(signal);
    };
    this.cutover = { ...settling, prepare };
    const { urls = [] } = options.replicas ?? {};
    const limits = options.load ?? (() => DEFAULT_LOAD_LIMITS);
    const limited = { pool: this.#service, limits };
    const lag = { source: this.#service, lagMaxMs: () => limits().replicaLagMaxMs, clock: systemClock };
    this.#replicas = urls.map((url) => replicaLag({ ...lag, url, login: options }));
    this.throttleSignals = [
      activeSessions(limited, this.#others, systemClock),
      standbyLag(limited),
      indexBuild(this.#service, plan, systemClock),
      lockWaiters(this.#service, plan, systemClock),
      retainedLog({ pool: this.#service, plan, limit: () => limits().retainedLogBytesMax, clock: systemClock }),
      ...operatorLimits(limited, { searchPath: server.searchPath, clock: systemClock }),
      ...this.#replicas,
    ];
  }

  get pair(): PostgresTablePair {
    if (this.#pair === null) throw new MigrationError('INTERNAL', 'The claimed table was used before it was read.');
    return this.#pair;
  }

  /** The source as it was when this run began; null where it was no longer what it was. */
  get known(): TableDescription | null {
    return this.#known;
  }

  /** What the swap of its table works with. */
  get swapMember(): SwapMember {
    const lockedWriter: SwapMember['lockedWriter'] = (session) => this.pair.lockedWriter(session);
    return { plan: this.#order.plan, claim: this.#claim, lockedWriter };
  }

  /** Reads the source. */
  async begin(signal: AbortSignal): Promise<void> {
    const { plan, options } = this.#order;
    this.#source = await this.#service.withSession((session) => readTable(session, plan.source, signal), signal);
    const pair = openTablePair({
      plan,
      keyColumns: keyColumns(plan, this.#source),
      sessions: this.#working,
      conversionSettings: this.#order.server.conversionSettings,
      follower: this.#follower,
      ...(options.isGentle === undefined ? {} : { isGentle: options.isGentle }),
    });
    const createShadow = async (inner: AbortSignal): Promise<void> => {
      await pair.createShadow(inner);
      this.#isShadowMade = true;
    };
    this.#pair = { ...pair, createShadow };
  }

  async openChangeStream(from: string | null, signal: AbortSignal): Promise<ChangeStream> {
    const { plan, server } = this.#order;
    await this.#closeStream();
    const watch = await this.#watchSource(from !== null, signal);
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
        watch,
      },
      signal,
    );
    this.#stream = stream;
    return stream;
  }

  /** Against what the shadow was made from, or is about to be. Rejects where that is another already. */
  async #watchSource(hasShadow: boolean, signal: AbortSignal): Promise<SourceWatch> {
    const { plan } = this.#order;
    if (!hasShadow) checkPlanned(plan, this.#source);
    const unfinished = hasShadow
      ? await this.#service.withSession((session) => readUnfinished(session, plan, signal), signal)
      : null;
    const isUnchanged = (source: TableDescription): boolean =>
      unfinished === null ? isAsPlanned(plan, source) : isMadeFrom(unfinished, source);
    const isKnown = (source: TableDescription): boolean =>
      isUnchanged(source) || (unfinished !== null && isMadeFromBut(unfinished, source));
    this.#known = this.#source !== null && isKnown(this.#source) ? this.#source : null;
    const watch = watchSource({
      plan,
      known: this.#known,
      isUnchanged,
      hasShadow: () => hasShadow || this.#isShadowMade,
      follower: this.#follower,
      sessions: this.#service,
    });
    await watch.check(signal);
    return watch;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const stream = { [Symbol.asyncDispose]: () => this.#closeStream() };
    await disposeBefore(this.#claim, [stream, this.#working, this.#service, ...this.#replicas]);
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
