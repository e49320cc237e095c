/** Connections of the program that break, or hang without a word, while an application writes by another way. */
import { describe, expect, test } from 'vitest';
import { blameless, LiveTable } from '../support/live-table.ts';
import { deadlockFlags } from '../support/server-deadlocks.ts';
import { startServer } from '../support/servers.ts';
import { startProxy, type TcpProxy } from '../support/tcp-proxy.ts';

/** What takes longest comes first, so that nothing is left to wait for it alone. */
const faults: Readonly<Record<string, (proxy: TcpProxy) => void>> = {
  'hang for good, and new ones work': (proxy) => {
    proxy.freeze();
    proxy.forgetConnections();
  },
  'are cut': (proxy) => proxy.cut(),
  'are cut on one side, so that the server does not know': (proxy) => proxy.cutClients(),
};

const servers = {
  mysql: { alter: 'MODIFY amount BIGINT NOT NULL', flags: [] },
  mariadb: { alter: 'MODIFY amount BIGINT NOT NULL', flags: [] },
  // How long a silent server is waited for follows from its own patience.
  postgres: { alter: 'ALTER COLUMN amount TYPE bigint', flags: ['--wal-sender-timeout=10s'] },
} as const;

describe.concurrent.each(['mysql', 'mariadb', 'postgres'] as const)('on %s', (flavour) => {
  const { alter, flags } = servers[flavour];

  test.each(Object.keys(faults))('a migration whose connections %s goes on, and no write is lost', async (fault) => {
    await using server = await startServer({ flavour, extraFlags: [...deadlockFlags[flavour], ...flags] });
    await using proxy = await startProxy(server.url);
    await using live = await LiveTable.start(server);
    const moments = new Set(['chunk-copied', 'range-verified']);
    const runs = await live.change({
      alter,
      url: proxy.url,
      args: ['--chunk-rows-max', '500', '--max-latency', '0'],
      next: () => ({
        onLine: (line) => {
          if (moments.delete(line.kind)) faults[fault]?.(proxy);
        },
      }),
    });
    expect([...moments]).toEqual([]);
    expect(runs.map(({ exitCode, stderr }) => ({ exitCode, stderr }))).toEqual([{ exitCode: 0, stderr: '' }]);
    expect(await live.judge()).toEqual(blameless);
  });
});
