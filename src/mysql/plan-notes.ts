/** What an operator should know before starting, beside the obstacles: one sentence each. */

import type { PlanOptions } from '../engine/model.ts';
import { BUSY_FROM } from '../engine/transaction-window.ts';
import { roundTripNotes } from '../sessions/round-trip.ts';
import type { AttachedReplica } from './attached-replicas.ts';
import { keyColumnKind, type Column } from './catalog.ts';
import { judgeConversion } from './conversions.ts';
import { checkNames, readCreateStatement } from './create-statement.ts';
import { type Dependent, dependentNotes } from './dependents.ts';
import { isSameOrder } from './key-collation.ts';
import { foreignKeyNotes } from './foreign-keys.ts';
import { histogramNotes } from './histograms.ts';
import { implicitDefaults } from './implicit-defaults.ts';
import { type LogRetention, retentionNotes } from './log-retention.ts';
import { type LogWriters, logWriterNotes } from './log-writers.ts';
import { isLocal } from './obstacles-computing.ts';
import { type Disk, diskNotes } from './obstacles-disk.ts';
import { sampleRows } from './obstacles-sample.ts';
import type { PlanningFacts } from './planning-facts.ts';
import { addedUniques } from './unique-indexes.ts';
import type { UnloggedSession } from './unlogged-sessions.ts';

/** What notes say of the server, whatever the table: what sessions there are, and what room there is. */
export interface ServerSurroundings {
  readonly hasReplicas: boolean;
  /** Those that the server tells of. */
  readonly attachedReplicas: readonly AttachedReplica[];
  readonly unloggedSessions: readonly UnloggedSession[];
  /** Who holds one, one sentence each. */
  readonly oldSnapshots: readonly string[];
  /** Null where the server cannot tell. */
  readonly disk: Disk | null;
  readonly logRetention: LogRetention;
  readonly logWriters: LogWriters;
  readonly roundTripMs: number;
}

/** The same, and what is beside the table: how indexes are built and why, and what else there is of it. */
export interface PlanSurroundings extends ServerSurroundings {
  /** Whether applications keep their sessions busy; asked only where it matters. */
  readonly isBusy: boolean;
  readonly isDeferring: boolean;
  readonly deferIndexes: PlanOptions['deferIndexes'];
  readonly dependents: readonly Dependent[];
  /** Columns with statistics about their values. */
  readonly histograms: readonly string[];
  /** Names of the table's triggers. */
  readonly triggers: readonly string[];
  /** Why it is not known who holds a lock on the table. */
  readonly holderNotes: readonly string[];
}

/** All notes of a plan. */
export function planNotes(facts: PlanningFacts, surroundings: PlanSurroundings): readonly string[] {
  return [
    ...conversionNotes(facts),
    ...computedNotes(facts),
    ...numberNotes(facts),
    ...zeroNotes(facts),
    ...checkNotes(facts),
    ...foreignKeyNotes(facts.foreignKeys ?? [], facts.source),
    ...triggerNotes(surroundings),
    ...dependentNotes(surroundings.dependents, facts.map),
    ...histogramNotes(surroundings.histograms, facts.source, facts.setting.isMariaDb),
    ...keyNotes(facts),
    ...probeNotes(facts),
    ...sampleNotes(facts),
    ...indexNotes(surroundings),
    ...replicaNotes(surroundings),
    ...surroundings.unloggedSessions.map(sessionNote),
    ...surroundings.oldSnapshots.map(snapshotNote),
    ...surroundings.holderNotes,
    ...diskNotes(surroundings.disk, facts.source),
    ...retentionNotes(surroundings.logRetention, facts.source.dataBytes),
    ...logWriterNotes(surroundings.logWriters),
    ...roundTripNotes(surroundings.roundTripMs),
  ];
}

function conversionNotes({ map, setting }: PlanningFacts): readonly string[] {
  return map.kept.flatMap(([source, shadow]) => {
    if (shadow.generated !== 'none') {
      return source.generated === 'none' ? [`${source.name}: its values are replaced by the generated ones.`] : [];
    }
    const conversion = judgeConversion(source, shadow, setting);
    const nulls =
      source.isNullable && !shadow.isNullable ? [`${change(source, shadow)}: a row with NULL stops the migration.`] : [];
    if (conversion.kind === 'same' || conversion.kind === 'refused' || conversion.note === null) return nulls;
    return [`${change(source, shadow)}: ${conversion.note}.`, ...nulls];
  });
}

/** Functions that go by lc_time_names. */
const inALanguage = /\b(?:date_format|dayname|monthname|str_to_date)\b/i;

/** The server's own ALTER computes what is stored anew where it copies the table, and keeps it where it rebuilds it in place. */
function computedNotes({ map, probed }: PlanningFacts): readonly string[] {
  return map.kept
    .filter(([source, shadow]) => source.generated === 'stored' && shadow.generated === 'stored')
    .filter(([, { definition }]) => inALanguage.test(definition) || isLocal(definition, probed.definition.columns))
    .map(
      ([, { name }]) =>
        `${name}: it is computed anew, in the zone and the language of the server; what sessions with others have stored changes.`,
    );
}

function numberNotes({ map, probed }: PlanningFacts): readonly string[] {
  const counter = probed.definition.columns.find((column) => column.isAutoIncrement);
  if (counter === undefined || !map.added.includes(counter.name)) return [];
  return [`${counter.name}: rows are numbered as they are copied, and one that is changed meanwhile gets another number.`];
}

