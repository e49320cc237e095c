/** The places at which a run is controlled, with a run that only answers. */
import { execFile } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { listenOnHttp, listenOnSocket, type ControlHandler } from '../../src/shell/control-server.ts';
import { askSocket } from '../../src/shell/control-socket.ts';

const token = 'a-token-of-many-characters';
const asked: string[] = [];
const handler: ControlHandler = {
  status: () => ({ kind: 'status', id: 'k3v9x2' }),
  metrics: () => '# HELP tableshift_up x\n',
  command: async ({ command, setting, who }) => {
    asked.push(`${command} ${setting ?? '-'} by ${who}`);
    return { isDone: setting !== 'nonsense', message: 'so be it' };
  },
};
const notBegun: ControlHandler = { status: () => null, metrics: () => null, command: async () => null };

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tableshift-control-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

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

describe('the socket of a run', () => {
  test('is for its user alone, answers, and is gone afterwards', async () => {
    const path = join(folder, 'one.sock');
    {
      await using listening = await listenOnSocket(path, handler);
      expect(listening.place).toBe(path);
      expect((statSync(path).mode & 0o777).toString(8)).toBe('600');
      expect(await askSocket(path, 'GET', '/status')).toEqual({ status: 200, fields: { kind: 'status', id: 'k3v9x2' } });
      expect(await askSocket(path, 'POST', '/control/set', 'workers=4')).toEqual({
        status: 200,
        fields: { message: 'so be it' },
      });
      expect(await askSocket(path, 'POST', '/control/set', 'nonsense')).toEqual({ status: 400, fields: { error: 'so be it' } });
      const plain = await fetchOverSocket(path, '/control/pause');
      expect(plain).toBe(200);
      const byMe = `by ${userInfo().username} (as the client says)`;
      expect(asked.splice(0)).toEqual([`set workers=4 ${byMe}`, `set nonsense ${byMe}`, 'pause - by somebody at the socket']);
    }
    expect(await askSocket(path, 'GET', '/status')).toBeNull();
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

  test('wants GET to show and POST to change, and knows nothing else', async () => {
    const path = join(folder, 'two.sock');
    await using listening = await listenOnSocket(path, handler);
    expect(listening.place).toBe(path);
    const statuses = [
      await askSocket(path, 'GET', '/control/abort'),
      await askSocket(path, 'POST', '/status'),
      await askSocket(path, 'GET', '/'),
      await askSocket(path, 'POST', '/control/explode'),
      await askSocket(path, 'POST', '/control/set', 'x'.repeat(5_000)),
    ].map((answer) => answer?.status);
    expect(statuses).toEqual([405, 405, 404, 404, 413]);
    expect(asked).toEqual([]);
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
    expect((await ask(listening.place, '/control/set', { method: 'POST', headers, body: 'workers=2' })).status).toBe(200);
    const claim = { ...headers, 'tableshift-user': 'root' };
    expect((await ask(listening.place, '/control/pause', { method: 'POST', headers: claim })).status).toBe(200);
    const somebody = 'by somebody over HTTP from 127.0.0.1';
    expect(asked.splice(0)).toEqual([`set workers=2 ${somebody}`, `pause - ${somebody}`]);
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
