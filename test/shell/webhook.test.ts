/** An address that is told, with a receiver that answers as the test says and a clock that only notes the pauses. */
import { createServer, type OutgoingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Clock } from '../../src/engine/ports.ts';
import { makeNotice } from '../../src/shell/notifier.ts';
import { webhookListener } from '../../src/shell/webhook.ts';
import { examplePlan } from '../support/run-events.ts';

const now = new Date('2026-11-21T12:00:00Z');
const notice = makeNotice('swapped', examplePlan, { time: now, text: 'it was swapped', details: {} });

let answers: { readonly status: number; readonly headers: OutgoingHttpHeaders }[] = [];
const server = createServer({ keepAlive: true }, (request, response) => {
  request.resume();
  response.sendDate = false;
  const { status, headers } = answers.shift() ?? { status: 204, headers: {} };
  response.writeHead(status, headers).end();
});
let address = '';
beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/told`;
});
afterAll(() => {
  server.close();
  server.closeAllConnections();
});

/** The pauses between the attempts at telling one notice. */
async function pausesAfter(...given: typeof answers): Promise<readonly number[]> {
  answers = given;
  const pauses: number[] = [];
  const clock: Clock = { now: () => 0, random: () => 0.5, sleep: async (ms) => void pauses.push(ms) };
  await webhookListener(address, clock, () => now).tell(notice, new AbortController().signal);
  return pauses;
}

test('a webhook that cannot take a notice is asked again after the pause that it asks for, within limits', async () => {
  const after = (asked: string, headers: OutgoingHttpHeaders = {}, status = 429) => ({
    ...{ status, headers: { ...headers, 'retry-after': asked } },
  });
  const aMinuteAhead = { date: 'Sat, 21 Nov 2026 12:01:00 GMT' };
  expect(await pausesAfter(after('7'), after('0'), after('86400', {}, 503))).toEqual([7_000, 2_000, 60_000]);
  expect(await pausesAfter(after('Sat, 21 Nov 2026 12:00:09 GMT'))).toEqual([9_000]);
  // The clock of the receiver counts, where it tells its time.
  expect(await pausesAfter(after('Sat, 21 Nov 2026 12:01:09 GMT', aMinuteAhead))).toEqual([9_000]);
  expect(await pausesAfter(after('Sat, 21 Nov 2026 11:00:00 GMT'), after('soon'), after('-5'))).toEqual([1_000, 2_000, 4_000]);
});

test('a webhook that never takes a notice is given up after four attempts', async () => {
  const failing = { status: 500, headers: {} };
  await expect(pausesAfter(failing, failing, failing, failing)).rejects.toThrow('it answered 500, 4 times');
});
