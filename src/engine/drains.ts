/** Drains of tables that are locked together, side by side through the one session that holds the locks. */

import { assert } from './errors.ts';
import type { Drain, RowWriter } from './ports.ts';
import { runTogether, type Task, Turnstile } from './tasks.ts';

/**
 * Begins all drains in one tick, so that their fences are placed at once and nobody waits for another's, and resolves when all are
 * done. Their writers, one for each, work through one session: calls take turns, each of them whole. `first` has the first turn,
 * while the drains receive what is still on its way. When one fails the others are aborted; this rejects with the first failure
 * when all have ended.
 */
export async function drainTogether(
  drains: readonly Drain[],
  writers: readonly RowWriter[],
  signal: AbortSignal,
  first: Task = async () => {},
): Promise<void> {
  assert(drains.length === writers.length, 'each table is drained by a function of its own');
  const session = new Turnstile();
  const tasks = writers.map((writer, place) => async (inner: AbortSignal): Promise<void> => {
    await drains[place]?.(inTurns(writer, session), inner);
  });
  await runTogether([(inner) => session.run(() => first(inner), inner), ...tasks], signal);
}

function inTurns(writer: RowWriter, session: Turnstile): RowWriter {
  const upsertRows = writer.upsertRows?.bind(writer);
  return {
    ...(upsertRows === undefined ? {} : { upsertRows: (keys, signal) => session.run(() => upsertRows(keys, signal), signal) }),
    keysPerStatement: writer.keysPerStatement,
    deleteRows: (keys, signal) => session.run(() => writer.deleteRows(keys, signal), signal),
    insertRows: (keys, signal) => session.run(() => writer.insertRows(keys, signal), signal),
    explainCollision: (keys, signal) => session.run(() => writer.explainCollision(keys, signal), signal),
    findDifferingRows: (keys, signal) => session.run(() => writer.findDifferingRows(keys, signal), signal),
  };
}
