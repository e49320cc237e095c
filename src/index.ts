/**
 * TableShift as a library: changes the schema of a live table while applications go on reading and writing it.
 * Nothing here prints, exits or reads options from the environment, of which only the home directory ($HOME) is asked for.
 * Everything rejects with a MigrationError, whose `code` says what the caller can do (docs/errors.md).
 */

import { assert } from './engine/errors.ts';
import type { MigrationResult } from './engine/migration.ts';
import type { NativePlan, NoNativeWay } from './engine/native-change.ts';
import { chooseWay, type NativeResult, type Way, withRefused } from './engine/native-runner.ts';
import type { MigrationId, MigrationRequest, Plan } from './engine/model.ts';
import { type Obstacle, PlanRefusedError } from './engine/obstacles.ts';
import type { Database, MigrationRecord, RetiredTable } from './engine/ports.ts';
import { inCall } from './caller.ts';
import { run } from './claimed-run.ts';
import {
  type ChangeOptions,
  controlsOf,
  open,
  readAsked,
  requestOf,
  type RunOptions,
  type ServerOptions,
} from './library-call.ts';
import { nativeObstacles, runNative, startNative } from './native-runs.ts';
import { patiently, planPatiently } from './patience.ts';
import { findToResume, readRecords } from './records.ts';

export { cleanUp, type CleanUpOptions, type CleanUpResult } from './clean-up.ts';
export { DEFAULT_SOAK_MS, reasonToKeep, soakEndOf } from './engine/clean-up.ts';
export { type ErrorCode, ERRORS, MigrationError } from './engine/errors.ts';
export type { MigrationEvent, Observer, Progress, SettingChange } from './engine/events.ts';
export { type ChangeableOptions, Controls, type Hold } from './engine/controls.ts';
export type { MigrationResult } from './engine/migration.ts';
export type {
  NativeMigration,
  NativePlace,
  NativePlan,
  NativeStep,
  NoNativeWay,
  RecordedPlan,
  Strategy,
} from './engine/native-change.ts';
export type { NativeResult } from './engine/native-runner.ts';
export { DEFAULT_LOAD_LIMITS, type LoadFigures, type LoadLimits } from './engine/load.ts';
export { DEFAULT_OPTIONS, type MigrationOptions } from './engine/options.ts';
export type { Checkpoint, Family, FamilyMember, MigrationId, Phase, Plan, PlanOptions, TableName } from './engine/model.ts';
export { type Obstacle, type ObstacleCode, OBSTACLES, PlanRefusedError } from './engine/obstacles.ts';
export type { MigrationRecord, MigrationState, RetiredTable, ThrottleSample, ThrottleSignal } from './engine/ports.ts';
export { type FamilyPlanResult, migrateFamily, planFamily } from './families.ts';
export type { ReadPassword } from './sessions/password.ts';
export type { ChangeOptions, FamilyOptions, RunObserver, RunOptions, ServerOptions, TableChange } from './library-call.ts';

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
export async function planMigration(asked: ChangeOptions & Pick<RunOptions, 'pace'>): Promise<PlanResult> {
  return await inCall(asked, planned);
}

async function planned(options: ChangeOptions & Pick<RunOptions, 'pace'>, signal: AbortSignal): Promise<PlanResult> {
  const change = await readAsked(options);
  await using database = await open(options, signal);
  const request = await requestOf(database, change, signal);
  const way = await wayOf(database, request, options, signal);
  if (way.kind === 'native') {
    const obstacles = await nativeObstacles(database, way.native, signal);
    return { strategy: 'native', native: way.native, noNativeWay: null, plan: null, obstacles };
  }
  const shadow = { strategy: 'shadow', native: null, noNativeWay: way.reason } as const;
  try {
    const { planned: plan, obstacles } = await planShadow(database, { request, way }, signal);
    return { ...shadow, plan, obstacles };
  } catch (error) {
    if (error instanceof PlanRefusedError) return { ...shadow, plan: null, obstacles: error.obstacles };
    throw error;
  }
}

async function wayOf(
  { native }: Database,
  request: MigrationRequest,
  { strategy = 'auto' }: Pick<ChangeOptions, 'strategy'>,
  signal: AbortSignal,
): ReturnType<typeof chooseWay> {
  return await patiently('choosing the way', () => chooseWay({ native, strategy, request }, signal), signal);
}

/** Rejects with PlanRefusedError, which has what the server refuses of the ALTER itself, too. */
async function planShadow(
  database: Database,
  { request, way }: { readonly request: MigrationRequest; readonly way: Way },
  signal: AbortSignal,
): Promise<{ readonly planned: Plan; readonly obstacles: readonly Obstacle[] }> {
  try {
    return await planPatiently(database, request, signal);
  } catch (error) {
    throw error instanceof PlanRefusedError ? new PlanRefusedError(withRefused(way, error.obstacles)) : error;
  }
}

/** What came of a change, and by which way it went. */
export type ChangeResult = ShadowResult | NativeResult;
export type ShadowResult = MigrationResult & { readonly strategy: 'shadow' };

