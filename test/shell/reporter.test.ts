import { describe, expect, test } from 'vitest';
import { MigrationError } from '../../src/engine/errors.ts';
import { changesText } from '../../src/shell/changed-options.ts';
import { describeEvent } from '../../src/shell/log.ts';
import { planText } from '../../src/shell/plan-text.ts';
import { TerminalEmulator } from '../support/terminal-emulator.ts';
import { createReporter, type Reporter, type ReporterOptions } from '../../src/shell/reporter.ts';
import { addEvent, noFigures } from '../../src/shell/run-figures.ts';
import { PlanRefusedError } from '../../src/engine/obstacles.ts';
import { summarise, summaryText } from '../../src/shell/summary.ts';
import { copyProgress, examplePlan, exampleRun } from '../support/run-events.ts';

/** Reports to no terminal; each look at the clock finds it `stepMs` later. */
function report(
  options: Pick<ReporterOptions, 'output' | 'level'>,
  stepMs: number,
  events = exampleRun,
  tell: (reporter: Reporter) => void = () => undefined,
): readonly string[] {
  const written: string[] = [];
  let nowMs = 0;
  const stdout = { write: (text: string) => written.push(text), on: () => undefined, off: () => undefined };
  const reporter = createReporter(
    { ...options, hasColours: true, isDumb: false, plan: examplePlan },
    { stdout, now: () => new Date('2026-11-19T22:00:00.123Z'), monotonicMs: () => (nowMs += stepMs) },
  );
  for (const event of events) reporter.observe(event);
  tell(reporter);
  reporter.close();
  return written.join('').split('\n').slice(0, -1);
}

describe('a log', () => {
  test('is shown on a terminal too that cannot draw anything again', () => {
    const lines = (isDumb: boolean): string => {
      const screen = new TerminalEmulator(80, 24);
      const stdout = Object.assign(screen, { isTTY: true });
      const options = { output: 'text', level: 'info', hasColours: false, isDumb, plan: examplePlan } as const;
      const reporter = createReporter(options, { stdout, now: () => new Date(0), monotonicMs: () => 0 });
      reporter.note('a note');
      reporter.close();
      return screen.text;
    };
    expect(lines(false)).toContain('await-cutover');
    expect(lines(true)).toBe('1970-01-01T00:00:00Z info  a note');
  });

  test('has a line for each phase and decision, with time and level', () => {
    expect(report({ output: 'text', level: 'info' }, 1)).toEqual([
      '2026-11-19T22:00:00Z info  phase prepare: creating the shadow table',
      '2026-11-19T22:00:00Z info  phase copy: copying rows',
      '2026-11-19T22:00:00Z info  throttled by running-threads: 80 of 50 threads run',
      '2026-11-19T22:00:00Z info  going on after 4.0 s of throttling',
      '2026-11-19T22:00:00Z warn  trying again (copying a chunk, attempt 1): DEADLOCK: Deadlock found when trying to get lock.',
      '2026-11-19T22:00:00Z info  phase finish-shadow: building deferred indexes and statistics',
      '2026-11-19T22:00:00Z info  phase catch-up: catching up with changes',
      '2026-11-19T22:00:00Z info  phase verify: comparing both tables',
      '2026-11-19T22:00:00Z warn  1 row differs in pass 1: id = 42',
      '2026-11-19T22:00:00Z info  both tables hold the same 3,000,412 rows (pass 2, 1 repaired)',
      '2026-11-19T22:00:00Z info  phase await-cutover: waiting for a good moment to swap',
      '2026-11-19T22:00:00Z info  phase cutover: swapping the tables',
      '2026-11-19T22:00:00Z info  cutover attempt 1, waiting at most 2.0 s for the lock',
      '2026-11-19T22:00:00Z warn  cutover attempt 1 failed: the lock was not had within 2000 ms; blocked by session 812 (root@10.0.0.9) in a transaction for 31 s; next in 1.0 s',
      '2026-11-19T22:00:00Z info  phase await-cutover: waiting for a good moment to swap',
      '2026-11-19T22:00:00Z info  phase cutover: swapping the tables',
      '2026-11-19T22:00:00Z info  cutover attempt 2, waiting at most 2.0 s for the lock',
      '2026-11-19T22:00:00Z info  swapped; writes were blocked for 34 ms',
      '2026-11-19T22:00:00Z info  phase clean-up: cleaning up',
      '2026-11-19T22:00:00Z info  phase done: the swap is recorded',
      '2026-11-19T22:00:00Z info  migration k3v9x2 is done',
    ]);
  });

  test('has a line of figures each ten seconds', () => {
    const progress = Array.from({ length: 25 }, () => ({ kind: 'progress', progress: copyProgress }) as const);
    expect(report({ output: 'text', level: 'info' }, 1_000, progress)).toEqual(
      Array(2).fill(
        '2026-11-19T22:00:00Z info  copy 41 % | 1,234,567 of ~3,000,000 rows | 52,000 rows/s | ETA 34 s | lag 300 ms | 412 changes pending | 24 s elapsed',
      ),
    );
  });

  test('has only what needs a look at level warn, and chunks too at level debug', () => {
    expect(report({ output: 'text', level: 'warn' }, 1)).toHaveLength(3);
    expect(report({ output: 'text', level: 'debug' }, 1)).toContain(
      '2026-11-19T22:00:00Z debug chunk copied: 12,000 rows in 243 ms',
    );
  });
});

