/** What a plan says about the shadow's indexes: which uniques are new to the data, and which indexes are built later. */

import type { MigrationKey } from '../engine/model.ts';
import type { ProbedTable } from './alter-probe.ts';
import type { Index, TableDescription } from './catalog.ts';
import { keepsValues } from './migration-key.ts';

/**
 * Unique indexes and exclusion constraints of the shadow that do not follow from those of the source: not over the same columns,
 * or over columns whose values change. In doubt an index counts as added.
 */
export function addedUniques(source: TableDescription, probed: ProbedTable): readonly string[] {
  const { definition, kept, usings } = probed;
  // By the shadow's number: the source's number of each column that keeps its values.
  const same = new Map<number, number>();
  for (const [column, shadow] of kept) {
    const isCopied = shadow.generated === '' && !usings.has(column.name) && keepsValues(column, shadow);
    const isSameExpression = shadow.generated !== '' && column.expression === shadow.expression;
    if (isCopied || isSameExpression) same.set(shadow.attnum, column.attnum);
  }
  const isUntouched =
    kept.length === source.columns.length &&
    kept.every(([column, shadow]) => same.has(shadow.attnum) && column.name === shadow.name && column.type === shadow.type);
  return definition.indexes
    .filter((index) => index.isUnique || index.isExclusion)
    .filter((index) => {
      // A definition means the same only if all that it can name means the same.
      if (
        isUntouched &&
        source.indexes.some((one) => one.rest === index.rest && one.isUnique === index.isUnique && one.isValid)
      )
        return false;
      return !source.indexes.some((one) => implies(one, index, same));
    })
    .map((index) => index.name);
}

/** Whether rows that are unique under one index must be so under the other. */
function implies(known: Index, index: Index, same: ReadonlyMap<number, number>): boolean {
  if (!known.isUnique || known.isExclusion || index.isExclusion || !known.isValid) return false;
  if (known.isPartial || !known.isInDefaultOrder || !index.isInDefaultOrder) return false;
  if (known.areNullsDistinct && !index.areNullsDistinct) return false;
  if (known.keyAttnums.includes(0) || index.keyAttnums.includes(0)) return false;
  const columns = index.keyAttnums.map((attnum) => same.get(attnum));
  return known.keyAttnums.every((attnum) => columns.includes(attnum));
}

/**
 * Indexes that are built after the copy: all that are not unique. The unique ones stay, for they must stop a duplicate at
 * once, and while changes wait to be applied the shadow may hold a pair that was never one in the source.
 */
export function deferrableIndexes(shadow: TableDescription, key: MigrationKey): readonly string[] {
  return shadow.indexes
    .filter((index) => !index.isUnique && !index.isExclusion && !index.hasConstraint && index.name !== key.shadowIndex)
    .map((index) => index.name);
}
