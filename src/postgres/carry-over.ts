/**
 * What belongs to the table besides its rows and must not work while these are copied, or may change meanwhile: owner, grants,
 * row security, triggers, rules, publications, foreign keys, the state of sequences; and what is bound to it, such as views. It is
 * read under the locks of the cutover and made again on the new table in the same transaction.
 */

import type { Plan, TableName } from '../engine/model.ts';
import { sourceChanged } from '../engine/plan-decisions.ts';
import { keptColumns } from './alter-probe.ts';
import { type Column, readTable, type OwnedSequence, type TableDescription } from './catalog.ts';
import { privilegeStatements, readPrivileges } from './carry-over-privileges.ts';
import { dependentStatements, releaseStatements, ruleStatements, withNewColumns } from './carry-over-dependents.ts';
import { readUninvited } from './event-triggers.ts';
import { readUnlocked, unreadyIndexes } from './followed-indexes.ts';
import { foreignKeyStatements } from './carry-over-foreign-keys.ts';
import { settingStatements } from './carry-over-settings.ts';
import { type CarriedTables, publicationStatements, policyStatements, triggerStatements } from './carry-over-statements.ts';
import { definitionChanges } from './definition-changes.ts';
import { readOuterRelations } from './dependents.ts';
import { type ForeignKey, keyName, type Partners, readForeignKeys, readPartners } from './foreign-keys.ts';
import { attachStatements, detachStatement, readRoots } from './leaf-partition.ts';
import { MaterializedViewTwins, type TwinStatements } from './materialized-view-twins.ts';
import { dependencyObstacles } from './obstacles-dependencies.ts';
import { foreignKeyObstacles } from './obstacles-foreign-keys.ts';
import { leafObstacles } from './obstacles-leaf.ts';
import { partitionObstacles } from './obstacles-partitions.ts';
import { tableObstacles, takenNameObstacles } from './obstacles-table.ts';
import { shadowPublishers } from './published.ts';
import { readPartitions, readRelationsOfPartitions } from './partitioned-shadow.ts';
import { readRemade } from './remade-objects.ts';
import { Rehearsal } from './rehearsal.ts';
import { rowTypeFunctionStatements } from './row-type-functions.ts';
import type { Session } from './session.ts';
import { isMadeFrom, isMadeFromBut, readUnfinished, type Unfinished } from './shadow.ts';
import { checkFinished } from './shadow-watch.ts';
import { quoteName, quoteTable, quoteText } from './statements.ts';
import type { CarryOver } from './swap.ts';
import { checkStreamMarks, readStreamMarks } from './unstreamed-changes.ts';

/** Statements for the transaction of the swap, in order. */
interface CarryOverStatements {
  /** While both tables still have their places. */
  readonly beforeSwap: readonly string[];
  /** When the new table has the source's name, and the old one the retired table's. */
  readonly afterSwap: readonly string[];
}

/** A source as a run has known it since it began; null where it was another already. */
export type KnownSource = (plan: Plan) => TableDescription | null;

