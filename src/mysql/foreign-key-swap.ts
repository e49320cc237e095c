/**
 * What the swap does to foreign keys. The server takes names of tables for the tables themselves: after the RENAME other tables
 * refer to the retired table, and the source's own keys have gone with it. A name of a key is taken until its key is dropped. So:
 *
 *   under the lock, drained    guards: each child gets its key once more, to the shadow, and the shadow gets the source's keys,
 *                              under names of ours; where several tables are swapped together, a shadow's keys are to the
 *                              shadows of the others
 *   RENAME                     the guards go with the shadow and are now keys of the source, and to it
 *   after it                   the keys of and to the retired table are dropped; each guard gives way to the key by its right
 *                              name, in one statement
 *
 * Wherever this ends, each row is guarded by what the application works with. Between the RENAME and the end a child may have two
 * keys, and a row that refers to one which only the new table has is refused; a row that refers to none never passes.
 * Every ALTER here is in place and changes definitions only, because the session has foreign_key_checks=0: rows are not read,
 * and are right, as source and shadow are equal.
 *
 * Of two tables that are swapped together the key between them is in the plan of the child alone (planner.ts), and its swap does
 * all that is to be done for it: each key is guarded, named and told of once.
 */

import { MigrationError } from '../engine/errors.ts';
import type { CarriedForeignKey, Plan, TableName } from '../engine/model.ts';
import {
  type ForeignKey,
  isOfSibling,
  isSameTable,
  keyDefinition,
  membersOf,
  nameOf,
  findChildren,
  readForeignKeys,
  readKeysOf,
} from './foreign-keys.ts';
import { lowerCase } from './name-case.ts';
import type { Server } from './server.ts';
import type { Session } from './session.ts';
import { quoteName, quoteTable } from './statements.ts';
import { lockOrReject, type LockRequest } from './table-lock.ts';

type NamingServer = Pick<Server, 'flavour' | 'ignoresNameCase'>;

/** Whose keys are swapped. */
export interface ForeignKeySwap {
  readonly server: NamingServer;
  readonly plan: Plan;
}

/** For a session that alters children which nobody has locked for it: their users wait behind it meanwhile. */
export const shortWaits: readonly string[] = ['lock_wait_timeout = 2', 'innodb_lock_wait_timeout = 2'];

/** The tables beside sources and shadows that the swap locks: children are altered, and parents locked by the server for it. */
export function relatedTables(swaps: readonly ForeignKeySwap[]): readonly TableName[] {
  const related: TableName[] = [];
  for (const { server, plan } of swaps) {
    const sources = membersOf(plan).map(({ source }) => source);
    for (const table of keysOf(plan).flatMap(({ child, parent }) => [child, parent])) {
      if ([...sources, ...related].every((known) => !isSameTable(server, known, table))) related.push(table);
    }
  }
  return related;
}

/** Rejects with SOURCE_CHANGED unless the table's foreign keys, and those to it, are still what the plan says. Reads the catalog only. */
export async function checkForeignKeys(session: Session, swap: ForeignKeySwap, signal: AbortSignal): Promise<void> {
  const { server, plan } = swap;
  const all = await readForeignKeys(session, { server, table: plan.source }, signal);
  const present = all.filter((key) => !isOfSibling(server, plan, key));
  const planned = keysOf(plan);
  const gone = planned.filter((key) => !present.some((other) => textOf(other) === textOf(key)));
  const fresh = present.filter((key) => !planned.some((other) => textOf(other) === textOf(key)));
  if (gone.length + fresh.length === 0) return;
  const list = [...gone.map((key) => `${describe(key)} is gone`), ...fresh.map((key) => `${describe(key)} is new`)];
  throw new MigrationError(
    'SOURCE_CHANGED',
    `The foreign keys of ${nameOf(plan.source)}, or to it, are not those of the plan any more: ${list.join(', ')}. Give this migration up and start anew.`,
  );
}

/**
 * Adds the guards. All tables are locked by the session, and each source and its shadow are equal. Not safe to run twice.
 *
 * An index that the server made for a key by itself follows the next key over its columns: MySQL would build it anew, under that
 * key's name. Renaming it to its own name makes it one like others, at no cost.
 */
