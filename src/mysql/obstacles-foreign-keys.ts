/** Foreign keys that cannot be carried over, or by which rows would be lost. */

import { MigrationError } from '../engine/errors.ts';
import type { Plan, TableName } from '../engine/model.ts';
import type { Obstacle } from '../engine/obstacles.ts';
import type { Account } from './account.ts';
import { findMigrations } from './bookkeeping.ts';
import { type Column, type Index, isKeptAsHash } from './catalog.ts';
import { type ForeignKey, isSameTable, nameOf, shadowColumn } from './foreign-keys.ts';
import { isSameInAnyCase, lowerCase } from './name-case.ts';
import { missingPrivileges, type Level } from './obstacles-privileges.ts';
import { identifierLengthMax } from './plan-names.ts';
import type { PlanningFacts } from './planning-facts.ts';
import type { Server } from './server.ts';
import type { Session } from './session.ts';
import { nameList, quoteTable } from './statements.ts';

/** A table, and all that are swapped with it. */
export interface Asked extends ChangedMember {
  readonly server: Server;
  readonly account: Account;
  /** Itself included. */
  readonly members: readonly ChangedMember[];
}

/** A table that is changed. */
interface ChangedMember {
  readonly plan: Plan;
  readonly facts: PlanningFacts;
}

function memberOf({ members, server }: Asked, table: TableName): ChangedMember | undefined {
  return members.find(({ plan }) => isSameTable(server, plan.source, table));
}

/** All obstacles that foreign keys of the table and to it are. Rejects with ACCESS_DENIED where the user may not see them. */
export async function foreignKeyObstacles(session: Session, asked: Asked, signal: AbortSignal): Promise<readonly Obstacle[]> {
  const { facts, plan } = asked;
  const { foreignKeys } = facts;
  if (foreignKeys === null) {
    throw new MigrationError(
      'ACCESS_DENIED',
      `The user may not see all foreign keys of ${nameOf(plan.source)} and to it, for which PROCESS and a privilege on each table are needed.`,
    );
  }
  if (foreignKeys.length === 0) return [];
  const dangling = await danglingObstacles(session, foreignKeys, signal);
  if (dangling.length > 0) return dangling;
  return [
    ...foreignKeys.flatMap((key) => shapeObstacles(key, asked)),
    ...(await cascadeObstacles(session, asked, foreignKeys, signal)),
    ...(await standardKeyObstacles(session, asked, foreignKeys, signal)),
    ...nameObstacles(asked, foreignKeys),
    ...(await hashObstacles(session, asked, foreignKeys, signal)),
    ...(asked.members.length > 1 ? [] : childrenObstacles(asked)),
    ...(await relatedObstacles(session, asked, foreignKeys, signal)),
    ...missingPrivileges(asked.account, neededPrivileges(foreignKeys)),
  ];
}

/** A key may have been made, or its parent dropped, with foreign_key_checks=0. */
async function danglingObstacles(
  session: Session,
  keys: readonly ForeignKey[],
  signal: AbortSignal,
): Promise<readonly Obstacle[]> {
  const rows = await session.query(
    `SELECT TABLE_SCHEMA AS \`schema\`, TABLE_NAME AS name FROM information_schema.TABLES
     WHERE (TABLE_SCHEMA, TABLE_NAME) IN (${nameList(keys.map(({ parent }) => parent))})`,
    signal,
  );
  const isThere = ({ parent }: ForeignKey): boolean =>
    rows.some((row) => isSameInAnyCase(row['schema'] ?? '', parent.schema) && isSameInAnyCase(row['name'] ?? '', parent.table));
  return keys
    .filter((key) => !isThere(key))
    .map(({ name, child, parent }) => ({
      code: 'FOREIGN_KEYS',
      message: `The foreign key ${name} of ${nameOf(child)} refers to ${nameOf(parent)}, which does not exist or may not be seen.`,
    }));
}

