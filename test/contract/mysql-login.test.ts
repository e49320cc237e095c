/** Logging in: TLS modes, and what a refusal is called. On private servers, for their certificates. */
import { execFile } from 'node:child_process';
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, onTestFinished, test } from 'vitest';
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

  test('goes on with a certificate that is renewed on disk, once its key is there too', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'tableshift-certificates-'));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    await using server = await startServer({ flavour: 'mysql' });
    const [data, at] = [dirname(server.logFile), (name: string): string => join(folder, name)];
    const authority = [
      '-CA',
      join(data, 'data', 'ca.pem'),
      '-CAkey',
      join(data, 'data', 'ca-key.pem'),
      '-config',
      at('openssl.cnf'),
    ];
    // OpenSSL's own would ask the authority for a key identifier, which it has not.
    await writeFile(at('openssl.cnf'), '[req]\ndistinguished_name = name\n[name]\n');
    const make = async (subject: string): Promise<void> => {
      const files = ['-newkey', 'rsa:2048', '-nodes', '-keyout', at(`${subject}.key`), '-out', at(`${subject}.pem`)];
      await promisify(execFile)('openssl', ['req', '-x509', ...authority, ...files, '-subj', `/CN=${subject}`, '-days', '2']);
    };
    const show = (subject: string, file: 'pem' | 'key'): Promise<void> =>
      copyFile(at(`${subject}.${file}`), at(`client.${file}`));
    await Promise.all([make('old'), make('new')]);
    await Promise.all([show('old', 'pem'), show('old', 'key')]);
    await using application = await openApplication(server.url);
    await application.run("CREATE USER holder@'%' REQUIRE SUBJECT '/CN=old'");

    const files = `ssl-cert=${at('client.pem')}&ssl-key=${at('client.key')}`;
    await using adapter = await openAdapter(`mysql://holder@127.0.0.1:${server.port}/?${files}`);
    const open = async (): Promise<void> => (await adapter.openSession({}, never))[Symbol.asyncDispose]();
    await show('new', 'pem');
    await open();
    await application.run("ALTER USER holder@'%' REQUIRE SUBJECT '/CN=new'");
    await expect(open()).rejects.toMatchObject({ code: 'ACCESS_DENIED' });
    await show('new', 'key');
    await open();
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
    // Where the password has expired MySQL refuses the login, MariaDB the first statement.
    await application.run("CREATE USER expiring@'%' IDENTIFIED BY ''");
    await using expiring = await openAdapter(server.url.replace('root@', 'expiring@'));
    await application.run("ALTER USER expiring@'%' PASSWORD EXPIRE");
    await expect(expiring.openSession({}, never)).rejects.toMatchObject({
      code: 'ACCESS_DENIED',
      message: expect.stringMatching(/SET PASSWORD|password has expired/),
    });
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