export async function addGuards(locker: Session, swaps: readonly ForeignKeySwap[], signal: AbortSignal): Promise<void> {
  const additions = new ByTable();
  for (const swap of swaps) {
    for (const [place, key] of keysOf(swap.plan).entries()) {
      const definition = keyDefinition(key, guardName(swap.plan, place), standingFor(swap, key.parent));
      additions.add(standingFor(swap, key.child), `ADD ${definition}`);
    }
  }
  const renamesIndexes = swaps.every(({ server }) => server.flavour.renamesIndexes);
  for (const { table, clauses } of additions.all) {
    const keys = swaps.flatMap((swap) => swapKeysOf(swap, table));
    const kept = renamesIndexes ? await ownIndexes(locker, keys, table, signal) : [];
    const renames = kept.map((name) => `RENAME INDEX ${quoteName(name)} TO ${quoteName(name)}`);
    await locker.execute(alter(table, [...renames, ...clauses]), signal);
  }
}

/** What will be this table after the swap: the shadow of one that is swapped. */
function standingFor({ server, plan }: ForeignKeySwap, table: TableName): TableName {
  return membersOf(plan).find(({ source }) => isSameTable(server, source, table))?.shadow ?? table;
}

/** Indexes over just the columns of a key: the server may have made them by itself, which the catalog does not tell. */
async function ownIndexes(
  session: Session,
  keys: readonly (readonly string[])[],
  table: TableName,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const rows = await session.query(`SHOW INDEX FROM ${quoteTable(table)} WHERE Non_unique = 1`, signal);
  const names = [...new Set(rows.map((row) => row['Key_name'] ?? ''))];
  const spelled = (columns: readonly string[]): string => JSON.stringify(columns.map(lowerCase));
  return names.filter((name) => {
    const parts = rows.filter((row) => row['Key_name'] === name && row['Sub_part'] == null);
    const columns = spelled(parts.map((row) => row['Column_name'] ?? ''));
    return keys.some((key) => spelled(key) === columns);
  });
}

/** The columns, as they are after the change, of each key that the table has or gets. */
function swapKeysOf(swap: ForeignKeySwap, table: TableName): readonly (readonly string[])[] {
  return keysOf(swap.plan)
    .filter((key) => isSameTable(swap.server, standingFor(swap, key.child), table))
    .map(({ after }) => after.columns);
}

/**
 * Removes the guards of a swap that has not happened: those of the shadow and to it, from the shadows of other tables that are
 * swapped with it too. Guards of a swap that has happened refer to the source, and stay. Waits for the children's users, and
 * blocks them meanwhile. Safe to run twice.
 */
export async function removeGuards(session: Session, swap: ForeignKeySwap, signal: AbortSignal): Promise<void> {
  const { server, plan } = swap;
  if (keysOf(plan).length === 0 && plan.family === undefined) return;
  const shadows = membersOf(plan).map(({ shadow }) => shadow);
  for (const table of [...childrenOf([swap]), ...shadows]) {
    const isOurs = isSameTable(server, table, plan.shadow);
    const guards = (await readKeysOf(session, table, signal)).filter(
      (key) => isGuardOfAny(plan, key) && (isOurs || isSameTable(server, key.parent, plan.shadow)),
    );
    if (guards.length > 0) await session.execute(alter(table, guards.map(drop)), signal);
  }
}

/** One thing that the swap has left, and the statement that does it. */
export interface LeftStep {
  readonly table: TableName;
  /** What its keys refer to, which the server locks for it. */
  readonly parents: readonly TableName[];
  readonly sentence: string;
  readonly sql: string;
}

