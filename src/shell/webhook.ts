/** An address that is told what happens. */

import { causeText, MigrationError } from '../engine/errors.ts';
import type { Clock } from '../engine/ports.ts';
import type { Listener } from './notifier.ts';
import { withTimeLimit } from './time-limit.ts';

const ATTEMPTS_MAX = 4;
const PAUSE_FIRST_MS = 1_000;
/** A receiver that asks for a longer pause is asked again after this one: the notices behind wait too. */
const PAUSE_MS_MAX = 60_000;
const ANSWER_WITHIN_MS = 5_000;

/**
 * Posts each notice as JSON. Anything but an answer from 200 to 299 is tried again a few times, with growing pauses, or those that
 * the receiver asks for where they are longer. `now` is the time of day. Throws BAD_USAGE.
 */
export function webhookListener(address: string, clock: Clock, now: () => Date): Listener {
  const url = parseWebhook(address);
  return {
    name: `the webhook ${url.origin}`,
    async tell(notice, signal) {
      for (let attempt = 1; ; attempt++) {
        const failure = await post(url, JSON.stringify(notice), signal);
        if (failure === null) return;
        if (attempt === ATTEMPTS_MAX) throw new Error(`${failure.reason}, ${ATTEMPTS_MAX} times`);
        const asked = pauseAskedFor(failure.headers, now());
        await clock.sleep(Math.max(PAUSE_FIRST_MS * 2 ** (attempt - 1), Math.min(asked, PAUSE_MS_MAX)), signal);
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

/** Milliseconds of `Retry-After`, which is seconds or a date by the clock of the receiver; 0 where it asks for none. */
function pauseAskedFor(headers: Headers, now: Date): number {
  const asked = headers.get('retry-after')?.trim() ?? '';
  if (/^\d+$/.test(asked)) return Number(asked) * 1_000;
  if (!asked.endsWith(' GMT')) return 0;
  const sent = Date.parse(headers.get('date') ?? '');
  const pause = Date.parse(asked) - (Number.isNaN(sent) ? now.getTime() : sent);
  return Number.isNaN(pause) ? 0 : Math.max(0, pause);
}

interface Failure {
  readonly reason: string;
  /** Of the answer; none where nobody answered. */
  readonly headers: Headers;
}

/** Null, or why it failed. */
async function post(url: URL, body: string, signal: AbortSignal): Promise<Failure | null> {
  const headers = { 'content-type': 'application/json' };
  using within = withTimeLimit(signal, ANSWER_WITHIN_MS);
  try {
    const response = await fetch(url, { method: 'POST', redirect: 'manual', headers, body, signal: within });
    await response.body?.cancel();
    return response.ok ? null : { reason: `it answered ${response.status}`, headers: response.headers };
  } catch (error) {
    signal.throwIfAborted();
    // What fetch says is "fetch failed"; the cause says why.
    return { reason: causeText(error), headers: new Headers() };
  }
}
