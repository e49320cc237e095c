import { execFileSync } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, onTestFinished, test } from 'vitest';
import { hidePasswords, parseServerUrl, withLoginOf } from '../../src/server-url.ts';
import type { ConfigValues } from '../../src/shell/config-file.ts';
import { exposedFlags } from '../../src/shell/exposed-flags.ts';
import { isPrivate } from '../../src/sessions/text-file.ts';
import { type Login, readLogin } from '../../src/shell/login.ts';
import { type Environment, type GivenFlags, readOptions } from '../../src/shell/option-values.ts';
import { askPassword, type Keyboard } from '../../src/shell/prompt.ts';
import { anyCharacter } from '../support/any-character.ts';

class Typist extends EventEmitter {
  isTTY = true;
  isRaw = false;
  setRawMode(isRaw: boolean): this {
    this.isRaw = isRaw;
    return this;
  }
  resume(): this {
    return this;
  }
  pause(): this {
    return this;
  }
}

function atKeyboard() {
  const typist = new Typist();
  const written: string[] = [];
  const end = new AbortController();
  const keyboard: Keyboard = { input: typist as never, errors: { write: (text) => written.push(text) }, signal: end.signal };
  return { typist, written, keyboard, end };
}

function login(flags: GivenFlags, environment: Environment = {}) {
  return readLogin(readOptions('list', flags, environment).values, atKeyboard().keyboard);
}

/** What the server would be told now. */
async function told(login: Login): Promise<string | null> {
  return typeof login.password === 'function' ? await login.password() : login.password;
}

function messageOf(work: () => unknown): string {
  try {
    return JSON.stringify(work() && 'no error');
  } catch (error) {
    return String(error);
  }
}

