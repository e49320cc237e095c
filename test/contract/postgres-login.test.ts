/** How a PostgreSQL server is reached: the URL, the PG* variables, the password file, and the TLS modes of libpq. */
import { execFile } from 'node:child_process';
import { chmod, copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connectionConfig, type ConnectionConfig, type ConnectionDefaults } from '../../src/postgres/connection-config.ts';
import { openServerAt } from '../../src/postgres/server.ts';
import { never, openPostgresApplication } from '../support/postgres-adapter.ts';
import { startServer, type Server } from '../support/servers.ts';

const nothing: ConnectionDefaults = { defaultsFile: null, password: null, home: null, environment: {} };

function config(url: string, defaults: Partial<ConnectionDefaults> = {}): Promise<ConnectionConfig> {
  return connectionConfig(url, { ...nothing, ...defaults });
}

describe('a connection', () => {
  test('is described by the URL, with special characters escaped', async () => {
    expect(await config('postgresql://me%40home:p%2Fw@[::1]:6432/my%20shop?sslmode=disable&connect_timeout=3')).toEqual({
      host: '::1',
      port: 6432,
      user: 'me@home',
      password: expect.objectContaining({ known: 'p/w' }),
      database: 'my shop',
      ssl: null,
      isTlsOptional: false,
      options: null,
      connectTimeoutMs: 3000,
    });
  });

  test('takes what the URL leaves open from the variables, and the database from the user', async () => {
    const environment = {
      PGHOST: '/run/sockets',
      PGPORT: '5433',
      PGUSER: 'app',
      PGPASSWORD: 'secret',
      PGOPTIONS: '-c role=owner',
    };
    expect(await config('postgres://', { environment })).toMatchObject({
      host: '/run/sockets',
      port: 5433,
      user: 'app',
      database: 'app',
      password: { known: 'secret' },
      options: '-c role=owner',
      ssl: null,
    });
    expect(await config('postgres://db.example/shop', { environment })).toMatchObject({ host: 'db.example', database: 'shop' });
  });

  test.each([
    ['mysql://h/d', 'should begin with postgres://'],
    ['postgres://h/d?sslmod=require', 'unknown parameter sslmod'],
    ['postgres://h/d?sslmode=maybe', 'sslmode is one of disable, prefer, require, verify-ca, verify-full, not maybe'],
    ['postgres:///d?host=a,b', 'Only one host'],
    [
      'postgres://h/d?sslmode=verify-ca&sslrootcert=/no/such/file',
      'The TLS file (ca) /no/such/file cannot be read: no such file or directory',
    ],
  ])('is refused for %s', async (url, words) => {
    await expect(config(url)).rejects.toMatchObject({ code: 'BAD_USAGE', message: expect.stringContaining(words) });
  });

  test.each(['PGSERVICE', 'PGHOSTADDR'])('is refused where only %s would say which server it is to', async (name) => {
    const environment = { [name]: '10.0.0.1' };
    await expect(config('postgres:///d', { environment })).rejects.toThrow(`${name} is not read here`);
    expect(await config('postgres://h/d', { environment })).toMatchObject({ host: 'h' });
  });

  test('never repeats the URL in a message', async () => {
    await expect(config('postgres://me:topsecret@h:no/d')).rejects.not.toThrow('topsecret');
  });
});

describe('the password file', () => {
  let home: string;
  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), 'tableshift-pgpass-'));
    const lines = [
      '# a comment',
      'h:5432:d:other:no',
      'h\\:x:5432:*:me:escaped\\:pass',
      'h:*:d:me:found:it',
      'localhost:*:*:me:local',
      '',
    ];
    await writeFile(join(home, '.pgpass'), lines.join('\n'), { mode: 0o600 });
  });
  afterAll(() => rm(home, { recursive: true, force: true }));

  test.each([
    ['postgres://me@h/d', 'found:it'],
    ['postgres://me@h/e', null],
    ['postgres:///d?host=%2Fsock&user=me', 'local'],
    ['postgres://me:given@h/d', 'given'],
  ])('gives %s the password %s', async (url, password) => {
    expect((await config(url, { home })).password.known).toBe(password);
  });

  test('comes behind the password that was asked for and PGPASSWORD, and PGPASSFILE names another', async () => {
    const environment = { PGPASSWORD: 'variable' };
    expect((await config('postgres://me@h/d', { home, environment })).password.known).toBe('variable');
    expect((await config('postgres://me@h/d', { home, environment, password: 'asked' })).password.known).toBe('asked');
    const named = { PGPASSFILE: join(home, '.pgpass') };
    expect((await config('postgres://me@h/d', { environment: named })).password.known).toBe('found:it');
  });

  test('is not used when others may read it', async () => {
    await chmod(join(home, '.pgpass'), 0o644);
    expect((await config('postgres://me@h/d', { home })).password.known).toBe(null);
    await chmod(join(home, '.pgpass'), 0o600);
  });
});

