/** What is recorded of the run of an unfinished migration: whether a process works on it, where, and what to do where none does. */

import { isFinal } from '../engine/errors.ts';
import type { MigrationRecord } from '../engine/ports.ts';
import { commandText, type Invocation } from './invocation.ts';
import { readableDuration } from './units.ts';

/** The command that goes on with an unfinished migration on which no process works; where it cannot go on, that gives it up. */
export function nextOf(invocation: Invocation<'list'> | Invocation<'status'>, record: MigrationRecord): string | null {
  if (record.state !== 'open' || record.isRunning) return null;
  return commandText(invocation, isOver(record) ? 'cleanup' : 'resume', record.id);
}

/** Whether it cannot go on. */
export function isOver({ failure }: MigrationRecord): boolean {
  return failure !== null && isFinal(failure.slice(0, failure.indexOf(':')));
}

/** A line for each unfinished migration, or family, on which no process works. */
export function abandonedLines(records: readonly (MigrationRecord & { readonly next: string | null })[]): readonly string[] {
  const abandoned = new Map<string, string>();
  for (const record of records) {
    if (record.next === null) continue;
    const what = isOver(record) ? 'to give it up' : 'to go on';
    const heard = record.lastRun === null ? '' : `, last heard of at ${record.lastRun.heardAt}`;
    abandoned.set(
      record.plan.family?.id ?? record.id,
      `${record.id}: ${abandonedText(record)}${heard}; ${what}: ${record.next}`,
    );
  }
  return [...abandoned.values()];
}

function abandonedText({ failure }: MigrationRecord): string {
  return failure === null ? 'no process works on it, for its own is gone without a word' : 'no process works on it';
}

/** `running`, `silent`, `open`, `done` or `aborted`. */
export function stateText(record: MigrationRecord): string {
  if (!record.isRunning) return record.state;
  return isSilent(record) ? 'silent' : 'running';
}

/** A process that pings the server each three seconds has missed some, and loses its claim when it has not for twenty. */
const SILENT_MS_MIN = 10_000;

function isSilent({ isRunning, lastRun }: MigrationRecord): boolean {
  return isRunning && (lastRun?.silentMs ?? 0) >= SILENT_MS_MIN;
}

/** The same, with what that means. */
export function stateSentence(record: MigrationRecord): string {
  const state = stateText(record);
  if (state === 'open') return `open: ${abandonedText(record)}`;
  return state === 'silent'
    ? 'silent: its process hangs, or its host or the network is gone; the server will end its claim, and then it can be resumed'
    : state;
}

/** Where the run is, or was. */
export function lastRunText(record: MigrationRecord): string | null {
  const { isRunning, lastRun } = record;
  if (lastRun === null) return null;
  const { host, pid, startedAt, heardAt, silentMs } = lastRun;
  const heard = `; last heard of at ${heardAt}, ${readableDuration(silentMs ?? 0)} ago`;
  return `process ${pid} on ${host}, since ${startedAt}${isRunning && !isSilent(record) ? '' : heard}`;
}
