/** The places at which a run is controlled, with a run that only answers. */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { listenOnHttp, listenOnSocket, type ControlHandler } from '../../src/shell/control-server.ts';
import { parseCommandLine } from '../../src/shell/cli.ts';
import { runCommand } from '../../src/shell/commands.ts';
import type { Surroundings } from '../../src/shell/invocation.ts';
import { askSocket, prepareSocketPath } from '../../src/shell/control-socket.ts';
import { readToken } from '../../src/shell/run-control.ts';
import { asMigrationError } from '../../src/engine/errors.ts';
import { schemaFaults } from '../support/schemas.ts';

const token = 'a-token-of-many-characters';
const asked: string[] = [];
const handler: ControlHandler = {
  ids: () => ['k3v9x2', 'm4w8y1'],
  status: () => ({ kind: 'status', id: 'k3v9x2' }),
  metrics: () => '# HELP tableshift_up x\n',
  command: async ({ command, setting, who }) => {
    asked.push(`${command} ${setting ?? '-'} by ${who}`);
    return { isDone: setting !== 'nonsense', message: 'so be it' };
  },
};
const notBegun: ControlHandler = { ids: () => [], status: () => null, metrics: () => null, command: async () => null };

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tableshift-control-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A call of the program, as far as it talks to runs; of what it fails with, the first line. */
async function tell(args: readonly string[], environment: Readonly<Record<string, string>>) {
  const line = parseCommandLine(args, '1.2.3', 100);
  if (line.kind === 'page') throw new Error('a page of help');
  let stdout = '';
  const screen = { write: (text: string) => (stdout += text), on: () => undefined, off: () => undefined };
  const surroundings: Surroundings = {
    ...{ environment, stdin: process.stdin, stdout: screen, stderr: screen },
    ...{ now: () => new Date(), monotonicMs: () => 0 },
  };
  try {
    const exitCode = await runCommand(line, surroundings, new AbortController().signal);
    return { exitCode, stdout, error: '' };
  } catch (thrown) {
    const { exitCode, code, message } = asMigrationError(thrown);
    return { exitCode, stdout, error: `error ${code}: ${message}` };
  }
}

