/** What keeps foreign keys, of the table and to it, from coming to the new table. */

import type { TableName } from '../engine/model.ts';
import type { Obstacle } from '../engine/obstacles.ts';
import { isWords, nameOf, splitAtCommas } from './alter-clauses.ts';
import { refusalOf } from './alter-probe.ts';
import type { Column, TableDescription } from './catalog.ts';
import {
  type ColumnNames,
  columnNames,
  endName,
  type ForeignKey,
  keyClause,
  keyName,
  type KeyEnd,
  readForeignKeys,
} from './foreign-keys.ts';
import type { PlanningFacts } from './planning-facts.ts';
import type { Session } from './session.ts';
import { makeAltered } from './shadow.ts';
import { type Token, tokenise } from './sql-tokens.ts';
import { quoteName, quoteTable } from './statements.ts';
import { beginTrial } from './transaction.ts';

/** What they are judged by. */
export interface ForeignKeyScope {
  readonly source: TableDescription;
  /** Columns that exist before and after. */
  readonly kept: readonly (readonly [source: Column, shadow: Column])[];
}

/** What the catalog tells, also under the locks of the cutover: kinds of tables, switched triggers, dropped columns, privileges. */
export async function foreignKeyObstacles(
  session: Session,
  { source, kept }: ForeignKeyScope,
  signal: AbortSignal,
): Promise<readonly Obstacle[]> {
  const keys = await readForeignKeys(session, [source.oid], signal);
  if (keys.length === 0) return [];
  const names = columnNames(kept);
  const found = keys.flatMap((key) => {
    const reason = refusalOfKey(key, source, (name) => names.has(name));
    return reason === null ? [] : [obstacle(`${keyName(key)} ${reason}.`)];
  });
  return [...found, ...(await privilegeObstacles(session, keys, source, signal))];
}

/**
 * What the server says when the keys are made between empty copies of the tables, as the ALTERs leave them: types without an
 * equality, a unique key that is gone. And what the clauses want of the keys themselves, which a shadow does not have. Of all
 * tables that are swapped together. Takes ACCESS SHARE on the tables, in a transaction that is rolled back.
 */
export async function foreignKeyTrialObstacles(
  session: Session,
  facts: readonly PlanningFacts[],
  signal: AbortSignal,
): Promise<readonly Obstacle[]> {
  const oids = facts.map(({ source }) => source.oid);
  const keys = await readForeignKeys(session, oids, signal);
  if (keys.length === 0) return [];
  const found = facts.flatMap(({ source, probed, reading }) => [
    ...namedByClauses(reading.text, keys, source),
    ...revaluedKeys(keys, source, probed.usings),
  ]);
  const schemaAt = (index: number): string => `tableshift_probe_${session.pid}_${index}`;
  const names = new Map(facts.map(({ source, probed }) => [source.oid, columnNames(probed.kept)]));
  const copies = new Map<number, TableName>();
  await using _ = await beginTrial(session, signal);
  for (const [index, { source, reading }] of facts.entries()) {
    const table = { schema: schemaAt(index), table: source.table };
    await session.execute(`CREATE SCHEMA ${quoteName(table.schema)}`, signal);
    await makeAltered(session, source, { schema: table.schema, reading }, signal);
    copies.set(source.oid, table);
  }
  const other = { schema: schemaAt(0), table: 'tableshift_partner' };
  for (const key of keys) {
    const said = await tryKey(session, { key, names, copies, other }, signal);
    if (said !== null) found.push(obstacle(`${keyName(key)} does not go with the ALTER: ${said}.`));
  }
  return found;
}

function refusalOfKey(key: ForeignKey, { oid }: TableDescription, isKept: (column: string) => boolean): string | null {
  const isIncoming = key.child.oid !== oid;
  if (isIncoming && key.isChildInTree) {
    return 'belongs to a partitioned table, a partition or a table with inheritance, to which the server does not add one without looking at all rows while others wait';
  }
  if (key.isSwitched) return 'is checked by triggers that somebody has switched off or over, which is not carried over';
  const lost = key.parent.oid === oid ? key.parent.columns.filter((name) => !isKept(name)) : [];
  const goesAway = key.child.oid === oid && key.child.columns.some((name) => !isKept(name));
  return lost.length > 0 && !goesAway ? `refers to the column ${lost.join(', ')}, which the ALTER drops` : null;
}

/** To lock the other tables and to make the keys takes more than to own the table. */
async function privilegeObstacles(
  session: Session,
  keys: readonly ForeignKey[],
  source: TableDescription,
  signal: AbortSignal,
): Promise<readonly Obstacle[]> {
  const found: Obstacle[] = [];
  for (const key of keys) {
    const isIncoming = key.child.oid !== source.oid;
    const other: KeyEnd = isIncoming ? key.child : key.parent;
    if (other.oid === source.oid) continue;
    const [row] = await session.query(
      `SELECT current_user AS username, ${
        isIncoming
          ? `pg_has_role((SELECT relowner FROM pg_class WHERE oid = ${other.oid}), 'USAGE')`
          : `has_table_privilege(${other.oid}, 'REFERENCES') AND has_table_privilege(${other.oid}, 'SELECT') AND has_table_privilege(${other.oid}, 'UPDATE, DELETE, TRUNCATE')`
      } AS may, has_schema_privilege((SELECT relnamespace FROM pg_class WHERE oid = ${other.oid}), 'USAGE') AS may_enter`,
      signal,
    );
    const tied = `${isIncoming ? 'which refers to' : 'to which refers'} ${source.schema}.${source.table} (${key.name})`;
    if (row?.['may_enter'] !== 't') {
      const message = `The role ${row?.['username'] ?? ''} lacks the privilege USAGE on the schema ${other.schema} of ${other.schema}.${other.table}, ${tied}.`;
      found.push({ code: 'MISSING_PRIVILEGE', message });
    }
    if (row?.['may'] === 't') continue;
    const lacks = isIncoming
      ? 'is not the owner of'
      : 'lacks the privileges REFERENCES, SELECT, and UPDATE, DELETE or TRUNCATE, on';
    found.push({
      code: 'MISSING_PRIVILEGE',
      message: `The role ${row?.['username'] ?? ''} ${lacks} ${other.schema}.${other.table}, ${tied}.`,
    });
  }
  return found;
}