/** Plans and carries out a change, up to the swap. Rejects with a PlanRefusedError where there are obstacles. */
export async function migrate(options: ChangeOptions & RunOptions & { readonly strategy: 'shadow' }): Promise<ShadowResult>;
export async function migrate(options: ChangeOptions & RunOptions): Promise<ChangeResult>;
export async function migrate(asked: ChangeOptions & RunOptions): Promise<ChangeResult> {
  return await inCall(asked, migrated);
}

async function migrated(asked: ChangeOptions & RunOptions, signal: AbortSignal): Promise<ChangeResult> {
  const options = { ...asked, controls: controlsOf(asked) };
  const change = await readAsked(options);
  await using database = await open(options, signal);
  const request = await requestOf(database, change, signal);
  const way = await wayOf(database, request, options, signal);
  if (way.kind === 'native') {
    const result = await startNative({ database, plan: way.native, request }, options, signal);
    if (result !== null) return result;
  }
  const { planned: plan, obstacles } = await planShadow(database, { request, way }, signal);
  if (obstacles.length > 0) throw new PlanRefusedError(obstacles);
  const [result] = await run({ database, plans: [plan], purpose: 'start' }, options, signal);
  assert(result !== undefined, 'what was run has a result');
  return { strategy: 'shadow', ...result };
}

/** Which migration to go on with, and how. */
export interface ResumeOptions extends ServerOptions, RunOptions {
  readonly id?: string | null;
}

/** The figures of the migration that was asked for, or of the first that was carried out. */
export interface ResumeResult extends ShadowResult {
  /** Of a family, all that were carried out, in its order; else just the one. */
  readonly members: readonly MigrationResult[];
}

/**
 * Goes on with the migration `id`; without one, with the only unfinished migration, or family, there is. A member's family goes on
 * as a whole. Rejects with PLAN_CHANGED where a member of it was given up, or never recorded: then it has to be given up.
 */
export async function resumeMigration(asked: ResumeOptions): Promise<ResumeResult | NativeResult> {
  return await inCall(asked, resumed);
}

async function resumed(asked: ResumeOptions, signal: AbortSignal): Promise<ResumeResult | NativeResult> {
  const options = { ...asked, controls: controlsOf(asked) };
  await using database = await open(options, signal);
  const id = options.id ?? null;
  const records = findToResume(await readRecords(database, id, signal), id);
  const [first] = records;
  if (first?.plan.strategy === 'native')
    return await runNative({ database, plan: first.plan, purpose: 'resume' }, options, signal);
  const plans = records.flatMap(({ plan }) => (plan.strategy !== 'native' ? [plan] : []));
  const members = await run({ database, plans, purpose: 'resume' }, options, signal);
  const result = members.find(({ id }) => id === options.id) ?? members[0];
  assert(result !== undefined, 'what was run has a result');
  return { strategy: 'shadow', ...result, members };
}

/** Which server, and of which migration something will be asked. */
export interface ListOptions extends ServerOptions {
  /** Rejects with PLAN_CHANGED where another version has recorded it in a way that is not known here. */
  readonly id?: string | null;
}

/** The migrations that are recorded on the server, newest first, but for those that only another version can read. */
export async function listMigrations(options: ListOptions): Promise<readonly MigrationRecord[]> {
  return await inDatabase(options, async (database, signal) => {
    const { id = null } = options;
    return id === null ? await database.listMigrations(signal) : await readRecords(database, id, signal);
  });
}

/**
 * What there is besides, each as a sentence that says what to do about it: migrations that only another version can read, and what is left
 * on the server of those that are not recorded any more.
 */
export async function listStrays(options: ServerOptions): Promise<readonly string[]> {
  return await inDatabase(options, async (database, signal) => [
    ...(await database.findUnreadable(signal)).map(({ sentence }) => sentence),
    ...((await database.findStrays?.(signal)) ?? []),
  ]);
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

/** The newest events that runs of the migration left, the oldest of them first. Rejects with BAD_USAGE unless `eventsMax` is 1 or more. */
export async function listEvents(
  options: ServerOptions & { readonly id: MigrationId; readonly eventsMax: number },
): Promise<readonly RecordedEvent[]> {
  const read = async ({ eventLog }: Database, signal: AbortSignal): Promise<readonly RecordedEvent[]> => {
    const records = await eventLog.read(options.id, options.eventsMax, signal);
    return records.map(({ time, kind, details }) => ({ time, kind, details: JSON.parse(details) as object }));
  };
  return await inDatabase(options, read, ['id', 'eventsMax']);
}

/** The old tables that finished migrations kept and that still exist. */
export async function listRetiredTables(options: ServerOptions): Promise<readonly RetiredTable[]> {
  return await inDatabase(options, (database, signal) => database.retiredTables.find(signal));
}

/** A call that only asks. */
async function inDatabase<Result>(
  asked: ServerOptions,
  ask: (database: Database, signal: AbortSignal) => Promise<Result>,
  needed: readonly string[] = [],
): Promise<Result> {
  const work = async (options: ServerOptions, signal: AbortSignal): Promise<Result> => {
    await using database = await open(options, signal);
    return await ask(database, signal);
  };
  return await inCall(asked, work, needed);
}
