/**
 * What a replica leaves out or renames, as it tells it (Replicate_… of SHOW REPLICA STATUS), and what becomes of tables there.
 *
 * The server decides about a row by its table and about a statement by all tables that it names, in their order; the first rule
 * that fits one of them is the answer. So a RENAME of tables that do not all fare alike is left out with all of them, or fails.
 */

import type { TableName } from '../engine/model.ts';
import { isSameInAnyCase } from './name-case.ts';
import type { Row } from './session.ts';

/** Of one channel. */
export interface ReplicaFilters {
  readonly doSchemas: readonly string[];
  readonly ignoreSchemas: readonly string[];
  /** Schema and table with a dot between them, as all that follow. */
  readonly doTables: readonly string[];
  readonly ignoreTables: readonly string[];
  readonly doPatterns: readonly string[];
  readonly ignorePatterns: readonly string[];
  /** Schemas whose tables have another schema there. */
  readonly rewrittenSchemas: readonly string[];
}

/** Reads a row of the status. A name with a comma in it cannot be told from two names. */
export function readFilters(status: Row): ReplicaFilters {
  const listed = (name: string): readonly string[] => (status[name] ?? '').split(',').filter((entry) => entry !== '');
  return {
    doSchemas: listed('Replicate_Do_DB'),
    ignoreSchemas: listed('Replicate_Ignore_DB'),
    doTables: listed('Replicate_Do_Table'),
    ignoreTables: listed('Replicate_Ignore_Table'),
    doPatterns: listed('Replicate_Wild_Do_Table'),
    ignorePatterns: listed('Replicate_Wild_Ignore_Table'),
    // MySQL has `(from,to),(from,to)`, MariaDB `from->to,from->to`.
    rewrittenSchemas: [...(status['Replicate_Rewrite_DB'] ?? '').matchAll(/\(([^,]*),[^)]*\)|([^,]*?)->[^,]*/g)].map(
      ([, first, second]) => first ?? second ?? '',
    ),
  };
}

/** Whether the replica applies changes of the table. `ignoresNameCase`: see Server. */
function isApplied(filters: ReplicaFilters, { schema, table }: TableName, ignoresNameCase: boolean): boolean {
  const has = (names: readonly string[], name: string): boolean => names.some((one) => isSameName(one, name, ignoresNameCase));
  const { doSchemas, ignoreSchemas, doTables, ignoreTables, doPatterns, ignorePatterns } = filters;
  if (doSchemas.length > 0 ? !has(doSchemas, schema) : has(ignoreSchemas, schema)) return false;
  const name = `${schema}.${table}`;
  if (has(doTables, name)) return true;
  if (has(ignoreTables, name)) return false;
  if (doPatterns.some((pattern) => isLike(name, pattern))) return true;
  if (ignorePatterns.some((pattern) => isLike(name, pattern))) return false;
  return doTables.length === 0 && doPatterns.length === 0;
}

/**
 * Why statements that change these tables together would not do on the replica what they do here, or null. They name tables with their
 * schema, which a rule that renames schemas does not reach.
 */
export function judgeFilters(filters: ReplicaFilters, tables: readonly TableName[], ignoresNameCase: boolean): string | null {
  const rewritten = filters.rewrittenSchemas.find((from) =>
    tables.some(({ schema }) => isSameName(from, schema, ignoresNameCase)),
  );
  if (rewritten !== undefined) return `has the tables of ${rewritten} in another schema (replicate-rewrite-db)`;
  const [kept, left] = [true, false].map((fate) =>
    tables.filter((table) => isApplied(filters, table, ignoresNameCase) === fate),
  );
  if (kept === undefined || left === undefined || kept.length === 0 || left.length === 0) return null;
  const list = (names: readonly TableName[]): string => names.map(({ schema, table }) => `${schema}.${table}`).join(', ');
  return `applies changes of ${list(kept)}, but leaves out those of ${list(left)} (replicate-do-… and replicate-ignore-…)`;
}

function isSameName(one: string, other: string, ignoresNameCase: boolean): boolean {
  return ignoresNameCase ? isSameInAnyCase(one, other) : one === other;
}

/** As LIKE, whatever the case: % is any text, _ one character, \ takes the next one as it is. */
function isLike(name: string, pattern: string): boolean {
  const source = pattern.replaceAll(/\\(.)|([%_])|([^\w])/gsu, (_, escaped: string, wild: string, other: string) => {
    if (wild !== undefined) return wild === '%' ? '.*' : '.';
    return (escaped ?? other).replace(/[^\w]/u, String.raw`\$&`);
  });
  return new RegExp(`^${source}$`, 'isu').test(name);
}
