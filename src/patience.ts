/** Not giving up at the first lost connection where there is no migration yet that would be resumed. */

import { retry } from './engine/retry.ts';
import { systemClock } from './sessions/system-clock.ts';

/**
 * Tries again, silently, for one to two minutes, what has lost its connection: a server that was there a moment ago may be restarting, and
 * a run that nobody watches should not miss its night for it. The work must be safe to repeat.
 */
export async function patiently<Result>(what: string, work: () => Promise<Result>, signal: AbortSignal): Promise<Result> {
  return await retry(
    what,
    work,
    { clock: systemClock, observer: () => {}, isCurable: ({ code }) => code === 'CONNECTION_LOST' },
    signal,
  );
}