/** What the swap has left to be done, in the order in which it must be done; nothing before the swap. Reads the catalog only. */
export async function leftSteps(session: Session, swap: ForeignKeySwap, signal: AbortSignal): Promise<readonly LeftStep[]> {
  const { server, plan } = swap;
  if (keysOf(plan).length === 0) return [];
  const releases: LeftStep[] = [];
  const namings: LeftStep[] = [];
  for (const table of [...childrenOf([swap]), plan.retired])
    releases.push(...(await releaseSteps(session, swap, table, signal)));
  for (const table of [...childrenOf([swap]), plan.source]) {
    const present = await readKeysOf(session, table, signal);
    const guards = present.filter((key) => isGuard(plan, key) && !isSameTable(server, key.parent, plan.shadow));
    if (guards.length === 0) continue;
    const meant = keysOf(plan).filter((_, place) => guards.some(({ name }) => name === guardName(plan, place)));
    const missing = meant.filter((key) => !present.some((other) => isInPlace(swap, key, other)));
    const names = meant.map(({ name }) => name).join(', ');
    namings.push({
      table,
      parents: meant.map(({ parent }) => parent),
      sentence: `Give the foreign keys of ${nameOf(table)} their names (${names}).`,
      sql: alter(table, [...guards.map(drop), ...missing.map((key) => `ADD ${keyDefinition(key, key.name, key.parent)}`)]),
    });
  }
  return [...releases, ...namings];
}

/** One step where a table has keys to the retired table, or is the retired one and has keys; else none. */
async function releaseSteps(
  session: Session,
  { server, plan }: ForeignKeySwap,
  table: TableName,
  signal: AbortSignal,
): Promise<readonly LeftStep[]> {
  const isRetired = isSameTable(server, table, plan.retired);
  const keys = await readKeysOf(session, table, signal);
  const old = keys.filter((key) => isRetired || isSameTable(server, key.parent, plan.retired));
  if (old.length === 0) return [];
  const names = old.map(({ name }) => name).join(', ');
  const sentence = isRetired
    ? `Drop the foreign keys of the retired table ${nameOf(table)} (${names}).`
    : `Drop the foreign keys of ${nameOf(table)} to the retired table ${nameOf(plan.retired)} (${names}).`;
  return [{ table, parents: old.map(({ parent }) => parent), sentence, sql: alter(table, old.map(drop)) }];
}

/** Drops the keys of a child to the retired table, in a session that has locked the child. */
export async function releaseChild(
  session: Session,
  { swap, child }: { readonly swap: ForeignKeySwap; readonly child: TableName },
  signal: AbortSignal,
): Promise<void> {
  for (const { sql } of await releaseSteps(session, swap, child, signal)) await session.execute(sql, signal);
}

/** What settling is about, and who is told of each thing that is done. */
export interface Settling {
  readonly swap: ForeignKeySwap;
  readonly onSettled: (what: string) => void;
}

/** How long a settlement that takes its lock by itself waits for it, and may hold it. */
export const settleLimits = { lockTimeoutMs: 2_000, holdTimeoutMs: 5_000 };

/**
 * The same in a session that holds no lock yet, but has `lockSettings`, while another one looks around: takes it on all tables at once,
 * at a moment as the swap does. Without it an ALTER would wait, on MariaDB, for row locks of a transaction that waits for the ALTER.
 * Rejects with LOCK_WAIT where the lock is not had in time.
 */
export async function lockAndSettle(
  { locker, observer }: Pick<LockRequest, 'locker' | 'observer'>,
  settling: Settling,
  signal: AbortSignal,
): Promise<void> {
  const { server, plan } = settling.swap;
  const steps = await leftSteps(locker, settling.swap, signal);
  if (steps.length === 0) return;
  const tables: TableName[] = [plan.source];
  const parents = keysOf(plan).map(({ parent }) => parent);
  const children = await furtherChildren(locker, { server, plan, steps }, signal);
  for (const table of [...steps.flatMap((step) => [step.table, ...step.parents]), ...parents, ...children]) {
    if (tables.every((known) => !isSameTable(server, known, table))) tables.push(table);
  }
  const used = tables.filter((table) => !isSameTable(server, table, plan.retired));
  const request = { locker, observer, flavour: server.flavour, tables, used, options: settleLimits };
  await lockOrReject(`The tables that foreign keys join to ${nameOf(plan.source)}`, request, signal);
  // Not read again: tables that need nothing more are not locked, and MariaDB would refuse to show them.
  await carryOut(locker, steps, settling.onSettled, signal);
  await locker.execute('UNLOCK TABLES', signal);
}

