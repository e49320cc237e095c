/** A transaction that holds the table for long, while an application writes to it and the cutover wants its lock. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openApplication } from '../support/adapter-server.ts';
import { blameless, LiveTable } from '../support/live-table.ts';
import { openPostgresApplication } from '../support/postgres-adapter.ts';
import { deadlockFlags } from '../support/server-deadlocks.ts';
import { type Server, startServer } from '../support/servers.ts';
import { describeSideBySide } from '../support/side-by-side.ts';
import { type OutputLine, runTool } from '../support/tableshift-process.ts';

const args = ['--cutover-lock-timeout', '1s', '--cutover-hold-timeout', '5s', '--max-latency', '0'];

/**
 * `waits`: no statement of the application may wait longer for a lock on the table than one attempt may make it wait, and a
 * margin; it would be an error that the traffic counts.
 */
const servers = {
  mysql: { waits: '--lock-wait-timeout=8', who: 'connection', of: 'root' },
  mariadb: { waits: '--lock-wait-timeout=8', who: 'connection', of: 'root' },
  postgres: { waits: '--lock-timeout=8s', who: 'process', of: 'postgres' },
} as const;

describeSideBySide(['mysql', 'mariadb', 'postgres'], 'a long transaction on', (flavour) => {
  const { waits, who, of } = servers[flavour];

  test('keeps the swap away and is named, the application goes on, and a resume swaps when it is over', async () => {
    await using server = await startServer({ flavour, extraFlags: [...deadlockFlags[flavour], waits] });
    await using live = await LiveTable.start(server, { rows: 3_000 });
    const { traffic } = live;
    const { schema, table } = traffic.tables;
    const holder = await openHolder(server, `${schema}.${table}`);
    const written: { readonly kind: string; readonly count: number }[] = [];
    const run = await runTool(
      [
        'migrate',
        '--table',
        `${schema}.${table}`,
        '--alter',
        'ADD extra int',
        '--url',
        server.url,
        ...args,
        '--cutover-attempts',
        '3',
      ],
      { onLine: ({ kind }) => written.push({ kind, count: traffic.report().acknowledged }) },
    );
    expect(run.exitCode).toBe(5);
    const failures = run.lines.filter(({ kind }) => kind === 'cutover-failed');
    const pauses = failures.map((line) => Number(line['nextInMs']));
    expect(pauses).toEqual([pauses[0], Math.max(...pauses), 0]);
    expect(Math.max(...pauses)).toBeGreaterThan(pauses[0] ?? 0);
    const named = new RegExp(
      `^${who} ${holder.id} of ${of} from 127\\.0\\.0\\.1(:\\d+)?, idle .*in a transaction (since|for) \\d+`,
    );
    for (const failure of failures) expect(failure['blockers']).toEqual([expect.stringMatching(named)]);
    expect(run.summary?.['error']).toMatchObject({ message: expect.stringContaining(`${who} ${holder.id} of ${of}`) });
    expect(writtenBetweenAttempts(written)).toEqual([expect.any(Number), expect.any(Number)]);
    for (const count of writtenBetweenAttempts(written)) expect(count).toBeGreaterThan(0);

    await holder.commit();
    const resumed = await runTool(['resume', String(run.summary?.['id']), '--url', server.url, ...args]);
    expect(resumed.exitCode).toBe(0);
    expect(await live.judge()).toEqual(blameless);
  });

  test('is ended where that was asked for, loses its connection, and no write is lost', async () => {
    await using server = await startServer({ flavour, extraFlags: [...deadlockFlags[flavour], waits] });
    await using live = await LiveTable.start(server, { rows: 3_000 });
    const { schema, table } = live.traffic.tables;
    const directory = await mkdtemp(join(tmpdir(), 'tableshift-report-'));
    const report = join(directory, 'report.json');
    const holder = await openHolder(server, `${schema}.${table}`);
    const [run] = await live.change({
      alter: 'ADD extra int',
      args: [...args, '--cutover-attempts', '6', '--kill-blockers-after', '1', '--report', report],
    });
    expect(run?.exitCode).toBe(0);
    const ended = run?.lines.filter(({ kind }) => kind === 'blocker-ended') ?? [];
    const blocker = expect.stringMatching(new RegExp(`^${who} ${holder.id} of ${of} from `));
    expect(ended).toEqual([expect.objectContaining({ attempt: 2, blocker })]);
    const { attempts } = JSON.parse(await readFile(report, 'utf8')) as { readonly attempts: readonly OutputLine[] };
    await rm(directory, { recursive: true });
    expect(attempts[0]).toMatchObject({ outcome: 'failed', blockers: [blocker], blockersEnded: [] });
    expect(attempts[1]).toMatchObject({ blockersEnded: [blocker] });
    expect(attempts.at(-1)).toMatchObject({ outcome: 'swapped' });
    await expect(holder.commit()).rejects.toThrow(/closed state|connection error/);
    expect(await live.judge()).toEqual(blameless);
  });
});

/** A transaction that has read the table and rests. It ends with the server. */
async function openHolder(server: Server, table: string): Promise<{ readonly id: number; commit(): Promise<unknown> }> {
  if (server.flavour === 'postgres') {
    const application = await openPostgresApplication(server.url);
    await application.run(`BEGIN; SELECT count(*) FROM ${table}`);
    return { id: application.pid, commit: () => application.run('COMMIT') };
  }
  const application = await openApplication(server.url);
  await application.run('BEGIN');
  await application.run(`SELECT count(*) FROM ${table}`);
  return { id: application.connectionId, commit: () => application.run('COMMIT') };
}

/** Transactions that the application got through from a failed attempt to the next. */
function writtenBetweenAttempts(written: readonly { readonly kind: string; readonly count: number }[]): readonly number[] {
  const marks = written.filter(({ kind }) => kind === 'cutover-failed' || kind === 'cutover-attempt');
  return marks.flatMap(({ kind, count }, at) => {
    const next = marks[at + 1];
    return kind === 'cutover-failed' && next !== undefined ? [next.count - count] : [];
  });
}
