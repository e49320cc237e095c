import { describe, expect, test } from 'vitest';
import { DEFAULT_OPTIONS } from '../../src/index.ts';
import { type GivenFlags, readOptions } from '../../src/shell/option-values.ts';
import { limitsFrom } from '../../src/shell/run-limits.ts';

const limits = (flags: GivenFlags) => limitsFrom(readOptions('resume', { url: 'mysql://db1/shop', ...flags }, {}).values);

describe('the limits of a run', () => {
  test('are those of the library where no option says otherwise', () => {
    expect(limits({})).toEqual({
      pace: DEFAULT_OPTIONS,
      replicas: [],
      isFindingReplicas: true,
    });
  });

  test('follow the options', () => {
    const flags = {
      ...{
        workers: '3',
        applyWorkers: '5',
        chunkTimeMs: '100ms',
        chunkRowsMax: '700',
        niceRatio: '1.25',
        checkpointIntervalMs: '1m',
        verify: false,
      },
      ...{
        cutoverLockTimeoutMs: '4s',
        cutoverHoldTimeoutMs: '7s',
        cutoverAttempts: '9',
        killBlockersAfter: '4',
        oldSnapshots: 'ignore',
        maxLatencyMs: '30ms',
      },
      ...{ maxRunningThreads: '20', replicas: 'mysql://r1, mysql://r2:3307,', replicaDiscovery: false, maxLagMs: '2s' },
      ...{
        maxLoad: 'Threads_running=25, Threads_connected=500',
        criticalLoad: 'Threads_running=50',
        throttleQuery: 'SELECT 0',
        maxRetainedLogBytes: '10GB',
      },
    };
    expect(limits(flags)).toEqual({
      pace: {
        ...DEFAULT_OPTIONS,
        copyWorkers: 3,
        applyWorkers: 5,
        chunkTargetMs: 100,
        chunkRowsMax: 700,
        chunkRowsFirst: 700,
        niceRatio: 1.25,
        checkpointIntervalMs: 60_000,
        isVerifying: false,
        latency: { factor: 0, floorMs: 30 },
        cutover: {
          ...DEFAULT_OPTIONS.cutover,
          lockTimeoutMs: 4_000,
          holdTimeoutMs: 7_000,
          attemptsMax: 9,
          killBlockersAfter: 4,
          oldSnapshots: 'ignore',
        },
        load: {
          runningThreadsMax: 20,
          replicaLagMaxMs: 2_000,
          max: { Threads_running: 25, Threads_connected: 500 },
          critical: { Threads_running: 50 },
          query: 'SELECT 0',
          retainedLogBytesMax: 10 * 1024 ** 3,
        },
      },
      replicas: ['mysql://r1', 'mysql://r2:3307'],
      isFindingReplicas: false,
    });
  });

  test('have none for the latency where that is 0', () => {
    expect(limits({ maxLatencyMs: '0' }).pace.latency).toBeNull();
  });

  test.each([
    [
      { maxLoad: 'Threads_running=25,threads_running=30' },
      '--max-load has two limits for threads_running: one of them would not be kept to.',
    ],
    [{ maxLoad: 'Threads_running' }, '--max-load must be names with limits such as Threads_running=25, not "Threads_running".'],
    [{ criticalLoad: 'a=0' }, '--critical-load must be names with limits such as Threads_running=25, not "a=0".'],
    [
      { cutoverAttempts: '3', killBlockersAfter: '3' },
      '--kill-blockers-after must be below --cutover-attempts (3 and 3): no attempt would be left that could end anybody.',
    ],
    [
      { replicas: 'mysql://r1, db2' },
      '--replicas: The URL cannot be read: it must look like mysql://user@host:3306/database or postgres://user@host:5432/database, with special characters written as %XX (@ is %40, # is %23, / is %2F).',
    ],
    [{ throttleQuery: 'DELETE FROM orders' }, '--throttle-query must be a SELECT.'],
  ])('%j is refused by name', (flags, message) => {
    expect(() => limits(flags)).toThrow(expect.objectContaining({ code: 'BAD_USAGE', message }));
  });
});
