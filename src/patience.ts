/** Not giving up at the first lost connection where no migration could be resumed: before there is one, and when one is cleaned up. */

import type { Obstacle } from './engine/obstacles.ts';
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

/** What plans one table, or several that are swapped together. Changes nothing. */
interface Planner<Asked, Planned> {
  plan(asked: Asked, signal: AbortSignal): Promise<Planned>;
  findObstacles(planned: Planned, signal: AbortSignal): Promise<readonly Obstacle[]>;
}

/** Plans, and finds every obstacle. */
export async function planPatiently<Asked, Planned>(
  planner: Planner<Asked, Planned>,
  asked: Asked,
  signal: AbortSignal,
): Promise<{ readonly planned: Planned; readonly obstacles: readonly Obstacle[] }> {
  const planned = await patiently('planning', () => planner.plan(asked, signal), signal);
  return { planned, obstacles: await patiently('finding obstacles', () => planner.findObstacles(planned, signal), signal) };
}
