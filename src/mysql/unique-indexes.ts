/** What a plan says about the shadow's indexes: which uniques are new to the data, and which indexes can be built later. */

import { type Index, type IndexPart, isOverExpression, isPlain, type TableDescription } from './catalog.ts';
import type { ColumnMap } from './column-map.ts';
import { judgeConversion, keepsDistinct, type ConversionSetting } from './conversions.ts';
import type { Flavour } from './flavour.ts';

/**
 * Unique indexes of the shadow that are not, column for column, unique in the source: over the same parts and prefixes, of columns
 * whose values stay distinct. In doubt an index counts as added.
 */
export function addedUniques(facts: {
  readonly source: TableDescription;
  readonly probed: { readonly definition: TableDescription };
  readonly map: ColumnMap;
  readonly setting: ConversionSetting;
}): readonly string[] {
  const { source, probed, map, setting } = facts;
  // By the shadow's name: the source's name of each column whose values stay distinct.
  const distinct = new Map<string, string>();
  for (const [column, shadowColumn] of map.kept) {
    const isCopied = shadowColumn.generated === 'none';
    const isSameExpression = column.generated !== 'none' && column.definition === shadowColumn.definition;
    const isKept = isCopied && keepsDistinct(column, shadowColumn, judgeConversion(column, shadowColumn, setting));
    if (isKept || isSameExpression) distinct.set(shadowColumn.name, column.name);
  }
  const isUntouched = source.columns.every((column) =>
    map.kept.some(
      ([kept, shadowColumn]) =>
        kept === column && kept.name === shadowColumn.name && judgeConversion(kept, shadowColumn, setting).kind === 'same',
    ),
  );
  const partText = (part: IndexPart, column: string | undefined): string | null => {
    if (part.column !== null) return column === undefined ? null : `${column} ${part.prefixLength ?? ''}`;
    // An expression means the same only if all that it can name means the same.
    return isUntouched ? `(${part.expression ?? ''})` : null;
  };
  const known = source.indexes
    .filter((index) => index.isUnique)
    .map((index) => textOf(index, (part) => partText(part, part.column ?? undefined)));
  return probed.definition.indexes
    .filter((index) => {
      const text = textOf(index, (part) => partText(part, distinct.get(part.column ?? '')));
      return index.isUnique && (text === null || !known.includes(text));
    })
    .map((index) => index.name);
}

/** The parts in an order of their own: uniqueness does not depend on their order. */
function textOf(index: Index, partText: (part: IndexPart) => string | null): string | null {
  const texts = index.parts.map(partText).filter((text) => text !== null);
  return texts.length < index.parts.length ? null : texts.toSorted().join(',');
}

/**
 * Secondary indexes that can be left out while rows are copied and be built in place afterwards. Not the unique ones, which must stop
 * a duplicate at once; not FULLTEXT and SPATIAL ones nor those over expressions, which cannot be built together or rebuild the
 * table; not one that an AUTO_INCREMENT column needs; and none beside a unique index over long texts, with which MariaDB builds
 * nothing in place; nor those over virtual columns, on MariaDB, which leaves rows out of them that are written meanwhile, and beside
 * one over an expression, behind which MySQL would put them.
 */
export function deferrableIndexes(shadow: TableDescription, { buildsVirtualIndexes }: Flavour): readonly string[] {
  if (shadow.indexes.some(({ type }) => type === 'HASH')) return [];
  const virtual = new Set(shadow.columns.filter(({ generated }) => generated === 'virtual').map(({ name }) => name));
  const buildsVirtual = buildsVirtualIndexes && !shadow.indexes.some(isOverExpression);
  const counter = shadow.columns.find((column) => column.isAutoIncrement)?.name;
  return shadow.indexes
    .filter(isPlain)
    .filter((index) => buildsVirtual || !index.parts.some(({ column }) => column !== null && virtual.has(column)))
    .filter((index) => counter === undefined || index.parts[0]?.column !== counter)
    .map((index) => index.name);
}