describe('TLS', () => {
  let folder: string;
  let server: Server;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tableshift-tls-'));
    const run = promisify(execFile);
    const make = (name: string, subject: string): string[] => [
      ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', `/CN=${subject}`],
      ...[
        '-keyout',
        join(folder, `${name}.key`),
        '-out',
        join(folder, `${name}.crt`),
        '-addext',
        `subjectAltName=DNS:${subject}`,
      ],
    ];
    await run('openssl', make('server', 'db.example'));
    await run('openssl', make('stranger', 'db.example'));
    for (const client of ['old', 'new']) await run('openssl', make(client, client));
    await writeFile(at('clients.crt'), (await Promise.all([readFile(at('old.crt')), readFile(at('new.crt'))])).join('\n'));
    const files = [
      `--ssl-cert-file=${at('server.crt')}`,
      `--ssl-key-file=${at('server.key')}`,
      `--ssl-ca-file=${at('clients.crt')}`,
    ];
    const flags = ['--ssl=on', ...files];
    server = await startServer({ flavour: 'postgres', version: 18, extraFlags: flags });
    await using application = await openPostgresApplication(server.url);
    await application.run(`SET password_encryption = 'scram-sha-256'; CREATE ROLE me LOGIN PASSWORD 'right'`);
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  const at = (name: string): string => join(folder, name);

  /** Whether a session is encrypted, or the code of the refusal. */
  async function outcome(parameters: string): Promise<unknown> {
    try {
      await using reached = await openServerAt(`${server.url}?${parameters}`, nothing, never);
      await using session = await reached.openSession({}, never);
      const [row] = await session.query(
        'SELECT ssl FROM pg_catalog.pg_stat_ssl WHERE pid = pg_catalog.pg_backend_pid()',
        never,
      );
      return row?.['ssl'];
    } catch (error) {
      return (error as { readonly code: unknown }).code;
    }
  }

  test.each<[string, string, unknown]>([
    ['disable', '', 'f'],
    ['prefer', '', 't'],
    ['require', '', 't'],
    ['required', '', 't'],
    ['verify-ca', 'server', 't'],
    ['verify-ca', 'stranger', 'ACCESS_DENIED'],
    ['require', 'stranger', 'ACCESS_DENIED'],
    ['verify-ca', '', 'ACCESS_DENIED'],
    ['verify-full', 'server', 'ACCESS_DENIED'],
  ])('with sslmode=%s and the root certificate of %j comes out as %s', async (mode, root, expected) => {
    const certificate = root === '' ? '' : `&sslrootcert=${encodeURIComponent(join(folder, `${root}.crt`))}`;
    expect(await outcome(`sslmode=${mode}${certificate}`)).toBe(expected);
  });

  test('shows the certificate that is on disk when it connects, once its key is there too', async () => {
    const show = (client: string, kind: 'crt' | 'key'): Promise<void> =>
      copyFile(at(`${client}.${kind}`), at(`client.${kind}`));
    await Promise.all([show('old', 'crt'), show('old', 'key')]);
    const url = `${server.url}?sslmode=require&sslcert=${at('client.crt')}&sslkey=${at('client.key')}`;
    await using reached = await openServerAt(url, nothing, never);
    const shown = async (): Promise<unknown> => {
      await using session = await reached.openSession({}, never);
      const own = 'SELECT client_dn AS name FROM pg_catalog.pg_stat_ssl WHERE pid = pg_catalog.pg_backend_pid()';
      return (await session.query(own, never))[0]?.['name'];
    };
    expect(await shown()).toBe('/CN=old');
    await show('new', 'crt');
    expect(await shown()).toBe('/CN=old');
    await show('new', 'key');
    expect(await shown()).toBe('/CN=new');
  });

  test('takes the root certificate from the home directory', async () => {
    const home = join(folder, 'home');
    await mkdir(join(home, '.postgresql'), { recursive: true });
    const ca = '-----BEGIN CERTIFICATE-----\nnot one of ours';
    await writeFile(join(home, '.postgresql', 'root.crt'), ca);
    expect((await config('postgres://h/d', { home })).ssl?.known).toMatchObject({ ca, rejectUnauthorized: false });
    expect((await config('postgres://h/d?sslmode=require', { home })).ssl?.known).toMatchObject({
      rejectUnauthorized: true,
    });
  });
});
