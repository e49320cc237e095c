/** Tables of MySQL and MariaDB that are swapped together, all in one RENAME. */

import { distinct } from '../engine/obstacles.ts';
import type { Families, FamilyClaim } from '../engine/ports.ts';
import { assert } from '../engine/errors.ts';
import { disposeAll } from '../sessions/disposal.ts';
import { OlderSnapshots } from '../sessions/older-snapshots.ts';
import { systemClock } from '../sessions/system-clock.ts';
import type { ClaimContext, ClaimedTable } from './claimed-table.ts';
import { attemptSwap } from './cutover-attempt.ts';
import { blockerObstacles } from './obstacles-blockers.ts';
import { replicaFilterObstacles } from './obstacles-replicas.ts';
import { findFamilyObstacles } from './obstacles.ts';
import { makeFamilyPlans } from './planner.ts';
import { claimTables } from './table-claims.ts';

export function createFamilies(context: ClaimContext): Families {
  const { server, options } = context;
  return {
    plan: (requests, signal) => makeFamilyPlans(server, requests, { random: () => systemClock.random() }, signal),
    async findObstacles(plans, signal) {
      const found = [
        ...(await findFamilyObstacles(server, plans, signal)),
        ...(await replicaFilterObstacles(context, plans, signal)),
      ];
      if (options.isKillingBlockers !== true) return found;
      for (const plan of plans) found.push(...(await blockerObstacles(server, plan, signal)));
      return distinct(found);
    },
    claim: async (plans, purpose, signal) => familyOf(await claimTables(context, plans, purpose, signal)),
  };
}

function familyOf(members: readonly ClaimedTable[]): FamilyClaim {
  const olderSnapshots = new OlderSnapshots();
  return {
    members,
    attempt(options, drains, signal) {
      const [first, ...others] = members.map(({ cutoverParts }) => cutoverParts);
      assert(first !== undefined && drains.length === members.length, 'each table is drained by a function of its own');
      return attemptSwap([first, ...others], { options, drains, olderSnapshots }, signal);
    },
    [Symbol.asyncDispose]: () => disposeAll(members),
  };
}
