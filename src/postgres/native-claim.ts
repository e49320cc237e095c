/** Native changes in the bookkeeping of PostgreSQL: who may change the table, what is recorded of it, and what goes when it is given up. */

import { createHash } from 'node:crypto';
import { migrationId } from '../engine/migration-id.ts';
import {
  denyLastStep,
  type NativeChange,
  type NativeClaim,
  type NativeMigration,
  type NativePlace,
  type NativePlan,
  type NativeStep,
  type StepOutcome,
} from '../engine/native-change.ts';
import type { Obstacle } from '../engine/obstacles.ts';
import { disposeBefore, disposingOnFailure } from '../sessions/disposal.ts';
import { systemClock } from '../sessions/system-clock.ts';
import { createBookkeeping, missingGrants } from './bookkeeping.ts';
import { readTable } from './catalog.ts';
import { createCheckpointStore } from './checkpoint-store.ts';
import { type Claim, takeClaim } from './claim.ts';
import { ourNames } from './native-recipes.ts';
import { publishedForAll } from './published.ts';
import { runStep } from './native-step.ts';
import type { Server } from './server.ts';
import { createSessionPool } from './session-pool.ts';
import type { SessionPool } from './session.ts';
import { quoteName, quoteTable } from './statements.ts';
import { recordAll } from './table-claims.ts';

/** The part of the port that is about the bookkeeping. */
export function createNativeClaims(server: Server): Pick<NativeChange, 'newId' | 'claim' | 'findObstacles'> {
  return {
    newId: (table) => migrationId(table, () => systemClock.random()),
    claim: (plan, purpose, signal) => claimNatively(server, { plan, purpose }, signal),
    findObstacles: (signal) => findObstacles(server, signal),
  };
}

/** Who may try a change on a clone may make the bookkeeping, too: both need CREATE on the database. */
async function findObstacles(server: Server, signal: AbortSignal): Promise<readonly Obstacle[]> {
  await using session = await server.openSession({}, signal);
  const message = await missingGrants(session, signal);
  return [
    ...(message === null ? [] : [{ code: 'MISSING_PRIVILEGE', message } as const]),
    ...(await publishedForAll(session, 'the bookkeeping', signal)),
  ];
}

interface ClaimOrder {
  readonly plan: NativeMigration;
  readonly purpose: 'start' | 'resume';
}

async function claimNatively(server: Server, { plan, purpose }: ClaimOrder, signal: AbortSignal): Promise<NativeClaim> {
  {
    await using session = await server.openSession({}, signal);
    await createBookkeeping(session, signal);
  }
  const claim = await takeClaim(server, { table: plan.source, migration: plan.id }, signal);
  await disposingOnFailure(claim, async () => {
    await recordAll(claim, [plan], purpose, signal);
  });
  const sessions = createSessionPool({ sizeMax: 1, open: (inner) => claim.openSession({}, inner) });
  const claimed = within(server, claim);
  const checkpoints = createCheckpointStore<NativePlace>(sessions, plan.id);
  const onRefused = (inner: AbortSignal): Promise<void> => denyLastStep(checkpoints, inner);
  return {
    lost: claim.lost,
    checkpoints,
    run: (step, native, lockTimeoutMs, inner) => runStep(claimed, { step, plan: native, lockTimeoutMs, onRefused }, inner),
    async readDefinition(inner) {
      const source = await sessions.withSession((session) => readTable(session, plan.source, inner), inner);
      const definition = source === null ? null : { ...source, estimatedRows: 0, dataBytes: 0, indexBytes: 0 };
      return createHash('sha256').update(JSON.stringify(definition)).digest('hex');
    },
    async discard(native, lockTimeoutMs, inner) {
      for (const step of await discarding(sessions, native, inner)) {
        const outcome = await runStep(claimed, { step, plan: { ...native, steps: [step] }, lockTimeoutMs }, inner);
        if (outcome.kind !== 'done') return outcome;
      }
      return { kind: 'done' } satisfies StepOutcome;
    },
    [Symbol.asyncDispose]: () => disposeBefore(claim, [sessions]),
  };
}

/** The server, with sessions that the next holder of the claim ends. */
function within(server: Server, claim: Claim): Server {
  return { ...server, openSession: ({ settings = [] }, signal) => claim.openSession({ settings }, signal) };
}

/** What drops constraints and indexes under names of ours, and constraints that the steps have added for new rows only. */
async function discarding(
  sessions: SessionPool,
  { source, steps }: NativePlan,
  signal: AbortSignal,
): Promise<readonly NativeStep[]> {
  const table = await sessions.withSession((session) => readTable(session, source, signal), signal);
  if (table === null) return [];
  const added = steps.flatMap(
    ({ sql }) => /^ALTER TABLE .*? ADD CONSTRAINT "((?:[^"]|"")+)" .* NOT VALID$/s.exec(sql)?.[1] ?? [],
  );
  const isOurs = ({ name }: { readonly name: string }): boolean => ourNames.test(name);
  const constraints = table.constraints.filter(
    (one) => isOurs(one) || (!one.isValid && added.includes(one.name.replaceAll('"', '""'))),
  );
  const drops = constraints.map(({ name }) => `DROP CONSTRAINT ${quoteName(name)}`);
  const reason = 'what was made ready goes';
  return [
    ...(drops.length === 0
      ? []
      : [{ sql: `ALTER TABLE ${quoteTable(source)} ${drops.join(', ')}`, kind: 'brief' as const, reason }]),
    ...table.indexes.filter(isOurs).map(({ name }) => {
      const sql = `DROP INDEX CONCURRENTLY IF EXISTS ${quoteTable({ schema: source.schema, table: name })}`;
      return { sql, kind: 'online' as const, reason };
    }),
  ];
}
