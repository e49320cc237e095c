/** A check from outside: an address that says whether to go on. */

import type { Clock, ThrottleSignal } from '../engine/ports.ts';
import { causeText, MigrationError } from '../engine/errors.ts';
import { withTimeLimit } from './time-limit.ts';

const ASK_EACH_MS = 1_000;
const ANSWER_WITHIN_MS = 2_000;

/**
 * Copying goes on while the address answers 200 and rests at any other answer. Without an answer the last one holds until the
 * throttler counts it as stale. Redirections are not followed. Throws BAD_USAGE where `address` is none.
 */
export function httpCheck(address: string, clock: Clock): ThrottleSignal {
  const url = parseAddress(address);
  let askedAtMs: number | null = null;
  return {
    name: 'HTTP check',
    async sample(signal) {
      if (askedAtMs !== null) await clock.sleep(Math.max(0, askedAtMs + ASK_EACH_MS - clock.now()), signal);
      askedAtMs = clock.now();
      using within = withTimeLimit(signal, ANSWER_WITHIN_MS);
      const { status } = await ask(shownAddress(url, true), loginOf(url), within);
      return { pressure: status === 200 ? 0 : 1, detail: `${shownAddress(url, false)} answers ${status}` };
    },
  };
}

async function ask(
  address: string,
  headers: Record<string, string>,
  signal: AbortSignal,
): Promise<{ readonly status: number }> {
  try {
    const response = await fetch(address, { redirect: 'manual', headers, signal });
    await response.body?.cancel();
    return response;
  } catch (error) {
    // What fetch says is "fetch failed"; the cause says why.
    throw new Error(causeText(error), { cause: error });
  }
}

/** Addresses with a login in them are not asked as they are. */
function loginOf({ username, password }: URL): Record<string, string> {
  if (username === '' && password === '') return {};
  const login = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return { authorization: `Basic ${Buffer.from(login).toString('base64')}` };
}

/** The address as it may be shown. Throws BAD_USAGE where it is none. */
export function showAddress(address: string): string {
  return shownAddress(parseAddress(address), false);
}

/** A query may hold a token: it is asked with, and not shown. */
function shownAddress(url: URL, hasQuery: boolean): string {
  return `${url.origin}${url.pathname}${hasQuery ? url.search : ''}`;
}

function parseAddress(address: string): URL {
  const url = URL.canParse(address) ? new URL(address) : null;
  if (url !== null && ['http:', 'https:'].includes(url.protocol)) {
    if (isDecodable(url.username) && isDecodable(url.password)) return url;
    throw new MigrationError('BAD_USAGE', 'The login in --throttle-http has a % that encodes nothing: % itself is %25.');
  }
  throw new MigrationError('BAD_USAGE', '--throttle-http must be an address that begins with http:// or https://.');
}

function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}
