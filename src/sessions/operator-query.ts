/** A query of the operator's own as a reason to rest, on whatever server. */

import { causeText, isFinal, MigrationError } from '../engine/errors.ts';
import { judgeAnswer } from '../engine/load.ts';
import type { Clock, ThrottleSample, ThrottleSignal } from '../engine/ports.ts';
import { askSeldom } from '../engine/spaced-signal.ts';
import { timeLimit } from './pause.ts';

/** It is asked this often at most, and has this long to answer. */
const ASK_EACH_MS = 1_000;
const ANSWER_WITHIN_MS = 3_000;

/** The rows that it gives, columns in order. Aborting ends the statement on the server. */
export type AskQuery = (sql: string, signal: AbortSignal) => Promise<readonly Readonly<Record<string, string | null>>[]>;

/**
 * A stop while the first value is above 0, true, or neither a number nor a boolean. One that fails or hangs gives no answer, and goes
 * stale. `query` is asked for each time; null: there is none.
 */
export function operatorQuery(query: () => string | null, ask: AskQuery, clock: Clock): ThrottleSignal {
  const sample = async (signal: AbortSignal): Promise<ThrottleSample> => {
    const sql = query();
    if (sql === null) return { pressure: 0, detail: 'no query is set' };
    const [row] = await ask(sql, AbortSignal.any([signal, answerLimit()])).catch((error: unknown) => {
      throw inServersWords(error);
    });
    return judgeAnswer(row === undefined ? undefined : (Object.values(row)[0] ?? null));
  };
  return askSeldom({ name: 'throttle query', sample }, ASK_EACH_MS, clock);
}

/** Asks once. Rejects with BAD_USAGE where the server gives no answer in time. */
export async function checkQuery(sql: string, ask: AskQuery, signal: AbortSignal): Promise<void> {
  try {
    await ask(sql, AbortSignal.any([signal, answerLimit()]));
  } catch (cause) {
    signal.throwIfAborted();
    throw new MigrationError('BAD_USAGE', `The server does not answer the query: ${causeText(cause)}`, { cause });
  }
}

/** A query of the operator's names what it likes: that something is not there says nothing about the tables of the migration. */
function inServersWords(error: unknown): unknown {
  return error instanceof MigrationError && isFinal(error.code) ? error.cause : error;
}

function answerLimit(): AbortSignal {
  return timeLimit(ANSWER_WITHIN_MS, `The query of --throttle-query gave no answer within ${ANSWER_WITHIN_MS / 1000} s.`);
}
