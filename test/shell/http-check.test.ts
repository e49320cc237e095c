import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { httpCheck } from '../../src/shell/http-check.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const never = new AbortController().signal;

/** What the server answers, and what it was asked. */
let status = 200;
const asked: Pick<IncomingMessage, 'url' | 'headers'>[] = [];
const server = createServer((request, response) => {
  asked.push({ url: request.url, headers: request.headers });
  response.writeHead(status, { location: '/elsewhere' }).end('body');
});
let origin = '';
beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.close();
  server.closeAllConnections();
});

test('copying goes on while the check answers 200, and only then', async () => {
  const pressures: Record<number, number> = {};
  for (status of [200, 201, 204, 302, 404, 500, 503]) {
    const { pressure, detail } = await httpCheck(`${origin}/go`, new VirtualClock()).sample(never);
    expect(detail).toBe(`${origin}/go answers ${status}`);
    pressures[status] = pressure;
  }
  expect(pressures).toEqual({ 200: 0, 201: 1, 204: 1, 302: 1, 404: 1, 500: 1, 503: 1 });
});

test('the check is asked once a second', async () => {
  status = 200;
  const clock = new VirtualClock();
  const check = httpCheck(`${origin}/go`, clock);
  await check.sample(never);
  const before = asked.length;
  const second = check.sample(never);
  await clock.advance(999);
  expect(asked.length).toBe(before);
  await clock.advance(1);
  await second;
  expect(asked.length).toBe(before + 1);
  expect(asked.at(-1)?.headers.authorization).toBeUndefined();
});

test('a login and a query are used but not shown', async () => {
  const check = httpCheck(origin.replace('//', '//ops:geh%40im@') + '/go?token=secret', new VirtualClock());
  const { detail } = await check.sample(never);
  expect(detail).toBe(`${origin}/go answers 200`);
  expect(asked.at(-1)).toMatchObject({
    url: '/go?token=secret',
    headers: { authorization: `Basic ${Buffer.from('ops:geh@im').toString('base64')}` },
  });
});

test('a server that is gone gives no answer, so that the signal goes stale, and the message says why', async () => {
  const closed = createServer();
  await new Promise<void>((resolve) => closed.listen(0, '127.0.0.1', resolve));
  const { port } = closed.address() as AddressInfo;
  await new Promise((resolve) => closed.close(resolve));
  await expect(httpCheck(`http://127.0.0.1:${port}/`, new VirtualClock()).sample(never)).rejects.toThrow('ECONNREFUSED');
});

test('a server that hangs gives no answer within two seconds', async () => {
  const silent = createServer(() => undefined);
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  const { port } = silent.address() as AddressInfo;
  await expect(httpCheck(`http://127.0.0.1:${port}/`, new VirtualClock()).sample(never)).rejects.toThrow(
    'it took longer than 2 s',
  );
  silent.close();
  silent.closeAllConnections();
});

test.each(['example.org', 'ftp://example.org/', '', 'http://ops:50%@example.org/'])('%j is no address to ask', (address) => {
  expect(() => httpCheck(address, new VirtualClock())).toThrow(expect.objectContaining({ code: 'BAD_USAGE' }));
});
