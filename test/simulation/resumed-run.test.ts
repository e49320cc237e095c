/** What each run finds out before it works, and what the one that comes after the swap tells of those before it. */
import { expect, test } from 'vitest';
import { Controls } from '../../src/engine/controls.ts';
import { MigrationError } from '../../src/engine/errors.ts';
import type { MigrationEvent } from '../../src/engine/events.ts';
import { runMigration } from '../../src/engine/migration.ts';
import { DEFAULT_OPTIONS, type LatencyLimit } from '../../src/engine/options.ts';
import type { RowKey } from '../../src/engine/model.ts';
import type { TableClaim, ThrottleSignal } from '../../src/engine/ports.ts';
import { openSimulatedFixture } from '../contract/simulated-fixture.ts';

test('a run knows what a small write takes at rest before it copies anything, and so does one that resumes it', async () => {
  await using fixture = await openSimulatedFixture({});
  /** How often it wrote, and whether it read the transactions of others, until it copied; it ends then. */
  const begun = async (purpose: 'start' | 'resume', latency: LatencyLimit | null) => {
    const stop = new AbortController();
    await using claim = await fixture.database.claim(fixture.plan, purpose, stop.signal);
    const found = { writes: 0, hasReadTransactions: false };
    let before = found;
    const open = claim.openChangeStream.bind(claim);
    const openChangeStream: TableClaim['openChangeStream'] = async (from, inner) => {
      const stream = await open(from, inner);
      const place = stream.placeFence.bind(stream);
      const placeFence: typeof place = (signal) => {
        found.writes += 1;
        return place(signal);
      };
      return Object.assign(stream, { placeFence });
    };
    const readTransactions = async (): Promise<readonly []> => {
      found.hasReadTransactions = true;
      return [];
    };
    Object.assign(claim, { openChangeStream, readTransactions });
    const observer = (event: MigrationEvent): void => {
      const isReady = event.kind === 'resumed' || (event.kind === 'phase-entered' && event.phase === 'copy');
      if (!isReady) return;
      before = { ...found };
      stop.abort(new MigrationError('INTERRUPTED', 'It is to begin only.'));
    };
    const controls = new Controls({ ...DEFAULT_OPTIONS, latency });
    const run = runMigration({ plan: fixture.plan, claim, clock: fixture.clock, signals: [], controls, observer }, stop.signal);
    await expect(run).rejects.toMatchObject({ code: 'INTERRUPTED' });
    return before;
  };
  const { latency } = DEFAULT_OPTIONS;
  const [first, resumed, unlimited] = [
    await begun('start', latency),
    await begun('resume', latency),
    await begun('resume', null),
  ];
  expect([first.hasReadTransactions, resumed.hasReadTransactions, unlimited.hasReadTransactions]).toEqual([true, true, false]);
  expect([first.writes - unlimited.writes, resumed.writes - unlimited.writes]).toEqual([20, 20]);
});

test('a resume that finds the tables swapped tells what was copied and compared before', async () => {
  await using fixture = await openSimulatedFixture({ thingsToSettle: 0 });
  const { signal } = new AbortController();
  const controls = new Controls({ ...DEFAULT_OPTIONS, latency: null });
  const told: string[] = [];
  const observer = (event: MigrationEvent): void => {
    if (event.kind === 'phase-entered' || event.kind === 'resumed') told.push(`${event.kind} ${event.phase}`);
  };
  const run = async (purpose: 'start' | 'resume', unsettled?: () => Promise<never>) => {
    await using claim = await fixture.database.claim(fixture.plan, purpose, signal);
    if (unsettled !== undefined) Object.assign(claim.cutover, { unsettled });
    return await runMigration({ plan: fixture.plan, claim, clock: fixture.clock, signals: [], controls, observer }, signal);
  };
  const cut = (): Promise<never> => Promise.reject(new MigrationError('INTERRUPTED', 'A signal came.'));
  await expect(run('start', cut)).rejects.toMatchObject({ code: 'INTERRUPTED' });
  expect(told.splice(0).slice(0, 2)).toEqual(['phase-entered prepare', 'phase-entered copy']);
  const rows = (await fixture.rows('retired'))?.length;
  const { elapsedMs, ...figures } = await run('resume');
  expect(figures).toEqual({
    ...{ id: fixture.plan.id, retired: fixture.plan.retired },
    ...{ rowsCopied: rows, rowsVerified: rows, rowsRepaired: 0, keysApplied: 0, lagMaxMs: 0, blockedMs: 0 },
  });
  expect(elapsedMs).toBeLessThan(fixture.clock.now());
  expect(told).toEqual(['phase-entered clean-up', 'phase-entered done']);
});

