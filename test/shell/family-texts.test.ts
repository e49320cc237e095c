/** What is said of several tables that are swapped together, without a server. */
import { describe, expect, test } from 'vitest';
import { MigrationError } from '../../src/engine/errors.ts';
import type { MigrationEvent, Progress } from '../../src/engine/events.ts';
import type { MigrationId, Plan } from '../../src/engine/model.ts';
import { DEFAULT_OPTIONS } from '../../src/engine/options.ts';
import { pairChanges, strategyFor } from '../../src/shell/asked-changes.ts';
import { type RunMembers, sumFigures, sumProgress } from '../../src/shell/family-figures.ts';
import { renderFamilyFrame } from '../../src/shell/family-frame.ts';
import { familyReportMarkdown, makeFamilyReport } from '../../src/shell/family-report.ts';
import { familyStatus, familyStatusText } from '../../src/shell/family-status.ts';
import { familySummaryText, summariseFamily } from '../../src/shell/family-summary.ts';
import { familyPlanText } from '../../src/shell/family-text.ts';
import { columnsOf } from '../../src/shell/live-frame.ts';
import { liveStatus } from '../../src/shell/live-status.ts';
import { familyMetricsText } from '../../src/shell/metrics.ts';
import { readOptions } from '../../src/shell/option-values.ts';
import { makeReport } from '../../src/shell/report.ts';
import { createReporter } from '../../src/shell/reporter.ts';
import { emptyRecord, recordEvent } from '../../src/shell/run-record.ts';
import { openSteering } from '../../src/shell/steering.ts';
import { summarise } from '../../src/shell/summary.ts';
import { copyProgress, examplePlan } from '../support/run-events.ts';
import { TerminalEmulator } from '../support/terminal-emulator.ts';

const plans = [planOf('customers', 'cust1'), planOf('orders', 'ord2'), planOf('items', 'item3')] as const;

function planOf(table: string, id: string): Plan {
  const memberOf = (table: string, id: string) => ({
    id: id as MigrationId,
    source: { schema: 'shop', table },
    shadow: { schema: 'shop', table: `${table}_new` },
    retired: { schema: 'shop', table: `${table}_old` },
  });
  const members = [memberOf('customers', 'cust1'), memberOf('orders', 'ord2'), memberOf('items', 'item3')];
  const key = {
    ...{ name: 'fk_customer', child: { schema: 'shop', table: 'orders' }, columns: ['customer_id'] },
    ...{ parent: { schema: 'shop', table: 'customers' }, parentColumns: ['id'], actions: '' },
    after: { columns: ['customer_id'], parentColumns: ['id'] },
  };
  const foreignKeys = [key, { ...key, name: 'fk_outside', parent: { schema: 'shop', table: 'shops' } }];
  const family = { id: 'cust1' as MigrationId, members };
  const keys = table === 'items' ? {} : { foreignKeys };
  return { ...examplePlan, ...memberOf(table, id), clauses: 'MODIFY id bigint', family, ...keys };
}

const verified: Progress = {
  ...copyProgress,
  ...{ phase: 'await-cutover', rowsCopied: 3_000_000, rowsVerified: 3_000_000, rowsPerSecond: 0, etaMs: null, lagMs: 700 },
  waitingFor: ['shop.orders', 'shop.items'],
};

/** The first waits, the second copies, and the third has not begun. */
const events: readonly (readonly MigrationEvent[])[] = [
  [
    { kind: 'phase-entered', phase: 'await-cutover' },
    { kind: 'chunk-copied', rows: 3_000_000, durationMs: 9, isCollided: false },
    { kind: 'progress', progress: verified },
  ],
  [
    { kind: 'phase-entered', phase: 'copy' },
    { kind: 'chunk-copied', rows: 1_200_000, durationMs: 9, isCollided: false },
    { kind: 'progress', progress: copyProgress },
  ],
  [{ kind: 'phase-entered', phase: 'prepare' }],
];

function membersAfter(happened: readonly (readonly MigrationEvent[])[]): RunMembers {
  const moment = { time: new Date('2026-11-22T12:00:00Z'), nowMs: 1_000 };
  const memberOf = (at: 0 | 1 | 2) => ({
    plan: plans[at],
    record: (happened[at] ?? []).reduce((record, event) => recordEvent(record, event, moment), emptyRecord(0)),
  });
  return [memberOf(0), memberOf(1), memberOf(2)];
}

