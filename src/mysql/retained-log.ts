/**
 * How much of the binary log a resume would have to read. The server removes its log by age and size, whoever still needs it;
 * copying writes log too, so it waits until the applier has caught up, which never rests.
 */

import type { Clock, ThrottleSample, ThrottleSignal } from '../engine/ports.ts';
import { askSeldom } from '../engine/spaced-signal.ts';
import { mebibytes } from '../sessions/sizes.ts';
import type { Flavour } from './flavour.ts';
import { readLogRetention } from './log-retention.ts';
import type { LogPosition } from './position.ts';
import type { Row, Session, SessionPool } from './session.ts';

/** Without a limit of the operator's, this share of the server's own limit. */
const DEFAULT_SHARE = 0.5;
/** The place of a resume moves with the checkpoints of the run, so it need not be looked at more often. */
const ASK_EACH_MS = 1_000;

/** What to look at. */
export interface RetainedLogOptions {
  readonly pool: SessionPool;
  readonly flavour: Flavour;
  /** Bytes, as it is now; null: half of the size that the server allows its log; 0: none. */
  readonly limit: () => number | null;
  /** Where a resume would begin, or null before the first checkpoint. */
  readonly resumeFrom: () => Pick<LogPosition, 'file' | 'offset'> | null;
  readonly clock: Clock;
}

/** Pressure by the log behind that place. Nothing is asked where there is no limit. */
export function retainedLog({ pool, flavour, limit, resumeFrom, clock }: RetainedLogOptions): ThrottleSignal {
  let usual: { readonly limit: number | null } | null = null;
  const findLimit = async (signal: AbortSignal): Promise<number | null> => {
    const asked = limit();
    if (asked !== null) return asked === 0 ? null : asked;
    usual ??= { limit: await pool.withSession((session) => defaultLimit(session, signal), signal) };
    return usual.limit;
  };
  const sample = async (signal: AbortSignal): Promise<ThrottleSample> => {
    const limitBytes = await findLimit(signal);
    if (limitBytes === null) return { pressure: 0, detail: 'there is no limit' };
    const place = resumeFrom();
    if (place === null || place.file === '') return { pressure: 0, detail: 'there is no checkpoint yet' };
    const bytes = await pool.withSession((session) => bytesBehind(session, { flavour, place }, signal), signal);
    const detail = `a resume would read ${mebibytes(bytes)} of the binary log, the limit is ${mebibytes(limitBytes)}`;
    return { pressure: bytes / limitBytes, detail };
  };
  return askSeldom({ name: 'retained binlog', sample }, ASK_EACH_MS, clock);
}

async function defaultLimit(session: Session, signal: AbortSignal): Promise<number | null> {
  const { sizeMax } = await readLogRetention(session, signal);
  return sizeMax === null ? null : sizeMax * DEFAULT_SHARE;
}

interface Behind {
  readonly flavour: Flavour;
  readonly place: Pick<LogPosition, 'file' | 'offset'>;
}

/** The files are listed, which opens each of them, only where the place is not in the newest. */
async function bytesBehind(session: Session, { flavour, place }: Behind, signal: AbortSignal): Promise<number> {
  const [status] = await session.query(flavour.shows.logStatus, signal);
  if (status?.['File'] === place.file) return Math.max(0, Number(status['Position']) - place.offset);
  return sumBehind(await session.query('SHOW BINARY LOGS', signal), place);
}

/** `files` as SHOW BINARY LOGS gives them, oldest first. A file that is gone counts with nothing: all there are lie behind it. */
export function sumBehind(files: readonly Row[], { file, offset }: Pick<LogPosition, 'file' | 'offset'>): number {
  const first = files.findIndex((row) => row['Log_name'] === file);
  const sizes = files.slice(Math.max(0, first)).map((row) => Number(row['File_size']));
  const total = sizes.reduce((sum, size) => sum + size, 0);
  return Math.max(0, total - (first === -1 ? 0 : offset));
}
