/** All runs of the variants of a load, in turn, and their table. */
import type { Flavour } from '../test/support/servers.ts';
import type { Felt, Load, Variant } from './load-felt.ts';
import { describeMachine, machineAtHand } from './machine.ts';
import { type BenchResult, concluded, type Line, numberText } from './result.ts';
import { medianBy } from './statistics.ts';

export interface Series {
  readonly flavour: Flavour;
  /** Kind and version. */
  readonly server: string;
  readonly rows: number;
  readonly variants: readonly Variant[];
  readonly rounds: number;
  readonly load: Load;
  readonly measure: (variant: Variant) => Promise<Felt>;
  readonly settings: Readonly<Record<string, string | number>>;
}

export async function measureAll({
  flavour,
  load,
  measure,
  rounds,
  rows,
  server,
  settings,
  variants,
}: Series): Promise<BenchResult> {
  const machine = machineAtHand();
  console.error(`${flavour}; before the first run: ${describeMachine(machine)}`);
  const runs: Felt[] = [];
  for (let round = 1; round <= rounds; round += 1) {
    for (const variant of variants) {
      const felt = await measure(variant);
      runs.push(felt);
      console.error(
        `round ${round}: ${variant.name}: ${felt.seconds.toFixed(1)} s, p99 ${felt.during.p99} ms, before ${felt.before.p99} ms`,
      );
    }
  }
  const lines = variants.map(({ name }) => lineOf(name, runs));
  const options = Object.fromEntries(variants.map(({ name, options }) => [`variant ${name}`, options.join(' ')]));
  return concluded(
    { bench: 'load', flavour, server, machine },
    {
      title: `${numberText(rows, 0)} rows, ${numberText(load.writesPerSecond, 0)} write transactions/s, medians of ${rounds}`,
      settings: { rows, rounds, ...load, ...options, ...settings },
      columns: [
        { title: 'seconds', digits: 1 },
        { title: 'throttled s', digits: 1 },
        { title: 'p50 ms', digits: 1 },
        { title: 'p99 before', digits: 1 },
        { title: 'p99 during', digits: 1 },
        { title: '× before', digits: 1 },
        { title: 'max during', digits: 1 },
        { title: 'blocked ms', digits: 1 },
        { title: 'longest at the swap', digits: 1 },
        { title: 'lag max ms', digits: 0 },
        { title: 'failed', digits: 0 },
        { title: 'lost', digits: 0 },
        { title: 'server CPU s', digits: 1 },
        { title: 'server MiB', digits: 0 },
        { title: 'tool CPU s', digits: 1 },
        { title: 'tool % of server', digits: 1 },
        { title: 'tool MiB', digits: 0 },
        { title: 'others CPU s', digits: 1 },
      ],
      lines,
      notes: variants.map(({ name }) => phasesText(name, medianOf(name, runs))),
      charts: [
        {
          kind: 'bars',
          name: 'p99',
          title: 'The application’s p99',
          unit: 'ms',
          bars: lines.flatMap(({ cells, name }) => [
            { name: `${name}, before`, value: Number(cells[3]), isOurs: false },
            { name: `${name}, during`, value: Number(cells[4]), isOurs: true },
          ]),
        },
      ],
      runs,
    },
  );
}

function medianOf(variant: string, runs: readonly Felt[]): Felt {
  return medianBy(
    runs.filter((run) => run.variant === variant),
    ({ before, during }) => during.p99 / before.p99,
  );
}

function phasesText(variant: string, { phases }: Felt): string {
  const texts = phases.map(({ p99, phase, seconds }) => `${phase} ${numberText(p99, 1)} ms (${numberText(seconds, 1)} s)`);
  return `${variant}: p99 while the run was at: ${texts.join(', ')}`;
}

function lineOf(variant: string, runs: readonly Felt[]): Line {
  const ours = runs.filter((run) => run.variant === variant);
  const run = medianOf(variant, runs);
  const { before, children, during, server } = run;
  const sum = (valueOf: (run: Felt) => number): number => ours.reduce((total, run) => total + valueOf(run), 0);
  const isCompared = run.differences !== null;
  return {
    name: variant,
    cells: [
      ...[run.seconds, run.throttledSeconds, during.p50, before.p99, during.p99, during.p99 / before.p99],
      ...[
        Math.max(...ours.map(({ during }) => during.max)),
        run.blockedMs,
        Math.max(...ours.map((run) => run.longestAtCutoverMs)),
      ],
      ...[run.lagMaxMs, sum(({ failed }) => failed), isCompared ? sum(({ differences }) => differences ?? 0) : null],
      ...[server, run.serverMib, children, server === null ? null : (100 * children) / server, run.peakMib, run.foreign],
    ],
  };
}
