/** Native changes in the bookkeeping of MySQL and MariaDB: who may change the table, and what is recorded of it. */

import { createHash } from 'node:crypto';
import { migrationId } from '../engine/migration-id.ts';
import type { NativeChange, NativeClaim, NativeMigration, NativePlace } from '../engine/native-change.ts';
import type { Obstacle } from '../engine/obstacles.ts';
import { disposeBefore, disposingOnFailure } from '../sessions/disposal.ts';
import { systemClock } from '../sessions/system-clock.ts';
import { createCheckpointStore } from './checkpoint-store.ts';
import { type Claim, takeClaim } from './claim.ts';
import { definitionOf, runStep } from './native-step.ts';
import { readAccount } from './account.ts';
import { bookkeepingPrivileges } from './obstacles-privileges.ts';
import { keyringObstacles, readVariables } from './obstacles-server.ts';
import type { Server } from './server.ts';
import { createSessionPool } from './session-pool.ts';
import { prepareBookkeeping, recordAll } from './table-claims.ts';

/** The part of the port that is about the bookkeeping. */
export function createNativeClaims(server: Server): Pick<NativeChange, 'newId' | 'claim' | 'findObstacles'> {
  return {
    newId: (table) => migrationId(table, () => systemClock.random()),
    claim: (plan, purpose, signal) => claimNatively(server, { plan, purpose }, signal),
    findObstacles: (signal) => findObstacles(server, signal),
  };
}

async function findObstacles(server: Server, signal: AbortSignal): Promise<readonly Obstacle[]> {
  await using session = await server.openSession({}, signal);
  const privileges = bookkeepingPrivileges(await readAccount(session, signal));
  return [...privileges, ...(await keyringObstacles(session, await readVariables(session, signal), signal))];
}

/** The bookkeeping is written also where statements are logged: no row has to be. */
const isolation = 'REPEATABLE READ';

interface ClaimOrder {
  readonly plan: NativeMigration;
  readonly purpose: 'start' | 'resume';
}

async function claimNatively(server: Server, { plan, purpose }: ClaimOrder, signal: AbortSignal): Promise<NativeClaim> {
  await prepareBookkeeping(server, signal);
  const claim = await takeClaim(server, { table: plan.source, migration: plan.id }, signal);
  await disposingOnFailure(claim, async () => {
    await using session = await claim.openSession({ isolation }, signal);
    await recordAll(session, [plan], purpose, signal);
  });
  const sessions = createSessionPool({ sizeMax: 1, open: (inner) => claim.openSession({ isolation }, inner) });
  return {
    lost: claim.lost,
    checkpoints: createCheckpointStore<NativePlace>(sessions, plan.id),
    run: (step, native, lockTimeoutMs, inner) => runStep(within(server, claim), { step, plan: native, lockTimeoutMs }, inner),
    async readDefinition(inner) {
      const definition = await sessions.withSession((session) => definitionOf(session, plan.source, inner), inner);
      return createHash('sha256').update(definition).digest('hex');
    },
    // Each step is whole by itself, and wanted.
    discard: async () => ({ kind: 'done' }),
    [Symbol.asyncDispose]: () => disposeBefore(claim, [sessions]),
  };
}

/** The server, with sessions that the next holder of the claim ends. An ALTER of a live table checks foreign keys as is usual there. */
function within(server: Server, claim: Claim): Server {
  return {
    ...server,
    openSession: ({ settings = [], takesSeveral = false }, signal) =>
      claim.openSession({ settings: ['foreign_key_checks = DEFAULT', ...settings], takesSeveral }, signal),
  };
}