/** What the cutover of these plans calls, which swaps all their tables. Each attempt reads anew, and all of it before anything is moved. */
export function createCarryOver(plans: readonly Plan[], known: KnownSource = () => null): CarryOver {
  const sources = plans.map(({ source }) => source);
  const [plan] = plans;
  const isAlone = plans.length === 1 && plan?.family === undefined;
  const isRecreating = isAlone && plan?.options.materializedViews === 'recreate';
  const twins = plan !== undefined && isRecreating ? new MaterializedViewTwins(plan) : null;
  let statements: CarryOverStatements = { beforeSwap: [], afterSwap: [] };
  let partners: Partners = { children: [], parents: [], between: [] };
  let rehearsal: Rehearsal | null = null;
  let before: BeforeChanges | null = null;
  return {
    async makeReady(session, signal) {
      await twins?.build(session, signal);
    },
    findUnready: (session, signal) => findUnready(session, plans, signal),
    async findOuter(session, signal) {
      return [...((await twins?.find(session, signal)) ?? []), ...(await readOuterRelations(session, sources, signal))];
    },
    async findRoots(session, signal) {
      const roots: TableName[] = [];
      for (const source of sources) roots.push(...(await readRoots(session, source, signal)));
      return roots;
    },
    async findPartners(session, signal) {
      partners = await readPartners(session, sources, signal);
      return partners;
    },
    async readAhead(session, signal) {
      const reads = new Rehearsal(session);
      const read = await readAll(reads.noting, { plans, known }, signal);
      await findInTheWay(reads.noting, read.tables, signal);
      await readStatements(reads.noting, { ...read, readBound: readBoundAsNow }, signal);
      rehearsal = reads;
    },
    async prepare(locker, signal) {
      const session = rehearsal?.session === locker ? await rehearsal.replay(signal) : locker;
      const all = await readAll(session, { plans, known }, signal);
      const { tables, keys } = all;
      const oids = tables.map(({ source }) => source.oid);
      before = { oids, privileges: all.privileges, remade: all.remade };
      const made = twins === null ? noTwins : await twins.statements(session, signal);
      const others = await findInTheWay(session, tables, signal);
      const inTheWay = [...unlockedKeys(keys, oids, partners), ...made.inTheWay, ...others];
      if (inTheWay.length > 0) return inTheWay;
      const read = await readStatements(session, { tables, keys, readBound }, signal);
      statements = {
        beforeSwap: [...read.beforeSwap, ...made.beforeSwap],
        afterSwap: [...read.afterSwap, ...made.afterSwap],
      };
      return [];
    },
    async beforeSwap(session, signal) {
      const isSame = before === null || (await readRemade(session, before.oids, signal)) === before.remade;
      if (!isSame)
        return ['A function on the rows of the table, or a materialized view over it, was altered or granted meanwhile'];
      await runAll(session, statements.beforeSwap, signal);
      return [];
    },
    afterSwap: (session, signal) => runAll(session, statements.afterSwap, signal),
    async findChanged(session, signal) {
      if (before === null || (await readPrivileges(session, before.oids, signal)) === before.privileges) return [];
      return ['The privileges of the table, of its columns or of its sequences were changed meanwhile'];
    },
  };
}

async function findUnready(session: Session, plans: readonly Plan[], signal: AbortSignal): Promise<readonly string[]> {
  const found: string[] = [];
  for (const plan of plans) {
    const source = await readUnlocked(session, plan.source, signal);
    if (source !== null) found.push(...unreadyIndexes(source, await readUnfinished(session, plan, signal)));
  }
  return found;
}

const noTwins: TwinStatements = { inTheWay: [], beforeSwap: [], afterSwap: [] };

/** One of the tables, and what its shadow still lacks. */
interface UnfinishedTables extends CarriedTables {
  readonly unfinished: Unfinished;
}

/** What may change although the tables are locked, as it is carried over. */
interface BeforeChanges {
  /** Of the old tables. */
  readonly oids: readonly number[];
  readonly privileges: string;
  readonly remade: string;
}

/** What a cutover is about. */
interface ReadTables {
  readonly tables: readonly UnfinishedTables[];
  readonly keys: readonly ForeignKey[];
}

async function readAll(
  session: Session,
  { plans, known }: { readonly plans: readonly Plan[]; readonly known: KnownSource },
  signal: AbortSignal,
): Promise<ReadTables & Pick<BeforeChanges, 'privileges' | 'remade'>> {
  const tables: UnfinishedTables[] = [];
  for (const plan of plans) tables.push(await readTables(session, { plan, known }, signal));
  const oids = tables.map(({ source }) => source.oid);
  // Read before the statements that are made from them, so that no change of them is missed.
  const privileges = await readPrivileges(session, oids, signal);
  const remade = await readRemade(session, oids, signal);
  return { tables, privileges, remade, keys: await readForeignKeys(session, oids, signal) };
}

/** Rejects with SOURCE_CHANGED where the source is not what the shadow was made from, or changes of it may be missing; SHADOW_CHANGED. */
async function readTables(
  session: Session,
  { plan, known }: { readonly plan: Plan; readonly known: KnownSource },
  signal: AbortSignal,
): Promise<UnfinishedTables> {
  const unfinished = await readUnfinished(session, plan, signal);
  const source = await readTable(session, plan.source, signal);
  const shadow = await readTable(session, plan.shadow, signal);
  if (source === null || !(isMadeFrom(unfinished, source) || isMadeFromBut(unfinished, source))) {
    const changes = source === null ? '' : definitionChanges(known(plan), source);
    throw sourceChanged(plan, source !== null, 'its shadow was made', changes);
  }
  checkStreamMarks(plan, unfinished.marks, await readStreamMarks(session, plan, signal));
  return {
    plan,
    source,
    shadow: checkFinished(plan, unfinished, shadow),
    unfinished,
    renewedIdentities: unfinished.renewedIdentities ?? [],
  };
}