test.each([
  ['copyWorkers', 2, 7, 'workers from 2 to 7'],
  ['chunkTargetMs', 10, 1_000, 'chunk-time from 10ms to 1s'],
  ['niceRatio', null, 1.5, 'nice-ratio from default to 1.5'],
  ['cutover.lockTimeoutMs', 2_000, 3_000, 'cutover-lock-timeout from 2s to 3s'],
  ['load.replicaLagMaxMs', 5_000, 90_000, 'max-lag from 5s to 90s'],
  ['load.max.Threads_running', null, 25, 'max-load Threads_running from none to 25'],
  ['load.retainedLogBytesMax', null, 1024 ** 3, 'max-retained-log from default to 1GB'],
  ['throttleFile', '/stop', null, 'throttle-file from /stop to none'],
  ['window', null, '22:00-06:00', 'window from any to 22:00-06:00'],
])('a changed %s is told by the name of its flag, with its unit', (name, before, after, text) => {
  expect(describeEvent({ kind: 'options-changed', by: 'anna', changes: [{ name, before, after }] })).toBe(
    `changed by anna: ${text}`,
  );
});

test('on entering a phase the figures are of it at once: what is counted goes on, how fast it goes is not known yet', () => {
  const entered = [
    ...([
      { kind: 'phase-entered', phase: 'copy' },
      { kind: 'progress', progress: copyProgress },
    ] as const),
    { kind: 'phase-entered', phase: 'verify' } as const,
  ].reduce((figures, event) => addEvent(figures, event, 0), noFigures(0));
  expect(entered.progress).toEqual({ ...copyProgress, phase: 'verify', rowsPerSecond: 0, etaMs: null });
});

test('a run that is ready to swap says how its operator lets it go', () => {
  const awaited = { kind: 'cutover-awaited', reason: 'asked for by anna' } as const;
  expect(describeEvent({ ...awaited, by: 'operator' })).toBe(
    'ready to swap, held by operator: asked for by anna; `tableshift control ID cutover` lets it go',
  );
  expect(describeEvent({ ...awaited, by: 'window' })).toBe('ready to swap, held by window: asked for by anna');
});

test('a changed limit on the latency is told as one, whatever it is made of', () => {
  const change = (factor: readonly (number | null)[], floorMs: readonly (number | null)[]): string => {
    const changes = Object.entries({ 'latency.factor': factor, 'latency.floorMs': floorMs });
    return changesText(
      changes.flatMap(([name, [before = null, after = null]]) => (before === after ? [] : [{ name, before, after }])),
    );
  };
  expect(change([2, 0], [10, 40])).toBe('max-latency from default to 40ms');
  expect(change([2, 0], [10, 10])).toBe('max-latency from default to 10ms');
  expect(change([0, 0], [40, 5])).toBe('max-latency from 40ms to 5ms');
  expect(change([0, null], [5, null])).toBe('max-latency from 5ms to 0');
  expect(change([null, 2], [null, 10])).toBe('max-latency from 0 to default');
});

test('a hook that fails is a warning in the log and in JSON', () => {
  const sentence = 'a hook was not told of swapped: it ended with 1';
  const lines = (output: 'text' | 'json') => report({ output, level: 'info' }, 1, [], (one) => one.warn('notices', sentence));
  expect(lines('text')).toEqual([`2026-11-19T22:00:00Z warn  ${sentence}`]);
  expect(lines('json').map((line): unknown => JSON.parse(line))).toEqual([
    { time: '2026-11-19T22:00:00.123Z', kind: 'warning', about: 'notices', message: sentence },
  ]);
});

describe('JSON', () => {
  test('is one object a line for every event at level debug, with its time', () => {
    const objects = report({ output: 'json', level: 'debug' }, 1).map((line): unknown => JSON.parse(line));
    expect(objects).toEqual(exampleRun.map((event) => ({ time: '2026-11-19T22:00:00.123Z', ...event })));
  });

  test('has no chunks at level info, for three days of them are a million lines', () => {
    const lines = report({ output: 'json', level: 'info' }, 1);
    expect(lines.filter((line) => line.includes('"chunk-copied"'))).toEqual([]);
    expect(lines).toHaveLength(exampleRun.length - 4);
  });
});

