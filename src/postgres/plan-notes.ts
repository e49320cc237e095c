/** What an operator should know before starting, beside the obstacles: one sentence each. */

import type { MigrationKey, PlanOptions, TableName } from '../engine/model.ts';
import type { Partitioning } from './alter-clauses.ts';
import type { Column, TableDescription } from './catalog.ts';
import { readDependents } from './dependents.ts';
import { nameOf, readMaterializedViews } from './materialized-views.ts';
import { partnersOf, readForeignKeys } from './foreign-keys.ts';
import type { Leaf } from './leaf-partition.ts';
import type { PlanningFacts } from './planning-facts.ts';
import { keepsValues } from './migration-key.ts';
import { readRowTypeFunctions } from './row-type-functions.ts';
import type { Session } from './session.ts';

/** All notes of a plan. */
export function planNotes({ source, reading, probed, key }: PlanningFacts): readonly string[] {
  return [
    ...(reading.partitioning === null ? [] : partitionNotes(reading.partitioning, key)),
    ...(source.leaf === undefined ? [] : [leafNote(source.leaf)]),
    ...probed.kept.flatMap(([column, shadow]) => columnNotes(column, shadow, probed.usings.get(column.name))),
    ...probed.definition.columns.slice(probed.kept.length).flatMap(addedNotes),
    ...(source.replicaIdentity === 'f'
      ? ['The table logs whole rows (REPLICA IDENTITY FULL), so more of its log is read.']
      : []),
    ...(key.isOrderKnown
      ? []
      : [`Only the server knows the order of the key (${key.columns.join(', ')}), so changes wait for the chunks in flight.`]),
  ];
}

function leafNote({ parent: { schema, table } }: Leaf): string {
  return `The swap detaches the partition from ${schema}.${table} and attaches the new one: statements on all partitions wait for it.`;
}

function partitionNotes({ method, partitions }: Partitioning, { columns, shadowIndex }: MigrationKey): readonly string[] {
  const names = partitions.map(({ name }) => name).join(', ');
  return [
    `The new table is partitioned by ${method}: ${names}. Statements that say ONLY find no rows in it, and its statistics are gathered by ANALYZE alone.`,
    `Until the swap each changed row is looked for by ${columns.join(', ')} in the index ${shadowIndex} of every partition.`,
  ];
}

/** What is bound to the table, and what its users will feel. */
export async function dependentNotes(
  session: Session,
  { oid }: TableDescription,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const dependents = await readDependents(session, [oid], signal);
  const list = (isOf: (kind: string) => boolean): string =>
    dependents
      .filter(({ kind }) => isOf(kind))
      .map(({ description }) => description)
      .join(', ');
  const locked = list((kind) => kind !== 'function');
  const called = list((kind) => kind === 'function');
  const remade = (await readRowTypeFunctions(session, [oid], signal)).join(', ');
  return [
    ...(locked === '' ? [] : [`The cutover locks these too, and binds them to the new table: ${locked}.`]),
    ...(called === ''
      ? []
      : [
          `The cutover binds these to the new table; a statement that is calling one reads the old table to its end: ${called}.`,
        ]),
    ...(remade === ''
      ? []
      : [
          `The cutover makes these again, for the type of the rows is another; a call that is at work then may fail once: ${remade}.`,
        ]),
  ];
}

/** What is made again where that is asked for, and how fresh it then is. */
export async function materializedViewNotes(
  session: Session,
  source: TableName,
  { materializedViews }: PlanOptions,
  signal: AbortSignal,
): Promise<readonly string[]> {
  if (materializedViews !== 'recreate') return [];
  const names = (await readMaterializedViews(session, source, signal)).map(nameOf);
  return names.length === 0
    ? []
    : [
        `These materialised views are filled anew before the cutover, which takes room for a second copy, and swapped with the table: ${names.join(', ')}. A REFRESH of one meanwhile makes the attempt fail.`,
      ];
}

/** What foreign keys tie to the table but its siblings, and that there is something to be done after the swap. */
export async function foreignKeyNotes(
  session: Session,
  { oid }: TableDescription,
  siblings: readonly TableName[],
  signal: AbortSignal,
): Promise<readonly string[]> {
  const keys = await readForeignKeys(session, [oid], signal);
  if (keys.length === 0) return [];
  const { children, parents } = partnersOf(keys, [oid]);
  const others = [...children, ...parents]
    .filter(({ schema, table }) => !siblings.some((one) => one.schema === schema && one.table === table))
    .map(({ schema, table }) => `${schema}.${table}`);
  const locked = others.length === 0 ? '' : `The cutover locks these too, for their foreign keys: ${others.join(', ')}. `;
  return [
    `${locked}Foreign keys (${keys.map(({ name }) => name).join(', ')}) are made again NOT VALID and validated after the swap.`,
  ];
}

function columnNotes(source: Column, shadow: Column, using: string | undefined): readonly string[] {
  const name = source.name === shadow.name ? source.name : `${source.name} (now ${shadow.name})`;
  if (shadow.generated !== '') {
    return source.generated === '' ? [`${name}: its values are replaced by the generated ones.`] : [];
  }
  const nulls = !source.isNotNull && shadow.isNotNull ? [`${name}: a row with NULL stops the migration.`] : [];
  if (using !== undefined) return [`${name}, ${source.type} to ${shadow.type}: its values become ${using}.`, ...nulls];
  if (keepsValues(source, shadow) || source.type === shadow.type) return nulls;
  return [`${name}, ${source.type} to ${shadow.type}: a value that does not fit stops the migration.`, ...nulls];
}

/** The server's own ALTER evaluates `now()` once, and a sequence in the order in which rows lie. */
function addedNotes(column: Column): readonly string[] {
  if (column.identity !== '' || /\bnextval"?\(/.test(column.expression ?? '')) {
    return [`${column.name}: rows are numbered as they are copied, and one that is changed meanwhile gets another number.`];
  }
  if (!column.isVolatile || column.generated !== '') return [];
  return [`${column.name}: its default is computed for each row when it is copied, and again when it is changed meanwhile.`];
}
