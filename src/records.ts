/** Finding migrations among those that are recorded on a server. */

import { MigrationError } from './engine/errors.ts';
import type { Plan } from './engine/model.ts';
import type { Database, MigrationRecord } from './engine/ports.ts';
import { unreadableError } from './sessions/bookkeeping.ts';

/** Throws MIGRATION_NOT_FOUND. */
export function findRecord(records: readonly MigrationRecord[], id: string): MigrationRecord {
  const record = records.find((record) => record.id === id);
  if (record !== undefined) return record;
  throw new MigrationError('MIGRATION_NOT_FOUND', `No migration ${id} is recorded on this server.`);
}

/**
 * The migrations that are recorded, newest first. Rejects with PLAN_CHANGED where `asked` is one that another version has recorded; without
 * an ID, where one of those is unfinished.
 */
export async function readRecords(
  database: Database,
  asked: string | null,
  signal: AbortSignal,
): Promise<readonly MigrationRecord[]> {
  const records = await database.listMigrations(signal);
  // Which cannot be read is not among those that can.
  if (asked !== null && records.some(({ id }) => id === asked)) return records;
  const unreadable = await database.findUnreadable(signal);
  const found = unreadable.find(({ id, state }) => (asked === null ? state === 'open' : id === asked));
  if (found !== undefined) throw unreadableError(found);
  return records;
}

/** The unfinished ones among the record and its family, in the order of the family. */
export function openOnes(records: readonly MigrationRecord[], { id, plan }: MigrationRecord): readonly MigrationRecord[] {
  const ids = plan.family?.members.map((member) => member.id) ?? [id];
  return ids.flatMap((one) => records.filter(({ id, state }) => id === one && state === 'open'));
}

/**
 * What is to be resumed: the migration `id`, or the only one that is unfinished, and of its family all that are. Throws
 * MIGRATION_NOT_FOUND, BAD_USAGE where there are several, and PLAN_CHANGED where a family has lost a member.
 */
export function findToResume(records: readonly MigrationRecord[], id: string | null): readonly MigrationRecord[] {
  const record = id === null ? onlyOpenOne(records) : findRecord(records, id);
  const open = openOnes(records, record);
  if (open.length === 0) {
    throw new MigrationError('MIGRATION_NOT_FOUND', `Migration ${record.id} is ${record.state}: there is nothing to resume.`);
  }
  for (const { id, source } of record.plan.family?.members ?? []) {
    const member = records.find((one) => one.id === id);
    if (member !== undefined && member.state !== 'aborted') continue;
    const [one] = open;
    throw new MigrationError(
      'PLAN_CHANGED',
      `Migration ${record.id} cannot be resumed: ${nameOf(source)} is to be swapped together with its table, and migration ${id} of ${nameOf(source)} ${member === undefined ? 'was never recorded' : 'was given up'}. Give the rest up with \`tableshift cleanup ${one?.id ?? record.id}\` and start anew.`,
    );
  }
  return open;
}

function onlyOpenOne(records: readonly MigrationRecord[]): MigrationRecord {
  const open = records.filter(({ state }) => state === 'open');
  const [record] = open;
  if (record === undefined) {
    throw new MigrationError('MIGRATION_NOT_FOUND', 'No unfinished migration is recorded on this server.');
  }
  const families = new Set(open.map(({ id, plan }) => plan.family?.id ?? id));
  if (families.size === 1) return record;
  const names = open.map(({ id, plan }) => `${id} (${nameOf(plan.source)})`).join(', ');
  throw new MigrationError('BAD_USAGE', `Several unfinished migrations are recorded; name one of ${names}.`);
}

function nameOf({ schema, table }: Plan['source']): string {
  return `${schema}.${table}`;
}
