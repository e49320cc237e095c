/**
 * Plain indexes that somebody adds to the source or drops from it while it is migrated: the shadow gets the same. What cannot be
 * followed with certainty is a changed source like any other.
 */

import { createHash } from 'node:crypto';
import type { Plan, SourceIndexes } from '../engine/model.ts';
import { isPlain, type TableDescription } from './catalog.ts';
import { type CreateStatement, indexesOverVirtual, readCreateStatement } from './create-statement.ts';
import { isSameInAnyCase } from './name-case.ts';
import { quoteTable } from './statements.ts';

/** What the shadow must have otherwise than planned, by name. An index that is another one under its old name is in both. */
export interface IndexChanges {
  /** Definitions as ALTER TABLE … ADD takes them. */
  readonly added: ReadonlyMap<string, string>;
  /** With the definition that was planned. */
  readonly dropped: ReadonlyMap<string, string>;
}

export const noChanges: IndexChanges = { added: new Map(), dropped: new Map() };

/** What a plan keeps of the source, so that a change of its indexes alone is known as such. */
export function sourceIndexes(source: TableDescription): SourceIndexes {
  const { columns, otherElements, options } = readCreateStatement(source.createStatement);
  const plain = plainIndexes(source);
  const texts = new Set(plain.values());
  const rest = { columns: [...columns], otherElements: otherElements.filter((element) => !texts.has(element)), options };
  return { plain: Object.fromEntries(plain), rest: createHash('sha256').update(JSON.stringify(rest)).digest('hex') };
}

/**
 * What the shadow must have otherwise, where the source is as planned but for plain indexes; null where it is not, or where it is not
 * certain what the server's own ALTER would make of them. Nothing to do is two empty maps.
 */
export function indexChanges(plan: Plan, source: TableDescription): IndexChanges | null {
  const before = plan.sourceIndexes;
  const now = sourceIndexes(source);
  if (before === undefined || before.rest !== now.rest) return null;
  const [had, has] = [new Map(Object.entries(before.plain)), new Map(Object.entries(now.plain))];
  const added = new Map([...has].filter(([name, text]) => had.get(name) !== text));
  const dropped = new Map([...had].filter(([name, text]) => has.get(name) !== text));
  const planned = plannedShadow(plan);
  if (planned === null) return added.size + dropped.size === 0 ? { added, dropped } : null;
  const canDrop = [...dropped].every(([name, text]) => planned.indexes.get(name) === text);
  const canAdd = [...added.keys()].every((name) => {
    const isFree = dropped.has(name) || ![...planned.indexes.keys()].some((known) => isSameInAnyCase(known, name));
    return isFree && source.indexes.some((index) => index.name === name && canIndex(plan, source, planned, index));
  });
  return canDrop && canAdd ? { added, dropped } : null;
}

/** Definitions by name that indexes of the shadow must have: those which the source has alike and the change leaves as they are. */
export function wantedIndexes(plan: Plan, { added, dropped }: IndexChanges): ReadonlyMap<string, string> {
  const planned = plannedShadow(plan)?.indexes;
  const kept = Object.entries(plan.sourceIndexes?.plain ?? {}).filter(
    ([name, text]) => planned?.get(name) === text && !dropped.has(name),
  );
  return new Map([...kept, ...added]);
}

/** Names of plain indexes of the shadow that neither the plan nor the source has: followed, and dropped there since, or made by hand. */
export function surplusIndexes(plan: Plan, shadow: TableDescription, wanted: ReadonlyMap<string, string>): readonly string[] {
  const planned = plannedShadow(plan);
  if (planned === null || plan.sourceIndexes === undefined) return [];
  return [...plainIndexes(shadow).keys()].filter((name) => !planned.indexes.has(name) && !wanted.has(name));
}

/** As clauses, for people. */
export function describeIndexChanges({ added, dropped }: IndexChanges): readonly string[] {
  return [
    ...[...dropped.keys()].filter((name) => !added.has(name)).map((name) => `the index ${name} was dropped`),
    ...[...added.keys()].map((name) => `the index ${name} was ${dropped.has(name) ? 'altered' : 'added'}`),
  ];
}

/** Those that are nothing but a help for queries, over columns whose values the log and the copy carry; definitions by name. */
function plainIndexes(source: TableDescription): ReadonlyMap<string, string> {
  const shown = readCreateStatement(source.createStatement);
  const virtual = indexesOverVirtual(shown);
  const plain = source.indexes.filter(isPlain).filter(({ name }) => !virtual.includes(name));
  return new Map([...shown.indexes].filter(([name]) => plain.some((index) => index.name === name)));
}

/** The shadow as it was planned; null where its text was not known beforehand. */
export function plannedShadow({ shadow, shadowDefinition }: Plan): CreateStatement | null {
  const isKnown = !shadowDefinition.startsWith(`CREATE TABLE ${quoteTable(shadow)} LIKE `);
  return isKnown ? readCreateStatement(shadowDefinition) : null;
}

/** Types of which an index takes a prefix only, or none at all. */
const LONG =
  /^(?:(?:tiny|medium|long)?(?:text|blob)|json|geometry|point|linestring|polygon|multi\w+|geometrycollection|vector)\b/i;
/** All that an index takes, bytes; some old formats of rows take less. */
const KEY_BYTES_MAX = 3072;

/** Whether an index of the source means the same on the shadow: its columns are called alike there, and take what it takes of them. */
function canIndex(
  plan: Plan,
  source: TableDescription,
  planned: CreateStatement,
  { parts }: TableDescription['indexes'][number],
): boolean {
  const columns = parts.map(({ column, prefixLength }) => {
    const isCarried = plan.columns.some((pair) => pair.source === column && pair.shadow === column);
    const before = source.columns.find(({ name }) => name === column)?.definition;
    return { isCarried, before, after: planned.columns.get(column ?? ''), prefixLength };
  });
  if (columns.every(({ isCarried, before, after }) => isCarried && before === after)) return true;
  const bytes = columns.reduce((sum, { after = '', prefixLength }) => sum + bytesOf(after, prefixLength), 0);
  return (
    bytes <= KEY_BYTES_MAX &&
    columns.every(
      ({ isCarried, before, after, prefixLength }) =>
        isCarried && after !== undefined && (before === after || (prefixLength === null && !LONG.test(after))),
    )
  );
}

/** Of a column in an index, at most. */
function bytesOf(definition: string, prefixLength: number | null): number {
  const [, type = '', declared] = /^((?:var)?(?:char|binary))\((\d+)\)/i.exec(definition) ?? [];
  return (prefixLength ?? Number(declared ?? 2)) * (type.endsWith('binary') ? 1 : 4);
}
