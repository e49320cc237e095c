/** The old tables that finished migrations have left on MySQL and MariaDB. */

import type { Plan, TableName } from '../engine/model.ts';
import type { RetiredTable, RetiredTables } from '../engine/ports.ts';
import { isoTime, readMigrations } from './bookkeeping.ts';
import { serverErrno } from './errors.ts';
import type { Server } from './server.ts';
import type { Row, Session } from './session.ts';
import { nameList } from './statements.ts';
import { dropTable } from './table-drop.ts';

/** Each call uses sessions of its own, for calls are rare. */
export function createRetiredTables(server: Server): RetiredTables {
  return {
    async find(signal) {
      await using session = await server.openSession({}, signal);
      return await findRetired(session, signal);
    },

    drop: ({ table }, lockTimeoutMs, signal) => {
      const open = (settings: readonly string[]): Promise<Session> =>
        server.openSession({ settings, schema: table.schema, takesSeveral: true }, signal);
      return dropTable({ open, server, table, lockTimeoutMs }, signal);
    },
  };
}

/** That a migration is done is recorded just after its swap, and never changed again: its soak is counted from there. */
async function findRetired(session: Session, signal: AbortSignal): Promise<readonly RetiredTable[]> {
  const done = (await readMigrations(session, null, signal)).readable.flatMap(({ id, plan, state, updatedAt }) =>
    state === 'done' && plan.strategy !== 'native' ? [{ id, plan, updatedAt }] : [],
  );
  if (done.length === 0) return [];
  const names = done.map(({ plan }) => plan.retired);
  // Reads the catalog only.
  const rows = await session.query(
    `SELECT TABLE_SCHEMA AS tableSchema, TABLE_NAME AS tableName, COALESCE(DATA_LENGTH + INDEX_LENGTH, 0) AS bytes,
       ${isoTime('UTC_TIMESTAMP(3)')} AS now
     FROM information_schema.TABLES WHERE (TABLE_SCHEMA, TABLE_NAME) IN (${nameList(names)})`,
    signal,
  );
  const uses = rows.length === 0 ? [] : await findUses(session, names, signal);
  return done.flatMap(({ id, plan, updatedAt }) => {
    const row = rows.find((row) => isNamed(row, plan));
    if (row === undefined) return [];
    const use = uses.find((row) => isNamed(row, plan));
    return [
      {
        id,
        table: plan.retired,
        bytes: Number(row['bytes']),
        swappedAt: updatedAt,
        ageMs: Date.parse(row['now'] ?? '') - Date.parse(updatedAt),
        use:
          use === undefined
            ? null
            : `${use['rowsRead'] ?? ''} rows were read and ${use['rowsWritten'] ?? ''} written since the swap`,
      },
    ];
  });
}

/**
 * Rows that statements have read and written since the table got its name, or since the server started. Checks of foreign keys
 * are not among them. None where performance_schema is off, as it is on MariaDB by default, or may not be read.
 */
async function findUses(session: Session, names: readonly TableName[], signal: AbortSignal): Promise<readonly Row[]> {
  try {
    return await session.query(
      `SELECT OBJECT_SCHEMA AS tableSchema, OBJECT_NAME AS tableName, COUNT_READ AS rowsRead, COUNT_WRITE AS rowsWritten
       FROM performance_schema.table_io_waits_summary_by_table
       WHERE (OBJECT_SCHEMA, OBJECT_NAME) IN (${nameList(names)}) AND COUNT_STAR > 0`,
      signal,
    );
  } catch (error) {
    signal.throwIfAborted();
    if (serverErrno(error) === null) throw error;
    return [];
  }
}

function isNamed(row: Row, { retired }: Plan): boolean {
  return row['tableSchema'] === retired.schema && row['tableName'] === retired.table;
}