function passwordFile(content: string, mode: number): string {
  const folder = mkdtempSync(join(tmpdir(), 'tableshift-login-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'password');
  writeFileSync(path, content);
  chmodSync(path, mode);
  return path;
}

describe('the URL of a server', () => {
  test.each([
    ['mysql://root@db1:3307/shop', 'mysql://root@db1:3307/shop', null, 'shop'],
    ['mysql://root:p%40ss%2F@db1/shop', 'mysql://root@db1/shop', 'p@ss/', 'shop'],
    ['mariadb://root:p@ss@db1', 'mariadb://root@db1', 'p@ss', null],
    ['mysql://[::1]:3306/my%20shop?ssl-mode=required', 'mysql://[::1]:3306/my%20shop?ssl-mode=required', null, 'my shop'],
    ['mysql:///shop?socket=/run/mysqld.sock', 'mysql:///shop?socket=/run/mysqld.sock', null, 'shop'],
  ])('%s is shown as %s', (text, shown, password, database) => {
    expect(parseServerUrl(text)).toEqual({ adapter: 'mysql', shown, password, database });
  });

  test.each([
    ['postgres://app:p%40ss@db1/shop', 'postgres://app@db1/shop', 'p@ss', 'shop'],
    ['postgresql://db1:5433/my%20shop?sslmode=require', 'postgresql://db1:5433/my%20shop?sslmode=require', null, 'my shop'],
    ['postgres:///shop?host=/run/postgresql', 'postgres:///shop?host=/run/postgresql', null, 'shop'],
    ['postgres://', 'postgres://', null, null],
    ['postgres://app@/shop?host=/run/postgresql', 'postgres:///shop?user=app&host=/run/postgresql', null, 'shop'],
    ['postgresql://app:a+b%26@c@:5433/shop', 'postgresql:///shop?user=app&port=5433', 'a+b&@c', 'shop'],
    ['postgres://app@?host=/run/postgresql', 'postgres:///?user=app&host=/run/postgresql', null, null],
  ])('%s is one of PostgreSQL and shown as %s', (text, shown, password, database) => {
    expect(parseServerUrl(text)).toEqual({ adapter: 'postgres', shown, password, database });
  });

  test.each([
    ['oracle://root@db1/shop', 'The URL begins with oracle: but must begin with mysql://, mariadb:// or postgres://.'],
    ['mysql://root@db1/shop#x', 'The URL has a # in it; in a user name or a password it is written as %23.'],
    [
      'postgres://app:a,b@h1:1,h2:2/shop',
      'The URL names several hosts; only one can be named: the primary that has the table.',
    ],
    ...['mysql://root:12/se@cret@db1/shop', 'postgres://root:12?secret@db1/shop', 'mysql://root:1?a&secret@db1'].map(
      (text): [string, string] => [
        text,
        'The URL has an @ behind its host: in a user name or a password / is written as %2F and ? as %3F; in the name of a database @ is %40.',
      ],
    ),
    ['mysql://root:100%@db1/shop', 'The URL has a % that is not followed by two hexadecimal digits; write it as %25.'],
  ])('%s is refused', (text, message) => {
    expect(() => parseServerUrl(text)).toThrow(expect.objectContaining({ code: 'BAD_USAGE', message }));
  });

  test.each([
    ['mysql://db2:3307', 'mysql://root@db1/shop?ssl-mode=required&socket=/s', 'mysql://root@db2:3307/shop?ssl-mode=required'],
    ['postgres://other:p%40ss@db2/x?sslmode=disable', 'postgres://app@db1/shop?sslmode=require&host=h', null],
    ['postgres://db2', 'postgres:///shop?user=app&host=/run/postgresql', 'postgres://db2/shop?user=app'],
    ['postgres://db2?password=a%40b', 'postgres://app@db1/shop', 'postgres://app:a%40b@db2/shop'],
  ])('of the replica %s gets user, database and TLS from %s where it has none', (replica, primary, expected) => {
    expect(withLoginOf(replica, primary)).toBe(expected ?? replica);
  });

  test('may have its password as a parameter, which is not shown either', () => {
    expect(parseServerUrl('postgres://app@db1/shop?password=s%40cret&sslmode=disable')).toEqual({
      adapter: 'postgres',
      shown: 'postgres://app@db1/shop?sslmode=disable',
      password: 's@cret',
      database: 'shop',
    });
    expect(hidePasswords('invalid postgres://app@db1/shop?a=b&password=secret&c=d')).toBe(
      'invalid postgres://app@db1/shop?a=b&password=***&c=d',
    );
  });

  test('never shows its password, whatever that is', () => {
    fc.assert(
      fc.property(fc.string({ unit: anyCharacter, minLength: 6 }), (password) => {
        const server = parseServerUrl(`mysql://root:${encodeURIComponent(password)}@db1/shop`);
        expect(server.password).toBe(password);
        expect(server.shown).toBe('mysql://root@db1/shop');
      }),
    );
  });

  test('never shows its password in an error either', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 3 }), (password) => {
        const url = `mysql://root:secret${password}secret@db1/sh op#${password}`;
        expect(messageOf(() => parseServerUrl(url))).not.toContain('secret');
      }),
    );
  });

  test('loses its password in a message that someone else wrote', () => {
    expect(hidePasswords('Could not reach mysql://root:sec:ret@db1/shop, nor mariadb://u@h.')).toBe(
      'Could not reach mysql://root:***@db1/shop, nor mariadb://u@h.',
    );
  });
});

