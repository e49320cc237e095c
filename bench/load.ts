/**
 * What an application feels of a migration, and how long that takes: open-loop traffic of 300 write transactions a second,
 * latencies from the intended arrival, on a table that is made anew for each run. Variants alternate within each round.
 */
import { parseArgs, type ParseArgsConfig } from 'node:util';
import type { PostgresVersion } from '../test/support/postgres-software.ts';
import { type Flavour, startServer } from '../test/support/servers.ts';
import { commonOptions, commonUsage, readCount, readFlavours, readNamed, readVersion, wordsOf } from './arguments.ts';
import { UsageError } from './errors.ts';
import type { Felt, Load, Variant } from './load-felt.ts';
import { loadTo, measurePrivate } from './load-private.ts';
import { measureAll } from './load-series.ts';
import { measureStaged } from './load-staged.ts';
import { type BenchResult, publish } from './result.ts';
import { copyForStaging, stagingOptions, stagingUsage } from './staging.ts';
import { benchFlags, serverText } from './table.ts';

const usage = `npm run bench -- load [option…]

${commonUsage}
  --rows N            rows of the table (1,000,000)
  --writes N          write transactions a second (300), about four row changes each
  --reads-each N      SELECTs that each of them begins with; 14, ten by key and four of a hundred rows, are what sysbench's
                      oltp_read_write does (0)
  --capacity PERCENT  instead: so much of what the same connections can do when they do nothing else, which is measured first
  --connections N     of the application, for its writes (4)
  --rounds N          each variant so many times; medians are shown (3)
  --variant NAME=OPTIONS  options of migrate, such as gentle="--workers 1"; several; "default=" unless given
  --before SECONDS    how long the application is measured alone (10)
  --server-flags TEXT  more flags of the servers that it starts, --server-flags="--innodb-io-capacity=200"
${stagingUsage}
  --write SQL         what the application does there, several times for several statements, in turn; {table} is the copy, {COLUMN}
                      what that column has in a row at random: --write 'UPDATE {table} SET n = n + 1 WHERE id = {id}'`;

const options = {
  ...commonOptions,
  ...stagingOptions,
  rows: { type: 'string', default: '1000000' },
  writes: { type: 'string', default: '300' },
  capacity: { type: 'string' },
  'reads-each': { type: 'string', default: '0' },
  connections: { type: 'string', default: '4' },
  'server-flags': { type: 'string', default: '' },
  rounds: { type: 'string', default: '3' },
  variant: { type: 'string', multiple: true, default: ['default='] },
  before: { type: 'string', default: '10' },
  write: { type: 'string', multiple: true, default: [] },
} as const satisfies ParseArgsConfig['options'];

type Values = ReturnType<typeof parseArgs<{ options: typeof options }>>['values'];

/** What is the same on each server. */
interface Asked {
  readonly variants: readonly Variant[];
  readonly rounds: number;
  readonly load: Load;
}

export async function benchLoad(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({ args: [...args], options });
  if (values.help) return console.log(usage);
  const asked: Asked = {
    variants: values.variant
      .map((text) => readNamed('variant', text))
      .map(({ name, text }) => ({ name, options: wordsOf(text) })),
    rounds: readCount('rounds', values.rounds, { min: 1, max: 100 }),
    load: {
      writesPerSecond: readCount('writes', values.writes, { min: 1, max: 100_000 }),
      beforeMs: 1000 * readCount('before', values.before, { min: 1, max: 3_600 }),
    },
  };
  const results = values.url === undefined ? await measureOnServers(values, asked) : [await measureOnCopy(values, asked)];
  publish(results, values.json);
}

async function measureOnCopy(values: Values, asked: Asked): Promise<BenchResult> {
  if (values.capacity !== undefined) {
    throw new UsageError('--capacity: on a server of yours say how many --writes there are.');
  }
  if (values.write.length === 0) {
    throw new UsageError('--write: say what the application does to the table, such as an UPDATE of one row.');
  }
  await using table = await copyForStaging(values);
  return await measureAll({
    ...asked,
    flavour: table.flavour,
    server: await serverText(table.flavour, table.url),
    rows: table.rows,
    measure: (variant: Variant): Promise<Felt> => measureStaged(table, values.write, variant, asked.load),
    settings: { write: values.write.join('; ') },
  });
}

async function measureOnServers(values: Values, asked: Asked): Promise<readonly BenchResult[]> {
  const rows = readCount('rows', values.rows, { min: 1, max: 10_000_000 });
  const version = readVersion(values.version);
  const connections = readCount('connections', values.connections, { min: 1, max: 100 });
  const readsEach = readCount('reads-each', values['reads-each'], { min: 0, max: 1_000 });
  const percent = values.capacity === undefined ? null : readCount('capacity', values.capacity, { min: 1, max: 99 });
  const results: BenchResult[] = [];
  for (const flavour of readFlavours(values.flavour)) {
    const flags = [...benchFlags(flavour), ...wordsOf(values['server-flags'])];
    const on = { flavour, version, rows, connections, flags, readsEach };
    const load = percent === null ? asked.load : await loadTo(percent, on, asked.load);
    results.push(
      await measureAll({
        ...asked,
        load,
        flavour,
        server: await askVersion(flavour, version),
        rows,
        measure: (variant: Variant): Promise<Felt> => measurePrivate(on, variant, load),
        settings: { connections, 'reads each': readsEach, flags: flags.join(' ') },
      }),
    );
  }
  return results;
}

/** Each run has a server of its own, and so has the question which it is. */
async function askVersion(flavour: Flavour, version: PostgresVersion): Promise<string> {
  await using server = await startServer({ flavour, version });
  return await serverText(flavour, server.url);
}
