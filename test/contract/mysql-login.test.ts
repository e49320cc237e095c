/** Logging in: TLS modes, and what a refusal is called. On private servers, for their certificates. */
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { never, openAdapter, openApplication } from '../support/adapter-server.ts';
import { startServer } from '../support/servers.ts';

describe('TLS', () => {
  test('is used by MySQL as the mode says', async () => {
    await using server = await startServer({ flavour: 'mysql' });
    const authority = join(dirname(server.logFile), 'data', 'ca.pem');
    const cipher = async (parameters: string, host = '127.0.0.1'): Promise<string> => {
      await using adapter = await openAdapter(`mysql://root@${host}:${server.port}/?${parameters}`);
      await using session = await adapter.openSession({}, never);
      const [row] = await session.query("SHOW STATUS LIKE 'Ssl_cipher'", never);
      return row?.['Value'] ?? '';
    };
    expect(await cipher('ssl-mode=DISABLED')).toBe('');
    expect(await cipher('ssl-mode=PREFERRED')).toMatch(/^TLS_/);
    expect(await cipher('')).toMatch(/^TLS_/);
    expect(await cipher('ssl-mode=REQUIRED')).toMatch(/^TLS_/);
    expect(await cipher(`ssl-mode=VERIFY_CA&ssl-ca=${authority}`)).toMatch(/^TLS_/);
    await expect(cipher('ssl-mode=VERIFY_CA')).rejects.toMatchObject({ code: 'ACCESS_DENIED' });
    // The server's own certificate is for nobody in particular.
    await expect(cipher(`ssl-mode=VERIFY_IDENTITY&ssl-ca=${authority}`, 'localhost')).rejects.toMatchObject({
      code: 'ACCESS_DENIED',
    });
  });

  test('is done without on a MariaDB server that has none, unless it is required', async () => {
    await using server = await startServer({ flavour: 'mariadb' });
    const open = async (mode: string): Promise<string> => {
      await using adapter = await openAdapter(`${server.url}?ssl-mode=${mode}`);
      return adapter.flavour.name;
    };
    expect(await open('PREFERRED')).toBe('mariadb');
    await expect(open('REQUIRED')).rejects.toMatchObject({ code: 'ACCESS_DENIED' });
  });
});

describe.each(['mysql', 'mariadb'] as const)('a login on %s', (flavour) => {
  test('that is refused is told from a server that is not there and one that is full', async () => {
    await using server = await startServer({ flavour, extraFlags: ['--max-connections=10'] });
    const nobody = server.url.replace('root@', 'nobody:wrong@');
    await expect(openAdapter(nobody)).rejects.toMatchObject({
      code: 'ACCESS_DENIED',
      message: expect.not.stringContaining('wrong'),
    });

    await using adapter = await openAdapter(server.url);
    const sessions = await Promise.allSettled(Array.from({ length: 12 }, () => adapter.openSession({}, never)));
    const refused = sessions.flatMap((session) => (session.status === 'rejected' ? [session.reason] : []));
    expect(refused.length).toBeGreaterThan(0);
    expect(refused.every((error: { code: string }) => error.code === 'SERVER_BUSY')).toBe(true);
    for (const session of sessions) if (session.status === 'fulfilled') await session.value[Symbol.asyncDispose]();

    await using application = await openApplication(server.url);
    await application.run("CREATE USER somebody@'%' IDENTIFIED BY ''");
    await application.run("SET GLOBAL init_connect = 'nonsense here'");
    await expect(openAdapter(server.url.replace('root@', 'somebody@'))).rejects.toMatchObject({
      code: 'ACCESS_DENIED',
      message: expect.stringContaining('init_connect command failed'),
    });

    await server.kill9();
    await expect(openAdapter(server.url)).rejects.toMatchObject({ code: 'UNREACHABLE' });
  });

  test('is known by its flavour and version', async () => {
    await using server = await startServer({ flavour });
    await using adapter = await openAdapter(server.url);
    expect(adapter.flavour).toMatchObject(
      flavour === 'mysql'
        ? { name: 'mysql', isMariaDb: false, renamesUnderLock: true, logsCascades: true }
        : { name: 'mariadb', isMariaDb: true, renamesUnderLock: false, logsCascades: false },
    );
    expect(adapter.ignoresNameCase).toBe(false);
  });

  test('is lost when the server crashes, known to be gone once it is back, and can be made again', async () => {
    await using server = await startServer({ flavour });
    await using adapter = await openAdapter(server.url);
    await using session = await adapter.openSession({}, never);
    const statement = session.query('SELECT SLEEP(20)', never);
    await expect.poll(() => adapter.ender.observe(session.identity)).toBe('busy');
    const killed = server.kill9().then(() => server.restart());
    await expect(statement).rejects.toMatchObject({ code: 'CONNECTION_LOST' });
    await killed;
    await using again = await adapter.openSession({}, never);
    expect(await again.query('SELECT 1 AS one', never)).toEqual([{ one: '1' }]);
  });
});
