/**
 * TableShift as a library: changes the schema of a live table while applications go on reading and writing it.
 * Nothing here prints, exits or reads the environment. Everything rejects with a MigrationError, whose `code` says what the
 * caller can do (docs/errors.md).
 */

import { homedir } from 'node:os';
import { DEFAULT_SOAK_MS, dropPatiently, reasonToKeep } from './engine/clean-up.ts';
import { asMigrationError, assert, MigrationError, messageOf } from './engine/errors.ts';
import { EventRecorder } from './engine/event-recorder.ts';
import type { MigrationEvent, Observer } from './engine/events.ts';
import { giveUp } from './engine/give-up.ts';
import { Controls } from './engine/controls.ts';
import { type MigrationResult, runMigration } from './engine/migration.ts';
import type { NativePlan, NoNativeWay, StepOutcome, Strategy } from './engine/native-change.ts';
import { chooseWay, type NativeResult, NativeRunner } from './engine/native-runner.ts';
import { DEFAULT_OPTIONS, type MigrationOptions } from './engine/options.ts';
import type { MigrationId, MigrationRequest, Plan, PlanOptions } from './engine/model.ts';
import { type Obstacle, PlanRefusedError } from './engine/obstacles.ts';
import type { Database, Families, MigrationRecord, RetiredTable, ThrottleSignal } from './engine/ports.ts';
import { runWithBackground } from './engine/tasks.ts';
import { loadAdapter, type OpenDatabase } from './adapters.ts';
import { hidePasswords, parseServerUrl } from './server-url.ts';
import { systemClock } from './system-clock.ts';

export { DEFAULT_SOAK_MS, reasonToKeep, soakEndOf } from './engine/clean-up.ts';
export { type ErrorCode, ERRORS, MigrationError } from './engine/errors.ts';
export type { MigrationEvent, Observer, Progress, SettingChange } from './engine/events.ts';
export { type ChangeableOptions, Controls, type Hold } from './engine/controls.ts';
export type { MigrationResult } from './engine/migration.ts';
export type { NativePlan, NativeStep, NoNativeWay, Strategy } from './engine/native-change.ts';
export type { NativeResult } from './engine/native-runner.ts';
export { DEFAULT_LOAD_LIMITS, type LoadFigures, type LoadLimits } from './engine/load.ts';
export { DEFAULT_OPTIONS, type MigrationOptions } from './engine/options.ts';
export type { Checkpoint, Family, FamilyMember, MigrationId, Phase, Plan, PlanOptions, TableName } from './engine/model.ts';
export { type Obstacle, type ObstacleCode, OBSTACLES, PlanRefusedError } from './engine/obstacles.ts';
export type { MigrationRecord, MigrationState, RetiredTable, ThrottleSample, ThrottleSignal } from './engine/ports.ts';

/** Which server, and how to log in. */
export interface ServerOptions {
  /** `mysql://user@host:3306/database`, `mariadb://…` or `postgres://…`; the scheme picks the adapter. May hold the password. */
  readonly url: string;
  /** Wins over the one in the URL. Without any, the clients' own files may have one (~/.my.cnf, ~/.pgpass). */
  readonly password?: string | null;
  /** Client option file to read instead of the usual ones (~/.my.cnf); MySQL and MariaDB only. */
  readonly defaultsFile?: string | null;
  /** The PG* variables of PostgreSQL's own clients: the environment of the process, if it is to count. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** Ends what is going on: statements are ended on the server, a checkpoint is saved, the promise rejects with its reason. */
  readonly signal?: AbortSignal;
}

/** What to change in one table. */
export interface TableChange extends Partial<PlanOptions> {
  /** A whole ALTER TABLE statement, or only its clauses together with `table`. */
  readonly alter: string;
  /** `[schema.]name`. */
  readonly table?: string | null;
}

/** What to change. */
export interface ChangeOptions extends ServerOptions, TableChange {
  /** `auto` when it is not given. */
  readonly strategy?: Strategy;
}

