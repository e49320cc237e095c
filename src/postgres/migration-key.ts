/** Which key identifies rows: the log tells a changed row by the table's replica identity, so that is the key. */

import type { MigrationKey } from '../engine/model.ts';
import type { Obstacle } from '../engine/obstacles.ts';
import type { ProbedTable } from './alter-probe.ts';
import type { Column, Index, TableDescription } from './catalog.ts';
import { compareKeysFor } from './row-key-order.ts';
import { quoteName, quoteTable } from './statements.ts';

/** What the key is chosen from. */
export interface KeyChoice {
  readonly source: TableDescription;
  readonly probed: ProbedTable;
  /** The index that the operator names, or null. */
  readonly asked: string | null;
  /** `server_encoding` of the database. */
  readonly encoding: string;
}

/**
 * The migration key, or why there is none: the index of the replica identity; where whole rows are logged, the primary key or
 * the one asked for. Its columns must be NOT NULL and keep their values, their text and their order.
 */
export function chooseKey(choice: KeyChoice): MigrationKey | Obstacle {
  const { source, asked } = choice;
  const name = `${source.schema}.${source.table}`;
  const index = asked === null ? identifyingIndex(source) : source.indexes.find((index) => index.name === asked);
  if (index === undefined) {
    if (asked !== null) return { code: 'UNSUPPORTED_KEY', message: `${name} has no index ${asked}.` };
    return source.replicaIdentity === 'f'
      ? { code: 'NO_SHARED_KEY', message: `${name} has no primary key; name a unique index over NOT NULL columns with --key.` }
      : {
          code: 'NO_REPLICA_IDENTITY',
          message: `The log does not say which row of ${name} was changed: ${identityText(source)}.`,
        };
  }
  const judged = judgeKey(index, choice);
  if (typeof judged === 'string') {
    const code = asked === null ? 'NO_SHARED_KEY' : 'UNSUPPORTED_KEY';
    const way = asked === null ? otherIdentity(index, choice) : '';
    return { code, message: `${index.name} of ${name} cannot be the migration key: ${judged}.${way}` };
  }
  if (source.replicaIdentity === 'f' || index === identifyingIndex(source)) return judged;
  const lacking = `The log does not have the key ${index.name} of each changed row of ${name}; its replica identity is another one.`;
  return { code: 'UNSUPPORTED_KEY', message: `${lacking} ${index.name} can be it: ${identityStatement(index, source)}.` };
}

/** The log can be made to have another key. */
function otherIdentity(index: Index, choice: KeyChoice): string {
  const { source } = choice;
  const other = source.indexes.find((one) => one !== index && typeof judgeKey(one, choice) !== 'string');
  if (other === undefined || source.replicaIdentity === 'f') return '';
  return ` ${other.name} can, once the log has it: ${identityStatement(other, source)}.`;
}

/** Has the log tell by this index which row was changed. */
function identityStatement(index: Index, source: TableDescription): string {
  return `ALTER TABLE ${quoteTable(source)} REPLICA IDENTITY USING INDEX ${quoteName(index.name)}`;
}

/** The index whose columns the log has of each changed row; where it has all, the primary key. */
function identifyingIndex(source: TableDescription): Index | undefined {
  if (source.replicaIdentity === 'i') return source.indexes.find((index) => index.isReplicaIdentity);
  if (source.replicaIdentity === 'n') return undefined;
  return source.indexes.find((index) => index.isPrimary && (index.isImmediate || source.replicaIdentity === 'f'));
}

function identityText(source: TableDescription): string {
  if (source.replicaIdentity === 'n') return 'its replica identity is NOTHING';
  if (source.replicaIdentity === 'i') return 'the index of its replica identity is gone';
  return source.indexes.some((index) => index.isPrimary) ? 'its primary key is deferrable' : 'it has no primary key';
}

/** The key that this index makes, or why it makes none. */
function judgeKey(index: Index, { probed, encoding }: KeyChoice): MigrationKey | string {
  const fault = indexFault(index);
  if (fault !== null) return fault;
  const pairs: (readonly [Column, Column])[] = [];
  for (const attnum of index.keyAttnums) {
    const pair = probed.kept.find(([column]) => column.attnum === attnum);
    if (pair === undefined) return 'a column of it is dropped';
    const reason = columnFault(...pair, probed);
    if (reason !== null) return `${pair[0].name} ${reason}`;
    if (encoding === 'SQL_ASCII' && !writtenInAscii.test(pair[0].type)) {
      return `${pair[0].name} may hold bytes that are no letters, for the encoding of the database is SQL_ASCII`;
    }
    pairs.push(pair);
  }
  const attnums = pairs.map(([, shadow]) => shadow.attnum);
  // In the same order a range of keys is a range of the index, too.
  const begins = (index: Index): boolean => index.keyAttnums.slice(0, attnums.length).join(' ') === attnums.join(' ');
  const candidates = probed.definition.indexes.filter((index) => indexFault(index) === null && begins(index));
  const shadowIndex =
    candidates.find((index) => index.keyAttnums.length === attnums.length) ??
    candidates.find((index) => isWidened(index, attnums.length, probed));
  if (shadowIndex === undefined) {
    return probed.definition.kind === 'p'
      ? 'after the change no unique index begins with its columns and goes on with others that are NOT NULL and there already'
      : 'it is not unique over the same columns in the same order after the change';
  }
  const twin = probed.definition.indexes.find((index) => isDeferrableTwin(index, shadowIndex));
  if (twin !== undefined) {
    return `${twin.name}, over the same columns, is deferrable, with which the server takes no ON CONFLICT; it adds nothing to the key, so go without it`;
  }
  const columns = pairs.map(([{ name, attnum, type }]) => ({ name, attnum, type }));
  return {
    index: index.name,
    columns: columns.map(({ name }) => name),
    shadowColumns: pairs.map(([, shadow]) => shadow.name),
    shadowIndex: shadowIndex.name,
    isOrderKnown: compareKeysFor(columns) !== undefined,
  };
}

