/** What migrations leave behind, and how it goes. */

import { MigrationError } from '../engine/errors.ts';
import type { Plan } from '../engine/model.ts';
import type { ClaimToGiveUp, RetiredTables } from '../engine/ports.ts';
import { findMigrations } from './bookkeeping.ts';
import { createCheckpointStore } from './checkpoint-store.ts';
import { takeClaim } from './claim.ts';
import { removeSentry } from './cutover-two-sessions.ts';
import { createCutover } from './cutover.ts';
import type { Server } from './server.ts';
import { createSessionPool } from './session-pool.ts';
import { dropShadow } from './shadow.ts';
import { quoteTable, quoteText } from './statements.ts';

/** Nobody should use a retired table; someone who does is not waited for any longer. */
const lockWaitSeconds = 5;

/** Takes the claim (`Database.claimToGiveUp`) without a look at the source, which may be gone or another table. */
export async function claimToGiveUp(server: Server, plan: Plan, signal: AbortSignal): Promise<ClaimToGiveUp> {
  const claim = await takeClaim(server, { table: plan.source, migration: plan.id }, signal);
  const sessions = createSessionPool({ sizeMax: 1, open: (signal) => claim.openSession({}, signal) });
  const cutover = createCutover({
    server,
    plan,
    claim,
    prepareWriter: () => Promise.reject(new MigrationError('INTERNAL', 'A migration that is given up does not cut over.')),
  });
  return {
    checkpoints: createCheckpointStore(sessions, plan.id),
    hasSwapped: (signal) => cutover.hasSwapped(signal),
    unsettled: (signal) => cutover.unsettled(signal),
    discard: (signal) =>
      sessions.withSession(async (session) => {
        // All sessions of the last run have been seen gone, so no RENAME of it can be under way.
        await removeSentry(session, plan, signal);
        await dropShadow(session, plan, signal);
      }, signal),
    async [Symbol.asyncDispose]() {
      await sessions[Symbol.asyncDispose]();
      await claim[Symbol.asyncDispose]();
    },
  };
}

/** Each call uses a session of its own, for calls are rare. */
export function createRetiredTables(server: Server): RetiredTables {
  return {
    async find(signal) {
      await using session = await server.openSession({}, signal);
      const done = (await findMigrations(session, null, signal)).filter(({ state }) => state === 'done');
      if (done.length === 0) return [];
      // Reads the catalog only.
      const rows = await session.query(
        `SELECT TABLE_SCHEMA AS tableSchema, TABLE_NAME AS tableName, COALESCE(DATA_LENGTH + INDEX_LENGTH, 0) AS bytes
         FROM information_schema.TABLES
         WHERE (TABLE_SCHEMA, TABLE_NAME) IN (${done
           .map(({ plan }) => `(${quoteText(plan.retired.schema)}, ${quoteText(plan.retired.table)})`)
           .join(', ')})`,
        signal,
      );
      return done.flatMap(({ id, plan }) => {
        const row = rows.find(
          ({ tableSchema, tableName }) => tableSchema === plan.retired.schema && tableName === plan.retired.table,
        );
        return row === undefined ? [] : [{ id, table: plan.retired, bytes: Number(row['bytes']) }];
      });
    },

    async drop({ table }, signal) {
      await using session = await server.openSession({ settings: [`lock_wait_timeout = ${lockWaitSeconds}`] }, signal);
      // Waits for whoever reads or writes this table, and blocks them meanwhile. Safe to run twice.
      await session.execute(`DROP TABLE IF EXISTS ${quoteTable(table)}`, signal);
    },
  };
}