/** What to change in several tables that are swapped together. */
export interface FamilyOptions extends ServerOptions {
  /** At least two, each of another table. They are copied in this order. */
  readonly changes: readonly TableChange[];
}

/** Called with each event, synchronously; must not throw. `plan`: whose event it is; null for a native change. */
export type RunObserver = (event: MigrationEvent, plan: Plan | null) => void;

/** How to run it. */
export interface RunOptions {
  /** Of a family, events of `controls` are told for its first member. */
  readonly observer?: RunObserver;
  /**
   * Called once, when the claim is held: from here on the migration is recorded and can be resumed. Must not throw. `members`: of
   * a family those that this run carries out (to resume, the unfinished ones), `plan` the first of them; else just the one.
   */
  readonly onStart?: (plan: Plan, members: readonly Plan[]) => void;
  /** Called once, before the first step of a native change. Nothing of it is recorded. Must not throw. */
  readonly onNativeStart?: (plan: NativePlan) => void;
  /** What differs from DEFAULT_OPTIONS. Rejects with BAD_USAGE where the server does not know a figure that `load` limits. */
  readonly pace?: Partial<MigrationOptions>;
  /** To steer the run while it goes on: made by the caller, with its own options, which then win over `pace`. */
  readonly controls?: Controls;
  /** More reasons to slow down. */
  readonly signals?: readonly ThrottleSignal[];
  /** URLs of replicas: copying and verifying rest while one is further behind than `load.replicaLagMaxMs`, or cannot be asked. */
  readonly replicas?: readonly string[];
  /** Whether the replicas that MySQL or MariaDB tells of are waited for too, as far as the same login can ask them. True when it is not given. */
  readonly isFindingReplicas?: boolean;
}

/** A plan and every reason to refuse it. */
export interface PlanResult {
  readonly strategy: 'native' | 'shadow';
  /** Null where the change goes by a shadow. */
  readonly native: NativePlan | null;
  /** Why not natively: null where it is native, where that was not asked for, and where the obstacles say it. */
  readonly noNativeWay: NoNativeWay | null;
  /** Null for a native change, and where the obstacles leave nothing to plan: no such table, or clauses that the server refuses. */
  readonly plan: Plan | null;
  readonly obstacles: readonly Obstacle[];
}

/** Decides how the change would be carried out and finds every obstacle. Changes nothing. */
export async function planMigration(options: ChangeOptions & Pick<RunOptions, 'pace'>): Promise<PlanResult> {
  const signal = signalOf(options);
  const change = await readAsked(options);
  await using database = await open(options, signal);
  const request = await requestOf(database, change, signal);
  const way = await chooseWay({ native: database.native, strategy: options.strategy ?? 'auto', request }, signal);
  if (way.kind === 'native') {
    const obstacles = await openMigrationsOf(database, way.native, signal);
    return { strategy: 'native', native: way.native, noNativeWay: null, plan: null, obstacles };
  }
  const shadow = { strategy: 'shadow', native: null, noNativeWay: way.reason } as const;
  try {
    const plan = await database.plan(request, signal);
    return { ...shadow, plan, obstacles: await database.findObstacles(plan, signal) };
  } catch (error) {
    if (error instanceof PlanRefusedError) return { ...shadow, plan: null, obstacles: error.obstacles };
    throw error;
  }
}

/** What came of a change, and by which way it went. */
export type ChangeResult = ShadowResult | NativeResult;
export type ShadowResult = MigrationResult & { readonly strategy: 'shadow' };

