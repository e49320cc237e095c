/** `npm run bench -- NAME [option…]`: measures one thing on real servers. Each bench says by `--help` what it takes. */
import { builtProgram } from '../test/support/cli.ts';
import { RunFailedError, UsageError } from './errors.ts';

interface Bench {
  readonly summary: string;
  readonly run: (args: readonly string[]) => Promise<void>;
}

/** The benches by name; each is loaded only when it is asked for. */
const benches: Readonly<Record<string, Bench>> = {
  copy: {
    summary: 'a whole migration without traffic, beside the native ALTER and other tools',
    run: async (args) => (await import('./copy.ts')).benchCopy(args),
  },
  load: {
    summary: 'what an application feels of a migration, and how long that takes, by variants of the options',
    run: async (args) => (await import('./load.ts')).benchLoad(args),
  },
  apply: {
    summary: 'how fast a backlog of changes is drained: of distinct rows, and of few hot ones',
    run: async (args) => (await import('./apply.ts')).benchApply(args),
  },
  verify: {
    summary: 'how fast both tables are compared, and the share of it in the whole',
    run: async (args) => (await import('./verify.ts')).benchVerify(args),
  },
  cutover: {
    summary: 'for how long many cutovers under traffic block writes, as told and as felt',
    run: async (args) => (await import('./cutover.ts')).benchCutover(args),
  },
  scale: {
    summary: 'how time, memory and processor time grow with the rows, narrow and wide',
    run: async (args) => (await import('./scale.ts')).benchScale(args),
  },
  stream: {
    summary: 'how fast the change stream is, and how much memory a slow consumer costs',
    run: async (args) => (await import('./stream.ts')).benchStream(args),
  },
  throttle: {
    summary: "whether a replica's lag stays within its limit, by a pace that follows it and by a switch",
    run: async (args) => (await import('./throttle.ts')).benchThrottle(args),
  },
  report: {
    summary: 'charts and tables of what the others wrote with --json, into docs/benchmarks',
    run: async (args) => (await import('./report.ts')).benchReport(args),
  },
};

const [name = '', ...args] = process.argv.slice(2);
const bench = benches[name];
if (bench === undefined) {
  const list = Object.entries(benches).map(([name, { summary }]) => `  ${name.padEnd(12)}${summary}`);
  console.error(`npm run bench -- NAME [option…]\n\n${list.join('\n')}`);
  process.exitCode = 2;
} else {
  // Now, and not while an application is measured in this process.
  if (!args.includes('--help')) builtProgram();
  await bench.run(args).catch((error: unknown) => {
    // An option that parseArgs does not know.
    const isUsage = error instanceof UsageError || (error instanceof TypeError && 'code' in error);
    if (!isUsage && !(error instanceof RunFailedError)) throw error;
    console.error(isUsage ? `${error.message}\nnpm run bench -- ${name} --help says what there is.` : error.message);
    process.exitCode = isUsage ? 2 : 1;
  });
}
