/** Which column of the source becomes which column of the shadow: what the clauses say, held against what the server made. */

import type { ColumnPair } from '../engine/model.ts';
import type { Obstacle } from '../engine/obstacles.ts';
import type { AlterClause } from './alter-clauses.ts';
import type { Column, TableDescription } from './catalog.ts';
import { isSameInAnyCase, lowerCase } from './name-case.ts';

/** The map. With problems it must not be used. */
export interface ColumnMap {
  /** Columns whose values are copied, in the shadow's order. The shadow's generated columns are not among them. */
  readonly pairs: readonly ColumnPair[];
  /** All columns that live on, those that the shadow generates included. */
  readonly kept: readonly (readonly [Column, Column])[];
  readonly dropped: readonly string[];
  readonly added: readonly string[];
  readonly problems: readonly Obstacle[];
}

/** `shadow` is what the server made of an empty copy of `source` with the clauses. */
export function mapColumns(source: TableDescription, shadow: TableDescription, clauses: readonly AlterClause[]): ColumnMap {
  const renamed = new Map<string, string>();
  const removed = new Set<string>();
  const fresh = new Set<string>();
  for (const clause of clauses) {
    if (clause.kind === 'rename-column') renamed.set(lowerCase(clause.from), clause.to);
    if (clause.kind === 'drop-column') removed.add(lowerCase(clause.column));
    if (clause.kind === 'add-column') fresh.add(lowerCase(clause.column));
  }
  const problems: Obstacle[] = [];
  const kept: (readonly [Column, Column])[] = [];
  const dropped: string[] = [];
  for (const column of source.columns) {
    if (removed.has(lowerCase(column.name))) {
      dropped.push(column.name);
      continue;
    }
    const name = renamed.get(lowerCase(column.name)) ?? column.name;
    const shadowColumn = shadow.columns.find((candidate) => isSameInAnyCase(candidate.name, name));
    if (shadowColumn === undefined) problems.push(unclear(source, column.name));
    else kept.push([column, shadowColumn]);
  }
  const taken = kept.map(([, shadowColumn]) => shadowColumn.name);
  const added = shadow.columns.filter((column) => !taken.includes(column.name));
  for (const column of added) if (!fresh.has(lowerCase(column.name))) problems.push(unclear(source, column.name));
  if (new Set(taken).size < taken.length) problems.push(unclear(source, taken.join(', ')));
  const inShadowOrder = kept.toSorted(([, a], [, b]) => a.ordinal - b.ordinal);
  return {
    pairs: inShadowOrder
      .filter(([, shadowColumn]) => shadowColumn.generated === 'none')
      .map(([column, shadowColumn]) => ({ source: column.name, shadow: shadowColumn.name })),
    kept: inShadowOrder,
    dropped,
    added: added.map((column) => column.name),
    problems,
  };
}

function unclear(source: TableDescription, column: string): Obstacle {
  return {
    code: 'UNSUPPORTED_CLAUSE',
    message: `What the ALTER does to ${source.schema}.${source.table}.${column} is not understood.`,
  };
}
