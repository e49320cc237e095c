/** Where a server is and how to log in, from URLs and option files. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { connectionConfig, type ConnectionConfig } from '../../src/mysql/connection-config.ts';
import { readOptionFiles } from '../../src/mysql/option-files.ts';
import { describeServer } from '../../src/mysql/session.ts';

const nothing = { defaultsFile: null, password: null, home: null };
/** Keeps the machine's own option files out. */
const noFiles = { ...nothing, defaultsFile: '/dev/null' };

describe('a URL', () => {
  test('with an IPv6 address is told as one writes it', async () => {
    const config = await connectionConfig('mysql://root@[2001:db8::1]:3307/shop', noFiles);
    expect([config.host, describeServer(config)]).toEqual(['2001:db8::1', '[2001:db8::1]:3307']);
  });

  test('names host, port, user, password and database, percent-decoded', async () => {
    expect(await connectionConfig('mysql://app%40x:p%3A%2F%C3%BC%25@db.example:3307/shop%20a', noFiles)).toEqual({
      host: 'db.example',
      port: 3307,
      socketPath: null,
      user: 'app@x',
      password: expect.objectContaining({ known: 'p:/ü%' }),
      database: 'shop a',
      ssl: expect.objectContaining({ known: { rejectUnauthorized: false, verifyIdentity: false } }),
      isTlsOptional: true,
      connectTimeoutMs: 10_000,
    });
  });

  test('may leave everything out but the scheme and a host', async () => {
    const config = await connectionConfig('mariadb://localhost', noFiles);
    expect(config).toMatchObject({ host: 'localhost', port: 3306, password: { known: null }, database: null });
    expect(config.user).toBe(userInfo().username);
  });

  test('may hold an IPv6 address or name a socket', async () => {
    expect(await connectionConfig('mysql://[::1]:3306', noFiles)).toMatchObject({ host: '::1' });
    expect(await connectionConfig('mysql://u@localhost?socket=/run/s.sock', noFiles)).toMatchObject({
      socketPath: '/run/s.sock',
    });
  });

  test.each([
    ['DISABLED', null, false],
    ['PREFERRED', { rejectUnauthorized: false, verifyIdentity: false }, true],
    ['required', { rejectUnauthorized: false, verifyIdentity: false }, false],
    ['verify-ca', { rejectUnauthorized: true, verifyIdentity: false }, false],
    ['VERIFY_IDENTITY', { rejectUnauthorized: true, verifyIdentity: true }, false],
  ])('takes the TLS mode %s', async (mode, ssl, isTlsOptional) => {
    expect(await connectionConfig(`mysql://h?ssl-mode=${mode}`, noFiles)).toMatchObject({
      ssl: ssl && { known: ssl },
      isTlsOptional,
    });
  });

  test.each([
    ['not a URL', 'The URL cannot be read'],
    ['postgres://u:secret@h', 'mysql:// or mariadb://'],
    ['mysql://u:secret@h?sslmode=require', 'unknown parameter sslmode'],
    ['mysql://u:secret@h?ssl-mode=always', 'ssl-mode is one of'],
    ['mysql://u:secret%@h', 'write it as %25'],
    ['mysql://u:secret@h?connect-timeout=0', 'connect-timeout should be a whole number'],
    ['mysql://u:secret@10.0.0.1?ssl-mode=VERIFY_IDENTITY', 'needs the name of the host'],
    ['mysql://u:secret@h?ssl-mode=VERIFY_CA&ssl-ca=/nowhere/ca.pem', '/nowhere/ca.pem'],
    [`mysql://u:secret@h?ssl-ca=${import.meta.filename}`, 'has no CERTIFICATE in PEM'],
    [`mysql://u:secret@h?ssl-key=${import.meta.filename}`, 'has no PRIVATE KEY in PEM'],
  ])('that is wrong (%s) is refused without repeating its password', async (url, message) => {
    const refusal: unknown = await connectionConfig(url, noFiles).then(undefined, (error: unknown) => error);
    expect(refusal).toMatchObject({ code: 'BAD_USAGE', message: expect.stringContaining(message) });
    expect(JSON.stringify(refusal)).not.toContain('secret');
    expect(String(refusal)).not.toContain('secret');
  });
});