describe('the password', () => {
  const url = 'mysql://root:from-url@db1/shop';
  const environment = { TABLESHIFT_PASSWORD: 'from-environment' };

  test('comes from the file first, then from the URL, then from the environment', async () => {
    const file = passwordFile('from-file\nsecond line\n', 0o600);
    expect(await told(await login({ url, passwordFile: file }, environment))).toBe('from-file');
    expect((await login({ url }, environment)).password).toBe('from-url');
    expect((await login({ url: 'mysql://root@db1/shop' }, environment)).password).toBe('from-environment');
    expect((await login({ url: 'mysql://root@db1/shop' })).password).toBeNull();
  });

  test('of the environment wins over what the configuration file says, and a flag over both', async () => {
    const [file, other] = [passwordFile('from-file\n', 0o600), passwordFile('from-flag\n', 0o600)];
    const config = { url, 'password-file': file };
    const passwordOf = async (flags: GivenFlags, environment: Environment, inConfig: ConfigValues = config) => {
      const { values, inFile } = readOptions('list', flags, environment, inConfig);
      return await told(await readLogin(values, atKeyboard().keyboard, inFile));
    };
    expect(await passwordOf({}, environment)).toBe('from-environment');
    expect(await passwordOf({}, {})).toBe('from-file');
    expect(await passwordOf({}, environment, { url })).toBe('from-environment');
    expect(await passwordOf({ url }, {})).toBe('from-url');
    expect(await passwordOf({ passwordFile: other }, environment)).toBe('from-flag');
    expect(await passwordOf({ passwordFile: other }, {}, { ...config, 'ask-pass': 'on' })).toBe('from-flag');
  });

  test('is no part of the URL that the rest of the program sees', async () => {
    expect((await login({ url })).url).toBe('mysql://root@db1/shop');
  });

  test('in a file that others may read is a warning', async () => {
    const open = passwordFile('x', 0o644);
    expect((await login({ url, passwordFile: open })).warnings).toEqual([
      `Other users may read the password file ${open}: chmod 600 it.`,
    ]);
    expect((await login({ url, passwordFile: passwordFile('x', 0o600) })).warnings).toEqual([]);
    // As Kubernetes hands a secret to who is not root; of anybody else's file the group may be a crowd.
    const readers = [
      [0o440, 0, 7],
      [0o440, 7, 7],
      [0o440, 0, 0],
      [0o444, 0, 7],
    ] as const;
    expect(readers.map(([mode, uid, reader]) => isPrivate({ mode, uid }, reader))).toEqual([true, false, false, false]);
  });

  test('in a file that is not there, or says none, is bad usage', async () => {
    await expect(login({ url, passwordFile: '/nowhere/at/all' })).rejects.toThrow(
      'The password file /nowhere/at/all cannot be read: no such file or directory.',
    );
    const empty = passwordFile('\nsecond line\n', 0o600);
    await expect(login({ url, passwordFile: empty })).rejects.toMatchObject({
      code: 'BAD_USAGE',
      message: `The first line of the password file ${empty} is empty.`,
    });
  });

  test('is read from a pipe, such as a shell makes of a command', async () => {
    const pipe = join(dirname(passwordFile('', 0o600)), 'pipe');
    execFileSync('mkfifo', ['-m', '600', pipe]);
    const [read] = await Promise.all([login({ url, passwordFile: pipe }), writeFile(pipe, 'piped\n')]);
    expect(read).toMatchObject({ password: 'piped', warnings: [] });
  });

  test('in a file, or of a command, is read whenever it is asked for', async () => {
    const file = passwordFile('old\n', 0o600);
    for (const read of [await login({ url, passwordFile: file }), await login({ url, passwordCommand: `cat '${file}'` })]) {
      await writeFile(file, 'old\n');
      expect(await told(read)).toBe('old');
      await writeFile(file, 'new\n');
      expect(await told(read)).toBe('new');
    }
  });

  test('in a file is read once when a run begins, so that nothing can come between', async () => {
    const file = passwordFile('old\n', 0o600);
    const read = await login({ url, passwordFile: file });
    await writeFile(file, '');
    expect(await told(read)).toBe('old');
    await expect(told(read)).rejects.toThrow(`The first line of the password file ${file} is empty.`);
  });

  test.each([
    ['echo secret; echo not there >&2; exit 4', 'The password command ended with 4: not there.'],
    ['echo; echo secret', 'The password command wrote nothing in its first line.'],
    ['kill -9 $$', 'The password command did not run to its end (SIGKILL).'],
    ['cat', 'The password command wrote nothing in its first line.'],
  ])('of the command %s is bad usage, and what it wrote is not told', async (passwordCommand, message) => {
    await expect(told(await login({ url, passwordCommand }))).rejects.toMatchObject({ code: 'BAD_USAGE', message });
  });

  test('is asked for without showing it', async () => {
    const { typist, written, keyboard } = atKeyboard();
    const password = askPassword('Password: ', keyboard);
    expect(typist.isRaw).toBe(true);
    const bytes = Buffer.from('p\u00e4ss\u007fx\r');
    typist.emit('data', bytes.subarray(0, 2));
    typist.emit('data', bytes.subarray(2));
    expect(await password).toBe('p\u00e4sx');
    expect(typist.isRaw).toBe(false);
    expect(written).toEqual(['Password: ', '\n']);
  });

  test.each([
    ['wr\u0015right\r', 'what was typed before Ctrl-U is none of it'],
    ['ri\u001agh\u001b[Dt\r', 'keys that move or suspend are none of it'],
    ['\u001b[200~right\u001b[201~\r', 'nor are marks of what is pasted'],
    ['right\nsecond line\n', 'nor is a second line'],
    ['right\u0004', 'Ctrl-D ends it'],
  ])('that is asked for: of %j %s', async (keys) => {
    const { typist, keyboard } = atKeyboard();
    const password = askPassword('Password: ', keyboard);
    typist.emit('data', Buffer.from(keys));
    expect(await password).toBe('right');
  });

  test.each<[string, (typist: EventEmitter) => void]>([
    ['Ctrl-D', (typist) => typist.emit('data', Buffer.from('\u0004'))],
    ['the end of the input', (typist) => typist.emit('end')],
  ])('is not given at %s, which ends the command', async (_, type) => {
    const { typist, keyboard } = atKeyboard();
    const password = askPassword('Password: ', keyboard);
    type(typist);
    await expect(password).rejects.toMatchObject({ code: 'INTERRUPTED' });
    expect([typist.isRaw, typist.listenerCount('data'), typist.listenerCount('end')]).toEqual([false, 0, 0]);
  });

  test('is not shown by what answers as soon as the question stands there', async () => {
    const { typist, keyboard } = atKeyboard();
    const rawAtQuestion: boolean[] = [];
    const errors = { write: () => rawAtQuestion.push(typist.isRaw) };
    const password = askPassword('Password: ', { ...keyboard, errors });
    typist.emit('data', Buffer.from('x\r'));
    await password;
    expect(rawAtQuestion).toEqual([true, false]);
  });

  test('that is asked for wins over all others', async () => {
    const { typist, written, keyboard } = atKeyboard();
    const login = readLogin(readOptions('list', { url, askPassword: true }, environment).values, keyboard);
    await once(typist, 'newListener');
    typist.emit('data', Buffer.from('typed\n'));
    expect((await login).password).toBe('typed');
    expect(written[0]).toBe('Password for mysql://root@db1/shop: ');
  });

  test('is not waited for when the program is to end', async () => {
    const { typist, keyboard, end } = atKeyboard();
    const asked = askPassword('Password: ', keyboard);
    end.abort(new Error('The run was ended by SIGTERM.'));
    await expect(asked).rejects.toThrow('The run was ended by SIGTERM.');
    expect([typist.isRaw, typist.listenerCount('data')]).toEqual([false, 0]);
  });

  test('is not given at Ctrl-C, which ends the command', async () => {
    const { typist, keyboard } = atKeyboard();
    const password = askPassword('Password: ', keyboard);
    typist.emit('data', Buffer.from('abc\u0003'));
    await expect(password).rejects.toMatchObject({ code: 'INTERRUPTED' });
    expect(typist.isRaw).toBe(false);
  });

  test('cannot be asked for where there is no terminal', async () => {
    const { typist, keyboard } = atKeyboard();
    typist.isTTY = false;
    await expect(askPassword('Password: ', keyboard)).rejects.toThrow('--ask-pass needs a terminal');
  });

  test('cannot be asked for and read from a file at once', async () => {
    await expect(login({ url, passwordCommand: 'x', passwordFile: '/x' })).rejects.toThrow(
      'Either --password-file or --password-command: the password can come from one of them only.',
    );
    await expect(login({ url, askPassword: true, passwordFile: '/x' })).rejects.toThrow(
      'Either --ask-pass or --password-file: the password can come from one of them only.',
    );
  });
});

describe('a login on the command line', () => {
  test.each([
    [['list', '--url', 'mysql://root:x@db1/shop'], ['The password in --url']],
    [['list', '--url=postgres://db1/shop?password=x'], ['The password in --url']],
    [['migrate', '--url', 'mysql://root@db1/', '--throttle-http', 'http://ts:x@ok/'], ['The password in --throttle-http']],
    [['migrate', '--replicas', 'mysql://db2,mysql://root:x@db3'], ['The password in --replicas']],
    [['migrate', '--url', 'mysql://root@db1/', '--alter', "ADD a TEXT DEFAULT 'http://a:b@c'"], []],
  ])('%j: is said of the flag that has one', (args, expected) => {
    expect(exposedFlags(args).map((sentence) => sentence.replace(/ could be read.*$/, ''))).toEqual(expected);
  });
});

describe('TLS options', () => {
  test('go to the adapter as parameters of the URL', async () => {
    const flags = { url: 'mysql://root@db1/shop?ssl-mode=disabled', sslMode: 'verify-ca', sslCa: '/etc/ca.pem' };
    expect((await login(flags)).url).toBe('mysql://root@db1/shop?ssl-mode=verify-ca&ssl-ca=%2Fetc%2Fca.pem');
  });
});