/** Plans and carries out a change, up to the swap. Rejects with a PlanRefusedError where there are obstacles. */
export async function migrate(options: ChangeOptions & RunOptions & { readonly strategy: 'shadow' }): Promise<ShadowResult>;
export async function migrate(options: ChangeOptions & RunOptions): Promise<ChangeResult>;
export async function migrate(asked: ChangeOptions & RunOptions): Promise<ChangeResult> {
  const options = { ...asked, controls: controlsOf(asked) };
  const signal = signalOf(options);
  const change = await readAsked(options);
  await using database = await open(options, signal);
  const request = await requestOf(database, change, signal);
  const way = await chooseWay({ native: database.native, strategy: options.strategy ?? 'auto', request }, signal);
  if (way.kind === 'native') {
    const result = await runNative({ database, plan: way.native, request }, options, signal);
    if (result !== null) return result;
  }
  const plan = await database.plan(request, signal);
  const obstacles = await database.findObstacles(plan, signal);
  if (obstacles.length > 0) throw new PlanRefusedError(obstacles);
  return { strategy: 'shadow', ...(await run({ database, plan, purpose: 'start' }, options, signal)) };
}

/** The plans of a family, and every reason to refuse it. A family always goes by shadows. */
export interface FamilyPlanResult {
  /** In the order of the changes. Null where the obstacles leave nothing to plan. */
  readonly plans: readonly Plan[] | null;
  readonly obstacles: readonly Obstacle[];
}

/** As `planMigration`, of several tables that are to be swapped together. */
export async function planFamily(options: FamilyOptions & Pick<RunOptions, 'pace'>): Promise<FamilyPlanResult> {
  const signal = signalOf(options);
  const asked = await readAskedOf(options);
  await using database = await open(options, signal);
  const families = familiesOf(database);
  try {
    const plans = await families.plan(await requestsOf(database, asked, signal), signal);
    return { plans, obstacles: await families.findObstacles(plans, signal) };
  } catch (error) {
    if (error instanceof PlanRefusedError) return { plans: null, obstacles: error.obstacles };
    throw error;
  }
}

/**
 * Plans and carries out changes of several tables, up to one atomic swap of all of them. Resolves with the figures of each, in the
 * order of the changes. Rejects as `migrate`; what ends one of them ends all, and all are resumed together.
 */
export async function migrateFamily(asked: FamilyOptions & RunOptions): Promise<readonly MigrationResult[]> {
  const options = { ...asked, controls: controlsOf(asked) };
  const signal = signalOf(options);
  const changes = await readAskedOf(options);
  await using database = await open(options, signal);
  const families = familiesOf(database);
  const plans = await families.plan(await requestsOf(database, changes, signal), signal);
  const obstacles = await families.findObstacles(plans, signal);
  if (obstacles.length > 0) throw new PlanRefusedError(obstacles);
  throw new MigrationError('BAD_USAGE', 'Several tables cannot be swapped together yet: change one after another.');
}

function familiesOf({ families }: Database): Families {
  if (families !== undefined) return families;
  throw new MigrationError('BAD_USAGE', 'On this server, tables are only swapped one by one: change one after another.');
}

async function readAskedOf({ url, changes }: FamilyOptions): Promise<readonly AskedRequest[]> {
  if (changes.length < 2) throw new MigrationError('BAD_USAGE', 'A family has at least two tables: give one change for each.');
  return await Promise.all(changes.map((change) => readAsked({ url, ...change })));
}

async function requestsOf(
  database: OpenDatabase,
  asked: readonly AskedRequest[],
  signal: AbortSignal,
): Promise<readonly MigrationRequest[]> {
  const requests: MigrationRequest[] = [];
  for (const one of asked) requests.push(await requestOf(database, one, signal));
  return requests;
}

/** The figures of the migration that was asked for, or of the first that was carried out. */
export interface ResumeResult extends MigrationResult {
  /** Of a family, all that were carried out, in its order; else just the one. */
  readonly members: readonly MigrationResult[];
}

/**
 * Goes on with the migration `id`; without one, with the only unfinished migration, or family, there is. A member's family goes on
 * as a whole. Rejects with PLAN_CHANGED where a member of it was given up, or never recorded: then it has to be given up.
 */
