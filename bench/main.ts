/** `npm run bench -- NAME [option…]`: measures one thing on real servers. Each bench says by `--help` what it takes. */

interface Bench {
  readonly summary: string;
  readonly run: (args: readonly string[]) => Promise<void>;
}

/** The benches by name; each is loaded only when it is asked for. */
const benches: Readonly<Record<string, Bench>> = {
  copy: {
    summary: 'a whole migration without traffic, beside the native ALTER and a plain INSERT … SELECT',
    run: async (args) => (await import('./copy.ts')).benchCopy(args),
  },
  load: {
    summary: 'what an application feels of a migration, and how long that takes, by variants of the options',
    run: async (args) => (await import('./load.ts')).benchLoad(args),
  },
  stream: {
    summary: 'how fast the change stream is, and how much memory a slow consumer costs',
    run: async (args) => (await import('./stream.ts')).benchStream(args),
  },
  throttle: {
    summary: "whether a replica's lag stays within its limit, by a pace that follows it and by a switch",
    run: async (args) => (await import('./throttle.ts')).benchThrottle(args),
  },
};

const [name = '', ...args] = process.argv.slice(2);
const bench = benches[name];
if (bench === undefined) {
  const list = Object.entries(benches).map(([name, { summary }]) => `  ${name.padEnd(12)}${summary}`);
  console.error(`npm run bench -- NAME [option…]\n\n${list.join('\n')}`);
  process.exitCode = 2;
} else {
  await bench.run(args);
}