describe('the pairs of --table and --alter', () => {
  const pairsOf = (alter: readonly string[], table: readonly string[]) =>
    pairChanges(
      readOptions('plan', { url: 'mysql://db1/shop', alter, ...(table.length === 0 ? {} : { table }) }, {}).values,
    ).map(({ alter, table }) => [table, alter]);

  test('go by their order; whole statements need no table', () => {
    expect(pairsOf(['ADD a int', 'ADD b int'], ['t', 'shop.u'])).toEqual([
      ['t', 'ADD a int'],
      ['shop.u', 'ADD b int'],
    ]);
    expect(pairsOf(['ALTER TABLE t ADD a int', 'ALTER TABLE u ADD b int'], [])).toEqual([
      [null, 'ALTER TABLE t ADD a int'],
      [null, 'ALTER TABLE u ADD b int'],
    ]);
    expect(pairsOf(['ADD a int'], ['t'])).toEqual([['t', 'ADD a int']]);
  });

  test.each([
    [['ADD a int', 'ADD b int'], ['t'], '--alter is given 2 times and --table is given once. '],
    [['ADD a int'], ['t', 'u'], '--alter is given once and --table is given 2 times. '],
  ])('%j for %j is bad usage, and the message says what to write', (alter, table, message) => {
    const advice =
      "Write one --table for each --alter (--table A --alter … --table B --alter …), or none (--alter 'ALTER TABLE A …' --alter 'ALTER TABLE B …').";
    expect(() => pairsOf(alter, table)).toThrow(expect.objectContaining({ code: 'BAD_USAGE', message: `${message}${advice}` }));
  });
});

test('several tables go by their shadows: a native way is refused before anything is asked', () => {
  const message = '--strategy native is for one table: several are swapped together, which only their shadows can be.';
  const wayOf = (strategy: 'auto' | 'native' | 'shadow') => strategyFor({ strategy, cutover: 'auto' }, 2);
  expect(() => wayOf('native')).toThrow(expect.objectContaining({ code: 'BAD_USAGE', message }));
  expect([wayOf('auto'), wayOf('shadow')]).toEqual(['auto', 'shadow']);
});

test('the plan of a family has each plan, and each foreign key between members once', () => {
  const text = familyPlanText(plans);
  expect(text.split('\n').filter((line) => line.startsWith('table '))).toEqual([
    'table       shop.customers on mysql 9.7.0',
    'table       shop.orders on mysql 9.7.0',
    'table       shop.items on mysql 9.7.0',
  ]);
  expect(text.split('\n').slice(-3)).toEqual([
    'together    shop.customers, shop.orders, shop.items: copied one after another, swapped in one step, all or none',
    'key         fk_customer: shop.orders (customer_id) refers to shop.customers (id)',
    '',
  ]);
});

describe('the progress of a family', () => {
  test('is the sum, in the phase of the one that is furthest behind', () => {
    expect(sumProgress(membersAfter(events))).toEqual({
      ...copyProgress,
      rowsCopied: 4_234_567,
      rowsEstimated: 9_000_000,
      // 4,765,433 rows are left, at 52,000 a second.
      etaMs: (4_765_433 / 52_000) * 1_000,
      rowsVerified: 3_000_000,
      ...{ keysPending: 824, keysApplied: 20_468, lagMs: 700 },
    });
    expect(sumFigures(membersAfter(events))).toMatchObject({ phase: 'copy', rowsCopied: 4_200_000, chunks: 2 });
  });

  test('is not known before anybody has figures', () => {
    expect(sumProgress(membersAfter([]))).toBeNull();
    expect(sumFigures(membersAfter([]))).toMatchObject({ phase: null, progress: null, verification: null, blockedMs: null });
  });

  test('has a line for each table in the live view, which fits the terminal', () => {
    const members = membersAfter(events);
    expect(renderFamilyFrame(members, 19_000, { columns: 80, rows: 24, hasColours: false }).join('\n')).toBe(`\
shop.customers, shop.orders, shop.items
migrations of family cust1, 19 s so far

  > shop.customers await-cutover 18 s  waits for shop.orders, shop.items
  > shop.orders    copy          [============>               ]  41 %  ETA 34 s
  > shop.items     prepare       18 s  creating the shadow table

rows      4,234,567 of ~9,000,000 copied    52,000 rows/s      chunks of 12,000
changes   lag 700 ms (at most 1.3 s)        824 pending        20,468 applied
throttle  none`);
    for (const columns of [2, 30, 200]) {
      for (const rows of [2, 8, 40]) {
        const lines = renderFamilyFrame(members, 19_000, { columns, rows, hasColours: true });
        expect(lines.length).toBeLessThan(rows);
        for (const line of lines) expect(columnsOf(line)).toBeLessThan(columns);
      }
    }
  });
});

