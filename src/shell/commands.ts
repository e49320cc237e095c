/** What the commands do, except for running a migration (run-command.ts) and cleaning up (cleanup-command.ts). */

import { MigrationError } from '../engine/errors.ts';
import type { Phase } from '../engine/model.ts';
import type { MigrationRecord, MigrationState } from '../engine/ports.ts';
import {
  DEFAULT_OPTIONS,
  listEvents,
  listMigrations,
  listStrays,
  type MigrationOptions,
  planFamily,
  planMigration,
} from '../index.ts';
import { hidePasswords } from '../server-url.ts';
import { pairChanges, strategyFor } from './asked-changes.ts';
import { familyPlanText } from './family-text.ts';
import { runControl, showLiveStatus } from './control-command.ts';
import { runCleanup } from './cleanup-command.ts';
import type { CommandLine } from './cli.ts';
import { runConfigCheck } from './config-check.ts';
import { columnsOfOutput, type Invocation, prepare, type Surroundings, withRemedies } from './invocation.ts';
import { abandonedLines, isOver, lastRunText, nextOf, stateSentence, stateText } from './last-run.ts';
import { columnsOf, oneLine } from './live-frame.ts';
import { nativePlanText, noNativeWayText } from './native-summary.ts';
import { obstaclesText, planText, tableText } from './plan-text.ts';
import { eventLines, tellEvent } from './recorded-events.ts';
import { jsonLine } from './reporter.ts';
import { findKeptTables, keepingText, type KeptTable, retiredText } from './retired-table.ts';
import { runMigrate, runResume } from './run-command.ts';
import { readableCount } from './units.ts';

/** Does what the command line says. Resolves with the exit code; rejects with what keeps a command from its work. */
export async function runCommand(
  line: Exclude<CommandLine, { kind: 'page' }>,
  surroundings: Surroundings,
  signal: AbortSignal,
): Promise<number> {
  if (line.kind === 'control') return await runControl(line, surroundings);
  if (line.kind === 'config') return await runConfigCheck(line.flags, surroundings);
  switch (line.command) {
    case 'plan':
      return await runPlan(await prepare('plan', line, surroundings, signal));
    case 'migrate':
      return await runMigrate(await prepare('migrate', line, surroundings, signal));
    case 'resume':
      return await runResume(await prepare('resume', line, surroundings, signal));
    case 'list':
      return await runList(await prepare('list', line, surroundings, signal));
    case 'status':
      return (
        (await showLiveStatus(line, surroundings)) ?? (await runStatus(await prepare('status', line, surroundings, signal)))
      );
    case 'cleanup':
      return await runCleanup(await prepare('cleanup', line, surroundings, signal));
  }
}

/** Of a change in the list, where one of hundreds of columns would fill the screen. */
const CHANGE_LENGTH_MAX = 120;

/** Why the server was not asked whether it carries the change out by itself. */
const HELD_BY_HAND = {
  clause: '--cutover manual',
  reason: 'the swap is to be held, and a native change has none; without it the server is asked whether it has a cheap way',
};

async function runPlan(invocation: Invocation<'plan'>): Promise<number> {
  const { values, server, surroundings } = invocation;
  const { killBlockersAfter } = values;
  const pace = { cutover: { ...DEFAULT_OPTIONS.cutover, killBlockersAfter } };
  const changes = pairChanges(values);
  const strategy = strategyFor(values, changes.length);
  const [change, ...others] = changes;
  if (change === undefined || others.length > 0) return await runFamilyPlan(invocation, pace);
  const planned = await planMigration({ ...server, ...change, strategy, pace });
  const isHeld = planned.plan !== null && values.strategy === 'auto' && strategy === 'shadow';
  const result = isHeld ? { ...planned, noNativeWay: HELD_BY_HAND } : planned;
  const { plan, native, noNativeWay, obstacles } = result;
  const exitCode = obstacles.length === 0 ? 0 : 2;
  if (values.output === 'json') {
    const fields = { kind: 'plan', ...result, obstacles: withRemedies(obstacles), exitCode };
    surroundings.stdout.write(jsonLine(surroundings.now(), fields));
    return exitCode;
  }
  const verdict = obstacles.length === 0 ? 'No obstacle: this can be migrated.\n' : obstaclesText(obstacles);
  const columns = columnsOfOutput(surroundings);
  const shown = native !== null ? nativePlanText(native, columns) : plan !== null ? planText(plan, columns) : '';
  const why = noNativeWayText(noNativeWay, columns);
  surroundings.stdout.write(shown === '' ? verdict : `${shown}${why}\n${verdict}`);
  return exitCode;
}

