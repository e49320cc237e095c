/**
 * Whether the lag of a replica stays within its limit while a table is copied, and what that costs in time: the pace that
 * follows the pressure beside a switch that only stops at the limit. The replica is slower than its source, because its copy of
 * the shadow has more indexes. The lag is measured by a heartbeat of the bench's own.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { DEFAULT_OPTIONS, migrate } from '../src/index.ts';
import type { Plan } from '../src/engine/model.ts';
import { openApplication } from '../test/support/adapter-server.ts';
import { type Server, startServer } from '../test/support/servers.ts';
import { prepareTraffic, startTraffic } from '../test/support/traffic.ts';
import { describeMachine } from './machine.ts';

const usage = `npm run bench -- throttle [option…]

  --flavour mysql|mariadb   which servers to start (mysql)
  --rows N                  rows of the table (500,000)
  --max-lag MS              the limit (2000)
  --indexes N               how many more indexes the replica keeps up (4)
  --rounds N                each pace so many times (1)`;

const flags = ['--innodb-buffer-pool-size=512M'];
const beatMs = 20;

export async function benchThrottle(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      flavour: { type: 'string', default: 'mysql' },
      rows: { type: 'string', default: '500000' },
      'max-lag': { type: 'string', default: '2000' },
      indexes: { type: 'string', default: '4' },
      rounds: { type: 'string', default: '1' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return console.log(usage);
  const flavour = values.flavour === 'mariadb' ? 'mariadb' : 'mysql';
  const lagMaxMs = Number(values['max-lag']);
  console.log(`${flavour}, ${values.rows} rows, limit ${lagMaxMs} ms, ${describeMachine()}`);
  for (let round = 1; round <= Number(values.rounds); round += 1) {
    for (const isPaceSmooth of [true, false]) {
      await using source = await startServer({ flavour, extraFlags: flags });
      await using replica = await startServer({ flavour, replicaOf: source, extraFlags: flags });
      const run = { rows: Number(values.rows), lagMaxMs, indexes: Number(values.indexes), isPaceSmooth };
      const { seconds, caughtUpSeconds, copySeconds, lagsMs, throttledMs } = await measure(source, replica, run);
      const sorted = [...lagsMs].sort((a, b) => a - b);
      const at = (share: number): string => (sorted[Math.floor((sorted.length - 1) * share)] ?? 0).toFixed(0);
      console.log(
        `${isPaceSmooth ? 'follows the pressure' : 'switch              '}  copy ${copySeconds.toFixed(1)} s of ${seconds.toFixed(1)} s, replica ready after ${caughtUpSeconds.toFixed(1)} s, stopped ${(throttledMs / 1000).toFixed(1)} s, ` +
          `lag p5 ${at(0.05)} p50 ${at(0.5)} p95 ${at(0.95)} max ${at(1)} ms = ${(Number(at(1)) / lagMaxMs).toFixed(2)} x the limit`,
      );
    }
  }
}

interface Run {
  readonly rows: number;
  readonly lagMaxMs: number;
  readonly indexes: number;
  readonly isPaceSmooth: boolean;
}

interface Measured {
  readonly seconds: number;
  /** Until the replica has everything, too: a run that leaves it behind has only put that off. */
  readonly caughtUpSeconds: number;
  readonly copySeconds: number;
  readonly throttledMs: number;
  /** While the table was copied. */
  readonly lagsMs: readonly number[];
}

