/**
 * What programs read is as docs/schemas says: the real outputs of real runs, checked by a validator of its own. Lines of other tests are
 * checked, too, wherever they start the program (test/support/cli.ts).
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ERRORS } from '../../src/engine/errors.ts';
import { type CliResult, lastObject, runCli, showingAll, startCli } from '../support/cli.ts';
import { openPostgresShop } from '../support/postgres-shop.ts';
import { schemaFaults as faults } from '../support/schemas.ts';
import { openShop } from '../support/shop.ts';

interface Place extends AsyncDisposable {
  readonly url: string;
}

const places = {
  mysql: (): Promise<Place> => openShop('mysql', 2_000),
  postgres: (): Promise<Place> => openPostgresShop(15, 2_000),
} as const;

const kindsOf = ({ stdout }: CliResult): readonly string[] => [
  ...new Set([...stdout.matchAll(/^\{"time":"[^"]+","kind":"([^"]+)"/gm)].map(([, kind = '']) => kind)),
];

test('a value that is not as it should be is found', () => {
  expect(faults('list', { time: 'now', kind: 'migrations', migrations: [], strays: [], more: 1 })).toEqual([
    ' must NOT have additional properties',
    expect.stringMatching(/^\/time must match pattern/),
  ]);
});

test('every exit code of an error may stand in every object', () => {
  const highest = Math.max(...Object.values(ERRORS).map(({ exitCode }) => exitCode));
  for (const schema of ['summary', 'definitions', 'error']) {
    const text = readFileSync(join(import.meta.dirname, `../../docs/schemas/${schema}.schema.json`), 'utf8');
    const limits = [...text.matchAll(/"exitCode": \{[^}]*"maximum": (\d+)/g)].map(([, limit]) => Number(limit));
    expect([...new Set(limits)]).toEqual([highest]);
  }
});

describe.each(['mysql', 'postgres'] as const)('on %s', (name) => {
  let shop: Place;
  let folder: string;
  beforeAll(async () => {
    shop = await places[name]();
    folder = mkdtempSync(join(tmpdir(), 'tableshift-schemas-'));
  });
  afterAll(async () => {
    await shop[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  });

  const call = (command: string, ...more: readonly string[]): Promise<CliResult> =>
    runCli([command, '--url', shop.url, '--output', 'json', ...more], { XDG_RUNTIME_DIR: folder, ...showingAll });
  const alter = (clauses: string) => ['--alter', `ALTER TABLE orders ${clauses}`];

  test('plan, also where it is refused', async () => {
    expect(faults('plan', lastObject(await call('plan', ...alter('ADD COLUMN first integer'))))).toEqual([]);
    const impossible = alter('ADD COLUMN id integer');
    expect(faults('plan', lastObject(await call('plan', ...impossible)))).toEqual([]);
    const error = lastObject(await call('migrate', ...impossible));
    expect(error).toMatchObject({ kind: 'error', exitCode: 2, obstacles: [{}] });
    expect(faults('error', error)).toEqual([]);
  });

  test('a native change, where the server has a cheap way', async () => {
    const auto = ['--strategy', 'auto', ...alter('ALTER COLUMN customer SET DEFAULT 5')];
    expect(faults('plan', lastObject(await call('plan', ...auto)))).toEqual([]);
    const run = await call('migrate', ...auto);
    expect(faults('plan', JSON.parse(run.stdout.split('\n')[0] ?? ''))).toEqual([]);
    expect(lastObject(run)).toMatchObject({ exitCode: 0, state: 'done' });
    expect(faults('summary', lastObject(run))).toEqual([]);
  });

  test('a run that is interrupted and one that finishes: plan, status, summary, report and list', async () => {
    const args = [...alter('ADD COLUMN first integer'), '--cutover', 'manual', '--max-latency', '0'];
    const report = join(folder, 'first.json');
    await using run = startCli(['migrate', '--url', shop.url, '--output', 'json', ...args, '--report', report], {
      ...{ XDG_RUNTIME_DIR: folder, ...showingAll },
    });
    const first = JSON.parse(await run.lineMatching(/"kind":"plan"/)) as { plan: { id: string } };
    expect(faults('plan', first)).toEqual([]);
    await run.lineMatching(/"kind":"progress".*"await-cutover"/);
    const live = lastObject(await call('status', first.plan.id));
    expect(live).toMatchObject({ kind: 'status', progress: { phase: 'await-cutover' } });
    expect(faults('status', live)).toEqual([]);

    run.child.kill('SIGINT');
    const summary = lastObject(await run.result);
    expect(summary).toMatchObject({ kind: 'summary', state: 'open' });
    expect(faults('summary', summary)).toEqual([]);
    const kinds = kindsOf(await run.result);
    expect(kinds).toEqual(expect.arrayContaining(['plan', 'chunk-copied', 'range-verified', 'checkpoint-saved', 'progress']));
    expect(kinds).toEqual(
      expect.arrayContaining(['note', 'cutover-held', 'cutover-awaited', 'verification-passed', 'summary']),
    );
    const written = JSON.parse(readFileSync(report, 'utf8')) as object;
    expect(written).toMatchObject({ kind: 'report', summary: { state: 'open' }, attempts: [], verification: { rows: 2_000 } });
    expect(faults('report', written)).toEqual([]);
    const recorded = lastObject(await call('status', first.plan.id));
    const { events } = lastObject(await call('status', first.plan.id, '--events', '50')) as { events: { text: string }[] };
    expect(recorded).toMatchObject({ kind: 'migration', state: 'open', isRunning: false, events: events.slice(-10) });
    const texts = events.map(({ text }) => text.replace(/^(phase [^:]+):.*/, '$1'));
    // Rows may be compared while the shadow is being finished.
    const equal = 'both tables hold the same 2,000 rows (pass 1, 0 repaired)';
    expect(texts).toContain(equal);
    expect(texts.filter((text) => text !== equal)).toEqual([
      'the cutover is held by operator: it was asked for by hand (--cutover manual)',
      ...['phase prepare', 'phase copy', 'phase finish-shadow', 'phase catch-up', 'phase verify', 'phase await-cutover'],
      'ready to swap, held by operator: it was asked for by hand (--cutover manual); `tableshift control ID cutover` lets it go',
      'ended by INTERRUPTED: The run was ended by SIGINT.',
    ]);
    expect(faults('status', recorded)).toEqual([]);

    const markdown = join(folder, 'second.md');
    const resumed = await call('resume', '--max-latency', '0', '--report', markdown);
    expect(lastObject(resumed)).toMatchObject({ exitCode: 0, state: 'done' });
    expect(kindsOf(resumed)).toEqual(expect.arrayContaining(['resumed', 'cutover-attempt', 'swapped', 'finished']));
    expect(faults('summary', lastObject(resumed))).toEqual([]);
    const text = readFileSync(markdown, 'utf8');
    expect(text).toContain(`# Migration ${first.plan.id} of `);
    expect(text).toMatch(/\*\*Done\.\*\* Writes were blocked for [\d.]+ m?s; the old table is kept as /);
    expect(text).toMatch(/- attempt 1 swapped; writes were blocked for /);
    expect(text).not.toContain('undefined');
    const list = lastObject(await call('list'));
    expect(list).toMatchObject({
      migrations: [
        { id: first.plan.id, state: 'done' },
        { state: 'done', plan: { strategy: 'native' } },
      ],
    });
    expect(faults('list', list)).toEqual([]);
    expect(faults('status', lastObject(await call('status', first.plan.id)))).toEqual([]);
    const leftovers = lastObject(await call('cleanup'));
    expect(leftovers).toMatchObject({ kind: 'leftovers', retired: [{ id: first.plan.id, use: null }], unfinished: [] });
    expect(faults('cleanup', leftovers)).toEqual([]);
    const kept = lastObject(await call('cleanup', '--yes'));
    expect(kept).toMatchObject({ kind: 'cleanup', results: [], kept: [{ id: first.plan.id }] });
    expect(faults('cleanup', kept)).toEqual([]);
    const dropped = lastObject(await call('cleanup', first.plan.id, '--soak', '0'));
    expect(dropped).toMatchObject({ kind: 'cleanup', results: [{ outcome: 'dropped' }], kept: [] });
    expect(faults('cleanup', dropped)).toEqual([]);
  });

  test('a report that could not be written is refused before anything is done', async () => {
    const refused = await call('migrate', ...alter('ADD COLUMN late integer'), '--report', '/nowhere/report.md');
    expect(refused.exitCode).toBe(2);
    expect(lastObject(refused)).toMatchObject({
      error: { code: 'BAD_USAGE', message: '--report /nowhere/report.md: there is no such directory.' },
    });
    expect(faults('error', lastObject(refused))).toEqual([]);
  });
});
