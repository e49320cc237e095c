/** The figures of a run for Prometheus, by its conventions: seconds, totals for counters, one line of help for each. */

import { PHASES } from '../engine/model.ts';
import type { LiveStatus } from './live-status.ts';
import type { NativeStatus } from './native-status.ts';
import type { RunRecord } from './run-record.ts';

interface Metric {
  readonly name: string;
  readonly type: 'counter' | 'gauge';
  readonly help: string;
  readonly samples: readonly Sample[];
}

interface Sample {
  readonly labels?: Readonly<Record<string, string>>;
  /** Null: nothing is known yet, and nothing is told. */
  readonly value: number | null;
}

/** The text that a scrape gets. */
export function metricsText(status: LiveStatus, record: RunRecord): string {
  return expose(metricsOf(status, record));
}

/** The same for tables that are swapped together: each sample says of which table it is. */
export function familyMetricsText(members: readonly { readonly status: LiveStatus; readonly record: RunRecord }[]): string {
  const [first = [], ...others] = members.map(({ status, record }) =>
    metricsOf(status, record).map((metric) => ({
      ...metric,
      samples: metric.samples.map(({ labels, value }) => ({ labels: { ...labels, table: status.table }, value })),
    })),
  );
  // Every run has the same metrics in the same order.
  return expose(
    first.map((metric, at) => ({ ...metric, samples: [first, ...others].flatMap((metrics) => metrics[at]?.samples ?? []) })),
  );
}

/** The same for a native change, which copies nothing. */
export function nativeMetricsText(status: NativeStatus): string {
  const { id, table, step, elapsedMs, stepsDone, attempts, blockedMs, cutoverHeldBy, retries } = status;
  return expose([
    gauge('migration_info', 'The migration that this process runs.', [{ labels: { id, table }, value: 1 }]),
    gauge('elapsed_seconds', 'Time since this run began.', one(seconds(elapsedMs))),
    gauge('native_step', 'The step that was begun last, from 1.', one(step?.step)),
    gauge('native_steps', 'Steps of the change.', one(step?.steps)),
    counter('native_steps_done_total', 'Steps done in this run.', one(stepsDone)),
    counter('native_attempts_total', 'Attempts of all steps.', one(attempts)),
    counter('native_blocked_seconds_total', 'Time of all attempts that writers may have waited for.', one(seconds(blockedMs))),
    gauge(
      'native_blocked',
      '1 while a step that did not have its lock waits to ask again.',
      one(step?.state === 'blocked' ? 1 : 0),
    ),
    gauge('cutover_held', '1 while somebody holds the cutover.', one(cutoverHeldBy.length === 0 ? 0 : 1)),
    counter('retries_total', 'Statements that were tried again.', one(retries)),
  ]);
}

function expose(metrics: readonly Metric[]): string {
  return metrics
    .map((metric) => ({ ...metric, samples: metric.samples.filter(({ value }) => value !== null) }))
    .filter(({ samples }) => samples.length > 0)
    .map(({ name, type, help, samples }) => {
      const lines = samples.map(({ labels, value }) => `tableshift_${name}${labelText(labels)} ${value}\n`);
      return `# HELP tableshift_${name} ${help}\n# TYPE tableshift_${name} ${type}\n${lines.join('')}`;
    })
    .join('');
}

function metricsOf(status: LiveStatus, record: RunRecord): readonly Metric[] {
  const { progress } = status;
  const { figures } = record;
  return [
    gauge('migration_info', 'The migration that this process runs.', [
      { labels: { id: status.id, table: status.table }, value: 1 },
    ]),
    gauge(
      'phase',
      '1 for the phase at hand, 0 for the others.',
      PHASES.map((phase) => ({ labels: { phase }, value: phase === status.phase ? 1 : 0 })),
    ),
    gauge('elapsed_seconds', 'Time since this run began.', one(seconds(status.elapsedMs))),
    gauge('eta_seconds', 'Time to the end of the present phase.', one(seconds(progress?.etaMs))),
    counter('rows_copied_total', 'Rows copied, those of earlier runs included.', one(figures.rowsCopied)),
    gauge('rows_estimated', 'Rows that the source is thought to have.', one(progress?.rowsEstimated)),
    gauge('rows_verified', 'Rows compared in the present pass.', one(progress?.rowsVerified)),
    counter('chunks_copied_total', 'Chunks copied in this run.', one(figures.chunks)),
    gauge('chunk_rows', 'Rows of the next chunk.', one(progress?.chunkRows)),
    counter('keys_applied_total', 'Changed keys brought up to date in this run.', one(progress?.keysApplied)),
    gauge('keys_pending', 'Changed keys that wait to be applied.', one(progress?.keysPending)),
    gauge('lag_seconds', 'Age of the newest change that is wholly applied.', one(seconds(progress?.lagMs))),
    gauge('lag_max_seconds', 'Greatest lag of this run.', one(seconds(progress?.lagMaxMs))),
    gauge('throttled', '1 while copying and verifying stand still.', one(status.throttle === null ? 0 : 1)),
    gauge('pace_ratio', 'Share of full work that the signals leave to copying and verifying.', one(progress?.pace)),
    counter(
      'throttled_seconds_total',
      'Time that copying and verifying stood still, by signal.',
      throttledSeconds(status, record),
    ),
    gauge('paused', '1 while somebody holds copying and verifying.', one(status.pausedBy.length === 0 ? 0 : 1)),
    gauge('cutover_held', '1 while somebody holds the cutover.', one(status.cutoverHeldBy.length === 0 ? 0 : 1)),
    counter('cutover_attempts_total', 'Attempts of the cutover.', one(figures.cutoverAttempts)),
    gauge('cutover_blocked_seconds', 'Time that writers were blocked at the swap.', one(seconds(figures.blockedMs))),
    counter('rows_differing_total', 'Rows that verification found to differ.', one(figures.differences)),
    counter('retries_total', 'Statements that were tried again.', one(figures.retries)),
    counter('checkpoints_total', 'Checkpoints saved.', one(figures.checkpoints)),
  ];
}

/** The stop that goes on counts as well. */
function throttledSeconds({ throttle }: LiveStatus, { throttledMs }: RunRecord): readonly Sample[] {
  const all = { ...throttledMs };
  if (throttle !== null) all[throttle.signal] = (all[throttle.signal] ?? 0) + throttle.sinceMs;
  return Object.entries(all).map(([signal, ms]) => ({ labels: { signal }, value: seconds(ms) }));
}

function gauge(name: string, help: string, samples: readonly Sample[]): Metric {
  return { name, type: 'gauge', help, samples };
}

function counter(name: string, help: string, samples: readonly Sample[]): Metric {
  return { name, type: 'counter', help, samples };
}

function one(value: number | null | undefined): readonly Sample[] {
  return [{ value: value ?? null }];
}

function seconds(ms: number | null | undefined): number | null {
  return ms === null || ms === undefined ? null : Math.round(ms) / 1_000;
}

function labelText(labels: Readonly<Record<string, string>> = {}): string {
  const escape = (text: string): string => text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escape(value)}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}
