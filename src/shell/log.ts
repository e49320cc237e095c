/** Events in words: one readable line each. */

import type { MigrationEvent, Progress } from '../engine/events.ts';
import type { Phase } from '../engine/model.ts';
import { changesText } from './changed-options.ts';
import { OPERATOR } from './steering-options.ts';
import { readableCount, readableDuration } from './units.ts';

/** From the rarest to the most frequent lines. */
const LEVELS = ['warn', 'info', 'debug'] as const;
/** How much attention a line needs. */
export type Level = (typeof LEVELS)[number];

/** Whether a line of this level is shown when `shown` is asked for. */
export function isShown(level: Level, shown: Level): boolean {
  return LEVELS.indexOf(level) <= LEVELS.indexOf(shown);
}

/** What each phase does, for people. */
export const PHASE_WORDS: Readonly<Record<Phase, string>> = {
  prepare: 'creating the shadow table',
  copy: 'copying rows',
  'finish-shadow': 'building deferred indexes and statistics',
  'catch-up': 'catching up with changes',
  verify: 'comparing both tables',
  'await-cutover': 'waiting for a good moment to swap',
  cutover: 'swapping the tables',
  'clean-up': 'cleaning up',
  done: 'the swap is recorded',
};

/** What is done in a phase, or for whom it waits. */
export function activityText(phase: Phase, progress: Progress | null): string {
  return (progress?.phase === phase ? waitText(progress) : null) ?? PHASE_WORDS[phase];
}

/** `waits for shop.customers, shop.items`; null where it waits for no table of its family. */
function waitText({ waitingFor }: Progress): string | null {
  return waitingFor.length === 0 ? null : `waits for ${waitingFor.join(', ')}`;
}

/** How much attention an event needs. */
export function levelOf(event: MigrationEvent): Level {
  switch (event.kind) {
    case 'retrying':
    case 'warning':
    case 'difference-found':
    case 'cutover-failed':
    case 'native-step-blocked':
    case 'drop-blocked':
    case 'blocker-ended':
      return 'warn';
    case 'chunk-copied':
    case 'changes-applied':
    case 'range-verified':
    case 'checkpoint-saved':
      return 'debug';
    case 'phase-entered':
    case 'resumed':
    case 'verification-passed':
    case 'throttled':
    case 'throttle-released':
    case 'noticed':
    case 'paused':
    case 'unpaused':
    case 'cutover-held':
    case 'cutover-released':
    case 'cutover-awaited':
    case 'verification-asked':
    case 'options-changed':
    case 'cutover-attempt':
    case 'swapped':
    case 'settling':
    case 'settled':
    case 'native-step-begun':
    case 'native-step-done':
    case 'progress':
    case 'finished':
      return 'info';
  }
}

const RELEASE_HINT = '; `tableshift control ID cutover` lets it go';

/** One line, without time. */
export function describeEvent(event: MigrationEvent): string {
  switch (event.kind) {
    case 'phase-entered':
      return `phase ${event.phase}: ${PHASE_WORDS[event.phase]}`;
    case 'resumed':
      return `resumed in phase ${event.phase}, ${readableCount(event.rowsCopied)} rows copied before`;
    case 'chunk-copied':
      return `chunk copied: ${rows(event.rows)} in ${readableDuration(event.durationMs)}${event.isCollided ? ', collided' : ''}`;
    case 'changes-applied':
      return `changes applied: ${count(event.keys, 'key')} in ${readableDuration(event.durationMs)}${
        event.rowsInTheWay === 0 ? '' : `, ${event.rowsInTheWay} more in the way`
      }`;
    case 'range-verified':
      return `range compared: ${rows(event.rows)} in ${readableDuration(event.durationMs)}, ${event.isEqual ? 'equal' : 'not equal'}`;
    case 'difference-found':
      return `${rows(event.keys.length)} ${event.keys.length === 1 ? 'differs' : 'differ'} in pass ${event.pass}: ${event.keys.join('; ')}`;
    case 'verification-passed':
      return `both tables hold the same ${rows(event.rows)} (pass ${event.pass}, ${event.repaired} repaired)`;
    case 'retrying':
      return `trying again (${event.what}, attempt ${event.attempt}): ${event.code}: ${event.message}`;
    case 'checkpoint-saved':
      return `checkpoint saved in phase ${event.phase}`;
    case 'throttled':
      return throttleText(`${event.signal}: ${event.detail}`);
    case 'throttle-released':
      return `going on after ${readableDuration(event.throttledMs)} of throttling`;
    case 'warning':
    case 'noticed':
      return `${event.about}: ${event.message}`;
    case 'paused':
      return `paused by ${event.by}: ${event.reason}`;
    case 'unpaused':
      return `no longer paused by ${event.by}${askedBy(event.who)}`;
    case 'cutover-held':
      return `the cutover is held by ${event.by}: ${event.reason}`;
    case 'cutover-released':
      return `the cutover is no longer held by ${event.by}${askedBy(event.who)}`;
    case 'cutover-awaited':
      return `ready to swap, held by ${event.by}: ${event.reason}${event.by === OPERATOR ? RELEASE_HINT : ''}`;
    case 'verification-asked':
      return `all rows are to be compared once more before the swap, asked for by ${event.by}`;
    case 'options-changed':
      return `changed by ${event.by}: ${changesText(event.changes)}`;
    case 'cutover-attempt':
      return `cutover attempt ${event.attempt}, waiting at most ${readableDuration(event.lockTimeoutMs)} for the lock`;
    case 'cutover-failed':
      return `cutover attempt ${event.attempt} failed: ${event.reason.replace(/\.$/, '')}${blockedText(event)}`;
    case 'blocker-ended':
      return `cutover attempt ${event.attempt} ended a session that was in the way: ${event.blocker}`;
    case 'swapped':
      return `swapped; writes were blocked for ${readableDuration(event.blockedMs)}`;
    case 'settling':
      return `left to do after the swap: ${event.left.join(' ')}`;
    case 'settled':
      return `done after the swap: ${event.what}`;
    case 'native-step-begun':
      return `step ${event.step} of ${event.steps}, attempt ${event.attempt}, waiting at most ${readableDuration(event.lockTimeoutMs)} for the lock: ${event.sql}`;
    case 'native-step-done':
      return `step ${event.step} is done after ${readableDuration(event.durationMs)}`;
    case 'native-step-blocked':
      return `step ${event.step}, attempt ${event.attempt}: the lock was not had${blockedText(event)}`;
    case 'drop-blocked':
      return `dropping ${event.table}, attempt ${event.attempt}: the lock was not had${blockedText(event)}`;
    case 'progress':
      return describeProgress(event.progress);
    case 'finished':
      return `migration ${event.id} is done`;
  }
}