/** What the server would refuse in its own ALTER, or when the key is made again. */
function shapeObstacles(key: ForeignKey, asked: Asked): readonly Obstacle[] {
  const { facts, plan, server } = asked;
  const { map, source, probed } = facts;
  const isChild = isSameTable(server, key.child, plan.source);
  const isParent = isSameTable(server, key.parent, plan.source);
  const [child, parent] = [memberOf(asked, key.child), memberOf(asked, key.parent)];
  const isJoint = child !== undefined && parent !== undefined;
  const what = `the foreign key ${key.name} of ${nameOf(key.child)} to ${nameOf(key.parent)}`;
  const find = (name: string): Column | undefined => source.columns.find((column) => isSameInAnyCase(column.name, name));
  const obstacles: Obstacle[] = [];
  const refuse = (reason: string): void => {
    obstacles.push({ code: 'FOREIGN_KEYS', message: `The change does not go with ${what}: ${reason}.` });
  };
  const sides = [...(isChild ? [key.columns] : []), ...(isParent ? [key.parentColumns] : [])];
  for (const columns of sides) {
    for (const name of columns) {
      const [before, after] = [find(name), shadowColumn(map.kept, name)];
      if (before === undefined || after === undefined) refuse(`it needs the column ${name}, which would be gone`);
      // Both ends of a self reference, and of a key between tables that are swapped together, may change together.
      else if (!isJoint && !isCompatible(before, after)) {
        refuse(`${name} would be ${textOf(after)} instead of ${textOf(before)}, which the other table's column is`);
      }
    }
    const names = columns.map((name) => shadowColumn(map.kept, name)?.name ?? name);
    if (leads(source.indexes, columns) && !leads(probed.definition.indexes, names)) {
      refuse(`no index would begin with ${names.join(', ')} any more`);
    }
  }
  if (isChild && isJoint) obstacles.push(...jointObstacles(key, { child: child.facts, parent: parent.facts, refusal: what }));
  if (isChild && /\bSET NULL\b/.test(key.actions)) {
    const strict = key.columns.filter((name) => shadowColumn(map.kept, name)?.isNullable === false);
    if (strict.length > 0) refuse(`it sets ${strict.join(', ')} to NULL, which would be NOT NULL`);
  }
  return obstacles;
}

function jointObstacles(
  key: ForeignKey,
  ends: { readonly child: PlanningFacts; readonly parent: PlanningFacts; readonly refusal: string },
): readonly Obstacle[] {
  return key.columns.flatMap((name, place): readonly Obstacle[] => {
    const child = shadowColumn(ends.child.map.kept, name);
    const parent = shadowColumn(ends.parent.map.kept, key.parentColumns[place] ?? '');
    if (child === undefined || parent === undefined || isCompatible(child, parent)) return [];
    const message = `The change does not go with ${ends.refusal}: ${child.name} would be ${textOf(child)}, and ${parent.name} ${textOf(parent)}.`;
    return [{ code: 'FOREIGN_KEYS', message }];
  });
}

const countedTypes: readonly string[] = ['char', 'varchar', 'binary', 'varbinary'];

/** Whether a key can join both columns: strings may differ in length, and integers in their display width. */
function isCompatible(one: Column, other: Column): boolean {
  if (one.dataType !== other.dataType || one.collation !== other.collation) return false;
  if (countedTypes.includes(one.dataType)) return true;
  const bare = (column: Column): string =>
    column.dataType.endsWith('int') ? `${column.dataType} ${String(column.isUnsigned)}` : column.columnType;
  return bare(one) === bare(other);
}

function textOf({ columnType, collation }: Column): string {
  return collation === null ? columnType : `${columnType} ${collation}`;
}

/** Whether an index begins with these whole columns in this order. */
export function leads(indexes: readonly Index[], columns: readonly string[]): boolean {
  return indexes.some(
    ({ type, parts }) =>
      type === 'BTREE' &&
      columns.every((column, place) => {
        const part = parts[place];
        return part !== undefined && isSameInAnyCase(part.column ?? '', column) && part.prefixLength === null;
      }),
  );
}

