/** What a run's events add up to beyond its figures: for the status, the metrics and the report. */

import type { MigrationEvent } from '../engine/events.ts';
import { describeEvent, levelOf } from './log.ts';
import { addEvent, noFigures, type RunFigures } from './run-figures.ts';

/** One attempt of the cutover. Times in milliseconds. */
export interface AttemptRecord {
  readonly attempt: number;
  readonly outcome: 'swapped' | 'failed' | 'running';
  readonly reason: string | null;
  /** Who was in the way, as the server describes them. */
  readonly blockers: readonly string[];
  /** Sessions that were in the way and that the attempt has ended. */
  readonly blockersEnded: readonly string[];
  /** How long writers were blocked, where the attempt swapped. */
  readonly blockedMs: number | null;
}

/** One step of a native change. Moments are those of the observer's clock, times in milliseconds. */
export interface StepRecord {
  /** Counts from 1, of `steps`. */
  readonly step: number;
  readonly steps: number;
  readonly sql: string;
  readonly isBrief: boolean;
  readonly state: 'running' | 'blocked' | 'done';
  readonly attempts: number;
  /** Who was in the way of the newest attempt that did not have its lock. */
  readonly blockers: readonly string[];
  readonly begunAtMs: number;
  readonly attemptAtMs: number;
  /** All attempts together, as far as they are over, but for looking for a moment: of a brief step, no writer has waited for longer. */
  readonly attemptsMs: number;
}

/** Something that the operator may want to read later. */
export interface NotableEvent {
  readonly time: string;
  readonly kind: MigrationEvent['kind'];
  readonly text: string;
}

/** All of a run so far. Moments are those of the observer's clock. */
export interface RunRecord {
  readonly figures: RunFigures;
  /** Of a native change. */
  readonly native: { readonly stepsDone: number; readonly attempts: number; readonly steps: readonly StepRecord[] };
  /** The newest attempts, bounded. */
  readonly attempts: readonly AttemptRecord[];
  /** Time that each signal, by name, has stopped the copy for, as far as the stop is over. */
  readonly throttledMs: Readonly<Record<string, number>>;
  readonly throttledSinceMs: number | null;
  /** What the swap left to be done and that is not done yet, a sentence for each thing. */
  readonly unsettled: readonly string[];
  /** The first and the newest phases, decisions and warnings, bounded. */
  readonly notable: readonly NotableEvent[];
  /** Events that were left out of `notable`. */
  readonly notableLeftOut: number;
}

/** When an event came, by both clocks. */
export interface Moment {
  readonly time: Date;
  readonly nowMs: number;
}

const ATTEMPTS_MAX = 100;
const NOTABLE_FIRST_MAX = 100;
const NOTABLE_MAX = 400;

/** Before the first event. */
export function emptyRecord(nowMs: number): RunRecord {
  return {
    figures: noFigures(nowMs),
    native: { stepsDone: 0, attempts: 0, steps: [] },
    attempts: [],
    throttledMs: {},
    throttledSinceMs: null,
    unsettled: [],
    notable: [],
    notableLeftOut: 0,
  };
}

