/** The disk that the tables are on, where the server tells: a run ends, to be resumed, before it fills it. */

import type { Plan } from '../engine/model.ts';
import type { Clock, ThrottleSample, ThrottleSignal } from '../engine/ports.ts';
import { askSeldom } from '../engine/spaced-signal.ts';
import { mebibytes } from '../sessions/sizes.ts';
import { type Disk, readDisk, SPACE_FACTOR } from './obstacles-disk.ts';
import type { SessionPool } from './session.ts';

/** The server asks every file system for it. */
const ASK_EACH_MS = 2_000;
/** Shares of the disk. A server whose disk is full stops for everybody. */
const CRITICAL_SHARE = 0.05;
const WARNING_SHARE = 0.1;

/** What to look at. */
export interface FreeDiskOptions {
  readonly pool: SessionPool;
  readonly plan: Plan;
  readonly clock: Clock;
}

/** Critical under 5 % free. Never a pressure: a disk does not get emptier by waiting. A server that does not tell is asked once. */
export function freeDisk({ pool, plan, clock }: FreeDiskOptions): ThrottleSignal {
  const needed = plan.estimate.dataBytes + plan.estimate.indexBytes;
  let isUntold = false;
  const sample = async (signal: AbortSignal): Promise<ThrottleSample> => {
    const disk = isUntold ? null : await pool.withSession((session) => readDisk(session, signal), signal);
    isUntold = disk === null;
    return disk === null ? { pressure: 0, detail: 'the server does not tell how much is free' } : judgeDisk(disk, needed);
  };
  return askSeldom({ name: 'free disk', sample }, ASK_EACH_MS, clock);
}

/** `needed`: bytes of a whole second copy. On a large disk 5 % may be plenty: what has room for that and more is not short. */
export function judgeDisk({ free, total }: Disk, needed: number): ThrottleSample {
  const detail = `${mebibytes(free)} of ${mebibytes(total)} are free`;
  if (free >= total * WARNING_SHARE || free >= needed * SPACE_FACTOR) return { pressure: 0, detail };
  if (free < total * CRITICAL_SHARE) return { pressure: 1, detail: `${detail}, less than 5 %`, isCritical: true };
  const warning = `Less than 10 % of the disk is free. Below 5 % the run ends, to be resumed: make room for the shadow, which takes about ${mebibytes(needed)} in all.`;
  return { pressure: 0, detail, warning };
}