export async function resumeMigration(
  asked: ServerOptions & RunOptions & { readonly id?: string | null },
): Promise<ResumeResult> {
  const options = { ...asked, controls: controlsOf(asked) };
  const signal = signalOf(options);
  await using database = await open(options, signal);
  const { plan } = await findOpen(database, options.id ?? null, signal);
  const result = await run({ database, plan, purpose: 'resume' }, options, signal);
  return { ...result, members: [result] };
}

/** The migrations that are recorded on the server, newest first. */
export async function listMigrations(options: ServerOptions): Promise<readonly MigrationRecord[]> {
  const signal = signalOf(options);
  await using database = await open(options, signal);
  return await database.listMigrations(signal);
}

/** Something that a run left in the database to be read later. */
export interface RecordedEvent {
  /** Server time, ISO 8601 in UTC. */
  readonly time: string;
  /** Of a MigrationEvent, or `failed`. */
  readonly kind: string;
  /** The other fields of the event; long texts and lists are cut. */
  readonly details: object;
}

/** The newest events that runs of the migration left, the oldest of them first. */
export async function listEvents(
  options: ServerOptions & { readonly id: MigrationId; readonly eventsMax: number },
): Promise<readonly RecordedEvent[]> {
  const signal = signalOf(options);
  await using database = await open(options, signal);
  const records = await database.eventLog.read(options.id, options.eventsMax, signal);
  return records.map(({ time, kind, details }) => ({ time, kind, details: JSON.parse(details) as object }));
}

/** The old tables that finished migrations kept and that still exist. */
export async function listRetiredTables(options: ServerOptions): Promise<readonly RetiredTable[]> {
  const signal = signalOf(options);
  await using database = await open(options, signal);
  return await database.retiredTables.find(signal);
}

/** What to clean up, and whether it may go already. */
export interface CleanUpOptions extends ServerOptions {
  readonly id: string;
  /** How long an old table is kept after the swap, milliseconds; DEFAULT_SOAK_MS when it is not given. */
  readonly soakMs?: number;
  /** Drops an old table also before its soak is over, and one that is still used. */
  readonly isNow?: boolean;
  /** Called with each event, synchronously; must not throw. */
  readonly observer?: Observer;
}

/** What `cleanUp` did. */
export interface CleanUpResult {
  readonly id: MigrationId;
  /**
   * `dropped`: the old table of a finished migration is gone. `given-up`: it was unfinished, and its shadow is gone.
   * `found-done`: it counted as unfinished but had swapped; nothing was dropped. `nothing-left`: there was nothing to drop.
   */
  readonly outcome: 'dropped' | 'given-up' | 'found-done' | 'nothing-left';
  /** The old table that was dropped. */
  readonly dropped: RetiredTable | null;
  /** Migrations that were unfinished and have been ended by this: of a family all its members that were. */
  readonly ended: readonly MigrationId[];
}

/**
 * Drops what the migration left: the old table of a finished one; the shadow of an unfinished one, which is given up by this.
 * Rejects with TABLE_CLAIMED while it runs, with RETIRED_TABLE_KEPT while its old table is to be kept, and with DROP_NOT_LOCKED. An
 * unfinished one that turns out to have swapped is marked done and keeps its old table.
 */
