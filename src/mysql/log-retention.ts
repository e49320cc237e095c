/** For how long, and up to what size, the server keeps its binary log: a run can be resumed only while the log is there. */

import { mebibytes } from '../sessions/sizes.ts';
import type { Session } from './session.ts';

/** Limits by age and by size; null: none. */
export interface LogRetention {
  /** The setting that counts, as the server calls it, and what it says. */
  readonly age: { readonly setting: string; readonly seconds: number } | null;
  /** Bytes of all files. */
  readonly sizeMax: number | null;
}

/** What an interruption over a day needs. */
const ENOUGH_SECONDS = 24 * 3_600;

const names = [
  'binlog_expire_logs_auto_purge',
  'binlog_expire_logs_seconds',
  'expire_logs_days',
  // MariaDB from 11.4, and Percona's server.
  'max_binlog_total_size',
  'binlog_space_limit',
];

/** Reads it. A setting that the server does not have sets no limit. */
export async function readLogRetention(session: Session, signal: AbortSignal): Promise<LogRetention> {
  const list = names.map((name) => `'${name}'`).join(', ');
  const rows = await session.query(`SHOW GLOBAL VARIABLES WHERE Variable_name IN (${list})`, signal);
  return retentionOf(new Map(rows.map((row) => [row['Variable_name'] ?? '', row['Value'] ?? ''])));
}

/** From global variables by name. */
export function retentionOf(variables: ReadonlyMap<string, string>): LogRetention {
  const numberOf = (name: string): number => Number(variables.get(name) ?? 0);
  const sizes = ['max_binlog_total_size', 'binlog_space_limit'].map(numberOf).filter((bytes) => bytes > 0);
  const [seconds, days] = [numberOf('binlog_expire_logs_seconds'), numberOf('expire_logs_days')];
  const ages = [
    { setting: 'binlog_expire_logs_seconds', seconds },
    { setting: 'expire_logs_days', seconds: days * 24 * 3_600 },
  ].filter((age) => age.seconds > 0 && variables.get('binlog_expire_logs_auto_purge') !== 'OFF');
  return { age: ages[0] ?? null, sizeMax: sizes.length === 0 ? null : Math.min(...sizes) };
}

/** What an operator should know of it before a run. Copying logs about as much as the table has. */
export function retentionNotes({ age, sizeMax }: LogRetention, dataBytes: number): readonly string[] {
  const notes: string[] = [];
  if (age !== null && age.seconds < ENOUGH_SECONDS) {
    const hours = Math.round((age.seconds / 3_600) * 10) / 10;
    notes.push(
      `The server keeps its binary log for ${hours} h (${age.setting}): a run that is interrupted for longer cannot be resumed.`,
    );
  }
  if (sizeMax !== null && sizeMax < 2 * dataBytes) {
    notes.push(
      `The server keeps ${mebibytes(sizeMax)} of binary log, and the copy writes about ${mebibytes(dataBytes)}: a run that is interrupted can be resumed only until what others write has used that up.`,
    );
  }
  return notes;
}