describe('a plan', () => {
  test('says what would be built, what becomes of the columns, and how large it is', () => {
    expect(planText(examplePlan)).toBe(`\
table       shop.orders on mysql 9.7.0
change      RENAME COLUMN buyer TO customer, DROP COLUMN fax, ADD COLUMN note varchar(200), ADD UNIQUE u (customer, note)
strategy    copy into the shadow table shop._k3v9x2_shadow, then swap; the old table is kept as shop._k3v9x2_retired
key         PRIMARY (id)
columns     3 carried over
renamed     buyer to customer
dropped     fax
added       note
new uniques u
deferred    by_created (built after the copy)
size        ~3,000,000 rows, 1.5 GiB of data, 512 MiB of indexes
space       about 2.0 GiB more, until the old table is dropped
note        The new unique key u may meet duplicates.
`);
  });

  test('keeps to the width of the terminal', () => {
    expect(planText(examplePlan, 80).split('\n').slice(1, 6)).toEqual([
      'change      RENAME COLUMN buyer TO customer, DROP COLUMN fax, ADD COLUMN note',
      '            varchar(200), ADD UNIQUE u (customer, note)',
      'strategy    copy into the shadow table shop._k3v9x2_shadow, then swap; the old',
      '            table is kept as shop._k3v9x2_retired',
      'key         PRIMARY (id)',
    ]);
  });
});

describe('the summary', () => {
  const end = (outcome: Parameters<typeof summarise>[0]['outcome']) => {
    let nowMs = 0;
    const figures = exampleRun.reduce((figures, event) => addEvent(figures, event, (nowMs += 1_000)), noFigures(0));
    return summarise({
      command: 'migrate',
      plan: examplePlan,
      figures,
      nowMs,
      outcome,
      resumeCommand: 'tableshift resume k3v9x2',
    });
  };
  const result = {
    id: examplePlan.id,
    retired: examplePlan.retired,
    rowsCopied: 3_000_412,
    keysApplied: 10_300,
    rowsVerified: 3_000_412,
    rowsRepaired: 1,
    lagMaxMs: 1_250.4,
    blockedMs: 34.28,
    elapsedMs: 28_000,
  };

  test('of a success has every figure', () => {
    expect(end(result)).toEqual({
      kind: 'summary',
      strategy: 'shadow',
      command: 'migrate',
      id: 'k3v9x2',
      table: 'shop.orders',
      retired: 'shop._k3v9x2_retired',
      state: 'done',
      exitCode: 0,
      error: null,
      resumeCommand: null,
      isResumed: false,
      elapsedMs: 28_000,
      phasesMs: {
        prepare: 1_000,
        copy: 9_000,
        'finish-shadow': 1_000,
        'catch-up': 1_000,
        verify: 5_000,
        'await-cutover': 2_000,
        cutover: 6_000,
        'clean-up': 1_000,
        done: 1_000,
      },
      rowsCopied: 3_000_412,
      rowsVerified: 3_000_412,
      rowsRepaired: 1,
      rowsDiffering: 1,
      keysApplied: 10_300,
      lagMaxMs: 1_250,
      chunks: 1,
      chunksCollided: 0,
      checkpoints: 1,
      retries: 1,
      throttledMs: 4_000,
      cutoverAttempts: 2,
      blockedMs: 34.3,
    });
  });

  test('of a success is readable', () => {
    expect(summaryText(end(result), 'tableshift cleanup k3v9x2')).toBe(`\
Done: shop.orders has its new definition after 28 s.
  rows      3,000,412 copied, 3,000,412 compared, 1 repaired
  changes   10,300 applied, lag at most 1.3 s
  swap      writes blocked for 34 ms, attempt 2
  throttled 4.0 s in all
  retries   1
The old table is kept as shop._k3v9x2_retired.
To drop it when its soak is over (--soak), or at once with --now:
  tableshift cleanup k3v9x2
`);
  });

  test('of an empty table does not say that it was not compared', () => {
    const rows = (copied: number): string | undefined =>
      summaryText(end({ ...result, rowsCopied: copied, rowsVerified: 0, rowsRepaired: 0 }), '').split('\n')[1];
    expect(rows(0)).toBe('  rows      0 copied, 0 compared, 0 repaired');
    expect(rows(7)).toBe('  rows      7 copied, not compared, 0 repaired');
  });

  test('of a failure has the error, its remedy, the exit code and the command that resumes', () => {
    const summary = end(new MigrationError('CUTOVER_NOT_LOCKED', 'No lock from mysql://root:secret@db1/shop in 10 attempts.'));
    expect(summary).toMatchObject({
      state: 'open',
      exitCode: 5,
      error: {
        code: 'CUTOVER_NOT_LOCKED',
        message: 'No lock from mysql://root:***@db1/shop in 10 attempts.',
        remedy: expect.stringContaining('End what blocks it, or choose a calmer time; resume.'),
      },
      resumeCommand: 'tableshift resume k3v9x2',
      rowsCopied: 12_000,
    });
  });

  test('of a refusal says what to do about each obstacle', () => {
    const obstacles = [
      { code: 'DUPLICATE_ROWS', message: 'Rows 5 and 9 are equal.' },
      { code: 'TABLE_NOT_FOUND', message: 'shop.orders does not exist.' },
    ] as const;
    expect(end(new PlanRefusedError(obstacles)).error).toEqual({
      code: 'OBSTACLE',
      message: 'Rows 5 and 9 are equal. shop.orders does not exist.',
      remedy:
        'Correct the rows that are named; others may be found while copying. Check the name, its schema and the database in --url.',
    });
  });
});
