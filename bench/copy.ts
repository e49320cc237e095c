/**
 * A whole migration of a table that nobody writes, beside what the server itself and other tools take for the same change: in one
 * run, on one server, one contender after the other, the table restored before each.
 */
import { parseArgs } from 'node:util';
import type { Flavour } from '../test/support/servers.ts';
import {
  commonOptions,
  commonUsage,
  readCount,
  readCounts,
  readFlavours,
  readNamed,
  readVersion,
  wordsOf,
} from './arguments.ts';
import {
  type Contender,
  contenderBars,
  contenderColumns,
  contenderLines,
  nativeContender,
  peerContender,
  runAlternating,
  toolContender,
  workersText,
} from './contenders.ts';
import { describeMachine, machineAtHand } from './machine.ts';
import { findPeers, peerUsage } from './peers.ts';
import { type BenchResult, concluded, numberText, publish } from './result.ts';
import { copyForStaging, stagingOptions, stagingUsage } from './staging.ts';
import { type BenchTable, createPrivateTable, serverText } from './table.ts';

const usage = `npm run bench -- copy [option…]

${commonUsage}
  --rows N            rows of the table, at most 10,000,000 (1,000,000)
  --workers N,N…      workers to try (2)
  --variant NAME=OPTIONS  more ways to run TableShift, with these options and no others (the others have --max-latency 0
                      and no TLS): default= or kept="--max-latency 0 --defer-indexes never"; several
  --rounds N          how often each contender runs; medians are shown (5)
${peerUsage}
  --only TEXT         only contenders whose name has it
${stagingUsage}`;

interface Task {
  readonly workers: readonly number[];
  readonly variants: readonly { readonly name: string; readonly text: string }[];
  readonly peers: readonly string[];
  readonly rounds: number;
  readonly only: string;
}

export async function benchCopy(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      ...commonOptions,
      ...stagingOptions,
      rows: { type: 'string', default: '1000000' },
      workers: { type: 'string', default: '2' },
      variant: { type: 'string', multiple: true, default: [] },
      rounds: { type: 'string', default: '5' },
      peer: { type: 'string', multiple: true, default: [] },
      only: { type: 'string', default: '' },
    },
  });
  if (values.help) return console.log(usage);
  const task: Task = {
    workers: readCounts('workers', values.workers, { min: 1, max: 64 }),
    variants: values.variant.map((text) => readNamed('variant', text)),
    peers: values.peer,
    rounds: readCount('rounds', values.rounds, { min: 1, max: 100 }),
    only: values.only,
  };
  const results: BenchResult[] = [];
  if (values.url !== undefined) {
    await using table = await copyForStaging(values);
    results.push(await measure(table, task, { rows: table.rows }));
  } else {
    const rows = readCount('rows', values.rows, { min: 1, max: 10_000_000 });
    const version = readVersion(values.version);
    for (const flavour of readFlavours(values.flavour)) {
      await using table = await createPrivateTable({ flavour, version, rows });
      results.push(await measure(table, task, { rows, flags: table.flags.join(' ') }));
    }
  }
  publish(results, values.json);
}

async function measure(
  table: BenchTable,
  task: Task,
  settings: Readonly<Record<string, string | number>>,
): Promise<BenchResult> {
  const { flavour, rows } = table;
  const machine = machineAtHand();
  console.error(`${flavour}, ${numberText(rows, 0)} rows; before the first run: ${describeMachine(machine)}`);
  const contenders = await contendersFor(table, flavour, task);
  const { runs, failures } = await runAlternating(table, contenders, task.rounds);
  const title = `${numberText(rows, 0)} rows, medians of ${task.rounds}`;
  return concluded(
    { bench: 'copy', flavour, server: await serverText(flavour, table.url), machine },
    {
      title,
      settings: { ...settings, alter: table.alter, rounds: task.rounds },
      columns: contenderColumns,
      lines: contenderLines(runs, contenders, rows),
      charts: [contenderBars('seconds', `Whole migration, ${title}`, runs, contenders)],
      notes: failures,
      runs,
    },
  );
}

/**
 * Nobody writes, so the latency that is felt is only our own work: there is nobody to give way to. And the other tools come without TLS,
 * as they do by themselves.
 */
function idleOptions(flavour: Flavour): readonly string[] {
  return ['--max-latency', '0', ...(flavour === 'postgres' ? [] : ['--ssl-mode', 'DISABLED'])];
}

async function contendersFor(table: BenchTable, flavour: Flavour, task: Task): Promise<readonly Contender[]> {
  const peers = await findPeers(task.peers, flavour);
  return [
    ...table.natives.map((native) => nativeContender(table, native)),
    ...peers.map((peer) => peerContender(table, peer)),
    ...task.workers.map((workers) =>
      toolContender(table, {
        name: `TableShift, ${workersText(workers)}`,
        options: [...idleOptions(flavour), '--workers', String(workers)],
      }),
    ),
    ...task.variants.map(({ name, text }) => toolContender(table, { name: `TableShift, ${name}`, options: wordsOf(text) })),
  ].filter(({ name, isReference }) => isReference || name.includes(task.only));
}