export async function cleanUp(options: CleanUpOptions): Promise<CleanUpResult> {
  const signal = signalOf(options);
  const { soakMs = DEFAULT_SOAK_MS, isNow = false, observer = (): void => undefined } = options;
  const parts = { limits: DEFAULT_OPTIONS.cutover, context: { clock: systemClock, observer } };
  await using database = await open(options, signal);
  const record = await findRecord(database, options.id, signal);
  if (record.state === 'open') {
    await using claim = await database.claimToGiveUp(record.plan, signal);
    const state = await giveUp(record.plan, claim, parts, signal);
    return { id: record.id, outcome: state === 'done' ? 'found-done' : 'given-up', dropped: null, ended: [record.id] };
  }
  const retired = (await database.retiredTables.find(signal)).find(({ id }) => id === record.id) ?? null;
  if (retired === null) return { id: record.id, outcome: 'nothing-left', dropped: null, ended: [] };
  const reason = isNow ? null : reasonToKeep(retired, soakMs);
  if (reason !== null) {
    const { schema, table } = retired.table;
    throw new MigrationError(
      'RETIRED_TABLE_KEPT',
      `${schema}.${table}, the old table of migration ${record.id}, is kept: ${reason}.`,
    );
  }
  const drop = (lockTimeoutMs: number): Promise<StepOutcome> => database.retiredTables.drop(retired, lockTimeoutMs, signal);
  await dropPatiently(retired.table, drop, parts, signal);
  return { id: record.id, outcome: 'dropped', dropped: retired, ended: [] };
}

async function open(options: ServerOptions & RunOptions, signal: AbortSignal): Promise<OpenDatabase> {
  const server = parseServerUrl(options.url);
  const adapter = await loadAdapter(server.adapter);
  const controls = controlsOf(options);
  return await adapter.open(
    server.shown,
    {
      password: options.password ?? server.password,
      defaultsFile: options.defaultsFile ?? null,
      home: homedir(),
      environment: options.environment ?? {},
      replicas: { urls: options.replicas ?? [], isFinding: options.isFindingReplicas ?? true },
      load: () => controls.options.load,
      isKillingBlockers: controls.options.cutover.killBlockersAfter > 0,
    },
    signal,
  );
}

function controlsOf({ controls, pace }: RunOptions): Controls {
  return controls ?? new Controls({ ...DEFAULT_OPTIONS, ...pace });
}

/** A request whose table may still want its schema. */
interface AskedRequest extends Omit<MigrationRequest, 'table'> {
  readonly table: { readonly schema: string | null; readonly table: string };
}

/** Before anything is connected to, so that a wrong statement is known at once. */
async function readAsked({
  url,
  alter,
  table,
  key,
  deferIndexes,
}: Pick<ServerOptions, 'url'> & TableChange): Promise<AskedRequest> {
  const server = parseServerUrl(url);
  const adapter = await loadAdapter(server.adapter);
  const change = adapter.readChange({ alter, table: table ?? null, database: server.database });
  return { ...change, options: { key: key ?? null, deferIndexes: deferIndexes ?? 'auto' } };
}

async function requestOf(database: OpenDatabase, asked: AskedRequest, signal: AbortSignal): Promise<MigrationRequest> {
  const { table } = asked.table;
  const schema = asked.table.schema ?? (await database.findSchema?.(table, signal));
  assert(schema !== undefined, `the schema of ${table} is known`);
  return { ...asked, table: { schema, table } };
}

/** What keeps a native change from its table: a migration whose shadow and change stream would be in vain. */
async function openMigrationsOf(database: Database, { source }: NativePlan, signal: AbortSignal): Promise<readonly Obstacle[]> {
  const open = (await database.listMigrations(signal)).filter(
    ({ state, plan }) => state === 'open' && plan.source.schema === source.schema && plan.source.table === source.table,
  );
  return open.map(({ id, startedAt }) => ({
    code: 'MIGRATION_OPEN',
    message: `Migration ${id} of ${source.schema}.${source.table} is unfinished since ${startedAt}.`,
  }));
}

/** With the controls that its database was opened with. */
type ControlledRun = RunOptions & { readonly controls: Controls };

interface NativeRun {
  readonly database: Database;
  readonly plan: NativePlan;
  readonly request: MigrationRequest;
}

