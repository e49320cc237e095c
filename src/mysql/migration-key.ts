/** Chooses the key that walks the table and identifies rows in the source and in the shadow alike. */

import type { ColumnPair, MigrationKey } from '../engine/model.ts';
import type { Obstacle } from '../engine/obstacles.ts';
import { keyColumnKind, keyColumns, type Column, type Index, type TableDescription } from './catalog.ts';
import { isMemberPrefix } from './conversions.ts';
import { isSameOrder, isSpellingKept } from './key-collation.ts';
import { isSameInAnyCase } from './name-case.ts';
import { compareKeysFor } from './row-key-order.ts';

/** What the choice depends on. */
export interface KeyChoice {
  readonly source: TableDescription;
  readonly shadow: TableDescription;
  readonly pairs: readonly ColumnPair[];
  /** Index that was asked for, or null to choose. */
  readonly asked: string | null;
}

/**
 * The migration key, or why there is none. The columns must be NOT NULL and keep their values and their text form, for the
 * same literals are used on both tables; so an INT may become a BIGINT, but not a VARCHAR. They keep their order too, but for
 * text, which may change its character set or collation as long as its spelling can be told. The primary key is preferred, then
 * a single integer, then a key whose order is known, then the one with the fewest columns.
 *
 * An index over the same columns may be missing after the change, because each unique one of a partitioned table has the columns of
 * the partitioning in it. Then one that begins with them will do, or one over the first of them: the longer of the two is unique in
 * both tables, and its columns are the key.
 */
export function chooseKey(choice: KeyChoice): MigrationKey | Obstacle {
  const { source, asked } = choice;
  const name = `${source.schema}.${source.table}`;
  if (asked !== null) {
    const index = source.indexes.find((index) => isSameInAnyCase(index.name, asked));
    if (index === undefined) return { code: 'UNSUPPORTED_KEY', message: `${name} has no index ${asked}.` };
    const judged = judgeKey(index, choice);
    if (typeof judged !== 'string') return judged;
    return { code: 'UNSUPPORTED_KEY', message: `${index.name} of ${name} cannot be the migration key: ${judged}.` };
  }
  const keys: MigrationKey[] = [];
  const reasons: string[] = [];
  for (const index of source.indexes.filter((index) => index.isUnique)) {
    const judged = judgeKey(index, choice);
    if (typeof judged === 'string') reasons.push(`${index.name}: ${judged}`);
    else keys.push(judged);
  }
  const [best] = keys.toSorted((a, b) => preference(a, choice) - preference(b, choice));
  if (best !== undefined) return best;
  return {
    code: 'NO_SHARED_KEY',
    message:
      reasons.length === 0
        ? `${name} has no unique key.`
        : `No unique key of ${name} identifies rows both before and after the change (${reasons.join('; ')}).`,
  };
}

/** Smaller is better. */
function preference(key: MigrationKey, { source, shadow }: KeyChoice): number {
  const columnsOf = (table: TableDescription, name: string): number =>
    table.indexes.find((index) => index.name === name)?.parts.length ?? 0;
  if (columnsOf(source, key.index) !== columnsOf(shadow, key.shadowIndex)) return 1000 + key.columns.length;
  if (key.index === 'PRIMARY') return 0;
  const isInteger = keyColumns(source, key.columns).every((column) => column.kind === 'integer');
  return (isInteger && key.columns.length === 1 ? 100 : key.isOrderKnown ? 200 : 300) + key.columns.length;
}

/** The key that this index makes, or why it makes none. */
function judgeKey(index: Index, choice: KeyChoice): MigrationKey | string {
  const fault = indexFault(index);
  if (fault !== null) return fault;
  const columns = index.parts.map((part) => part.column ?? '');
  const shadowColumns = judgeColumns(columns, choice);
  if (typeof shadowColumns === 'string') return shadowColumns;
  const usable = choice.shadow.indexes.filter((index) => indexFault(index) === null);
  const same = usable.find((index) => hasColumns(index, shadowColumns));
  const found =
    same === undefined ? findOtherLength(usable, { columns, shadowColumns }, choice) : { shadowIndex: same, added: [] };
  if (found === null) return 'it is not unique over the same columns after the change, nor is an index that begins with them';
  const { shadowIndex, added } = found;
  const all = [...columns, ...added.map((column) => column.source)];
  return {
    index: index.name,
    columns: all,
    shadowColumns: [...shadowColumns, ...added.map((column) => column.shadow)],
    shadowIndex: shadowIndex.name,
    isOrderKnown: compareKeysFor(keyColumns(choice.source, all)) !== undefined,
  };
}

/** What the columns are called in the shadow, or why one of them identifies no rows there. */
function judgeColumns(columns: readonly string[], { source, shadow, pairs }: KeyChoice): readonly string[] | string {
  const shadowColumns: string[] = [];
  for (const name of columns) {
    const column = source.columns.find((column) => column.name === name);
    if (column === undefined) return `${name} is not among the columns`;
    const shadowColumn = shadowColumnOf(column, shadow, pairs);
    if (shadowColumn === null) return `${name} is not carried over`;
    const reason = columnFault(column, shadowColumn);
    if (reason !== null) return `${name} ${reason}`;
    shadowColumns.push(shadowColumn.name);
  }
  return shadowColumns;
}

