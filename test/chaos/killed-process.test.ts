/** kill -9 of the program at any event, again and again, while an application writes. */
import { describe, expect, test } from 'vitest';
import { drawKillPoint } from '../support/kill-points.ts';
import { blameless, killedRuns, LiveTable } from '../support/live-table.ts';
import { seededRandom } from '../support/random.ts';
import { deadlockFlags } from '../support/server-deadlocks.ts';
import { startServer } from '../support/servers.ts';
import { runTool } from '../support/tableshift-process.ts';

const seed = Number(process.env['TABLESHIFT_TEST_SEED'] ?? 1);
/** Many small steps, and no rest when other tests load the machine. */
const args = ['--chunk-rows-max', '500', '--checkpoint-interval', '200ms', '--max-latency', '0'];

/** One after another, each on what the one before left, and the first again after the last. */
const mysqlChanges = [
  'MODIFY amount BIGINT NOT NULL',
  'ADD COLUMN extra INT NOT NULL DEFAULT 7, ADD KEY by_version (version)',
  'MODIFY note VARCHAR(300), DROP COLUMN extra',
  'ADD UNIQUE KEY by_both (handle, amount), DROP KEY by_version',
  'MODIFY handle VARCHAR(60) NOT NULL FIRST, DROP KEY by_both',
];
const postgresChanges = [
  'ALTER COLUMN amount TYPE bigint',
  'ADD COLUMN extra integer NOT NULL DEFAULT 7',
  'ALTER COLUMN note TYPE varchar(300), DROP COLUMN extra',
  'ADD CONSTRAINT by_both UNIQUE (handle, amount)',
  'ALTER COLUMN handle TYPE varchar(60), DROP CONSTRAINT by_both',
];

/** `kinds`: what a killed run leaves, and giving up removes. */
const servers = {
  mysql: { changes: mysqlChanges, killsMin: 12, kinds: ['table'] },
  mariadb: { changes: mysqlChanges, killsMin: 12, kinds: ['table'] },
  postgres: { changes: postgresChanges, killsMin: 20, kinds: ['slot', 'publication', 'schema'] },
} as const;

describe.concurrent.each(['mysql', 'mariadb', 'postgres'] as const)('on %s', (flavour) => {
  const { changes, killsMin, kinds } = servers[flavour];

  test(`a run that is killed goes on where it was, and no write is lost (seed ${seed})`, async () => {
    await using server = await startServer({ flavour, extraFlags: deadlockFlags[flavour] });
    await using live = await LiveTable.start(server, { seed });
    const random = seededRandom(seed, 'kills', flavour);
    let kills = 0;
    for (let round = 0; kills < killsMin; round += 1) {
      const alter = changes[round % changes.length] ?? '';
      const runs = await live.change({ alter, args, next: () => ({ kill: drawKillPoint(random) }) });
      kills += killedRuns(runs);
    }
    expect(await live.judge()).toEqual(blameless);
  });

  test('an unfinished migration that is given up leaves nothing behind, wherever it was killed', async () => {
    await using server = await startServer({ flavour, extraFlags: deadlockFlags[flavour] });
    await using live = await LiveTable.start(server, { seed });
    const [alter = ''] = changes;
    const { schema, table } = live.traffic.tables;
    const migrate = ['migrate', '--table', `${schema}.${table}`, '--alter', alter, '--url', server.url, ...args];
    const left: string[] = [];
    for (const at of ['phase-entered:prepare', 'chunk-copied', 'range-verified', 'cutover-attempt']) {
      expect(await runTool(migrate, { kill: { at, count: 1 } }), at).toMatchObject({ exitCode: null });
      left.push(...(await live.leftovers()).map((name) => name.replace(/ .*/, '')));
      await live.giveUp();
      expect(await live.leftovers(), at).toEqual([]);
    }
    expect(left).toEqual(expect.arrayContaining([...kinds]));
    expect(await live.judge()).toEqual(blameless);
  });
});
