/** What somebody has altered on a table, in words: for the message that ends a run. Nothing is decided by it. */

import type { Index, TableDescription } from './catalog.ts';
import { fingerprinted } from './shadow.ts';
import { withoutSettings } from './table-settings.ts';

/** More are not told. */
const TOLD_MAX = 5;

/** A clause for each change that ends a run, joined by commas; empty where none is known. `before` is null where that was not seen. */
export function definitionChanges(before: TableDescription | null, now: TableDescription): string {
  if (before === null) return '';
  if (before.oid !== now.oid) return 'it is another table';
  const [old, fresh] = [fingerprinted(withoutSettings(before)), fingerprinted(withoutSettings(now))];
  const changes = [
    ...partChanges('column', old.columns, fresh.columns),
    ...partChanges('index', old.indexes, fresh.indexes),
    ...partChanges('constraint', old.constraints, fresh.constraints),
    ...partChanges('statistics', old.statistics, fresh.statistics),
    ...partChanges('sequence', old.sequences, fresh.sequences),
    ...properties
      .filter(([name]) => name !== 'leaf' || (old.isPartition && fresh.isPartition))
      .flatMap(([name, word]) => (isSame(old[name], fresh[name]) ? [] : [`${word} was changed`])),
  ];
  return joined(changes);
}

/** The same of indexes alone. */
export function indexChanges(before: readonly Index[], now: readonly Index[]): string {
  return joined(partChanges('index', before, now));
}

function joined(changes: readonly string[]): string {
  const more = changes.length > TOLD_MAX ? [`and ${changes.length - TOLD_MAX} more`] : [];
  return [...changes.slice(0, TOLD_MAX), ...more].join(', ');
}

/** What can be set on a table as a whole. */
const properties: readonly (readonly [keyof TableDescription, string])[] = [
  ['replicaIdentity', 'the replica identity'],
  ['owner', 'the owner'],
  ['hasRowSecurity', 'row security'],
  ['forcesRowSecurity', 'whether row security is forced'],
  ['tablespace', 'the tablespace'],
  ['accessMethod', 'the access method'],
  ['isPartition', 'whether it is a partition'],
  ['leaf', 'its bound, an index of its table, or the DEFAULT partition beside it,'],
  ['isInherited', 'what it inherits from, or what inherits from it,'],
  ['isTyped', 'the type that it is of'],
  ['typeComment', 'the comment of its type'],
];

interface Part {
  readonly name: string;
}

function partChanges(kind: string, before: readonly Part[], now: readonly Part[]): readonly string[] {
  const found = (parts: readonly Part[], name: string): Part | undefined => parts.find((part) => part.name === name);
  const told = (parts: readonly Part[], what: string): readonly string[] =>
    parts.map(({ name }) => `${kind} ${name} was ${what}`);
  const altered = now.filter((part) => found(before, part.name) !== undefined && !isSame(found(before, part.name), part));
  return [
    ...told(
      now.filter(({ name }) => found(before, name) === undefined),
      'added',
    ),
    ...told(
      before.filter(({ name }) => found(now, name) === undefined),
      'dropped',
    ),
    ...told(altered, 'altered'),
  ];
}

function isSame(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
