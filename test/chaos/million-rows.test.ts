/**
 * Many rows under open-loop traffic: nothing lost, figures reported. With TABLESHIFT_TIMED_TESTS=1 they are a million, beside 300 write
 * transactions and 1,200 row changes a second. Else other tests may keep the processors busy, and a copy waits for an application whose
 * requests cannot be served in time anyway: so there is less of both, and the program gives way to none of them.
 */
import { describe, expect, test } from 'vitest';
import { measureLive } from '../support/live-measure.ts';
import { deadlockFlags, isBetweenShadowWrites, readDeadlocks } from '../support/server-deadlocks.ts';
import { startServer } from '../support/servers.ts';
import { runTool, type ToolRun } from '../support/tableshift-process.ts';
import type { TrafficReport } from '../support/traffic-record.ts';

const isTimed = process.env['TABLESHIFT_TIMED_TESTS'] === '1';
const rows = isTimed ? 1_000_000 : 150_000;
const requests = isTimed ? { writesPerSecond: 300, readsPerSecond: 100 } : { writesPerSecond: 100, readsPerSecond: 33 };
const pace = isTimed ? [] : ['--nice', '0'];

const servers = {
  mysql: { alter: 'MODIFY amount BIGINT NOT NULL', flags: ['--innodb-buffer-pool-size=1G'] },
  mariadb: { alter: 'MODIFY amount BIGINT NOT NULL', flags: ['--innodb-buffer-pool-size=1G'] },
  postgres: { alter: 'ALTER COLUMN amount TYPE bigint', flags: ['--shared-buffers=1GB'] },
} as const;

describe.each(['mysql', 'mariadb', 'postgres'] as const)('on %s', (flavour) => {
  const { alter, flags } = servers[flavour];

  test(`${rows} rows change their type under traffic, verified, and every acknowledged write is in the new table`, async () => {
    await using server = await startServer({ flavour, extraFlags: [...flags, ...deadlockFlags[flavour]] });
    const load = { rows, ...requests, writers: 4, hasTwin: false };
    const runs: ToolRun[] = [];
    const { report, longestAtCutover, ledger } = await measureLive(
      {
        traffic: { url: server.url, schema: 'million', seed: 1, ...load },
        beforeMs: 5_000,
        afterMs: 1_000,
        migrate: async ({ schema, table }) => {
          const run = await runTool([
            'migrate',
            '--url',
            server.url,
            '--table',
            `${schema}.${table}`,
            '--alter',
            alter,
            ...pace,
          ]);
          runs.push(run);
          const swapped = run.lines.find((line) => line.kind === 'swapped');
          return swapped === undefined ? null : Date.parse(String(swapped['time']));
        },
      },
      new AbortController().signal,
    );
    const [run] = runs;
    const { application, mixed, others } = readDeadlocks(server);
    const deadlocks = { seen: report.deadlocks, application: application.length, program: others.length };
    console.log(`${flavour}: ${JSON.stringify({ ...run?.summary, ...felt(report), longestAtCutover, deadlocks })}`);
    expect(run?.summary, run?.stderr).toMatchObject({
      exitCode: 0,
      state: 'done',
      rowsDiffering: 0,
      lagMaxMs: expect.any(Number),
    });
    expect(run?.summary?.['rowsVerified']).toBeGreaterThan(0.9 * rows);
    expect(ledger.differences).toEqual([]);
    expect(ledger.rowsCompared).toBeGreaterThan(0.9 * rows);
    expect({ errors: report.errors, wrongReads: report.wrongReads }).toEqual({ errors: {}, wrongReads: [] });
    // Applications may meet each other in a deadlock; the log has every one, but for those about a table's lock. The copying and the
    // applying of rows that take over each other's unique values may too, in the shadow, and are repeated: nobody else may be in one.
    const unexplained = others.filter((text) => !isBetweenShadowWrites(text, { schema: 'million', table: 'accounts' }));
    expect({ mixed, unexplained, seen: report.deadlocks }).toEqual({ mixed: [], unexplained: [], seen: application.length });
    expect(longestAtCutover?.ms).toBeGreaterThan(0);
  });
});

/** What the application felt, in milliseconds. */
function felt({ periods, stalls }: TrafficReport): Record<string, unknown> {
  const figures = Object.entries(periods).map(([name, { writes, reads, longest }]) => [name, { writes, reads, longest }]);
  return { ...Object.fromEntries(figures), stalls: stalls.length };
}
