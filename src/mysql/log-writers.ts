/** The threads that write MySQL's redo log: what applications feel of them while rows are copied (measured: docs/benchmarks.md). */

import type { Session } from './session.ts';

/** Where the server has no more processors, one that is taken for good is felt. */
const FEW_PROCESSORS = 4;

/** How the server writes its redo log. */
export interface LogWriters {
  /** Whether threads of their own write it; null where the server does not tell (MariaDB). */
  readonly areOn: boolean | null;
  /** Such a thread spins once the server uses so much of its processors, percent of one; null where it is not told. */
  readonly spinFrom: number | null;
  /** Null where it is not told, or not to this user. */
  readonly processors: number | null;
}

/** Reads it; changes nothing. */
export async function readLogWriters(session: Session, signal: AbortSignal): Promise<LogWriters> {
  const names = "'innodb_log_writer_threads', 'innodb_log_spin_cpu_abs_lwm'";
  const rows = await session.query(`SHOW GLOBAL VARIABLES WHERE Variable_name IN (${names})`, signal);
  const valueOf = (name: string): string | null => rows.find((row) => row['Variable_name'] === name)?.['Value'] ?? null;
  const areOn = valueOf('innodb_log_writer_threads');
  const spinFrom = valueOf('innodb_log_spin_cpu_abs_lwm');
  return {
    areOn: areOn === null ? null : areOn === 'ON',
    spinFrom: spinFrom === null ? null : Number(spinFrom),
    processors: areOn === null ? null : await countProcessors(session, signal),
  };
}

/** What an operator should know of it, one sentence each. */
export function logWriterNotes({ areOn, processors, spinFrom }: LogWriters): readonly string[] {
  const isSpinning = processors !== null && processors <= FEW_PROCESSORS && spinFrom !== null && spinFrom < 100 * processors;
  // More than all of them have.
  const calm = `innodb_log_spin_cpu_abs_lwm = ${200 * (processors ?? 0)}`;
  if (areOn === false) {
    const set = `innodb_log_writer_threads = ON${isSpinning ? `, GLOBAL ${calm}` : ''}`;
    return [
      `innodb_log_writer_threads is OFF: while rows are copied, commits of applications may wait 100 ms for the redo log. SET GLOBAL ${set} ends that, at once and without a restart.`,
    ];
  }
  if (areOn === null || !isSpinning) return [];
  return [
    `The server has ${processors} processors, and innodb_log_spin_cpu_abs_lwm is ${spinFrom}: once it uses that much, in percent of one, as it may while rows are copied, the thread that writes the redo log keeps another one busy, also afterwards. SET GLOBAL ${calm} ends that, at once and without a restart.`,
  ];
}

/** Those that sessions of users may run on: `0-1`, `0-3,8`. */
async function countProcessors(session: Session, signal: AbortSignal): Promise<number | null> {
  const [row] = await session.query(
    `SELECT CONVERT(VCPU_IDS USING utf8mb4) AS ids FROM information_schema.RESOURCE_GROUPS WHERE RESOURCE_GROUP_NAME = 'USR_default'`,
    signal,
  );
  const ids = row?.['ids'] ?? '';
  if (!/^\d+(-\d+)?(,\d+(-\d+)?)*$/.test(ids)) return null;
  return ids.split(',').reduce((sum, range) => {
    const [first = 0, last = first] = range.split('-').map(Number);
    return sum + last - first + 1;
  }, 0);
}
