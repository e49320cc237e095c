/** Carries plans out: claims their tables and runs their migrations. */

import { assert, MigrationError } from './engine/errors.ts';
import type { Observer } from './engine/events.ts';
import { runFamily } from './engine/family-run.ts';
import { type MigrationResult, type MigrationRun, runMigration } from './engine/migration.ts';
import type { Plan } from './engine/model.ts';
import type { Database, Families, TableClaim } from './engine/ports.ts';
import type { ControlledRun } from './library-call.ts';
import { runRecorded, whileClaimed } from './recorded-run.ts';
import { systemClock } from './sessions/system-clock.ts';

export interface ClaimedRun {
  readonly database: Database;
  /** One, or those of a family that are open. */
  readonly plans: readonly Plan[];
  readonly purpose: 'start' | 'resume';
}

/**
 * Resolves with a result for each plan. The claims are held, and `onStart` is called, before anything is changed. Rejects with a
 * MigrationError, also where a claim cannot be given back in order.
 */
export async function run(order: ClaimedRun, options: ControlledRun, signal: AbortSignal): Promise<readonly MigrationResult[]> {
  const { controls } = options;
  const { database } = order;
  // A query that has no answer at this moment is a stop with its reason, and no reason not to begin.
  await database.checkLoadLimits({ ...controls.options.load, query: null }, signal);
  controls.checkLoadBy((limits, inner) => database.checkLoadLimits(limits, inner));
  const claiming = (): Promise<Claimed> => claim(order, signal);
  return await whileClaimed(claiming, (claimed) => runClaimed(claimed, { order, options }, signal), signal);
}

async function runClaimed(
  claimed: Claimed,
  { order, options }: { readonly order: ClaimedRun; readonly options: ControlledRun },
  signal: AbortSignal,
): Promise<readonly MigrationResult[]> {
  const { database, plans } = order;
  const { controls, signals = [] } = options;
  const [first] = plans;
  assert(first !== undefined, 'there is something to run');
  options.onStart?.(first, plans);
  signal.throwIfAborted();
  const runs = claimed.members.map(({ plan, claim }): MigrationRun => {
    const observer: Observer = (event) => options.observer?.(event, plan);
    return { plan, claim, clock: systemClock, controls, signals, observer };
  });
  return await runRecorded(database, runs, claimed.carryOut, signal);
}

/** Tables that are claimed. Disposing it gives them back. */
interface Claimed extends AsyncDisposable {
  readonly members: readonly { readonly plan: Plan; readonly claim: TableClaim }[];
  readonly carryOut: (runs: readonly MigrationRun[], signal: AbortSignal) => Promise<readonly MigrationResult[]>;
}

async function claim({ database, plans, purpose }: ClaimedRun, signal: AbortSignal): Promise<Claimed> {
  const [plan] = plans;
  assert(plan !== undefined, 'there is something to claim');
  if (plan.family === undefined) {
    const claim = await database.claim(plan, purpose, signal);
    return {
      members: [{ plan, claim }],
      carryOut: (runs, inner) => Promise.all(runs.map((run) => runMigration(run, inner))),
      [Symbol.asyncDispose]: () => claim[Symbol.asyncDispose](),
    };
  }
  const family = await familiesOf(database).claim(plans, purpose, signal);
  const members = plans.flatMap((plan, place) => {
    const claim = family.members[place];
    return claim === undefined ? [] : [{ plan, claim }];
  });
  return {
    members,
    carryOut: (runs, inner) => runFamily(runs, family, inner),
    [Symbol.asyncDispose]: () => family[Symbol.asyncDispose](),
  };
}

/** Rejects with BAD_USAGE where tables are only swapped one by one. */
export function familiesOf({ families }: Database): Families {
  if (families !== undefined) return families;
  throw new MigrationError('BAD_USAGE', 'On this server, tables are only swapped one by one: change one after another.');
}
