import { defineConfig } from 'vitest/config';
import { ResultLines } from './test/support/result-lines.ts';

/** On a machine that is busy with other things the loading of an adapter alone takes seconds: only what hangs shall end so. */
const pure = { testTimeout: 60_000 };
const onServers = { hookTimeout: 120_000, setupFiles: ['test/support/concurrent-poll.ts'] };

/** One project a kind of test; `scripts/test` runs them in this order, cheapest first. */
export default defineConfig({
  test: {
    reporters: ['default', new ResultLines()],
    projects: [
      { test: { name: 'engine', include: ['test/engine/**/*.test.ts'], ...pure } },
      { test: { name: 'unit', include: ['test/unit/**/*.test.ts'], ...pure } },
      { test: { name: 'simulation', include: ['test/simulation/**/*.test.ts'], testTimeout: 600_000 } },
      { test: { name: 'contract', include: ['test/contract/**/*.test.ts'], testTimeout: 120_000, ...onServers } },
      { test: { name: 'cases', include: ['test/cases/**/*.test.ts'], testTimeout: 300_000, ...onServers } },
      { test: { name: 'shell', include: ['test/shell/**/*.test.ts'], testTimeout: 120_000, ...onServers } },
      { test: { name: 'chaos', include: ['test/chaos/**/*.test.ts'], testTimeout: 900_000, ...onServers } },
    ],
  },
});