/** As curl would: without a name. */
async function fetchOverSocket(socketPath: string, path: string): Promise<number | undefined> {
  return await new Promise((resolve, reject) => {
    const call = request({ socketPath, path, method: 'POST', agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    call.on('error', reject);
    call.end();
  });
}

/** Keeps its one connection. */
function keptAlive(): Agent & Disposable {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  return Object.assign(agent, { [Symbol.dispose]: () => agent.destroy() });
}

async function askOver(agent: Agent, address: string, token: string): Promise<object> {
  return await new Promise((resolve, reject) => {
    const call = request(address, { agent, headers: { authorization: `Bearer ${token}` } }, (response) => {
      response.resume().on('end', () => resolve({ status: response.statusCode, isReused: call.reusedSocket }));
    });
    call.on('error', reject);
    call.end();
  });
}

describe('the socket of a run', () => {
  test('is for its user alone, answers, and is gone afterwards', async () => {
    const path = join(folder, 'one.sock');
    {
      await using listening = await listenOnSocket(path, handler);
      expect(listening.place).toBe(path);
      expect((statSync(path).mode & 0o777).toString(8)).toBe('600');
      expect(await askSocket(path, 'GET', '/status')).toEqual({ status: 200, fields: { kind: 'status', id: 'k3v9x2' } });
      expect(await askSocket(path, 'POST', '/control/set', { body: 'workers=4' })).toEqual({
        status: 200,
        fields: { message: 'so be it' },
      });
      const refused = await askSocket(path, 'POST', '/control/set', { body: 'nonsense' });
      expect(refused).toEqual({ status: 400, fields: { error: 'so be it' } });
      for (const answer of [refused?.fields, { message: 'so be it' }])
        expect(schemaFaults('control#/$defs/answer', answer)).toEqual([]);
      const plain = await fetchOverSocket(path, '/control/pause');
      expect(plain).toBe(200);
      const byMe = `by ${userInfo().username} (as the client says)`;
      expect(asked.splice(0)).toEqual([`set workers=4 ${byMe}`, `set nonsense ${byMe}`, 'pause - by somebody at the socket']);
    }
    expect(await askSocket(path, 'GET', '/status')).toBeNull();
  });

  test('is closed again where it cannot be made private', async () => {
    const [path, moved] = [join(folder, 'moved.sock'), join(folder, 'moved-away.sock')];
    // The second mask is set once the socket is made: from there on it is under another name.
    const [umask, masks] = [process.umask.bind(process), [] as number[]];
    using _ = vi.spyOn(process, 'umask').mockImplementation((mask) => {
      if (masks.push(Number(mask)) === 2) renameSync(path, moved);
      return umask(Number(mask));
    });
    await expect(listenOnSocket(path, handler)).rejects.toThrow(`The socket ${path} cannot be used: ENOENT`);
    expect(await askSocket(moved, 'GET', '/status')).toBeNull();
  });

  test('refuses another user of the machine', async (context) => {
    context.skip(process.getuid?.() !== 0, 'only root can be another user');
    const path = join(folder, 'mine.sock');
    chmodSync(folder, 0o755);
    await using listening = await listenOnSocket(path, handler);
    const script = `require('net').connect(${JSON.stringify(listening.place)}).on('connect', () => console.log('in')).on('error', (e) => console.log(e.code))`;
    const { stdout } = await promisify(execFile)(process.execPath, ['-e', script], { uid: 65_534, gid: 65_534, cwd: '/' });
    expect(stdout).toBe('EACCES\n');
  });

  test('is found and used by a user who has no name and no home, as in some containers', async (context) => {
    context.skip(process.getuid?.() !== 0, 'only root can be another user');
    // Where the user may look: the tests' own folder for such things may be closed to others.
    const own = mkdtempSync('/tmp/tableshift-nameless-');
    try {
      chmodSync(own, 0o777);
      const path = join(own, 'nameless.mjs');
      const stdin = {
        contents: `import { askSocket, prepareSocketPath } from './control-socket.ts';
          import { homeOfUser } from '../home-folder.ts';
          const path = await prepareSocketPath('k3v9x2', {});
          console.log(homeOfUser(), path, await askSocket(path, 'GET', '/status'));`,
        resolveDir: join(import.meta.dirname, '../../src/shell'),
      };
      await build({ stdin, bundle: true, platform: 'node', format: 'esm', outfile: path, logLevel: 'silent' });
      const { stdout } = await promisify(execFile)(process.execPath, [path], {
        ...{ uid: 4_321_000, gid: 4_321_000, cwd: '/', env: { TMPDIR: own } },
      });
      expect(stdout).toBe(`null ${own}/tableshift-4321000/k3v9x2.sock null\n`);
    } finally {
      rmSync(own, { recursive: true });
    }
  });

  test('wants GET to show and POST to change, and knows nothing else', async () => {
    const path = join(folder, 'two.sock');
    await using listening = await listenOnSocket(path, handler);
    expect(listening.place).toBe(path);
    const statuses = [
      await askSocket(path, 'GET', '/control/abort'),
      await askSocket(path, 'POST', '/status'),
      await askSocket(path, 'GET', '/'),
      await askSocket(path, 'POST', '/control/explode'),
      await askSocket(path, 'POST', '/control/set', { body: 'x'.repeat(5_000) }),
    ].map((answer) => answer?.status);
    expect(statuses).toEqual([405, 405, 404, 404, 413]);
    expect(asked).toEqual([]);
  });

  test('answers 500 where the status cannot be had, and goes on', async () => {
    await using listening = await listenOnSocket(join(folder, 'wrong.sock'), { ...handler, status: () => ({ rows: 1n }) });
    for (const _ of [1, 2]) {
      expect(await askSocket(listening.place, 'GET', '/status')).toEqual({
        ...{ status: 500, fields: { error: 'Do not know how to serialize a BigInt' } },
      });
    }
  });

  test('takes a command for any ID of its own, and refuses one for another migration', async () => {
    const path = join(folder, 'five.sock');
    await using listening = await listenOnSocket(path, handler);
    expect(listening.place).toBe(path);
    const error = 'The run that listens there is k3v9x2, m4w8y1, not zzz.';
    for (const [method, what] of [
      ['GET', '/status'],
      ['POST', '/control/abort'],
    ] as const) {
      expect(await askSocket(path, method, what, { id: 'zzz' })).toEqual({ status: 409, fields: { error } });
      expect(await askSocket(path, method, what, { id: 'm4w8y1' })).toMatchObject({ status: 200 });
      expect(await askSocket(path, method, what, { id: 'k3v9x2' })).toMatchObject({ status: 200 });
    }
    expect(asked.splice(0).map((one) => one.split(' ')[0])).toEqual(['abort', 'abort']);
    await using soon = await listenOnSocket(join(folder, 'soon.sock'), notBegun);
    expect(await askSocket(soon.place, 'POST', '/control/abort', { id: 'zzz' })).toMatchObject({ status: 503 });
  });

  test('is named with its ID on the command line, and then a run of another one is left alone', async () => {
    const path = join(folder, 'six.sock');
    await using listening = await listenOnSocket(path, handler);
    const environment = { TABLESHIFT_SOCKET: listening.place };
    const wrong = { exitCode: 2, stdout: '' };
    const refusal = 'error MIGRATION_NOT_FOUND: The run that listens there is k3v9x2, m4w8y1, not someotherid99.';
    expect(await tell(['control', 'someotherid99', 'abort'], environment)).toMatchObject({ ...wrong, error: refusal });
    expect(await tell(['status', 'someotherid99'], environment)).toMatchObject({
      ...{ ...wrong, error: `${refusal} With --url the database is asked what it knows.` },
    });
    expect(asked).toEqual([]);
    expect(await tell(['control', 'k3v9x2', 'pause'], environment)).toEqual({ exitCode: 0, stdout: 'so be it\n', error: '' });
    expect(await tell(['control', 'pause'], environment)).toMatchObject({ exitCode: 0 });
    expect(asked.splice(0)).toHaveLength(2);
  });

  test('needs no name where the run is the only one of its user; to give that up it is named', async (context) => {
    context.skip(process.getuid?.() !== 0, 'only root can be another user');
    // A user who has no other runs on this machine.
    vi.spyOn(process, 'getuid').mockReturnValue(64_711);
    onTestFinished(() => void vi.restoreAllMocks());
    const environment = { XDG_RUNTIME_DIR: mkdtempSync(join(folder, 'runtime-')) };
    const places = join(environment.XDG_RUNTIME_DIR, 'tableshift');
    mkdirSync(places, { mode: 0o700 });
    chownSync(places, 64_711, 64_711);
    expect((await tell(['control', 'pause'], environment)).error).toMatch(
      `error MIGRATION_NOT_FOUND: No run of this user listens in ${places} or `,
    );
    // Two sockets of one run, which two tables have.
    const paths = await Promise.all(['k3v9x2', 'm4w8y1'].map((id) => prepareSocketPath(id, environment)));
    await using one = await listenOnSocket(paths[0] ?? '', handler);
    await using two = await listenOnSocket(paths[1] ?? '', handler);
    const said = { exitCode: 0, stdout: 'k3v9x2: so be it\n', error: '' };
    expect(await tell(['control', 'pause'], environment), one.place + two.place).toEqual(said);
    expect((await tell(['status', '--output', 'json'], environment)).stdout).toMatch(/"id":"k3v9x2"/);
    expect((await tell(['control', 'abort'], environment)).error).toBe(
      'error BAD_USAGE: abort wants the migration named: tableshift control k3v9x2 abort.',
    );
    const other: ControlHandler = { ...handler, status: () => ({ kind: 'status', id: 'another' }) };
    await using three = await listenOnSocket(await prepareSocketPath('another', environment), other);
    expect((await tell(['control', 'pause'], environment)).error, three.place).toMatch(
      /^error BAD_USAGE: Several runs are there: .*k3v9x2.*\. Name one by its ID\.$/,
    );
    expect(asked.splice(0)).toHaveLength(1);
  });

  test('may be told by a configuration file', async () => {
    const socket = join(folder, 'seven.sock');
    await using listening = await listenOnSocket(socket, handler);
    const config = join(folder, 'run.json');
    writeFileSync(config, JSON.stringify({ socket, url: 'mysql://db.invalid/shop' }));
    expect(await tell(['status', '--config', config, '--output', 'json'], {}), listening.place).toMatchObject({ exitCode: 0 });
    expect(await tell(['control', 'pause'], { TABLESHIFT_CONFIG: config })).toMatchObject({ exitCode: 0 });
    expect(asked.splice(0)).toHaveLength(1);
  });

  test('that nobody listens at is said so, and that the database may be asked', async () => {
    const environment = { XDG_RUNTIME_DIR: folder };
    const { exitCode, error } = await tell(['status', 'k3v9x2'], environment);
    expect(exitCode).toBe(2);
    expect(error).toMatch(
      /^error MIGRATION_NOT_FOUND: No run listens at .*k3v9x2\.sock\. With --url the database is asked what it knows\.$/,
    );
  });

  test('is found where another place cannot be asked, and where the operator has another directory for temporary files', async () => {
    onTestFinished(() => void vi.unstubAllEnvs());
    vi.stubEnv('TMPDIR', '/tmp');
    await using listening = await listenOnSocket(await prepareSocketPath('k3v9x2', {}), handler);
    vi.stubEnv('TMPDIR', folder);
    const environment = { XDG_RUNTIME_DIR: join(folder, 'file') };
    writeFileSync(environment.XDG_RUNTIME_DIR, '');
    const said = { exitCode: 0, stdout: 'so be it\n', error: '' };
    expect(await tell(['control', 'k3v9x2', 'pause'], environment), listening.place).toEqual(said);
    expect(asked.splice(0)).toHaveLength(1);
  });

  test('says so while the run has not begun', async () => {
    const path = join(folder, 'three.sock');
    await using listening = await listenOnSocket(path, notBegun);
    expect(listening.place).toBe(path);
    for (const [method, what] of [
      ['GET', '/status'],
      ['GET', '/metrics'],
      ['POST', '/control/abort'],
    ] as const) {
      expect(await askSocket(path, method, what)).toMatchObject({ status: 503 });
    }
  });

  test('is not taken from a run that listens, nor is a file replaced', async () => {
    const [path, file] = [join(folder, 'four.sock'), join(folder, 'file')];
    await using listening = await listenOnSocket(path, handler);
    expect(listening.place).toBe(path);
    await expect(listenOnSocket(path, handler)).rejects.toThrow(
      `The socket ${path} cannot be used: another run listens there.`,
    );
    writeFileSync(file, 'precious');
    await expect(listenOnSocket(file, handler)).rejects.toThrow(`The socket ${file} cannot be used: something else is there.`);
    const long = join(folder, 'x'.repeat(110));
    await expect(listenOnSocket(long, handler)).rejects.toThrow('longer than 107 bytes');
    await expect(listenOnSocket(join(folder, 'nowhere', 'x.sock'), handler)).rejects.toThrow(
      `cannot be used: there is no directory ${join(folder, 'nowhere')}.`,
    );
  });

  test('is in the directory for temporary files where the runtime directory cannot be used', async () => {
    const usual = await prepareSocketPath('k3v9x2', {});
    const long = join(folder, 'x'.repeat(100));
    mkdirSync(long);
    expect(await prepareSocketPath('k3v9x2', { XDG_RUNTIME_DIR: long })).toBe(usual);
    expect(await prepareSocketPath('k3v9x2', { XDG_RUNTIME_DIR: '/proc' })).toBe(usual);
    expect(await prepareSocketPath('k3v9x2', { XDG_RUNTIME_DIR: join(folder, 'nowhere') })).toBe(usual);
    expect(await prepareSocketPath('k3v9x2', { XDG_RUNTIME_DIR: folder })).toBe(join(folder, 'tableshift', 'k3v9x2.sock'));
  });
});

describe('the address of a run', () => {
  const ask = async (place: string, path: string, init: RequestInit = {}) => {
    const response = await fetch(`${place}${path}`, init);
    return { status: response.status, text: await response.text() };
  };

  test('answers those who know the token, and nobody else', async () => {
    await using listening = await listenOnHttp('127.0.0.1:0', token, handler);
    const refused = { status: 401, text: '{"error":"The token is missing or wrong."}\n' };
    for (const authorization of [undefined, 'Bearer wrong', `Basic ${token}`, 'Bearer ', `Bearer ${token}x`]) {
      const headers: Record<string, string> = authorization === undefined ? {} : { authorization };
      for (const path of ['/status', '/metrics']) expect(await ask(listening.place, path, { headers })).toEqual(refused);
      expect(await ask(listening.place, '/control/abort', { method: 'POST', headers })).toEqual(refused);
    }
    expect(asked).toEqual([]);
    const headers = { authorization: `Bearer ${token}` };
    expect(await ask(listening.place, '/status', { headers })).toEqual({
      status: 200,
      text: '{"kind":"status","id":"k3v9x2"}\n',
    });
    expect(await ask(listening.place, '/metrics', { headers })).toEqual({ status: 200, text: '# HELP tableshift_up x\n' });
    expect(await ask(listening.place, '/metrics', { method: 'HEAD', headers })).toEqual({ status: 200, text: '' });
    const refusals = [
      { path: '/status', method: 'DELETE', allow: 'GET, HEAD' },
      { path: '/control/abort', method: 'GET', allow: 'POST' },
    ];
    for (const { path, method, allow } of refusals) {
      const response = await fetch(`${listening.place}${path}`, { method, headers });
      await response.body?.cancel();
      expect([response.status, response.headers.get('allow')]).toEqual([405, allow]);
    }
    expect((await ask(listening.place, '/control/set', { method: 'POST', headers, body: 'workers=2' })).status).toBe(200);
    const claim = { ...headers, 'tableshift-user': 'root' };
    expect((await ask(listening.place, '/control/pause', { method: 'POST', headers: claim })).status).toBe(200);
    const somebody = 'by somebody over HTTP from 127.0.0.1';
    expect(asked.splice(0)).toEqual([`set workers=2 ${somebody}`, `pause - ${somebody}`]);
  });

  test('is not kept from those who know the token by any number of connections of others', async () => {
    await using listening = await listenOnHttp('127.0.0.1:0', token, handler);
    using agent = keptAlive();
    const askAgain = () => askOver(agent, `${listening.place}/metrics`, token);
    expect(await askAgain()).toEqual({ status: 200, isReused: false });
    const strangers: Socket[] = [];
    for (const said of ['', 'GET /metr', `GET /metrics HTTP/1.1\r\nhost: x\r\nauthorization: Bearer no\r\n\r\n`]) {
      for (let count = 0; count < 40; count += 1) {
        const stranger = connect(Number(new URL(listening.place).port), '127.0.0.1');
        strangers.push(stranger.on('error', () => undefined).resume());
        await once(stranger, 'connect');
        stranger.write(said);
      }
      expect(await ask(listening.place, '/metrics', { headers: { authorization: `Bearer ${token}` } })).toMatchObject({
        status: 200,
      });
      expect(await askAgain()).toEqual({ status: 200, isReused: true });
    }
    for (const stranger of strangers) stranger.destroy();
  });

  test('has a token that a client can send, from a file that only its owner should read', async () => {
    const options = { socket: null, http: '127.0.0.1:8080', httpToken: null, httpTokenFile: join(folder, 'token') };
    writeFileSync(options.httpTokenFile, `${token}\n`, { mode: 0o600 });
    expect(await readToken(options)).toEqual({ token, warnings: [] });
    chmodSync(options.httpTokenFile, 0o644);
    const warnings = [`Other users may read the token file ${options.httpTokenFile}: chmod 600 it.`];
    expect(await readToken(options)).toEqual({ token, warnings });
    for (const none of ['too-short', 'mit-einem-Umläut-darin', 'with a space in the middle']) {
      await expect(readToken({ ...options, httpToken: none, httpTokenFile: null })).rejects.toThrow(
        '--http needs a token of 16 characters at least, letters, digits and signs of ASCII,',
      );
    }
  });

  test.each(['0.0.0.0:8080', '10.0.0.1:80', 'example.org:80', '127.0.0.1', '127.0.0.1:99999', ':80'])(
    '%j is refused, for it is not this machine alone',
    async (address) => {
      await expect(listenOnHttp(address, token, handler)).rejects.toThrow(
        `--http must be an address of this machine such as 127.0.0.1:8080, not "${address}".`,
      );
    },
  );
});