interface KeyTrial {
  readonly key: ForeignKey;
  readonly names: ReadonlyMap<number, ColumnNames>;
  /** Of the tables that change, by the oid of each. */
  readonly copies: ReadonlyMap<number, TableName>;
  /** The name for a copy of any other table. */
  readonly other: TableName;
}

/** Null where the server makes the key, or where there is none to be made; else what it said. */
async function tryKey(session: Session, { key, names, copies, other }: KeyTrial, signal: AbortSignal): Promise<string | null> {
  const { signal: always } = new AbortController();
  const nameOfEnd = ({ oid }: KeyEnd): string => quoteTable(copies.get(oid) ?? other);
  const clause = keyClause(key, { names, parent: nameOfEnd(key.parent) });
  if (clause === null) return null;
  const partner = [key.child, key.parent].find(({ oid }) => !copies.has(oid));
  await session.execute('SAVEPOINT tableshift_key', signal);
  try {
    if (partner !== undefined) {
      await session.execute(
        `CREATE TABLE ${quoteTable(other)} (LIKE ${endName(partner)} INCLUDING GENERATED INCLUDING INDEXES)`,
        signal,
      );
    }
    await session.execute(`ALTER TABLE ${nameOfEnd(key.child)} ADD ${clause}`, signal);
    return null;
  } catch (error) {
    const { code, message } = refusalOf(error, key.child, 'alter');
    // What the role lacks is an obstacle of its own.
    if (code === 'MISSING_PRIVILEGE') return null;
    return message.replace(/^.*?: /, '').replace(/\.$/, '');
  } finally {
    await session.execute('ROLLBACK TO SAVEPOINT tableshift_key', always).catch(() => undefined);
  }
}

/** What the clauses want of the table's own foreign keys, which neither a shadow nor a copy on which they are tried has. */
export async function changedKeyObstacles(
  session: Session,
  source: TableDescription,
  clauses: string,
  signal: AbortSignal,
): Promise<readonly Obstacle[]> {
  return namedByClauses(clauses, await readForeignKeys(session, [source.oid], signal), source);
}

/** A shadow has no foreign keys: to drop one there fails, or with IF EXISTS does nothing. */
function namedByClauses(sql: string, keys: readonly ForeignKey[], { oid }: TableDescription): Obstacle[] {
  const own = keys.filter(({ child }) => child.oid === oid);
  return splitAtCommas(tokenise(sql)).flatMap((clause) => {
    const name = constraintOf(clause);
    const key = own.find((one) => one.name === name);
    if (key === undefined) return [];
    const changed = `${keyName(key)} is itself changed by the ALTER`;
    if (!isEnforcing(clause)) return [obstacle(`${changed}, which needs no copy; do that by itself.`)];
    const quoted = quoteName(key.name);
    const way = `DROP CONSTRAINT ${quoted}, ADD CONSTRAINT ${quoted} FOREIGN KEY … by themselves need no copy, and let them`;
    return [obstacle(`${changed}, for which the server reads every row while nobody can write; ${way}.`)];
  });
}

/** `ENFORCED`, and not `NOT ENFORCED`. */
function isEnforcing(clause: readonly Token[]): boolean {
  return clause.some((_, at) => isWords(clause.slice(at), 'enforced') && !isWords(clause.slice(at - 1), 'not'));
}

/** Of `DROP, ALTER, RENAME or VALIDATE CONSTRAINT name`; null for any other clause. */
function constraintOf(clause: readonly Token[]): string | null {
  const isAbout = ['drop', 'alter', 'rename', 'validate'].some((verb) => isWords(clause, verb, 'constraint'));
  if (!isAbout) return null;
  const rest = isWords(clause.slice(2), 'if', 'exists') ? clause.slice(4) : clause.slice(2);
  return nameOf(rest[0]);
}

/** Whether the other table still has these values would be known only after the swap. */
function revaluedKeys(
  keys: readonly ForeignKey[],
  { oid }: TableDescription,
  usings: ReadonlyMap<string, string>,
): readonly Obstacle[] {
  return keys.flatMap((key) => {
    const columns = [key.child, key.parent].filter((end) => end.oid === oid).flatMap((end) => end.columns);
    const revalued = columns.find((name) => usings.has(name) && !isCast(usings.get(name) ?? '', name));
    if (revalued === undefined) return [];
    return [obstacle(`${keyName(key)} uses the column ${revalued}, whose values the USING of the ALTER replaces.`)];
  });
}

/** `id`, `(id)::bigint`, `t.id::bigint`. */
function isCast(expression: string, column: string): boolean {
  const bare = expression.replace(/::[a-z0-9_ ]+(?:\(\d+(?:,\d+)?\))?$/, '').replace(/^\(([^()]*)\)$/, '$1');
  const name = /^(?:(?:\w+|"(?:[^"]|"")*")\.)?(\w+|"(?:[^"]|"")*")$/.exec(bare)?.[1];
  return name === column || name === quoteName(column);
}

function obstacle(message: string): Obstacle {
  return { code: 'FOREIGN_KEYS', message };
}