/** The record after one more event. */
export function recordEvent(before: RunRecord, event: MigrationEvent, moment: Moment): RunRecord {
  const record = addNotable({ ...before, figures: addEvent(before.figures, event, moment.nowMs) }, event, moment);
  switch (event.kind) {
    case 'throttled':
      return { ...record, throttledSinceMs: moment.nowMs };
    case 'throttle-released':
      return endStop(record, before.figures.throttle?.signal, event.throttledMs);
    case 'cutover-attempt': {
      const nothing = { outcome: 'running', reason: null, blockers: [], blockersEnded: [], blockedMs: null } as const;
      return { ...record, attempts: [...record.attempts, { attempt: event.attempt, ...nothing }].slice(-ATTEMPTS_MAX) };
    }
    case 'blocker-ended':
      return changeAttempt(record, (one) => ({ blockersEnded: [...one.blockersEnded, event.blocker] }));
    case 'cutover-failed':
      return changeAttempt(record, () => ({ outcome: 'failed', reason: event.reason, blockers: event.blockers }));
    case 'swapped':
      return changeAttempt(record, () => ({ outcome: 'swapped', blockedMs: event.blockedMs }));
    case 'settling':
      return { ...record, unsettled: event.left };
    case 'settled':
      return { ...record, unsettled: record.unsettled.filter((what) => what !== event.what) };
    case 'native-step-begun':
      return { ...record, native: beginStep(record.native, event, moment.nowMs) };
    case 'native-step-blocked':
      return {
        ...record,
        native: endAttempt(record.native, { state: 'blocked', blockers: event.blockers }, moment.nowMs - event.soughtMs),
      };
    case 'native-step-done': {
      const native = endAttempt(record.native, { state: 'done' }, moment.nowMs - event.soughtMs);
      return { ...record, native: { ...native, stepsDone: native.stepsDone + 1 } };
    }
    default:
      return record;
  }
}

/** The record of a run that has ended: what stops it then has stopped it up to now, and no event says so. */
export function endRecord(record: RunRecord, nowMs: number): RunRecord {
  const { figures, throttledSinceMs } = record;
  if (throttledSinceMs === null) return record;
  const stoppedMs = nowMs - throttledSinceMs;
  const ended = endStop(record, figures.throttle?.signal, stoppedMs);
  return { ...ended, figures: { ...figures, throttle: null, throttledMs: figures.throttledMs + stoppedMs } };
}

function endStop(record: RunRecord, signal: string | undefined, stoppedMs: number): RunRecord {
  const name = signal ?? 'unknown';
  const throttledMs = { ...record.throttledMs, [name]: (record.throttledMs[name] ?? 0) + stoppedMs };
  return { ...record, throttledSinceMs: null, throttledMs };
}

type NativeRecord = RunRecord['native'];

/** A step that is begun once more, after a fault even under another number, is one with what it was before. */
function beginStep(
  { stepsDone, attempts, steps }: NativeRecord,
  { step, steps: total, sql, isBrief }: Extract<MigrationEvent, { readonly kind: 'native-step-begun' }>,
  nowMs: number,
): NativeRecord {
  const last = steps.at(-1);
  const isAgain = last !== undefined && last.state !== 'done' && last.sql === sql;
  const before = isAgain ? last : { attempts: 0, blockers: [], begunAtMs: nowMs, attemptsMs: 0 };
  const begun: StepRecord = {
    ...{ ...before, step, steps: total, sql, isBrief, state: 'running' },
    ...{ attempts: before.attempts + 1, attemptAtMs: nowMs },
  };
  return { stepsDone, attempts: attempts + 1, steps: [...(isAgain ? steps.slice(0, -1) : steps), begun] };
}

/** `atMs`: the end, less what nobody waited for. */
function endAttempt(record: NativeRecord, change: Partial<StepRecord>, atMs: number): NativeRecord {
  const last = record.steps.at(-1);
  if (last === undefined) return record;
  const ended = { ...last, ...change, attemptsMs: last.attemptsMs + Math.max(0, atMs - last.attemptAtMs) };
  return { ...record, steps: [...record.steps.slice(0, -1), ended] };
}

/** The one that is going on. */
function changeAttempt(record: RunRecord, change: (attempt: AttemptRecord) => Partial<AttemptRecord>): RunRecord {
  return { ...record, attempts: record.attempts.map((one) => (one.outcome === 'running' ? { ...one, ...change(one) } : one)) };
}

function addNotable(record: RunRecord, event: MigrationEvent, { time }: Moment): RunRecord {
  if (event.kind === 'progress' || levelOf(event) === 'debug') return record;
  const notable = [...record.notable, { time: time.toISOString(), kind: event.kind, text: describeEvent(event) }];
  if (notable.length <= NOTABLE_MAX) return { ...record, notable };
  notable.splice(NOTABLE_FIRST_MAX, 1);
  return { ...record, notable, notableLeftOut: record.notableLeftOut + 1 };
}