/** Foreign keys that somebody made between when they were read and when the tables were locked: the next attempt knows them. */
function unlockedKeys(
  keys: readonly ForeignKey[],
  oids: readonly number[],
  { children, parents }: Partners,
): readonly string[] {
  const locked = new Set([...oids, ...[...children, ...parents].map((one) => one.oid)]);
  const isUnlocked = ({ child, parent }: ForeignKey): boolean => !locked.has(child.oid) || !locked.has(parent.oid);
  return keys.filter(isUnlocked).map((key) => `${keyName(key)} was made meanwhile`);
}

/** What would be an obstacle to the plans and was made since. */
async function findInTheWay(
  session: Session,
  tables: readonly UnfinishedTables[],
  signal: AbortSignal,
): Promise<readonly string[]> {
  const found = new Set<string>();
  for (const { source, shadow, plan, unfinished } of tables) {
    for (const clause of unreadyIndexes(source, unfinished)) found.add(clause);
    const kept = keptColumns(source, shadow);
    const siblings = tables.map((one) => one.source.oid).filter((oid) => oid !== source.oid);
    const relationsOfPartitions = await readRelationsOfPartitions(session, plan.shadow, signal);
    const obstacles = [
      ...(await tableObstacles(session, source, signal)),
      ...(await takenNameObstacles(session, source, { definition: shadow, relationsOfPartitions }, signal)),
      ...(await partitionObstacles(session, { source, altered: shadow }, signal)),
      ...(await leafObstacles(session, source, signal)),
      ...(await foreignKeyObstacles(session, { source, kept }, signal)),
      ...(await dependencyObstacles(session, { source, altered: shadow, kept, siblings, options: plan.options }, signal)),
    ];
    for (const { message } of obstacles) found.add(message.replace(/\.$/, ''));
    const published = await shadowPublishers(session, plan, signal);
    if (published !== null) found.add(published);
    for (const sentence of await readUninvited(session, plan.shadow.schema, signal)) found.add(sentence);
  }
  return [...found];
}

/** All tables are in their places. Writes nothing that stays. */
async function readStatements(
  session: Session,
  { tables, keys, readBound }: ReadTables & { readonly readBound: typeof readBoundAsNow },
  signal: AbortSignal,
): Promise<CarryOverStatements> {
  const bound = await readBound(session, tables, signal);
  const released = await releaseStatements(
    session,
    tables.map(({ source }) => source),
    signal,
  );
  const foreignKeys = foreignKeyStatements(tables, keys);
  const oids = tables.map(({ source }) => source.oid);
  const functions = await rowTypeFunctionStatements(session, oids, signal);
  const beforeSwap: string[] = [];
  const afterSwap: string[] = [];
  for (const one of tables) {
    const { plan, source, shadow, unfinished } = one;
    const serials = source.sequences.flatMap((sequence) => {
      const column = sequence.isIdentity ? null : keptColumn(one, sequence);
      return column === null ? [] : [{ name: nameOf(sequence), column: column.name }];
    });
    if (source.leaf !== undefined) {
      beforeSwap.push(detachStatement(source.leaf, plan.source));
      afterSwap.push(...attachStatements(source.leaf, plan.source));
    }
    // An owned sequence would go away with the old table.
    beforeSwap.push(...serials.map(({ name }) => `ALTER SEQUENCE ${name} OWNED BY NONE`), ...unfinished.lateConstraints);
    const { settings } = unfinished;
    afterSwap.push(
      ...(await partitionMoves(session, plan, signal)),
      ...(settings === undefined ? [] : settingStatements(one, settings, await readPartitions(session, plan.shadow, signal))),
      ...identityValues(one),
      ...statisticsMoves(plan, source, shadow),
      ...(await privilegeStatements(session, one, signal)),
      ...serials.map(({ name, column }) => `ALTER SEQUENCE ${name} OWNED BY ${quoteTable(plan.source)}.${quoteName(column)}`),
    );
  }
  return {
    beforeSwap: [...beforeSwap, ...released, ...foreignKeys.beforeSwap, ...functions.beforeSwap],
    // What names several of the tables is made when all of them, and their owners, are in place.
    afterSwap: [...afterSwap, ...functions.afterSwap, ...bound, ...foreignKeys.afterSwap],
  };
}