/** MariaDB locks the tables that refer to an altered one, too. Those of other schemas may not be ours to lock. */
async function furtherChildren(
  session: Session,
  { server, plan, steps }: ForeignKeySwap & { readonly steps: readonly LeftStep[] },
  signal: AbortSignal,
): Promise<readonly TableName[]> {
  if (!server.flavour.isMariaDb) return [];
  const altered = steps.map(({ table }) => table).filter((table) => !isSameTable(server, table, plan.retired));
  const schemas = new Set([plan.source, ...altered].map(({ schema }) => schema));
  const children: TableName[] = [];
  for (const table of altered) {
    const found = await findChildren(session, { server, table }, signal);
    children.push(...found.filter(({ schema }) => schemas.has(schema)));
  }
  return children;
}

/** Does what is left, a step after the other, under locks that the session holds on all tables. Safe to run twice. */
export async function settleForeignKeys(session: Session, { swap, onSettled }: Settling, signal: AbortSignal): Promise<void> {
  await carryOut(session, await leftSteps(session, swap, signal), onSettled, signal);
}

async function carryOut(
  session: Session,
  steps: readonly LeftStep[],
  onSettled: Settling['onSettled'],
  signal: AbortSignal,
): Promise<void> {
  for (const { sentence, sql } of steps) {
    await session.execute(sql, signal);
    onSettled(sentence);
  }
}

function keysOf(plan: Plan): readonly CarriedForeignKey[] {
  return plan.foreignKeys ?? [];
}

/** The tables that refer to the sources, and are none. */
export function childrenOf(swaps: readonly ForeignKeySwap[]): readonly TableName[] {
  const children: TableName[] = [];
  for (const { server, plan } of swaps) {
    for (const { child } of keysOf(plan)) {
      if ([plan.source, ...children].every((known) => !isSameTable(server, known, child))) children.push(child);
    }
  }
  return children;
}

/** Unique in every schema by the chance letters of the migration. */
function guardName(plan: Pick<Plan, 'id'>, place: number): string {
  return `${guardPrefix(plan)}${place + 1}`;
}

function guardPrefix({ id }: Pick<Plan, 'id'>): string {
  return `_ts_fk_${id.slice(-8)}_`;
}

function isGuard(plan: Plan, { name }: ForeignKey): boolean {
  return keysOf(plan).some((_, place) => guardName(plan, place) === name);
}

/** A guard of this migration, or of one whose table is swapped with it. */
function isGuardOfAny(plan: Plan, { name }: ForeignKey): boolean {
  return membersOf(plan).some(({ id }) => name.startsWith(guardPrefix({ id })));
}

/** Whether the key stands under its right name, on the new table or to it. */
function isInPlace({ server, plan }: ForeignKeySwap, key: CarriedForeignKey, present: ForeignKey): boolean {
  return present.name === key.name && !isSameTable(server, present.parent, plan.retired);
}

function drop({ name }: ForeignKey): string {
  return `DROP FOREIGN KEY ${quoteName(name)}`;
}

function alter(table: TableName, clauses: readonly string[]): string {
  return `ALTER TABLE ${quoteTable(table)} ${clauses.join(', ')}, ALGORITHM=INPLACE`;
}

function textOf({ name, child, columns, parent, parentColumns, actions }: ForeignKey): string {
  return JSON.stringify([name, child.schema, child.table, columns, parent.schema, parent.table, parentColumns, actions]);
}

function describe({ name, child, parent }: ForeignKey): string {
  return `${name} of ${nameOf(child)} to ${nameOf(parent)}`;
}

/** Clauses by table: one ALTER a table. */
class ByTable {
  readonly #tables = new Map<string, { readonly table: TableName; readonly clauses: string[] }>();

  get all(): readonly { readonly table: TableName; readonly clauses: readonly string[] }[] {
    return [...this.#tables.values()];
  }

  add(table: TableName, clause: string): void {
    const key = quoteTable(table);
    const entry = this.#tables.get(key) ?? { table, clauses: [] };
    entry.clauses.push(clause);
    this.#tables.set(key, entry);
  }
}
