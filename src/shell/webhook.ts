/** An address that is told what happens. */

import { causeText, MigrationError } from '../engine/errors.ts';
import type { Clock } from '../engine/ports.ts';
import type { Listener } from './notifier.ts';
import { withTimeLimit } from './time-limit.ts';

const ATTEMPTS_MAX = 4;
const PAUSE_FIRST_MS = 1_000;
const ANSWER_WITHIN_MS = 5_000;

/** Posts each notice as JSON. Anything but an answer from 200 to 299 is tried again a few times. Throws BAD_USAGE. */
export function webhookListener(address: string, clock: Clock): Listener {
  const url = parseWebhook(address);
  return {
    name: `the webhook ${url.origin}`,
    async tell(notice, signal) {
      for (let attempt = 1; ; attempt++) {
        const failure = await post(url, JSON.stringify(notice), signal);
        if (failure === null) return;
        if (attempt === ATTEMPTS_MAX) throw new Error(`${failure}, ${ATTEMPTS_MAX} times`);
        await clock.sleep(PAUSE_FIRST_MS * 2 ** (attempt - 1), signal);
      }
    },
  };
}

/** Throws BAD_USAGE. */
export function parseWebhook(address: string): URL {
  const url = URL.canParse(address) ? new URL(address) : null;
  const isWebhook = url !== null && ['http:', 'https:'].includes(url.protocol) && url.username === '' && url.password === '';
  if (isWebhook) return url;
  const message = '--webhook must be an address that begins with http:// or https://, without a login.';
  throw new MigrationError('BAD_USAGE', message);
}

/** Null, or why it failed. */
async function post(url: URL, body: string, signal: AbortSignal): Promise<string | null> {
  const headers = { 'content-type': 'application/json' };
  using within = withTimeLimit(signal, ANSWER_WITHIN_MS);
  try {
    const response = await fetch(url, { method: 'POST', redirect: 'manual', headers, body, signal: within });
    await response.body?.cancel();
    return response.ok ? null : `it answered ${response.status}`;
  } catch (error) {
    signal.throwIfAborted();
    // What fetch says is "fetch failed"; the cause says why.
    return causeText(error);
  }
}
