/** A query of the operator's own as a reason to rest, on whatever server. */

import { judgeAnswer } from '../engine/load.ts';
import type { Clock, ThrottleSignal } from '../engine/ports.ts';

/** It is asked this often at most, and has this long to answer. */
const ASK_EACH_MS = 1_000;
const ANSWER_WITHIN_MS = 3_000;

/** The rows that it gives, columns in order. Aborting ends the statement on the server. */
export type AskQuery = (signal: AbortSignal) => Promise<readonly Readonly<Record<string, string | null>>[]>;

/** A stop while the first value is above 0 or is no number. One that fails or hangs gives no answer, and goes stale. */
export function operatorQuery(ask: AskQuery, clock: Clock): ThrottleSignal {
  let askedAtMs: number | null = null;
  return {
    name: 'throttle query',
    async sample(signal) {
      if (askedAtMs !== null) await clock.sleep(Math.max(0, askedAtMs + ASK_EACH_MS - clock.now()), signal);
      askedAtMs = clock.now();
      const [row] = await ask(AbortSignal.any([signal, AbortSignal.timeout(ANSWER_WITHIN_MS)]));
      return judgeAnswer(row === undefined ? undefined : (Object.values(row)[0] ?? null));
    },
  };
}