describe('option files', () => {
  test('fill in what the URL leaves open, and a given password comes between the two', async () => {
    await using files = await optionFiles({
      'my.cnf': '[client]\nuser=filed\npassword="fi#led"\nhost=filehost\nport=3333\nssl-mode=REQUIRED\n',
    });
    const read = (url: string, password: string | null = null): Promise<ConnectionConfig> =>
      connectionConfig(url, { ...nothing, password, defaultsFile: files.path('my.cnf') });
    expect(await read('mysql://h/db')).toMatchObject({
      host: 'h',
      port: 3333,
      user: 'filed',
      password: { known: 'fi#led' },
      isTlsOptional: false,
    });
    expect(await read('mysql:///db')).toMatchObject({ host: 'filehost' });
    expect(await read('mysql://u@h', 'given')).toMatchObject({ user: 'u', password: { known: 'given' } });
    expect(await read('mysql://u:url@h?ssl-mode=DISABLED', 'given')).toMatchObject({ password: { known: 'url' }, ssl: null });
  });

  test.each([
    ['mysql://localhost', '', '/run/s.sock'],
    ['mysql:///db', '', '/run/s.sock'],
    ['mysql:///db', 'host=Localhost', '/run/s.sock'],
    ['mysql:///db', 'host=db.example', null],
    ['mysql://127.0.0.1', '', null],
    ['mysql://localhost:3306', '', null],
    ['mysql://localhost', 'protocol=TCP', null],
  ])('lead %s with %j to the socket %j', async (url, line, socketPath) => {
    await using files = await optionFiles({ 'my.cnf': `[client]\nsocket=/run/s.sock\n${line}\n` });
    const defaults = { ...nothing, defaultsFile: files.path('my.cnf') };
    expect(await connectionConfig(url, defaults)).toMatchObject({ socketPath });
  });

  test('are read as the clients read them: groups, comments, quotes, escapes, dashes, includes', async () => {
    await using files = await optionFiles({
      '.my.cnf': `# comment
; comment
user = outside
[mysqld]
user=server
[client]
user = me   # trailing comment
password = 'it''s \\\\ \\s#x'
loose_ssl_mode=DISABLED
skip-ssl
!include more.cnf
!includedir more.d
[client-mariadb]
port=3399
`,
      'more.cnf': '[client]\nhost=included\n',
    });
    const options = await readOptionFiles({ defaultsFile: files.path('.my.cnf'), home: null });
    expect(Object.fromEntries(options)).toEqual({
      user: 'me',
      password: "it''s \\  #x",
      'ssl-mode': 'DISABLED',
      'skip-ssl': '1',
      host: 'included',
      port: '3399',
    });
  });

  test('in the home directory are read unless another file is asked for', async () => {
    await using files = await optionFiles({ '.my.cnf': '[client]\nuser=homely\n', 'other.cnf': '[client]\npassword=x\n' });
    expect(await connectionConfig('mysql://h', { ...nothing, home: files.path('') })).toMatchObject({ user: 'homely' });
    const asked = await connectionConfig('mysql://h', {
      ...nothing,
      home: files.path(''),
      defaultsFile: files.path('other.cnf'),
    });
    expect(asked).toMatchObject({ user: userInfo().username, password: { known: 'x' } });
  });

  test('that are asked for must exist, may not go in circles, and are never quoted in a message', async () => {
    await using files = await optionFiles({
      'circle.cnf': '!include circle.cnf\n',
      'wrong.cnf': '[client]\n=secret\n',
    });
    const read = (name: string): Promise<unknown> => readOptionFiles({ defaultsFile: files.path(name), home: null });
    await expect(read('none.cnf')).rejects.toMatchObject({
      code: 'BAD_USAGE',
      message: `The option file ${files.path('none.cnf')} cannot be read: no such file or directory.`,
    });
    await expect(read('circle.cnf')).rejects.toMatchObject({ code: 'BAD_USAGE', message: expect.stringContaining('circle') });
    await expect(read('wrong.cnf')).rejects.toMatchObject({
      code: 'BAD_USAGE',
      message: `The option file has a line that cannot be read: ${files.path('wrong.cnf')}:2.`,
    });
  });
});

interface Files extends AsyncDisposable {
  path(name: string): string;
}

async function optionFiles(texts: Readonly<Record<string, string>>): Promise<Files> {
  const directory = await mkdtemp(join(tmpdir(), 'options-'));
  for (const [name, text] of Object.entries(texts)) await writeFile(join(directory, name), text);
  return {
    path: (name) => join(directory, name),
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true }),
  };
}