function askedBy(who: string | undefined): string {
  return who === undefined ? '' : `, asked for by ${who}`;
}

/** Who is in the way, and when it is tried again. */
function blockedText({ blockers, nextInMs }: { readonly blockers: readonly string[]; readonly nextInMs: number }): string {
  const who = blockers.length === 0 ? '' : `; blocked by ${blockers.join(' and ')}`;
  return `${who}; ${nextInMs === 0 ? 'that was the last one' : `next in ${readableDuration(nextInMs)}`}`;
}

/** The figures of a run on one line: `copy 41 % | 1,234,567 of ~3,000,000 rows | 52,000 rows/s | ETA 34 s | lag 0.3 s | …`. */
export function describeProgress(progress: Progress): string {
  const done = shareDone(progress);
  const slow = slowText(progress);
  const wait = waitText(progress);
  return [
    done === null ? progress.phase : `${progress.phase} ${Math.floor(done * 100)} %`,
    ...rowFigures(progress),
    ...(progress.etaMs === null ? [] : [`ETA ${readableDuration(progress.etaMs)}`]),
    ...(progress.lagMs === null ? [] : [`lag ${readableDuration(progress.lagMs)}`]),
    `${count(progress.keysPending, 'change')} pending`,
    `${readableDuration(progress.elapsedMs)} elapsed`,
    ...(progress.throttledBy === null ? [] : [throttleText(progress.throttledBy)]),
    ...(slow === null ? [] : [slow]),
    ...(wait === null ? [] : [wait]),
  ].join(' | ');
}

/** What holds the work down although it goes on: `pace 30 %, latency: …`; null where nothing does. */
export function slowText({ phase, pace, slowedBy }: Progress): string | null {
  const isWorking = phase === 'copy' || phase === 'verify';
  return isWorking && slowedBy !== null ? `pace ${Math.round(pace * 100)} %, ${slowedBy}` : null;
}

/** A pause says itself by whom it is. */
function throttleText(reason: string): string {
  return reason.startsWith('paused by ') ? `resting, ${reason}` : `throttled by ${reason}`;
}

/**
 * How much of the phase at hand is done, from 0 to 1; null where that cannot be told, or goes on only later. Never 1 before the
 * phase ends.
 */
export function shareDone(progress: Progress): number | null {
  if (progress.waitingFor.length > 0) return null;
  if (progress.phase === 'copy') return share(progress.rowsCopied, progress.rowsEstimated);
  if (progress.phase === 'verify') return share(progress.rowsVerified, Math.max(progress.rowsCopied, progress.rowsEstimated));
  return null;
}

function share(part: number, whole: number): number | null {
  return whole <= 0 ? null : Math.min(part / whole, 0.999);
}

function rowFigures(progress: Progress): readonly string[] {
  const rate = `${readableCount(progress.rowsPerSecond)} rows/s`;
  if (progress.phase === 'copy') {
    return [`${readableCount(progress.rowsCopied)} of ~${readableCount(progress.rowsEstimated)} rows`, rate];
  }
  if (progress.phase === 'verify') return [`${readableCount(progress.rowsVerified)} rows compared`, rate];
  return [`${readableCount(progress.rowsCopied)} rows copied`];
}

function rows(number: number): string {
  return count(number, 'row');
}

function count(number: number, noun: string): string {
  return `${readableCount(number)} ${noun}${number === 1 ? '' : 's'}`;
}