/**
 * Whether an index of a partitioned table, which must have the columns that it is partitioned by, will do beyond its first
 * columns (docs/decisions/postgres-partitioning.md): two rows with one key that are the same row must collide in it.
 */
function isWidened(index: Index, columns: number, { definition, kept }: ProbedTable): boolean {
  const further = index.keyAttnums.slice(columns).map((attnum) => kept.find(([, shadow]) => shadow.attnum === attnum)?.[1]);
  return definition.kind === 'p' && further.every((column) => column?.isNotNull === true && column.generated === '');
}

/** Whether ON CONFLICT with the columns of the one, which the server takes in any order, finds this index too, and is refused for it. */
function isDeferrableTwin(index: Index, of: Index): boolean {
  const columns = ({ keyAttnums }: Index): string => keyAttnums.toSorted((a, b) => a - b).join(' ');
  return index.isUnique && !index.isExclusion && !index.isImmediate && columns(index) === columns(of);
}

/** Why no rows can be walked and found by this index. */
function indexFault(index: Index): string | null {
  if (!index.isUnique) return 'it is not unique';
  if (index.isExclusion) return 'it is WITHOUT OVERLAPS, and has no order';
  if (!index.isValid) return 'it is not valid';
  if (!index.isImmediate) return 'it is deferrable';
  if (index.isPartial) return 'it covers a part of the rows only';
  if (index.keyAttnums.includes(0)) return 'it has an expression';
  // A walk would have to sort the rest of the table for each chunk.
  return index.isInDefaultOrder ? null : 'its order is not the usual one of its columns';
}

/** Why a column does not identify rows in both tables; null where it does. */
function columnFault(source: Column, shadow: Column, probed: ProbedTable): string | null {
  if (!source.isNotNull || !shadow.isNotNull) return 'may be NULL';
  if (source.generated !== '' || shadow.generated !== '') return 'is generated';
  if (probed.usings.has(source.name)) return 'gets new values';
  if (unsafeKeyTypes.has(source.type)) return `is of type ${source.type}, whose text does not always lead back to the value`;
  if (source.collation !== null && shadow.collation !== null && source.collation !== shadow.collation) {
    return `gets the collation ${shadow.collation}`;
  }
  return keepsValues(source, shadow) ? null : `becomes ${shadow.type}`;
}

/** Names of objects, which are renamed and dropped; and single bytes, which need not be characters (18 cannot compare them either). */
const unsafeKeyTypes: ReadonlySet<string> = new Set([
  ...['regclass', 'regcollation', 'regconfig', 'regdictionary', 'regnamespace', 'regoper', 'regoperator'],
  ...['regproc', 'regprocedure', 'regrole', 'regtype', '"char"'],
]);

/** Types whose text the server makes from numbers and words of its own. */
const writtenInAscii =
  /^(?:smallint|integer|bigint|numeric|real|double precision|money|boolean|date|time|timestamp|interval|uuid|bytea|bit|inet|cidr|macaddr8?|oid|pg_lsn|xid8)\b/;

const integers: readonly string[] = ['smallint', 'integer', 'bigint'];

/** Whether values stay what they are, in text, in order and in what counts as equal. */
export function keepsValues(source: Column, shadow: Column): boolean {
  if (source.collation !== shadow.collation) return false;
  if (source.type === shadow.type) return true;
  if (integers.includes(source.type)) return integers.indexOf(shadow.type) > integers.indexOf(source.type);
  if (source.bareType !== 'character varying' && source.bareType !== 'text') return false;
  if (shadow.bareType === 'text' || shadow.type === 'character varying') return true;
  return source.type !== 'text' && shadow.bareType === 'character varying' && lengthOf(shadow) >= lengthOf(source);
}

/** n of `character varying(n)`; without one there is no limit. */
function lengthOf({ type }: Column): number {
  return Number(/\((\d+)\)/.exec(type)?.[1] ?? Infinity);
}
