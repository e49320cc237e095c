import { expect, test } from 'vitest';
import type { MigrationEvent, Progress } from '../../src/engine/events.ts';
import { DEFAULT_OPTIONS } from '../../src/engine/options.ts';
import { liveStatus } from '../../src/shell/live-status.ts';
import { metricsText } from '../../src/shell/metrics.ts';
import { readOptions } from '../../src/shell/option-values.ts';
import { emptyRecord, recordEvent } from '../../src/shell/run-record.ts';
import { openSteering } from '../../src/shell/steering.ts';
import { examplePlan } from '../support/run-events.ts';

const progress: Progress = {
  phase: 'copy',
  ...{ rowsCopied: 500, rowsEstimated: 2_000, rowsPerSecond: 100, etaMs: 15_000, rowsVerified: 0 },
  ...{
    keysPending: 3,
    keysApplied: 40,
    lagMs: 250,
    lagMaxMs: 1_250,
    chunkRows: 100,
    throttledBy: null,
    pace: 0.4,
    slowedBy: null,
    waitingFor: [],
    elapsedMs: 5_000,
  },
};

test('the metrics of a run are in seconds, with totals for counters and a help text for each', async () => {
  const { values } = readOptions('resume', { url: 'mysql://db1/shop' }, {});
  const steering = await openSteering(values, DEFAULT_OPTIONS, () => new Date());
  steering.controls.pause('operator', 'lunch');
  const events: readonly [nowMs: number, event: MigrationEvent][] = [
    [0, { kind: 'phase-entered', phase: 'copy' }],
    [1_000, { kind: 'chunk-copied', rows: 500, durationMs: 20, isCollided: false }],
    [2_000, { kind: 'throttled', signal: 'replica "a"', detail: 'it is 9 s behind' }],
    [3_000, { kind: 'throttle-released', throttledMs: 1_000 }],
    [4_000, { kind: 'throttled', signal: 'latency', detail: 'slow' }],
    [5_000, { kind: 'progress', progress }],
  ];
  const record = events.reduce(
    (record, [nowMs, event]) => recordEvent(record, event, { time: new Date(nowMs), nowMs }),
    emptyRecord(0),
  );
  const text = metricsText(liveStatus(examplePlan, record, steering, 6_500), record);
  const lines = text.split('\n');
  expect(lines.filter((line) => !line.startsWith('#') && !line.startsWith('tableshift_phase{'))).toEqual([
    'tableshift_migration_info{id="k3v9x2",table="shop.orders"} 1',
    'tableshift_elapsed_seconds 6.5',
    'tableshift_eta_seconds 15',
    'tableshift_rows_copied_total 500',
    'tableshift_rows_estimated 2000',
    'tableshift_rows_verified 0',
    'tableshift_chunks_copied_total 1',
    'tableshift_chunk_rows 100',
    'tableshift_keys_applied_total 40',
    'tableshift_keys_pending 3',
    'tableshift_lag_seconds 0.25',
    'tableshift_lag_max_seconds 1.25',
    'tableshift_throttled 1',
    'tableshift_pace_ratio 0.4',
    'tableshift_throttled_seconds_total{signal="replica \\"a\\""} 1',
    'tableshift_throttled_seconds_total{signal="latency"} 2.5',
    'tableshift_paused 1',
    'tableshift_cutover_held 0',
    'tableshift_cutover_attempts_total 0',
    'tableshift_rows_differing_total 0',
    'tableshift_retries_total 0',
    'tableshift_checkpoints_total 0',
    '',
  ]);
  expect(lines.filter((line) => line.startsWith('tableshift_phase{') && line.endsWith(' 1'))).toEqual([
    'tableshift_phase{phase="copy"} 1',
  ]);
  const names = new Set(lines.flatMap((line) => /^tableshift_(\w+)/.exec(line)?.[0] ?? []));
  for (const name of names) {
    expect(lines.filter((line) => line.startsWith(`# HELP ${name} `))).toHaveLength(1);
    expect(lines).toContain(`# TYPE ${name} ${name.endsWith('_total') ? 'counter' : 'gauge'}`);
  }
});