test('the live view keeps a warning above it with the table that it is about', () => {
  const screen = new TerminalEmulator(80, 24);
  const family = () => membersAfter(events);
  const reporter = createReporter(
    { output: 'text', level: 'info', hasColours: true, isDumb: false, plan: plans[0], family },
    { stdout: screen, now: () => new Date(0), monotonicMs: () => 19_000 },
  );
  reporter.observe({ kind: 'progress', progress: copyProgress }, plans[1]);
  reporter.observe({ kind: 'warning', about: 'disk', message: 'It is nearly full.' }, plans[2]);
  reporter.close();
  expect(screen.text.split('\n').slice(0, 3)).toEqual([
    'shop.items: disk: It is nearly full.',
    'shop.customers, shop.orders, shop.items',
    'migrations of family cust1, 19 s so far',
  ]);
  expect(screen.wraps).toBe(0);
});

test('a log says of which table each line is, and JSON too; the line of figures is of all', () => {
  const report = (output: 'text' | 'json'): readonly string[] => {
    const written: string[] = [];
    let nowMs = 0;
    const stdout = { write: (text: string) => written.push(text), on: () => undefined, off: () => undefined };
    const target = { stdout, now: () => new Date('2026-11-22T12:00:00Z'), monotonicMs: () => (nowMs += 20_000) };
    const options = {
      output,
      level: 'info' as const,
      hasColours: false,
      isDumb: false,
      plan: plans[0],
      family: () => membersAfter(events),
    };
    const reporter = createReporter(options, target);
    reporter.observe({ kind: 'phase-entered', phase: 'copy' }, plans[1]);
    reporter.observe({ kind: 'paused', by: 'operator', reason: 'lunch' }, null);
    reporter.observe({ kind: 'progress', progress: copyProgress }, plans[1]);
    reporter.close();
    return written.join('').trimEnd().split('\n');
  };
  expect(report('text')).toEqual([
    '2026-11-22T12:00:00Z info  shop.orders: phase copy: copying rows',
    '2026-11-22T12:00:00Z info  paused by operator: lunch',
    '2026-11-22T12:00:00Z info  copy 47 % | 4,234,567 of ~9,000,000 rows | 52,000 rows/s | ETA 1 m 32 s | lag 700 ms | 824 changes pending | 24 s elapsed',
  ]);
  expect(report('json').map((line) => JSON.parse(line) as object)).toMatchObject([
    { table: 'shop.orders', kind: 'phase-entered' },
    { kind: 'paused', by: 'operator' },
    { table: 'shop.orders', kind: 'progress', progress: { rowsCopied: 1_234_567 } },
  ]);
});

