/** Making the shadow, and finishing it after the copy. */

import { assert, MigrationError } from '../engine/errors.ts';
import type { Plan } from '../engine/model.ts';
import { withAlgorithm } from './alter-clauses.ts';
import { carryAutoIncrement } from './auto-increment.ts';
import { tryTriggers } from './carry-over-triggers.ts';
import { type Index, isOverExpression, readTable, type TableDescription } from './catalog.ts';
import { plannedClient, withSettings } from './client-settings.ts';
import { readCreateStatement } from './create-statement.ts';
import type { Session } from './session.ts';
import { restoreSession } from './session-restore.ts';
import { quoteName, quoteTable } from './statements.ts';

/**
 * Creates the empty shadow: the source's definition, then the change, then without the indexes that are built later. Whatever
 * stands under the shadow's name is dropped first, so it is safe to repeat. Of the source it locks the metadata, for the moment
 * in which they are read.
 */
export async function createShadow(session: Session, plan: Plan, signal: AbortSignal): Promise<void> {
  const shadow = quoteTable(plan.shadow);
  await session.execute(`DROP TABLE IF EXISTS ${shadow}`, signal);
  await session.execute(`CREATE TABLE ${shadow} LIKE ${quoteTable(plan.source)}`, signal);
  // A copy of nothing costs nothing; done instantly, the change would use up one of the table's 64 row versions (MySQL).
  const change = `ALTER TABLE ${shadow} ${withAlgorithm('ALGORITHM=COPY', plan.clauses)}`;
  await withSettings(session, plannedClient(plan), () => session.execute(change, signal), signal);
  const described = await describeShadow(session, plan, signal);
  await carryAutoIncrement(session, plan, signal);
  await tryTriggers(session, plan, signal);
  const dropped = plan.deferredIndexes.filter((name) => described.indexes.some((index) => index.name === name));
  if (dropped.length === 0) return;
  await session.execute(`ALTER TABLE ${shadow} ${dropped.map((name) => `DROP INDEX ${quoteName(name)}`).join(', ')}`, signal);
}

/** What a shadow is finished with. */
export interface Finishing {
  readonly plan: Plan;
  /** Nobody writes to the shadow meanwhile, so that the server keeps no log of writes for the build. */
  readonly isUnwritten: boolean;
}

/**
 * Builds the indexes that were left out, all in one pass over the rows, in place: the shadow can be written meanwhile, and waits
 * only at the beginning and the end. Then gathers statistics, or the first queries after the swap would be planned for an empty
 * table. Safe to repeat: what is there is not built again. Rejects with ONLINE_LOG_FULL if more was written than the server keeps.
 */
export async function finishShadow(session: Session, { plan, isUnwritten }: Finishing, signal: AbortSignal): Promise<void> {
  const shadow = quoteTable(plan.shadow);
  const described = await describeShadow(session, plan, signal);
  const missing = plan.deferredIndexes.filter((name) => !described.indexes.some((index) => index.name === name));
  if (missing.length > 0) {
    const changes = indexChanges(indexDefinitions(plan), described, missing);
    const build = `ALTER TABLE ${shadow} ${changes.join(', ')}, ALGORITHM=INPLACE${isUnwritten ? ', LOCK=SHARED' : ''}`;
    await withSettings(session, plannedClient(plan), () => session.execute(build, signal), signal);
  }
  // Errors come as rows of the result, without a number; so does a lock that was not had, as while a backup has its own.
  const results = await session.query(`ANALYZE TABLE ${shadow}`, signal);
  const failed = results.find((row) => row['Msg_type']?.toLowerCase() === 'error');
  if (failed !== undefined) {
    const reason = failed['Msg_text'] ?? 'for no reason given';
    const code = /lock wait timeout/i.test(reason) ? 'LOCK_WAIT' : 'INTERNAL';
    throw new MigrationError(code, `ANALYZE TABLE of the shadow failed: ${reason}.`);
  }
}