/** Rows that the server changes for a parent's sake are in the log only where it says so. */
async function cascadeObstacles(
  session: Session,
  { plan, server }: Asked,
  keys: readonly ForeignKey[],
  signal: AbortSignal,
): Promise<readonly Obstacle[]> {
  const cascading = keys.filter(
    ({ child, actions }) => isSameTable(server, child, plan.source) && /\b(CASCADE|SET NULL)\b/.test(actions),
  );
  if (cascading.length === 0) return [];
  const native = await session.query(
    `SHOW GLOBAL VARIABLES WHERE Variable_name = 'innodb_native_foreign_keys' AND Value = 'ON'`,
    signal,
  );
  if (server.flavour.logsCascades && native.length === 0) return [];
  const reason = server.flavour.logsCascades
    ? 'which the server does not log while innodb_native_foreign_keys is ON'
    : 'which this server does not log';
  return cascading.map(({ name, actions, parent }) => ({
    code: 'UNLOGGED_CASCADES',
    message: `By the foreign key ${name} (${actions}) rows of ${nameOf(plan.source)} change with those of ${nameOf(parent)}, ${reason}: such changes would be lost.`,
  }));
}

/** MySQL from 8.4 on makes no key to columns that are not exactly a unique key, though old ones may be there. */
async function standardKeyObstacles(
  session: Session,
  asked: Asked,
  keys: readonly ForeignKey[],
  signal: AbortSignal,
): Promise<readonly Obstacle[]> {
  const restricted = await session.query(
    `SHOW SESSION VARIABLES WHERE Variable_name = 'restrict_fk_on_non_standard_key' AND Value = 'ON'`,
    signal,
  );
  if (restricted.length === 0) return [];
  const obstacles: Obstacle[] = [];
  for (const key of keys) {
    const facts = memberOf(asked, key.parent)?.facts;
    const names = key.parentColumns.map((name) => (facts && shadowColumn(facts.map.kept, name)?.name) ?? name);
    const uniques = facts
      ? facts.probed.definition.indexes.filter(({ isUnique }) => isUnique).map(columnsOf)
      : await readUniques(session, key.parent, signal);
    if (uniques.some((columns) => isSameSet(columns, names))) continue;
    obstacles.push({
      code: 'FOREIGN_KEYS',
      message: `The foreign key ${key.name} of ${nameOf(key.child)} refers to ${names.join(', ')} of ${nameOf(key.parent)}, no unique key, and could not be made again while restrict_fk_on_non_standard_key is ON.`,
    });
  }
  return obstacles;
}

function columnsOf({ parts }: Index): readonly string[] {
  return parts.map(({ column }) => column ?? '');
}

async function readUniques(session: Session, table: TableName, signal: AbortSignal): Promise<readonly (readonly string[])[]> {
  const rows = await session.query(`SHOW INDEX FROM ${quoteTable(table)} WHERE Non_unique = 0`, signal);
  const names = [...new Set(rows.map((row) => row['Key_name'] ?? ''))];
  return names.map((name) => rows.filter((row) => row['Key_name'] === name).map((row) => row['Column_name'] ?? ''));
}

function isSameSet(one: readonly string[], other: readonly string[]): boolean {
  const sorted = (names: readonly string[]): string => JSON.stringify(names.map(lowerCase).toSorted());
  return sorted(one) === sorted(other);
}

/** MySQL renames a key that it named itself with its table, and refuses the RENAME where the new name would be too long. */
function nameObstacles({ plan, server }: Asked, keys: readonly ForeignKey[]): readonly Obstacle[] {
  const { source, retired } = plan;
  const prefix = `${source.table}_ibfk_`;
  return keys
    .filter(({ child, name }) => isSameTable(server, child, source) && name.startsWith(prefix))
    .filter(({ name }) => retired.table.length + name.length - source.table.length > identifierLengthMax)
    .map(({ name }) => ({
      code: 'FOREIGN_KEYS',
      message: `The foreign key ${name} of ${nameOf(source)} would get a name that is too long when the table is retired as ${retired.table}; give the key a name of its own first.`,
    }));
}

/**
 * MariaDB takes the hidden column of a unique index over long text for one that is added, and so gives such a table no key, and takes none
 * from it, but by copying it. Looks at each other child, for a moment.
 */