/** What names columns in its text. Reads only. */
async function readBoundAsNow(
  session: Session,
  tables: readonly CarriedTables[],
  signal: AbortSignal,
): Promise<readonly string[]> {
  const statements: string[] = [];
  for (const one of tables) {
    statements.push(
      ...(await policyStatements(session, one, signal)),
      ...(await triggerStatements(session, one, signal)),
      ...(await ruleStatements(session, one, signal)),
      ...(await publicationStatements(session, one, signal)),
    );
  }
  const sources = tables.map(({ source }) => source);
  return [...statements, ...(await dependentStatements(session, sources, signal))];
}

/** The same, as it is when all of the tables have their new columns. All tables are locked. */
async function readBound(session: Session, tables: readonly CarriedTables[], signal: AbortSignal): Promise<readonly string[]> {
  const read = (): Promise<readonly string[]> => readBoundAsNow(session, tables, signal);
  const within = (work: typeof read, one: CarriedTables): typeof read => {
    return () => withNewColumns(session, one, work, signal);
  };
  return await tables.reduce(within, read)();
}

/**
 * The next number of each identity column that both tables have, unless the ALTER has made it anew. It is read when the swap has
 * moved the old sequence, and so has locked it: who takes a number by its name needs no lock on the table. It is not undone with
 * the transaction, and need not be.
 */
function identityValues(tables: UnfinishedTables): readonly string[] {
  const { plan, source, shadow, renewedIdentities } = tables;
  return source.sequences
    .filter(({ isIdentity }) => isIdentity)
    .flatMap((sequence) => {
      const column = keptColumn(tables, sequence);
      const other = shadow.sequences.find((one) => one.isIdentity && one.attnum === column?.attnum);
      if (other === undefined || renewedIdentities.includes(other.attnum)) return [];
      const from = nameOf({ schema: plan.retired.schema, name: sequence.name });
      const to = nameOf({ schema: plan.source.schema, name: other.name });
      return [`SELECT pg_catalog.setval(${quoteText(to)}::pg_catalog.regclass, last_value, is_called) FROM ${from}`];
    });
}

/** Partitions stay in their schema when their table is moved. */
async function partitionMoves(session: Session, { source, shadow }: Plan, signal: AbortSignal): Promise<readonly string[]> {
  const partitions = await readPartitions(session, shadow, signal);
  const placed = partitions.map((table) => quoteTable({ schema: shadow.schema, table }));
  return placed.map((name) => `ALTER TABLE ${name} SET SCHEMA ${quoteName(source.schema)}`);
}

/** Extended statistics stay in their schema when a table is moved. */
function statisticsMoves(plan: Plan, source: TableDescription, shadow: TableDescription): readonly string[] {
  const places = new Map(source.statistics.map((one) => [one.name, one]));
  return [
    ...source.statistics.map((one) => `ALTER STATISTICS ${nameOf(one)} SET SCHEMA ${quoteName(plan.retired.schema)}`),
    ...shadow.statistics.flatMap((one) => {
      const old = places.get(one.name);
      const schema = old?.schema ?? plan.source.schema;
      const moved = quoteTable({ schema, table: one.name });
      return [
        `ALTER STATISTICS ${nameOf(one)} SET SCHEMA ${quoteName(schema)}`,
        `ALTER STATISTICS ${moved} OWNER TO ${quoteName(old?.owner ?? source.owner)}`,
      ];
    }),
  ];
}

/** The shadow's column for that of the source to which a sequence belongs; null where it is dropped. */
function keptColumn({ source, shadow }: CarriedTables, { attnum }: OwnedSequence): Column | null {
  return keptColumns(source, shadow).find(([from]) => from.attnum === attnum)?.[1] ?? null;
}

function nameOf({ schema, name }: Pick<OwnedSequence, 'schema' | 'name'>): string {
  return quoteTable({ schema, table: name });
}

async function runAll(session: Session, statements: readonly string[], signal: AbortSignal): Promise<void> {
  for (const statement of statements) await session.execute(statement, signal);
}
