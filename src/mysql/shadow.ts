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
import { type IndexChanges, noChanges, surplusIndexes, wantedIndexes } from './source-indexes.ts';
import { checkSource, readIndexChanges } from './source-watch.ts';
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
  // Changed between the plan and now: the shadow begins as planned, and follows when it is finished.
  const { added, dropped } = (await readIndexChanges(session, plan, signal)) ?? noChanges;
  const isThere = (name: string): boolean => described.indexes.some((index) => index.name === name);
  const others = [...new Set([...plan.deferredIndexes, ...added.keys()])].filter(isThere);
  const lost = [...dropped].filter(
    ([name]) => !plan.deferredIndexes.includes(name) && (others.includes(name) || !isThere(name)),
  );
  const steps = [others.map((name) => `DROP INDEX ${quoteName(name)}`), lost.map(([, text]) => `ADD ${text}`)];
  for (const clauses of steps)
    if (clauses.length > 0) await session.execute(`ALTER TABLE ${shadow} ${clauses.join(', ')}`, signal);
}

/** Definitions by name of indexes of a shadow as this process has made them last. */
export type MadeIndexes = Map<string, string>;

/** What a shadow is finished with. */
export interface Finishing {
  readonly plan: Plan;
  /** Nobody writes to the shadow meanwhile, so that the server keeps no log of writes for the build. */
  readonly isUnwritten: boolean;
  /** What is done is added to it. */
  readonly made: MadeIndexes;
}

/**
 * Builds the indexes that were left out, all in one pass over the rows, in place: the shadow can be written meanwhile, and waits
 * only at the beginning and the end. So that it follows the source, indexes that somebody has dropped there meanwhile are dropped, and
 * those that were added are built. Then gathers statistics, or the first queries after the swap would be planned for an empty table. Safe
 * to repeat: what is there is not built again. Rejects with ONLINE_LOG_FULL if more was written than the server keeps.
 */
export async function finishShadow(
  session: Session,
  { plan, isUnwritten, made }: Finishing,
  signal: AbortSignal,
): Promise<void> {
  const shadow = quoteTable(plan.shadow);
  const changes = await checkSource(session, plan, signal);
  const { drops, hiding, adds, following } = indexWork(plan, {
    shadow: await describeShadow(session, plan, signal),
    changes,
    made,
  });
  const alter = async (clauses: readonly string[]): Promise<void> => {
    if (clauses.length === 0) return;
    const statement = `ALTER TABLE ${shadow} ${clauses.join(', ')}, ALGORITHM=INPLACE${isUnwritten ? ', LOCK=SHARED' : ''}`;
    await withSettings(session, plannedClient(plan), () => session.execute(statement, signal), signal);
  };
  // Of one that is dropped and added in one statement the servers keep what was there, where only its comment is another.
  await alter(drops.map((name) => `DROP INDEX ${quoteName(name)}`));
  for (const name of drops) made.delete(name);
  await alter(hiding);
  await alter(adds);
  for (const [name, text] of following) made.set(name, text);
  // Errors come as rows of the result, without a number; so does a lock that was not had, as while a backup has its own.
  const results = await session.query(`ANALYZE TABLE ${shadow}`, signal);
  const failed = results.find((row) => row['Msg_type']?.toLowerCase() === 'error');
  if (failed !== undefined) {
    const reason = failed['Msg_text'] ?? 'for no reason given';
    const code = /lock wait timeout/i.test(reason) ? 'LOCK_WAIT' : 'INTERNAL';
    throw new MigrationError(code, `ANALYZE TABLE of the shadow failed: ${reason}.`);
  }
}

/** The indexes of a shadow as they are, and what decides how they are to be. */
export interface ShadowIndexes {
  readonly shadow: TableDescription;
  /** Of the source since it was planned. */
  readonly changes: IndexChanges;
  readonly made: ReadonlyMap<string, string>;
}

/** Whether a shadow has all the indexes that the source now has and the change leaves or adds, and none that the source no longer has. */
export function isFinished(plan: Plan, indexes: ShadowIndexes): boolean {
  const { drops, hiding, adds } = indexWork(plan, indexes);
  return drops.length + hiding.length + adds.length === 0;
}

interface IndexWork {
  /** Names. */
  readonly drops: readonly string[];
  /** Clauses that hide one, or hide it no more. */
  readonly hiding: readonly string[];
  /** Clauses, with those that move an index. */
  readonly adds: readonly string[];
  /** Definitions that are then made, beyond the plan. */
  readonly following: ReadonlyMap<string, string>;
}

function indexWork(plan: Plan, { shadow, changes, made }: ShadowIndexes): IndexWork {
  const texts = readCreateStatement(shadow.createStatement).indexes;
  const wanted = wantedIndexes(plan, changes);
  // The server may print it in another way than it was asked for.
  const isRight = (name: string): boolean => [texts.get(name), made.get(name)].includes(wanted.get(name));
  const different = [...wanted.keys()].filter((name) => texts.has(name) && !isRight(name));
  const hides = new Map(different.map((name) => [name, hidingClause(name, texts.get(name) ?? '', wanted.get(name) ?? '')]));
  const hiding = [...hides.values()].filter((clause) => clause !== null);
  const wrong = different.filter((name) => hides.get(name) === null);
  const gone = [...changes.dropped.keys()].filter((name) => texts.has(name) && !wanted.has(name));
  const drops = [...wrong, ...gone, ...surplusIndexes(plan, shadow, wanted)];
  const present = { ...shadow, indexes: shadow.indexes.filter(({ name }) => !drops.includes(name)) };
  const late = plan.deferredIndexes.filter((name) => !changes.dropped.has(name));
  const missing = [...new Set([...late, ...wanted.keys()])].filter(
    (name) => !present.indexes.some((index) => index.name === name),
  );
  const following = new Map([...wanted].filter(([name]) => missing.includes(name) || different.includes(name)));
  const adds = missing.length === 0 ? [] : additions({ plan, changes, wanted }, present, missing);
  return { drops, hiding, adds, following };
}

/** Null where more is to change than whether queries may use it. */
function hidingClause(name: string, from: string, to: string): string | null {
  const hidden = /(?: \/\*!80000 (INVISIBLE) \*\/| (IGNORED))$/;
  if (from.replace(hidden, '') !== to.replace(hidden, '')) return null;
  const [, invisible, ignored] = hidden.exec(to) ?? [];
  const visible = from.endsWith(' IGNORED') ? 'NOT IGNORED' : 'VISIBLE';
  return `ALTER INDEX ${quoteName(name)} ${invisible ?? ignored ?? visible}`;
}

function additions(
  {
    plan,
    changes,
    wanted,
  }: { readonly plan: Plan } & Pick<ShadowIndexes, 'changes'> & { readonly wanted: ReadonlyMap<string, string> },
  present: TableDescription,
  missing: readonly string[],
): readonly string[] {
  const definitions = new Map([...indexDefinitions(plan)].filter(([name]) => !changes.dropped.has(name)));
  for (const [name, text] of wanted) definitions.set(name, text);
  return indexChanges(definitions, present, missing);
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
  return new Map([...readCreateStatement(shadowDefinition).indexes].filter(([, text]) => /^(?:SPATIAL )?KEY /.test(text)));
}

async function describeShadow(session: Session, plan: Plan, signal: AbortSignal): Promise<TableDescription> {
  const described = await readTable(session, plan.shadow, signal);
  if (described !== null) return described;
  throw new MigrationError('SHADOW_CHANGED', `The shadow ${plan.shadow.schema}.${plan.shadow.table} is gone.`);
}