test('a resume goes on where the run before it had come, and compares what was begun also if it is not to verify', async () => {
  await using fixture = await openSimulatedFixture({ thingsToSettle: 0 });
  /** After which keys it copied and compared, the first of all being null; it ends at its first event of this kind. */
  const ranges = async (purpose: 'start' | 'resume', endsAt: MigrationEvent['kind'] | null, isVerifying: boolean) => {
    const stop = new AbortController();
    await using claim = await fixture.database.claim(fixture.plan, purpose, new AbortController().signal);
    const { pair } = claim;
    const [copy, compare, finish] = [pair.copyRange.bind(pair), pair.compareRange.bind(pair), pair.finishShadow.bind(pair)];
    const seen = { copied: [] as (RowKey | null)[], compared: [] as (RowKey | null)[] };
    const copyRange: typeof copy = (range, existing, inner) => {
      seen.copied.push(range.after);
      return copy(range, existing, inner);
    };
    const compareRange: typeof compare = (range, inner) => {
      seen.compared.push(range.after);
      return compare(range, inner);
    };
    const finishShadow: typeof finish = async (inner) => {
      await fixture.clock.sleep(10_000, inner);
      await finish(inner);
    };
    Object.assign(pair, { copyRange, compareRange, finishShadow, isFinishedWhileCompared: true });
    const observer = ({ kind }: MigrationEvent): void => {
      if (kind === endsAt) stop.abort(new MigrationError('INTERRUPTED', 'A signal came.'));
    };
    const limits = { copyWorkers: 1, chunkRowsFirst: 1, chunkRowsMax: 1 };
    const controls = new Controls({ ...DEFAULT_OPTIONS, ...limits, latency: null, isVerifying });
    const given = { plan: fixture.plan, claim, clock: fixture.clock, signals: [], controls, observer };
    const rowsCopied = await runMigration(given, stop.signal).then(
      (result) => result.rowsCopied,
      () => null,
    );
    return { ...seen, rowsCopied };
  };
  const runs = [
    await ranges('start', 'chunk-copied', true),
    await ranges('resume', 'range-verified', true),
    await ranges('resume', 'range-verified', true),
    await ranges('resume', null, false),
  ];
  for (const all of [runs.map(({ copied }) => copied), runs.map(({ compared }) => compared)]) {
    expect(all.flat().at(0)).toBeNull();
    expect(all.flat()).toEqual([...new Set(all.flat())]);
  }
  expect(runs.map(({ copied, compared }) => [copied.length > 0, compared.length > 0])).toEqual([
    ...[
      [true, false],
      [true, true],
      [false, true],
      [false, true],
    ],
  ]);
  const rows = (await fixture.rows('retired'))?.length;
  expect(runs.map(({ rowsCopied }) => rowsCopied)).toEqual([null, null, null, rows]);
});

test('a run asks all that may slow it down: the operator’s, those of the server, and what the transactions of others take', async () => {
  await using fixture = await openSimulatedFixture({});
  const { signal } = new AbortController();
  await using claim = await fixture.database.claim(fixture.plan, 'start', signal);
  const asked: Record<string, number> = {};
  const note = (name: string): void => void (asked[name] = (asked[name] ?? 0) + 1);
  const signalOf = (name: string): ThrottleSignal => ({
    name,
    sample: async () => {
      note(name);
      return { pressure: 0, detail: '' };
    },
  });
  const readTransactions = async (): Promise<readonly []> => {
    note('transactions');
    return [];
  };
  const finish = claim.pair.finishShadow.bind(claim.pair);
  const finishShadow = async (inner: AbortSignal): Promise<void> => {
    await fixture.clock.sleep(10_000, inner);
    await finish(inner);
  };
  Object.assign(claim, { throttleSignals: [signalOf('replica')], readTransactions });
  Object.assign(claim.pair, { finishShadow });
  const given = { plan: fixture.plan, claim, clock: fixture.clock, signals: [signalOf('file')], observer: () => undefined };
  await runMigration({ ...given, controls: new Controls(DEFAULT_OPTIONS) }, signal);
  for (const name of ['replica', 'file', 'transactions']) expect(asked[name]).toBeGreaterThan(5);
});
