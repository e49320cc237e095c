/** MySQL and MariaDB as the engine sees them: everything of this folder, put together. */

import { assert, unlessDenied } from '../engine/errors.ts';
import type { MigrationId } from '../engine/model.ts';
import type { Database, MigrationRecord, UnreadableMigration } from '../engine/ports.ts';
import { lastRunOf } from '../sessions/claims.ts';
import { systemClock } from '../sessions/system-clock.ts';
import { readMigrations } from './bookkeeping.ts';
import { claimName, findClaimHolder, readClaimSigns, readRestedSessions } from './claim.ts';
import type { DatabaseOptions } from './claimed-table.ts';
import { claimToGiveUp } from './clean-up.ts';
import { connectionConfig } from './connection-config.ts';
import { createEventLog } from './event-log.ts';
import { createFamilies } from './families.ts';
import { createNativeChange } from './native-change.ts';
import { createNativeClaims } from './native-claim.ts';
import { blockerObstacles } from './obstacles-blockers.ts';
import { replicaFilterObstacles } from './obstacles-replicas.ts';
import { findObstacles } from './obstacles.ts';
import { makePlan } from './planner.ts';
import { createRetiredTables } from './retired-tables.ts';
import { openServer, type Server } from './server.ts';
import { readUnsettled } from './settlement.ts';
import { claimTables } from './table-claims.ts';
import { checkLoadLimits } from './throttle-signals.ts';

/** Connects and finds out what the server is. Rejects with BAD_USAGE, ACCESS_DENIED, UNREACHABLE or SERVER_BUSY. */
export async function openDatabase(url: string, options: DatabaseOptions, signal: AbortSignal): Promise<Database> {
  const server = await openServer(await connectionConfig(url, options), signal);
  return {
    plan: (request, signal) => makePlan(server, request, { random: () => systemClock.random() }, signal),
    findObstacles: async (plan, signal) => [
      ...(await findObstacles(server, plan, signal)),
      ...(await replicaFilterObstacles({ server, options }, [plan], signal)),
      ...(options.isKillingBlockers === true ? await blockerObstacles(server, plan, signal) : []),
    ],
    claim: async (plan, purpose, signal) => {
      const [table] = await claimTables({ server, options }, [plan], purpose, signal);
      assert(table !== undefined, 'one plan has one claim');
      return table;
    },
    claimToGiveUp: (plan, signal) => claimToGiveUp(server, plan, signal),
    checkLoadLimits: (limits, signal) => checkLoadLimits(server, limits, signal),
    listMigrations: (signal) => listMigrations(server, signal),
    findUnreadable: (signal) => findUnreadable(server, signal),
    retiredTables: createRetiredTables(server),
    native: { ...createNativeChange(server), ...createNativeClaims(server) },
    eventLog: createEventLog(server),
    families: createFamilies({ server, options }),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

async function findUnreadable(server: Server, signal: AbortSignal): Promise<readonly UnreadableMigration[]> {
  await using session = await server.openSession({}, signal);
  return (await readMigrations(session, null, signal)).unreadable;
}

async function listMigrations(server: Server, signal: AbortSignal): Promise<readonly MigrationRecord[]> {
  await using session = await server.openSession({}, signal);
  const { readable: recorded } = await readMigrations(session, null, signal);
  const holders = new Map<MigrationId, number | null>();
  for (const { id, plan, state } of recorded) {
    if (state === 'open') holders.set(id, await findClaimHolder(session, claimName(server, plan.source), signal));
  }
  // Who holds a claim is in it, for it is read after that was asked.
  const sessions = holders.size === 0 ? null : await readRestedSessions(session, signal);
  const records: MigrationRecord[] = [];
  for (const record of recorded) {
    const { id, plan, state } = record;
    if (state !== 'open' || sessions === null) {
      records.push({ ...record, isRunning: false, lastRun: null, unsettled: [] });
      continue;
    }
    const holder = holders.get(id) ?? null;
    const signs = await readClaimSigns(session, { name: claimName(server, plan.source), holder, sessions }, signal);
    // Who may not see the tables is told nothing of them.
    const unsettled =
      plan.strategy === 'native' ? [] : await unlessDenied(() => readUnsettled(session, { server, plan }, signal), []);
    records.push({ ...record, isRunning: holder !== null, lastRun: lastRunOf(record, signs), unsettled });
  }
  return records;
}
