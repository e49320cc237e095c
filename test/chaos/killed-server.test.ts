/** A server that is killed, or restarted in order, while a migration runs and an application writes. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { blameless, LiveTable } from '../support/live-table.ts';
import { deadlockFlags } from '../support/server-deadlocks.ts';
import { type Server, startServer } from '../support/servers.ts';
import { describeSideBySide } from '../support/side-by-side.ts';

const ends: Readonly<Record<string, (server: Server) => Promise<void>>> = {
  killed: (server) => server.kill9(),
  // A restart shuts down first.
  'shut down': () => Promise.resolve(),
};

const events = ['chunk-copied', 'range-verified', 'cutover-attempt'];
const kills = events.map((event) => ['killed', event] as const);
/** A server that is shut down waits for whoever reads its log. */
const shutDowns = events.map((event) => ['shut down', event] as const);
const servers = {
  mysql: { alter: 'MODIFY amount BIGINT NOT NULL', cases: kills },
  mariadb: { alter: 'MODIFY amount BIGINT NOT NULL', cases: kills },
  postgres: { alter: 'ALTER COLUMN amount TYPE bigint', cases: [...kills, ...shutDowns] },
} as const;

describeSideBySide(['mysql', 'mariadb', 'postgres'], 'on', (flavour) => {
  const { alter, cases } = servers[flavour];

  test.each(cases)(
    'a migration goes on after the server was %s at %s, and no acknowledged write is lost',
    async (end, event) => {
      await using server = await startServer({ flavour, extraFlags: deadlockFlags[flavour] });
      await using live = await LiveTable.start(server);
      const restarts: Promise<void>[] = [];
      const endAndRestart = async (): Promise<void> => {
        await ends[end]?.(server);
        await server.restart();
      };
      await live.change({
        alter,
        args: ['--chunk-rows-max', '500', '--max-latency', '0'],
        next: () => ({
          onLine: (line) => {
            if (restarts.length === 0 && line.kind === event) restarts.push(endAndRestart());
          },
        }),
        // The program may be quicker to give up than the server is to come back.
        afterRun: async () => void (await Promise.all(restarts)),
      });
      await Promise.all(restarts);
      const { errors, ...verdict } = await live.judge();
      expect({ ...verdict, errors: {} }).toEqual(blameless);
      expect(Object.keys(errors).length).toBeGreaterThan(0);
      // Nothing keeps it from shutting down, or the restart would have resorted to force.
      const isShutDown = readFileSync(server.logFile, 'utf8').includes('database system is shut down');
      expect(isShutDown).toBe(end === 'shut down');
    },
  );
});