test('the status has the sum, who holds all of them, and each table; the metrics have a label', async () => {
  const { values } = readOptions('resume', { url: 'mysql://db1/shop' }, {});
  const steering = await openSteering(values, DEFAULT_OPTIONS, () => new Date());
  steering.controls.pause('operator', 'lunch');
  const members = membersAfter(events);
  const status = familyStatus(members, steering, 6_000);
  expect(status).toMatchObject({
    ...{ kind: 'family-status', id: 'cust1', elapsedMs: 6_000, progress: { rowsCopied: 4_234_567 } },
    members: [
      { id: 'cust1', table: 'shop.customers', phase: 'await-cutover' },
      { id: 'ord2', table: 'shop.orders', phase: 'copy', pausedBy: [{ by: 'operator' }] },
      { id: 'item3', table: 'shop.items', phase: 'prepare', progress: null },
    ],
  });
  const text = familyStatusText(status);
  expect(text).toContain('\nphase         await-cutover: waits for shop.orders, shop.items\n');
  expect(text).toMatch(/\nfigures {7}await-cutover .* \| waits for shop.orders, shop.items\n/);
  expect(text.split('\n').slice(0, 7)).toEqual([
    'family        cust1, 3 tables that are swapped together',
    'state         running for 6.0 s',
    expect.stringMatching(/^figures {7}copy 47 % \| 4,234,567 of/),
    'paused        by operator: lunch',
    '',
    'migration     cust1',
    'table         shop.customers',
  ]);
  expect(text.split('\n').filter((line) => line.startsWith('paused'))).toHaveLength(1);

  const metrics = familyMetricsText(
    members.map(({ plan, record }) => ({ status: liveStatus(plan, record, steering, 6_000), record })),
  ).split('\n');
  expect(metrics.filter((line) => line.startsWith('tableshift_rows_copied_total'))).toEqual([
    'tableshift_rows_copied_total{table="shop.customers"} 3000000',
    'tableshift_rows_copied_total{table="shop.orders"} 1200000',
    'tableshift_rows_copied_total{table="shop.items"} 0',
  ]);
  expect(metrics).toContain('tableshift_phase{phase="copy",table="shop.orders"} 1');
  expect(metrics).toContain('tableshift_migration_info{id="ord2",table="shop.orders"} 1');
  expect(metrics.filter((line) => line === '# TYPE tableshift_phase gauge')).toHaveLength(1);
  expect(metrics.filter((line) => !line.startsWith('#') && line !== '' && !line.includes('table="'))).toEqual([]);
});

test('summary and report are of all, and have those of each table', () => {
  const members = membersAfter(events);
  const error = new MigrationError('INTERRUPTED', 'The run was ended by SIGINT.');
  const endedBy = (outcome: MigrationError | null) => {
    const summaries = members.map(({ plan, record }) =>
      summarise({
        ...{ command: 'migrate', plan, figures: record.figures, nowMs: 6_000 },
        outcome: outcome ?? {
          ...{ id: plan.id, retired: plan.retired, rowsCopied: 10, keysApplied: 2, rowsVerified: 10, rowsRepaired: 0 },
          ...{ lagMaxMs: 5, blockedMs: 30, elapsedMs: 6_000 },
        },
        resumeCommand: `tableshift resume ${plan.id}`,
      }),
    );
    return { summaries, summary: summariseFamily({ members, summaries, nowMs: 6_000 }, outcome) };
  };
  const { summary, summaries } = endedBy(error);
  expect(summary).toMatchObject({
    ...{ kind: 'family-summary', id: 'cust1', state: 'open', exitCode: 1, resumeCommand: 'tableshift resume cust1' },
    ...{ rowsCopied: 4_200_000, error: { code: 'INTERRUPTED' }, members: [{ table: 'shop.customers' }, {}, { id: 'item3' }] },
  });
  const moments = { startedAt: new Date(0), endedAt: new Date(6_000), commandLine: 'tableshift migrate --table customers' };
  const reports = members.map(({ plan, record }, at) => {
    const summary = summaries[at];
    if (summary === undefined) throw new Error('each member has a summary');
    return makeReport({ plan, record, summary, ...moments });
  });
  const text = familyReportMarkdown(makeFamilyReport(summary, reports, moments));
  expect(text.split('\n').filter((line) => /^##? /.test(line))).toEqual([
    '# Migrations of shop.customers, shop.orders, shop.items, swapped together',
    ...[
      '## Tables',
      '## Migration cust1 of shop.customers',
      '## Migration ord2 of shop.orders',
      '## Migration item3 of shop.items',
    ],
  ]);
  expect(text).toContain('| shop.orders | ord2 | 1,200,000 | 0 | 10,234 | open |');
  expect(text).toContain('To go on: `tableshift resume cust1`');
  expect(text).not.toContain('undefined');

  const done = familySummaryText(endedBy(null).summary, ['tableshift cleanup cust1', 'tableshift cleanup ord2']);
  expect(done.split('\n').slice(0, 2)).toEqual([
    'Done: shop.customers, shop.orders, shop.items have their new definitions after 6.0 s, swapped in one step.',
    '  rows      30 copied, 30 compared, 0 repaired',
  ]);
  expect(done).toContain('The old table of shop.orders is kept as shop.orders_old.\n');
  expect(done).toContain('  tableshift cleanup ord2\n');
});