/** Null where the server took its offer back before anything changed, and the shadow may do it instead. */
async function runNative(
  { database, plan, request }: NativeRun,
  options: ChangeOptions & ControlledRun,
  signal: AbortSignal,
): Promise<NativeResult | null> {
  assert(database.native !== undefined, 'a native plan comes from a database that has native ways');
  const obstacles = await openMigrationsOf(database, plan, signal);
  if (obstacles.length > 0) throw new PlanRefusedError(obstacles);
  options.onNativeStart?.(plan);
  const observer: Observer = (event) => options.observer?.(event, null);
  const { controls } = options;
  const context = { clock: systemClock, observer };
  const runner = new NativeRunner({ native: database.native, plan, request, controls, context });
  try {
    return await runner.run(signal);
  } catch (error) {
    const isOfferGone = error instanceof MigrationError && error.code === 'NO_NATIVE_WAY';
    if (!isOfferGone || options.strategy === 'native' || runner.hasBegun) throw error;
    observer({ kind: 'warning', about: 'the native way', message: error.message });
    return null;
  }
}

interface Run {
  readonly database: Database;
  readonly plan: Plan;
  readonly purpose: 'start' | 'resume';
}

async function run({ database, plan, purpose }: Run, options: ControlledRun, signal: AbortSignal): Promise<MigrationResult> {
  const { controls } = options;
  // A query that has no answer at this moment is a stop with its reason, and no reason not to begin.
  await database.checkLoadLimits({ ...controls.options.load, query: null }, signal);
  controls.checkLoadBy((limits, inner) => database.checkLoadLimits(limits, inner));
  await using claim = await database.claim(plan, purpose, signal);
  options.onStart?.(plan, [plan]);
  const observer: Observer = (event) => options.observer?.(event, plan);
  const { signals = [] } = options;
  const { eventLog } = database;
  const recorder = new EventRecorder({ log: eventLog, id: plan.id, clock: systemClock, hide: hidePasswords, observer });
  const recorded: Observer = (event) => {
    recorder.observe(event);
    observer(event);
  };
  const parts = { plan, claim, clock: systemClock, controls, signals, observer: recorded };
  try {
    return await runWithBackground((inner) => runMigration(parts, inner), [(inner) => recorder.keep(inner)], signal);
  } catch (thrown) {
    recorder.failed(asMigrationError(thrown));
    throw thrown;
  } finally {
    await recorder.finish();
  }
}

async function findRecord(database: Database, id: string, signal: AbortSignal): Promise<MigrationRecord> {
  const record = (await database.listMigrations(signal)).find((record) => record.id === id);
  if (record !== undefined) return record;
  throw new MigrationError('MIGRATION_NOT_FOUND', `No migration ${id} is recorded on this server.`);
}

async function findOpen(database: Database, id: string | null, signal: AbortSignal): Promise<MigrationRecord> {
  if (id !== null) {
    const record = await findRecord(database, id, signal);
    if (record.state === 'open') return record;
    throw new MigrationError('MIGRATION_NOT_FOUND', `Migration ${id} is ${record.state}: there is nothing to resume.`);
  }
  const records = (await database.listMigrations(signal)).filter(({ state }) => state === 'open');
  const [record, ...others] = records;
  if (record === undefined) {
    throw new MigrationError('MIGRATION_NOT_FOUND', 'No unfinished migration is recorded on this server.');
  }
  if (others.length === 0) return record;
  const names = records.map(({ id, plan }) => `${id} (${plan.source.schema}.${plan.source.table})`).join(', ');
  throw new MigrationError('BAD_USAGE', `Several unfinished migrations are recorded; name one of ${names}.`);
}

/** The caller's signal with a reason that says what it means here: whatever a caller aborts with, it interrupts the run. */
function signalOf({ signal }: ServerOptions): AbortSignal {
  const own = new AbortController();
  const onAbort = (): void => {
    const reason: unknown = signal?.reason;
    const message = `The caller ended the run: ${messageOf(reason)}`;
    own.abort(reason instanceof MigrationError ? reason : new MigrationError('INTERRUPTED', message, { cause: reason }));
  };
  if (signal?.aborted === true) onAbort();
  else signal?.addEventListener('abort', onAbort, { once: true });
  return own.signal;
}