/** The server lets such a column be added without a word. */
function zeroNotes({ map, probed }: PlanningFacts): readonly string[] {
  return implicitDefaults(probed.definition, map.added).map(
    ({ column }) =>
      `${column}: it is NOT NULL without a DEFAULT, so rows get the zero of its type, and from the swap on an INSERT that does not name it fails in strict mode.`,
  );
}

/** `price, decimal(10,2) to decimal(10,1)`. */
function change(source: Column, shadow: Column): string {
  const name = source.name === shadow.name ? source.name : `${source.name} (now ${shadow.name})`;
  const types = [source, shadow].map((column) => column.columnType + (column.charset === null ? '' : ` ${column.charset}`));
  return types[0] === types[1] ? name : `${name}, ${types.join(' to ')}`;
}

/** On MySQL the names of CHECK constraints are unique in a schema, and the source has them until it is dropped. */
function checkNotes({ source, setting }: PlanningFacts): readonly string[] {
  if (setting.isMariaDb) return [];
  const isOwn = (name: string): boolean => !name.startsWith(`${source.table}_chk_`);
  const names = checkNames(readCreateStatement(source.createStatement)).filter(isOwn);
  if (names.length === 0) return [];
  return [
    `CHECK constraints lose their names, because names are unique in a schema: ${names.join(', ')} will be called ${source.table}_chk_1 and so on.`,
  ];
}

function triggerNotes({ triggers }: PlanSurroundings): readonly string[] {
  if (triggers.length === 0) return [];
  return [
    `Its triggers (${triggers.join(', ')}) are given to the new table at the swap. The tables that they use are locked with it for that moment.`,
  ];
}

function keyNotes({ key, map }: PlanningFacts): readonly string[] {
  const notes: string[] = [];
  const isKeyText = (column: Column): boolean => key.columns.includes(column.name) && keyColumnKind(column) === 'text';
  const recollated = map.kept.filter(([source, shadow]) => isKeyText(source) && !isSameOrder(source, shadow));
  if (recollated.length > 0) {
    const names = recollated.map(([source]) => source.name).join(', ');
    notes.push(
      `Keys are compared in another way after the change (${names}): rows are found by their exact spelling, verifying takes several times as long, and two keys that become equal stop the migration.`,
    );
  }
  if (key.index !== 'PRIMARY')
    notes.push(`Rows are walked by the unique key ${key.index}, which is slower than by a primary key.`);
  if (!key.isOrderKnown) {
    notes.push(
      `Only the server knows the order of the key (${key.columns.join(', ')}), so changes wait for the chunks in flight.`,
    );
  }
  return notes;
}

function probeNotes({ probed, source }: PlanningFacts): readonly string[] {
  const notes: string[] = [];
  if (!probed.isExact) {
    notes.push(
      'Full-text indexes, partitions and storage options could not be tried beforehand, as the user may make no table; the server checks them when the shadow is made.',
    );
  }
  if (/\b(ENCRYPTION|ENCRYPTED)\b/i.test(source.tableOptions)) notes.push('The table is encrypted; so will the shadow be.');
  return notes;
}

/** Only what can fail or collide is tried beforehand. */
function sampleNotes(facts: PlanningFacts): readonly string[] {
  const { source, map, setting } = facts;
  const rows = sampleRows(facts);
  const isConverting = map.kept.some(([column, shadow]) => judgeConversion(column, shadow, setting).kind !== 'same');
  if (source.estimatedRows <= 2 * rows || (!isConverting && addedUniques(facts).length === 0)) return [];
  return [`Only the first and the last ${rows} rows are tried beforehand; one between them that does not fit stops the copy.`];
}

function sessionNote({ connectionId, user, setting }: UnloggedSession): string {
  const what = setting === 'sql_log_bin' ? 'logs nothing (sql_log_bin is OFF)' : 'logs statements (binlog_format is not ROW)';
  const effect = setting === 'sql_log_bin' ? 'only the verification notices' : 'the migration stops at';
  return `Connection ${connectionId} of ${user} ${what}: ${effect} what it writes to the table.`;
}

function snapshotNote(holder: string): string {
  return `An open transaction may keep its view of the rows, and the cutover waits for its end (--old-snapshots): ${holder}.`;
}

function indexNotes({ hasReplicas, isBusy, isDeferring, deferIndexes }: PlanSurroundings): readonly string[] {
  if (deferIndexes === 'auto' && hasReplicas) {
    return [
      'A replica is attached, or it cannot be told: indexes are kept during the copy, for building them later would stall it.',
    ];
  }
  if (isBusy) {
    return [
      `The sessions of applications are busy for ${100 * BUSY_FROM} % of the time or more: indexes are kept during the copy, for building them later cannot be slowed down (--defer-indexes always builds them nevertheless).`,
    ];
  }
  return isDeferring && hasReplicas
    ? ['Building the indexes after the copy will stall the replicas for as long as it takes.']
    : [];
}

function replicaNotes({ attachedReplicas }: PlanSurroundings): readonly string[] {
  if (attachedReplicas.length === 0) return [];
  const labels = attachedReplicas.map(({ label }) => label).join(', ');
  return [
    `Replicas found: ${labels}. Copying waits for those that the same login can ask (--max-lag, --no-replica-discovery); name others by --replicas.`,
  ];
}
