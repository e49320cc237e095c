/**
 * Dropping a table that no application uses, without making those wait that use others. MySQL locks the parents of its foreign
 * keys for as long as the DROP takes, which for a large table is long; so the keys go first, each in a moment that is begun when
 * nobody has read the parent and may yet write it (table-lock.ts). MariaDB locks no parent. The rows are not deleted before: that
 * would go through the log, and cost the server more than the DROP.
 */

import { MigrationError, messageOf } from '../engine/errors.ts';
import type { TableName } from '../engine/model.ts';
import type { StepOutcome } from '../engine/native-change.ts';
import { serverErrno } from './errors.ts';
import { isSameTable } from './foreign-keys.ts';
import { askForLock } from './lock-wait.ts';
import type { Server } from './server.ts';
import type { Session } from './session.ts';
import { quoteName, quoteTable, quoteText } from './statements.ts';
import { atAGoodMoment, unlessRead, wholeSeconds } from './table-lock.ts';

/** What to drop. */
export interface TableDrop {
  /** Opens a session with further settings, one that takes several statements in one message. */
  open(settings: readonly string[]): Promise<Session>;
  readonly server: Pick<Server, 'flavour' | 'ignoresNameCase'>;
  readonly table: TableName;
  readonly lockTimeoutMs: number;
}

/** One attempt, as `RetiredTables.drop` says. Safe to repeat: what is gone is not looked for again. */
export async function dropTable(order: TableDrop, signal: AbortSignal): Promise<StepOutcome> {
  const { server, table, lockTimeoutMs } = order;
  const { flavour } = server;
  const isTable = (other: TableName): boolean => isSameTable(server, other, table);
  // With the check of foreign keys off a table would go that others refer to.
  const settings = [`lock_wait_timeout = ${wholeSeconds(lockTimeoutMs)}`, 'foreign_key_checks = 1'];
  await using session = await order.open(settings);
  await using observer = await order.open([]);
  const keys = await findForeignKeys(session, table, signal);
  const children = keys.filter(({ parent, child }) => isTable(parent) && !isTable(child));
  if (children.length > 0) throw needed(table, children.map(describeKey).join(', '));
  const steps = [
    ...keys
      .filter(({ parent }) => !flavour.isMariaDb && !isTable(parent))
      .map(({ name, parent }) => ({
        // In place, the definition only. Locks child and parent for a moment.
        sql: `ALTER TABLE ${quoteTable(table)} DROP FOREIGN KEY ${quoteName(name)}, ALGORITHM=INPLACE, LOCK=NONE`,
        tables: [table, parent],
        used: [parent],
      })),
    // Locks the table, and nobody else once its foreign keys are gone.
    { sql: `DROP TABLE IF EXISTS ${quoteTable(table)}`, tables: [table], used: [] },
  ];
  for (const { sql, tables, used } of steps) {
    const wait = { session, observer, flavour, tables, lockTimeoutMs };
    const ask = (text: string): Promise<StepOutcome> => askForLock(wait, () => execute(session, text, table, signal), signal);
    const gently = used.length === 0 ? null : unlessRead(used, sql);
    const found = gently && (await atAGoodMoment({ lockTimeoutMs, ...gently, run: () => ask(gently.sql) }, signal));
    const outcome = found?.result ?? (await ask(sql));
    if (outcome.kind === 'not-locked') return outcome;
  }
  return { kind: 'done' };
}

interface ForeignKey {
  readonly name: string;
  readonly child: TableName;
  readonly parent: TableName;
}

/**
 * Those of the table and those that refer to it, as far as the account sees them. Unlike `readForeignKeys` needs no privilege
 * and locks nothing.
 */
async function findForeignKeys(
  session: Session,
  { schema, table }: TableName,
  signal: AbortSignal,
): Promise<readonly ForeignKey[]> {
  const rows = await session.query(
    `SELECT CONSTRAINT_NAME AS name, CONSTRAINT_SCHEMA AS childSchema, TABLE_NAME AS child,
       UNIQUE_CONSTRAINT_SCHEMA AS parentSchema, REFERENCED_TABLE_NAME AS parent
     FROM information_schema.REFERENTIAL_CONSTRAINTS
     WHERE CONSTRAINT_SCHEMA = ${quoteText(schema)} AND TABLE_NAME = ${quoteText(table)}
        OR UNIQUE_CONSTRAINT_SCHEMA = ${quoteText(schema)} AND REFERENCED_TABLE_NAME = ${quoteText(table)}
     ORDER BY 1`,
    signal,
  );
  return rows.map((row) => ({
    name: row['name'] ?? '',
    child: { schema: row['childSchema'] ?? '', table: row['child'] ?? '' },
    parent: { schema: row['parentSchema'] ?? '', table: row['parent'] ?? '' },
  }));
}

/** ER_ROW_IS_REFERENCED, ER_ROW_IS_REFERENCED_2, ER_FK_CANNOT_DROP_PARENT: one that came since it was looked. */
const referenced: readonly (number | null)[] = [1217, 1451, 3730];

async function execute(session: Session, sql: string, table: TableName, signal: AbortSignal): Promise<void> {
  try {
    await session.execute(sql, signal);
  } catch (error) {
    signal.throwIfAborted();
    if (!referenced.includes(serverErrno(error))) throw error;
    throw needed(table, messageOf(error), error);
  }
}

function needed({ schema, table }: TableName, by: string, cause?: unknown): MigrationError {
  const message = `${schema}.${table} was not dropped, because foreign keys refer to it: ${by}.`;
  return new MigrationError('TABLE_NEEDED', message, { cause });
}

function describeKey({ name, child }: ForeignKey): string {
  return `${name} of ${child.schema}.${child.table}`;
}
