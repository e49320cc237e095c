/** Whether there is room for a second copy of the table, where the server can tell. */

import type { Plan } from '../engine/model.ts';
import type { Obstacle } from '../engine/obstacles.ts';
import { mebibytes } from '../sessions/sizes.ts';
import { serverErrno } from './errors.ts';
import type { Session } from './session.ts';

/**
 * MariaDB's plug-in DISKS lists file systems, to a user with the FILE privilege. MySQL and a MariaDB without it cannot tell: then
 * there is no obstacle, and the plan's notes say so.
 */
export async function diskObstacles(
  session: Session,
  plans: readonly Pick<Plan, 'estimate'>[],
  signal: AbortSignal,
): Promise<readonly Obstacle[]> {
  const disk = await readDisk(session, signal);
  const needed = plans.reduce((sum, { estimate }) => sum + estimate.dataBytes + estimate.indexBytes, 0);
  if (disk === null || disk.free > needed) return [];
  const message = `${plans.length === 1 ? 'The shadow needs' : 'The shadows together need'} about ${mebibytes(needed)}, and the server has ${mebibytes(disk.free)} free.`;
  return [{ code: 'DISK_SPACE', message }];
}

/** What an operator should know of it before a run that it does not keep from starting. */
export function diskNotes(disk: Disk | null, source: Pick<Plan['estimate'], 'dataBytes' | 'indexBytes'>): readonly string[] {
  const needed = source.dataBytes + source.indexBytes;
  const takes = `the shadow takes about ${mebibytes(needed)}, and the binary log of the copy about ${mebibytes(source.dataBytes)}`;
  if (disk === null) return needed < NOTED_BYTES ? [] : [`The server cannot tell how much disk space is free: ${takes}.`];
  if (disk.free <= needed || disk.free >= SPACE_FACTOR * needed) return [];
  return [`Disk space is short: ${mebibytes(disk.free)} are free; ${takes}.`];
}

/** A smaller table needs no word about space. */
const NOTED_BYTES = 1024 ** 3;

/** The shadow needs its own size, and what others write needs space as well: below this many times it is short. */
export const SPACE_FACTOR = 1.2;

/** The file system on which the tables are, bytes. */
export interface Disk {
  readonly free: number;
  readonly total: number;
}

/** Null where that cannot be asked. */
export async function readDisk(session: Session, signal: AbortSignal): Promise<Disk | null> {
  try {
    const rows = await session.query(
      'SELECT @@datadir AS folder, Path AS path, Available AS free, Total AS total FROM information_schema.DISKS',
      signal,
    );
    const [nearest] = rows
      .filter((row) => isWithin(row['folder'] ?? '', row['path'] ?? ''))
      .toSorted((a, b) => (b['path'] ?? '').length - (a['path'] ?? '').length);
    return nearest === undefined ? null : { free: Number(nearest['free']) * 1024, total: Number(nearest['total']) * 1024 };
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