async function measure(source: Server, replica: Server, run: Run): Promise<Measured> {
  const load = {
    url: source.url,
    schema: 'lagging',
    seed: 1,
    rows: run.rows,
    writesPerSecond: 20,
    readsPerSecond: 1,
    writers: 2,
  };
  const { schema, table } = await prepareTraffic({ ...load, hasTwin: false });
  await using heart = await openHeart(source, replica);
  await heart.caughtUp();
  await using traffic = startTraffic({ ...load, hasTwin: false });
  const phases = new Map<string, number>();
  const lagsMs: number[] = [];
  let throttledMs = 0;
  const plans: Plan[] = [];
  const began = performance.now();
  const migration = migrate({
    strategy: 'shadow',
    url: source.url,
    table: `${schema}.${table}`,
    alter: 'MODIFY amount BIGINT NOT NULL',
    deferIndexes: 'never',
    replicas: [replica.url],
    pace: {
      isPaceSmooth: run.isPaceSmooth,
      latency: null,
      load: { ...DEFAULT_OPTIONS.load, replicaLagMaxMs: run.lagMaxMs },
    },
    onStart: (plan) => plans.push(plan),
    observer: (event) => {
      if (event.kind === 'phase-entered') phases.set(event.phase, performance.now());
      if (event.kind === 'throttle-released') throttledMs += event.throttledMs;
    },
  });
  const isCopying = (): boolean => phases.has('copy') && !phases.has('finish-shadow');
  const measuring = (async (): Promise<void> => {
    while (!phases.has('prepare')) await delay(beatMs);
    let isSlowed = false;
    while (!phases.has('finish-shadow')) {
      const [plan] = plans;
      isSlowed ||= plan !== undefined && (await slowDown(replica, plan, run.indexes));
      const lagMs = await heart.lagMs();
      if (isCopying()) lagsMs.push(lagMs);
    }
  })();
  await migration;
  await measuring;
  await traffic.stop();
  const ended = performance.now();
  await heart.caughtUp();
  const caughtUp = performance.now();
  const copyMs = (phases.get('finish-shadow') ?? ended) - (phases.get('copy') ?? ended);
  return {
    seconds: (ended - began) / 1000,
    caughtUpSeconds: (caughtUp - began) / 1000,
    copySeconds: copyMs / 1000,
    throttledMs,
    lagsMs,
  };
}

/** Gives the replica's shadow more indexes; false while it has no shadow yet. */
async function slowDown(replica: Server, { shadow }: Plan, indexes: number): Promise<boolean> {
  await using session = await openApplication(replica.url);
  const there = await session.run(
    `SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA = '${shadow.schema}' AND TABLE_NAME = '${shadow.table}'`,
  );
  if (there.length === 0) return false;
  await session.run('SET SESSION sql_log_bin = 0');
  await session.run(`SET GLOBAL ${replica.flavour === 'mysql' ? 'super_read_only' : 'read_only'} = OFF`);
  const columns = Array.from({ length: indexes }, (_, place) => `ADD INDEX slow_${place} (note, amount, version)`);
  await session.run(`ALTER TABLE \`${shadow.schema}\`.\`${shadow.table}\` ${columns.join(', ')}`);
  return true;
}

interface Heart extends AsyncDisposable {
  /** Beats once, and tells the age of the first beat that the replica does not have. */
  lagMs(): Promise<number>;
  caughtUp(): Promise<void>;
}

async function openHeart(source: Server, replica: Server): Promise<Heart> {
  const writer = await openApplication(source.url);
  const reader = await openApplication(replica.url);
  await writer.run('CREATE DATABASE heart');
  await writer.run('CREATE TABLE heart.beat (id INT PRIMARY KEY, number INT NOT NULL)');
  await writer.run('INSERT INTO heart.beat VALUES (1, 0)');
  const beats: { readonly number: number; readonly at: number }[] = [];
  let number = 0;
  const lagMs = async (): Promise<number> => {
    number += 1;
    await writer.run(`UPDATE heart.beat SET number = ${number} WHERE id = 1`);
    beats.push({ number, at: performance.now() });
    await delay(beatMs);
    const [row] = await reader.run('SELECT number FROM heart.beat WHERE id = 1').catch(() => []);
    const seen = Number(row?.['number'] ?? 0);
    while ((beats[0]?.number ?? number + 1) <= seen) beats.shift();
    const [first] = beats;
    return first === undefined ? 0 : performance.now() - first.at;
  };
  return {
    lagMs,
    async caughtUp() {
      while ((await lagMs()) > 0) await delay(beatMs);
    },
    async [Symbol.asyncDispose]() {
      await writer[Symbol.asyncDispose]();
      await reader[Symbol.asyncDispose]();
    },
  };
}