/** An index of the shadow over more columns than the key, which begins with them, or over fewer, with which the key begins. */
function findOtherLength(
  usable: readonly Index[],
  { columns, shadowColumns }: { readonly columns: readonly string[]; readonly shadowColumns: readonly string[] },
  choice: KeyChoice,
): { readonly shadowIndex: Index; readonly added: readonly ColumnPair[] } | null {
  for (const shadowIndex of usable) {
    const names = shadowIndex.parts.map((part) => part.column ?? '');
    const length = Math.min(names.length, columns.length);
    if (!names.slice(0, length).every((name) => shadowColumns.slice(0, length).includes(name))) continue;
    const added = names.slice(length).map((name) => ({ source: sourceColumnOf(name, choice), shadow: name }));
    if (
      typeof judgeColumns(
        added.map((column) => column.source),
        choice,
      ) !== 'string'
    )
      return { shadowIndex, added };
  }
  return null;
}

function sourceColumnOf(shadowColumn: string, { pairs }: KeyChoice): string {
  return pairs.find((pair) => pair.shadow === shadowColumn)?.source ?? shadowColumn;
}

/** Why no rows can be walked and found by this index. */
function indexFault(index: Index): string | null {
  if (!index.isUnique) return 'it is not unique';
  if (index.isHidden) return 'the server hides it (INVISIBLE or IGNORED), so that no statement may name it';
  if (index.type !== 'BTREE') return `it is a ${index.type} index`;
  if (index.parts.some((part) => part.column === null)) return 'it has an expression';
  if (index.parts.some((part) => part.prefixLength !== null)) return 'it has only a prefix of a column';
  const [first] = index.parts;
  // A walk would have to sort the rest of the table for each chunk.
  return index.parts.some((part) => part.isDescending !== first?.isDescending) ? 'it is partly descending' : null;
}

function hasColumns(index: Index, columns: readonly string[]): boolean {
  return index.parts.length === columns.length && index.parts.every((part) => columns.includes(part.column ?? ''));
}

function shadowColumnOf(column: Column, shadow: TableDescription, pairs: readonly ColumnPair[]): Column | null {
  const pair = pairs.find((pair) => pair.source === column.name);
  // A column that is generated in both is not copied, but has the same value where its expression is the same.
  const name = pair?.shadow ?? (column.generated === 'stored' ? column.name : null);
  return shadow.columns.find((column) => column.name === name) ?? null;
}

/** The servers compare a SET with a number as doubles, which tell no more members apart. */
const SET_MEMBERS_MAX = 52;

/** Why a column does not identify rows in both tables; null where it does. */
function columnFault(source: Column, shadow: Column): string | null {
  if (source.isNullable || shadow.isNullable) return 'may be NULL';
  const kind = keyColumnKind(source);
  if (kind === null) return `is of type ${source.columnType}`;
  if (kind === 'set' && source.members.length > SET_MEMBERS_MAX) return `is a SET of more than ${SET_MEMBERS_MAX} members`;
  if (source.generated !== 'none' || shadow.generated !== 'none') {
    // A definition does not say the table's collation, in which the same expression may give another value.
    const isSame = source.generated === 'stored' && source.definition === shadow.definition;
    return isSame && source.collation === shadow.collation ? null : 'is generated';
  }
  if (keyColumnKind(shadow) !== kind) return `becomes ${shadow.columnType}`;
  const unordered = [source, shadow].find(isOutOfOrder);
  if (unordered !== undefined) {
    return `is CHAR with the collation ${unordered.collation}, whose index MariaDB orders otherwise than it compares values, so that a walk of it would leave rows out; make it a VARCHAR first, which the server’s own ALTER does, or add another unique key`;
  }
  if (kind === 'text' && !isSameOrder(source, shadow) && !isSpellingKept(source, shadow)) {
    return `becomes ${shadow.charset}, in which keys in ${source.charset} cannot be told exactly; make another unique key the migration key, or add an integer column with one first`;
  }
  return isIdentity(source, shadow) ? null : `becomes ${shadow.columnType}`;
}

/**
 * MariaDB keeps a CHAR in its index filled up with spaces, also where the collation does not pad: there a tab comes before the empty
 * text, which a comparison holds less. A range over such a column leaves rows out. VARCHAR has no spaces added, and MySQL no such index.
 */
function isOutOfOrder({ dataType, collation }: Column): boolean {
  return dataType === 'char' && collation !== null && collation.includes('_nopad_');
}

/** Whether values of equal kind keep their text and, but for text (key-collation.ts), their order. */
function isIdentity(source: Column, shadow: Column): boolean {
  switch (keyColumnKind(source)) {
    case 'integer':
    case 'year':
    case 'date':
    case 'uuid':
    case 'inet4':
    case 'inet6':
      return true;
    case 'bit':
      return shadow.precision >= source.precision;
    case 'decimal':
      return shadow.scale === source.scale;
    case 'text':
      return isWideEnough(source, shadow) && !(source.dataType !== 'char' && shadow.dataType === 'char');
    case 'binary':
      return shadow.dataType === 'binary' ? source.columnType === shadow.columnType : isWideEnough(source, shadow);
    case 'enum':
    case 'set':
      // Keys are the numbers of members, whatever their collation.
      return isMemberPrefix(source, shadow);
    case 'time':
    case 'datetime':
    case 'timestamp':
      return source.fractionalDigits === shadow.fractionalDigits;
    case null:
      return false;
  }
}

function isWideEnough(source: Column, shadow: Column): boolean {
  return (shadow.length ?? 0) >= (source.length ?? 0);
}
