/** Several tables that are swapped together on PostgreSQL: each has a claim, a slot and a shadow of its own, and all have one swap. */

import { assert, MigrationError } from '../engine/errors.ts';
import type { MigrationRequest, Plan } from '../engine/model.ts';
import type { Families, FamilyClaim } from '../engine/ports.ts';
import { disposeAll } from '../sessions/disposal.ts';
import { createCarryOver } from './carry-over.ts';
import type { ClaimContext } from './claimed-table.ts';
import { makePlans, type PlannerOptions } from './planner.ts';
import type { Server } from './server.ts';
import { TableSwap } from './swap.ts';
import { claimTables } from './table-claims.ts';

/** The port. */
export function createFamilies(
  context: ClaimContext,
  { planner, findObstacles }: Pick<Families, 'findObstacles'> & { readonly planner: PlannerOptions },
): Families {
  return {
    plan: (requests, signal) => planFamily(context.server, requests, planner, signal),
    findObstacles,
    claim: (plans, purpose, signal) => claimFamily(context, plans, purpose, signal),
  };
}

/** Rejects with BAD_USAGE where these are not at least two tables, and as `makePlans`. */
async function planFamily(
  server: Server,
  requests: readonly MigrationRequest[],
  planner: PlannerOptions,
  signal: AbortSignal,
): Promise<readonly Plan[]> {
  checkTables(requests);
  const plans = await makePlans(server, requests, planner, signal);
  const [first] = plans;
  assert(first !== undefined, 'each request has a plan');
  const members = plans.map(({ id, source, shadow, retired }) => ({ id, source, shadow, retired }));
  return plans.map((plan) => ({ ...plan, family: { id: first.id, members } }));
}

function checkTables(requests: readonly MigrationRequest[]): void {
  const names = requests.map(({ table }) => `${table.schema}.${table.table}`);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) {
    throw new MigrationError('BAD_USAGE', `${twice} is named twice: give all clauses for a table in one ALTER.`);
  }
  if (names.length < 2) {
    throw new MigrationError('BAD_USAGE', `Only ${names[0] ?? 'no table'} is named: a family has at least two tables.`);
  }
}

async function claimFamily(
  context: ClaimContext,
  plans: readonly Plan[],
  purpose: 'start' | 'resume',
  signal: AbortSignal,
): Promise<FamilyClaim> {
  const members = await claimTables(context, plans, purpose, signal);
  const swap = new TableSwap({
    flavour: context.server.flavour,
    members: members.map(({ swapMember }) => swapMember),
    carryOver: createCarryOver(plans, ({ id }) => members.find(({ swapMember }) => swapMember.plan.id === id)?.known ?? null),
  });
  return {
    members,
    attempt: (options, drains, signal) => swap.attempt(options, drains, signal),
    [Symbol.asyncDispose]: () => disposeAll(members),
  };
}
