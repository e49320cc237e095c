/** Changes of several tables that are swapped together. */

import { MigrationError } from './engine/errors.ts';
import type { MigrationResult } from './engine/migration.ts';
import type { MigrationRequest, Plan } from './engine/model.ts';
import { type Obstacle, PlanRefusedError } from './engine/obstacles.ts';
import type { OpenDatabase } from './adapters.ts';
import { inCall } from './caller.ts';
import { familiesOf, run } from './claimed-run.ts';
import {
  type AskedRequest,
  controlsOf,
  type FamilyOptions,
  open,
  readAsked,
  requestOf,
  type RunOptions,
} from './library-call.ts';
import { planPatiently } from './patience.ts';

/** The plans of a family, and every reason to refuse it. A family always goes by shadows. */
export interface FamilyPlanResult {
  /** In the order of the changes. Null where the obstacles leave nothing to plan. */
  readonly plans: readonly Plan[] | null;
  readonly obstacles: readonly Obstacle[];
}

/** As `planMigration`, of several tables that are to be swapped together. */
export async function planFamily(asked: FamilyOptions & Pick<RunOptions, 'pace'>): Promise<FamilyPlanResult> {
  return await inCall(asked, planned, ['changes']);
}

async function planned(options: FamilyOptions & Pick<RunOptions, 'pace'>, signal: AbortSignal): Promise<FamilyPlanResult> {
  const changes = await readAskedOf(options);
  await using database = await open(options, signal);
  const families = familiesOf(database);
  try {
    const { planned: plans, obstacles } = await planPatiently(families, await requestsOf(database, changes, signal), signal);
    return { plans, obstacles };
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
  return await inCall(asked, carriedOut, ['changes']);
}

async function carriedOut(asked: FamilyOptions & RunOptions, signal: AbortSignal): Promise<readonly MigrationResult[]> {
  const options = { ...asked, controls: controlsOf(asked) };
  const changes = await readAskedOf(options);
  await using database = await open(options, signal);
  const families = familiesOf(database);
  const { planned: plans, obstacles } = await planPatiently(families, await requestsOf(database, changes, signal), signal);
  if (obstacles.length > 0) throw new PlanRefusedError(obstacles);
  return await run({ database, plans, purpose: 'start' }, options, signal);
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