/** Several tables that are to be swapped together. */
async function runFamilyPlan(
  { values, server, surroundings }: Invocation<'plan'>,
  pace: Partial<MigrationOptions>,
): Promise<number> {
  const { plans, obstacles } = await planFamily({ ...server, changes: pairChanges(values), pace });
  const exitCode = obstacles.length === 0 ? 0 : 2;
  if (values.output === 'json') {
    const fields = { kind: 'family-plan', plans, obstacles: withRemedies(obstacles), exitCode };
    surroundings.stdout.write(jsonLine(surroundings.now(), fields));
    return exitCode;
  }
  const verdict = obstacles.length === 0 ? 'No obstacle: these can be migrated.\n' : obstaclesText(obstacles);
  const shown = plans === null ? '' : `${familyPlanText(plans, columnsOfOutput(surroundings))}\n`;
  surroundings.stdout.write(`${shown}${verdict}`);
  return exitCode;
}

async function runList(invocation: Invocation<'list'>): Promise<number> {
  const { values, server, surroundings } = invocation;
  const found = await listMigrations(server);
  const kept = found.some(({ state }) => state === 'done') ? await findKeptTables(server, values.soakMs) : [];
  const records = found.map((record) => shownRecord(invocation, record, kept));
  const strays = await listStrays(server);
  if (values.output === 'json') {
    surroundings.stdout.write(jsonLine(surroundings.now(), { kind: 'migrations', migrations: records, strays }));
    return 0;
  }
  const hasFamilies = records.some(({ plan }) => plan.family !== undefined);
  const head = [
    'ID',
    ...(hasFamilies ? ['FAMILY'] : []),
    'STATE',
    'PHASE',
    'TABLE',
    'STARTED',
    'LAST SAVED',
    'OLD TABLE',
    'STRATEGY',
    'CHANGE',
  ];
  const rows = records.map((record) => [
    record.id,
    ...(hasFamilies ? [record.plan.family?.id ?? '-'] : []),
    stateText(record),
    phaseOf(record) ?? placeText(record) ?? '-',
    tableText(record.plan.source),
    record.startedAt,
    record.updatedAt,
    record.retired === null ? '-' : soakText(record.retired, values.soakMs),
    record.plan.strategy,
    shortText(oneLine(record.plan.clauses)),
  ]);
  surroundings.stdout.write(records.length === 0 ? 'No migration is recorded on this server.\n' : tableLines([head, ...rows]));
  for (const line of [...abandonedLines(records), ...strays]) surroundings.stdout.write(`${line}\n`);
  return 0;
}

async function runStatus(invocation: Invocation<'status'>): Promise<number> {
  const { values, server, surroundings, id } = invocation;
  const all = await listMigrations({ ...server, id });
  const found = all.find((record) => id === null || record.id === id);
  if (found === undefined) {
    const what = id === null ? 'No migration' : `No migration ${id}`;
    throw new MigrationError('MIGRATION_NOT_FOUND', `${what} is recorded on this server.`);
  }
  const kept = found.state === 'done' ? await findKeptTables(server, values.soakMs) : [];
  const record = shownRecord(invocation, found, kept);
  const told = values.events === 0 ? [] : await listEvents({ ...server, id: record.id, eventsMax: values.events });
  const events = told.map(tellEvent);
  const siblings = siblingsOf(record, all);
  if (values.output === 'json') {
    surroundings.stdout.write(jsonLine(surroundings.now(), { kind: 'migration', ...record, siblings, events }));
    return 0;
  }
  surroundings.stdout.write(`${recordText(record, siblings)}${eventLines(events)}`);
  return 0;
}

/** A table that is swapped together with the one that is asked about. */
interface Sibling {
  readonly id: string;
  readonly table: string;
  /** `unknown`: nothing is recorded of it. */
  readonly state: MigrationState | 'unknown';
  readonly phase: Phase | null;
}

function siblingsOf({ id, plan }: MigrationRecord, all: readonly MigrationRecord[]): readonly Sibling[] {
  const others = (plan.family?.members ?? []).filter((member) => member.id !== id);
  return others.map((member) => {
    const record = all.find((one) => one.id === member.id);
    const phase = record === undefined ? null : phaseOf(record);
    return { id: member.id, table: tableText(member.source), state: record?.state ?? 'unknown', phase };
  });
}

