/** Adding and dropping partitions, which the server does without moving a row where they are ranges or lists of values. */

import type { NativePlan, NoNativeWay } from '../engine/native-change.ts';
import type { AlterClause } from './alter-clauses.ts';
import type { TableDescription } from './catalog.ts';
import type { NativeTrials } from './native-trial.ts';
import { hasDefaultPartition } from './partitions.ts';
import type { Server } from './server.ts';
import { quoteTable } from './statements.ts';

/** What is asked for, and where it can be tried. */
export interface PartitionChange {
  readonly server: Server;
  readonly trials: NativeTrials;
  readonly source: TableDescription;
  readonly clause: Extract<AlterClause, { kind: 'partitions' }>;
}

/**
 * The step, where the server leaves the other partitions as they are. It is tried on the clone only: of all that can be done to
 * single partitions, adding and dropping reach no other table.
 */
export async function findPartitionChange(
  { server, trials, source: described, clause: { text, action } }: PartitionChange,
  signal: AbortSignal,
): Promise<NativePlan | NoNativeWay> {
  if (action === 'add' && hasDefaultPartition(described.tableOptions)) {
    return {
      clause: text,
      reason: 'the server would leave rows in the partition DEFAULT in which it does not look for them any more',
    };
  }
  const source = { schema: described.schema, table: described.table };
  // MariaDB takes no ALGORITHM here.
  const clauses = server.flavour.isMariaDb ? text : `ALGORITHM=INPLACE, LOCK=NONE, ${text}`;
  const outcome = await trials.try(clauses, [], signal);
  if (outcome.kind !== 'accepted') return { clause: text, reason: outcome.reason };
  const [before, after] = [outcome.before.tableIds, outcome.after.tableIds];
  const [fewer, more] = action === 'add' ? [before, after] : [after, before];
  if (fewer.length === 0 || !fewer.every((id) => more.includes(id))) {
    return { clause: text, reason: 'the server would move rows from one partition to another while writers wait' };
  }
  const reason = `the server ${action === 'add' ? 'adds the partitions' : 'drops the partitions with all their rows'} and leaves the others as they are`;
  const sql = `ALTER TABLE ${quoteTable(source)} ${clauses}`;
  return { source, alter: text, steps: [{ sql, kind: 'brief', reason }] };
}