/**
 * What an index build sorts in before it writes to files, bytes: the server's own 1 MiB makes a long merge of many small files, and
 * beyond this next to nothing is gained.
 */
const BUILD_BUFFER = 64 * 1024 * 1024;

/**
 * Runs work that builds indexes, with what the server knows of: a larger buffer, and one thread where the build is to be gentle, for it
 * would take every processor otherwise.
 */
export async function withBuildSettings(
  session: Session,
  { isGentle, work }: { readonly isGentle: boolean; readonly work: () => Promise<void> },
  signal: AbortSignal,
): Promise<void> {
  const threads = isGentle ? ['innodb_ddl_threads', 'innodb_parallel_read_threads'] : [];
  const names = ['innodb_ddl_buffer_size', ...threads].map((name) => `'${name}'`).join(', ');
  const rows = await session.query(`SHOW SESSION VARIABLES WHERE Variable_name IN (${names})`, signal);
  const settings = rows.map((row) => {
    const name = row['Variable_name'] ?? '';
    return { name, value: threads.includes(name) ? 1 : Math.max(BUILD_BUFFER, Number(row['Value'])) };
  });
  try {
    for (const { name, value } of settings) await session.execute(`SET SESSION ${name} = ${value}`, signal);
    await work();
  } finally {
    const restoring = settings.map(({ name }) => `SET SESSION ${name} = DEFAULT`);
    await restoreSession(session, restoring);
  }
}

/**
 * Clauses that add the missing indexes and give all of them the order that the server's own ALTER would. An index that is
 * there and belongs behind a missing one is dropped and added in the same statement, which both servers take as no change but
 * of the order; not one over an expression, which comes last anyway, nor beside one those over virtual columns, as these do.
 */
function indexChanges(
  definitions: ReadonlyMap<string, string>,
  { columns, indexes: present }: TableDescription,
  missing: readonly string[],
): readonly string[] {
  assert(
    missing.every((name) => definitions.has(name)),
    'the definition of every missing index is known',
  );
  const names = [...definitions.keys()];
  const behind = names.slice(names.findIndex((name) => missing.includes(name)));
  const last = present.some(isOverExpression) ? columns.filter(({ generated }) => generated === 'virtual') : [];
  const isLast = (index: Index): boolean =>
    isOverExpression(index) || index.parts.some((part) => last.some(({ name }) => name === part.column));
  const isMovable = (name: string): boolean => present.some((index) => index.name === name && !isLast(index));
  const moved = behind.filter((name) => !missing.includes(name) && isMovable(name));
  const added = behind.filter((name) => missing.includes(name) || moved.includes(name));
  return [
    ...moved.map((name) => `DROP INDEX ${quoteName(name)}`),
    ...added.map((name) => `ADD ${definitions.get(name) ?? ''}`),
  ];
}

/**
 * The definitions of the shadow's indexes by name, in order and without unique and full-text ones, as ALTER TABLE … ADD takes
 * them: as planned, because the shadow no longer has them. To try the change once more is no way to learn them: on MySQL a CHECK that
 * it adds has a name that the shadow's own has now.
 */
function indexDefinitions({ shadowDefinition }: Plan): ReadonlyMap<string, string> {
  const definitions = new Map<string, string>();
  for (const element of readCreateStatement(shadowDefinition).otherElements) {
    const name = /^(?:SPATIAL )?KEY `((?:[^`]|``)+)`/.exec(element)?.[1];
    if (name !== undefined) definitions.set(name.replaceAll('``', '`'), element);
  }
  return definitions;
}

async function describeShadow(session: Session, plan: Plan, signal: AbortSignal): Promise<TableDescription> {
  const described = await readTable(session, plan.shadow, signal);
  if (described !== null) return described;
  throw new MigrationError('SHADOW_CHANGED', `The shadow ${plan.shadow.schema}.${plan.shadow.table} is gone.`);
}