/** A migration with its old table, if that still exists, and what to do where no process works on it. */
type ShownRecord = MigrationRecord & { readonly retired: KeptTable | null; readonly next: string | null };

function shownRecord(
  invocation: Invocation<'list'> | Invocation<'status'>,
  record: MigrationRecord,
  kept: readonly KeptTable[],
): ShownRecord {
  const retired = kept.find(({ id }) => id === record.id) ?? null;
  return { ...record, retired, next: nextOf(invocation, record) };
}

/** `status` has all of it. */
function shortText(text: string): string {
  return text.length <= CHANGE_LENGTH_MAX ? text : `${text.slice(0, CHANGE_LENGTH_MAX - 1)}…`;
}

function soakText({ ageMs, soakEndsAt, reasonToKeep }: KeptTable, soakMs: number): string {
  if (ageMs < soakMs) return `until ${soakEndsAt}`;
  return reasonToKeep === null ? 'may go' : 'in use';
}

/** The last checkpoint is from before the end; null where there is none. */
function phaseOf({ state, checkpoint }: MigrationRecord): Phase | null {
  return state === 'done' ? 'done' : (checkpoint?.phase ?? null);
}

/** `step 2 of 3`; null for a shadow, and before the first step. */
function placeText({ place, state }: MigrationRecord): string | null {
  return place === null || state === 'done' ? null : `step ${place.step} of ${place.steps}`;
}

function recordText(record: ShownRecord, siblings: readonly Sibling[]): string {
  const { plan, checkpoint, retired } = record;
  // The estimate is of the plan, and nothing any more when all are copied.
  const estimated =
    ['prepare', 'copy'].includes(checkpoint?.phase ?? '') && plan.strategy === 'shadow' ? plan.estimate.rows : null;
  const copied =
    checkpoint === null || plan.strategy === 'native'
      ? null
      : `${readableCount(checkpoint.rowsCopied)}${estimated === null ? '' : ` of ~${readableCount(estimated)}`} rows`;
  const verification = checkpoint?.verification;
  const compared =
    verification === undefined || verification.rowsCompared === 0
      ? null
      : `${readableCount(verification.rowsCompared)} rows in pass ${verification.pass}, ${verification.repairedTotal} repaired${verification.isClean ? ', all equal' : ''}`;
  const lines: readonly (readonly [string, string | null])[] = [
    ['migration', record.id],
    ['table', tableText(plan.source)],
    ['change', oneLine(plan.clauses)],
    ['strategy', plan.strategy],
    ['state', stateSentence(record)],
    [record.isRunning ? 'run by' : 'last run', lastRunText(record)],
    ...(plan.strategy === 'native'
      ? [
          [record.place?.definition === null ? 'not done' : 'begun last', placeText(record)] as const,
          ['statement', placeText(record) === null ? null : oneLine(record.place?.sql ?? '')] as const,
        ]
      : [['phase', phaseOf(record) ?? 'not begun'] as const]),
    ...siblings.map(({ id, table, state, phase }) => {
      const where = state === 'open' ? `, ${phase ?? 'not begun'}` : '';
      return ['together', `with ${table} (${id}): ${state}${where}`] as const;
    }),
    ['copied', copied],
    ['compared', compared],
    ...record.unsettled.map((what) => ['left to do', what] as const),
    ['old table', retired === null ? null : `${retiredText(retired)}, ${keepingText(retired)}`],
    ['started', record.startedAt],
    ['last saved', record.updatedAt],
    ['ended by', record.failure === null ? null : hidePasswords(oneLine(record.failure))],
    [isOver(record) ? 'to give up' : 'to go on', record.next],
  ];
  return lines.map(([label, text]) => (text === null ? '' : `${label.padEnd(12)}${text}\n`)).join('');
}

/** Rows of cells as lines with straight columns; the last column is as long as it likes. */
function tableLines(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => columnsOf(row[column] ?? ''))));
  return rows
    .map((row) =>
      row
        .map((cell, column) => `${cell}${' '.repeat((widths[column] ?? 0) - columnsOf(cell))}`)
        .join('  ')
        .trimEnd(),
    )
    .map((line) => `${line}\n`)
    .join('');
}
