/** Carries native changes out: claims their tables and runs their steps. */

import { assert, MigrationError } from './engine/errors.ts';
import type { Observer } from './engine/events.ts';
import type { MigrationRequest } from './engine/model.ts';
import type { NativeChange, NativeClaim, NativeMigration, NativePlan } from './engine/native-change.ts';
import { type NativeMigrationRun, runNativeMigration } from './engine/native-migration.ts';
import type { NativeResult } from './engine/native-runner.ts';
import { type Obstacle, PlanRefusedError } from './engine/obstacles.ts';
import type { Database } from './engine/ports.ts';
import type { ChangeOptions, ControlledRun } from './library-call.ts';
import { patiently } from './patience.ts';
import { runRecorded, whileClaimed } from './recorded-run.ts';
import { systemClock } from './sessions/system-clock.ts';

/** What keeps a native change from its table: an unfinished migration, or that nothing could be recorded. Changes nothing. */
export async function nativeObstacles(database: Database, plan: NativePlan, signal: AbortSignal): Promise<readonly Obstacle[]> {
  const obstacles = await nativeOf(database).findObstacles(signal);
  return obstacles.length > 0 ? obstacles : await openMigrationsOf(database, plan, signal);
}

interface NativeStart {
  readonly database: Database;
  readonly plan: NativePlan;
  readonly request: MigrationRequest;
}

/** Null where the server took its offer back before anything changed, and the shadow may do it instead. */
export async function startNative(
  { database, plan, request }: NativeStart,
  options: ChangeOptions & ControlledRun,
  signal: AbortSignal,
): Promise<NativeResult | null> {
  const obstacles = await patiently('finding obstacles', () => nativeObstacles(database, plan, signal), signal);
  if (obstacles.length > 0) throw new PlanRefusedError(obstacles);
  let hasBegun = false;
  const observer: ControlledRun['observer'] = (event, about) => {
    hasBegun ||= event.kind === 'native-step-done';
    options.observer?.(event, about);
  };
  const { clauses, options: planOptions } = request;
  const { source } = plan;
  const id = nativeOf(database).newId(source);
  const migration: NativeMigration = { id, strategy: 'native', source, clauses, options: planOptions, native: plan };
  try {
    return await runNative({ database, plan: migration, purpose: 'start' }, { ...options, observer }, signal);
  } catch (error) {
    const isOfferGone = error instanceof MigrationError && error.code === 'NO_NATIVE_WAY';
    if (!isOfferGone || options.strategy === 'native' || hasBegun) throw error;
    options.observer?.(
      { kind: 'warning', about: 'the native way', message: `${error.message} It is planned by a shadow instead.` },
      null,
    );
    return null;
  }
}

interface NativeOrder {
  readonly database: Database;
  readonly plan: NativeMigration;
  readonly purpose: 'start' | 'resume';
}

/** The claim is held, and `onNativeStart` is called, before anything is changed. Rejects with a MigrationError. */
export async function runNative(order: NativeOrder, options: ControlledRun, signal: AbortSignal): Promise<NativeResult> {
  const { database, plan, purpose } = order;
  // Nothing is throttled by them here, but whoever misspelt one would find out only with the next change, that goes by a shadow.
  await database.checkLoadLimits({ ...options.controls.options.load, query: null }, signal);
  const claim = (): Promise<NativeClaim> => nativeOf(database).claim(plan, purpose, signal);
  return await whileClaimed(claim, (claimed) => runClaimed(claimed, { order, options }, signal), signal);
}

async function runClaimed(
  claim: NativeClaim,
  { order, options }: { readonly order: NativeOrder; readonly options: ControlledRun },
  signal: AbortSignal,
): Promise<NativeResult> {
  const { database, plan, purpose } = order;
  const { controls } = options;
  const native = nativeOf(database);
  options.onNativeStart?.(plan);
  signal.throwIfAborted();
  const observer: Observer = (event) => options.observer?.(event, null);
  const run = { plan, native, claim, purpose, clock: systemClock, controls, observer };
  const carryOut = (runs: readonly NativeMigrationRun[], inner: AbortSignal): Promise<readonly NativeResult[]> =>
    Promise.all(runs.map((one) => runNativeMigration(one, inner)));
  const [result] = await runRecorded(database, [run], carryOut, signal);
  assert(result !== undefined, 'what was run has a result');
  return result;
}

/** An unfinished migration of the table: its steps, or its shadow and change stream, would be in vain. */
async function openMigrationsOf(database: Database, { source }: NativePlan, signal: AbortSignal): Promise<readonly Obstacle[]> {
  const open = (await database.listMigrations(signal)).filter(
    ({ state, plan }) => state === 'open' && plan.source.schema === source.schema && plan.source.table === source.table,
  );
  return open.map(({ id, startedAt, isRunning }) => {
    const migration = `Migration ${id} of ${source.schema}.${source.table}`;
    return isRunning
      ? { code: 'TABLE_IN_USE', message: `${migration} has the claim on it and runs, since ${startedAt}.` }
      : { code: 'MIGRATION_OPEN', message: `${migration} is unfinished since ${startedAt}.`, migration: id };
  });
}

/** What only databases that have native ways are asked for. */
export function nativeOf({ native }: Database): NativeChange {
  assert(native !== undefined, 'a native plan comes from a database that has native ways');
  return native;
}
