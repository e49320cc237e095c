/** Whether there is room for a second copy of the table, where the server can tell. */

import type { Plan } from '../engine/model.ts';
import type { Obstacle } from '../engine/obstacles.ts';
import { serverErrno } from './errors.ts';
import type { Session } from './session.ts';

/**
 * MariaDB's plug-in DISKS lists file systems, to a user with the FILE privilege. MySQL and a MariaDB without it cannot tell: then
 * there is no obstacle, and the plan's notes say so.
 */
export async function diskObstacles(session: Session, plan: Plan, signal: AbortSignal): Promise<readonly Obstacle[]> {
  const free = await freeBytes(session, signal);
  const needed = plan.estimate.dataBytes + plan.estimate.indexBytes;
  if (free === null || free > needed) return [];
  const size = (bytes: number): string => `${Math.ceil(bytes / 1024 / 1024)} MiB`;
  return [{ code: 'DISK_SPACE', message: `The shadow needs about ${size(needed)}, and the server has ${size(free)} free.` }];
}

/** Bytes free where the tables are, or null where that cannot be asked. */
export async function freeBytes(session: Session, signal: AbortSignal): Promise<number | null> {
  try {
    const rows = await session.query(
      'SELECT @@datadir AS folder, Path AS path, Available AS kilobytes FROM information_schema.DISKS',
      signal,
    );
    const [nearest] = rows
      .filter((row) => isWithin(row['folder'] ?? '', row['path'] ?? ''))
      .toSorted((a, b) => (b['path'] ?? '').length - (a['path'] ?? '').length);
    return nearest === undefined ? null : Number(nearest['kilobytes']) * 1024;
  } catch (error) {
    signal.throwIfAborted();
    // The table is unknown, or may not be read.
    if (serverErrno(error) === null) throw error;
    return null;
  }
}

function isWithin(folder: string, path: string): boolean {
  return folder.startsWith(path.endsWith('/') ? path : `${path}/`);
}