async function hashObstacles(
  session: Session,
  { facts, plan, server }: Asked,
  keys: readonly ForeignKey[],
  signal: AbortSignal,
): Promise<readonly Obstacle[]> {
  if (!server.flavour.isMariaDb) return [];
  const children = keys.map(({ child }) => child);
  const found = new Map<string, readonly string[]>();
  for (const child of children) {
    if (found.has(nameOf(child))) continue;
    const isOwn = isSameTable(server, child, plan.source);
    const own = [...facts.source.indexes, ...facts.probed.definition.indexes].filter(isKeptAsHash).map(({ name }) => name);
    found.set(nameOf(child), isOwn ? [...new Set(own)] : await readHashes(session, child, signal));
  }
  return [...found]
    .filter(([, indexes]) => indexes.length > 0)
    .map(([child, indexes]) => ({
      code: 'FOREIGN_KEYS',
      message: `The foreign keys of ${child} could be changed only by copying it under a lock, as it has a unique index over long values: ${indexes.join(', ')}.`,
    }));
}

async function readHashes(session: Session, table: TableName, signal: AbortSignal): Promise<readonly string[]> {
  const rows = await session.query(`SHOW INDEX FROM ${quoteTable(table)} WHERE Index_type = 'HASH' AND Non_unique = 0`, signal);
  return [...new Set(rows.map((row) => row['Key_name'] ?? ''))];
}

/** The cutover in two sessions takes one more for each child, and for each further table that is swapped. */
const childrenMax = 16;

function childrenObstacles({ members, server }: Pick<Asked, 'members' | 'server'>): readonly Obstacle[] {
  const sources = members.map(({ plan }) => nameOf(plan.source));
  const children = new Set(members.flatMap(({ facts }) => (facts.foreignKeys ?? []).map(({ child }) => nameOf(child))));
  for (const source of sources) children.delete(source);
  if (server.flavour.renamesUnderLock || children.size + sources.length - 1 <= childrenMax) return [];
  const message = `${children.size} tables refer to ${sources.join(', ')} by foreign keys; on this server the cutover can lock ${childrenMax - sources.length + 1} of them.`;
  return [{ code: 'FOREIGN_KEYS', message }];
}

/** What the cutover of several tables in two sessions needs beside what that of one does. */
export function relayObstacles(asked: Pick<Asked, 'members' | 'server' | 'account'>): readonly Obstacle[] {
  if (asked.server.flavour.renamesUnderLock) return [];
  return [...childrenObstacles(asked), ...missingPrivileges(asked.account, [[null, ['RELOAD']]])];
}

/** Two migrations would alter each other's tables. */
async function relatedObstacles(
  session: Session,
  asked: Asked,
  keys: readonly ForeignKey[],
  signal: AbortSignal,
): Promise<readonly Obstacle[]> {
  const { plan, server } = asked;
  const related = keys.flatMap(({ child, parent }) => [child, parent]).filter((table) => memberOf(asked, table) === undefined);
  return (await findMigrations(session, null, signal))
    .filter(({ state, plan: { source } }) => state === 'open' && related.some((table) => isSameTable(server, table, source)))
    .map(({ id, plan: { source } }) => ({
      code: 'MIGRATION_OPEN',
      message: `Migration ${id} of ${nameOf(source)}, which a foreign key joins to ${nameOf(plan.source)}, is unfinished: each would alter the other's table.`,
      migration: id,
    }));
}

/** One level a schema. */
function neededPrivileges(keys: readonly ForeignKey[]): readonly Level[] {
  const needed = new Map<string, Set<string>>();
  const need = (schema: string, ...privileges: readonly string[]): void => {
    needed.set(schema, new Set([...(needed.get(schema) ?? []), ...privileges]));
  };
  for (const { child, parent } of keys) {
    need(child.schema, 'SELECT', 'ALTER', 'LOCK TABLES');
    need(parent.schema, 'SELECT', 'LOCK TABLES', 'REFERENCES');
  }
  return [...needed].map(([schema, privileges]) => [schema, [...privileges]] as const);
}
