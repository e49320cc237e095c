/** Sequences of MariaDB that the swap cannot lock. */

import type { Obstacle } from '../engine/obstacles.ts';
import { missingPrivileges } from './obstacles-privileges.ts';
import type { PlanningFacts } from './planning-facts.ts';
import { sequencesOf } from './sequences.ts';
import type { Session } from './session.ts';

/**
 * A sequence that is locked can be used once in a statement, as a table can. And who may use one may not therefore lock it. Asks nothing
 * where no default uses any.
 */
export async function sequenceObstacles(
  session: Session,
  { probed, source }: PlanningFacts,
  signal: AbortSignal,
): Promise<readonly Obstacle[]> {
  const used = probed.definition.columns.flatMap(({ definition }) => sequencesOf(definition));
  if (used.length === 0) return [];
  const names = used.map(({ schema, table }) => `${schema}.${table}`);
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  const schemas = [...new Set(used.map(({ schema }) => schema))];
  const missing = await missingPrivileges(
    session,
    schemas.map((schema) => [schema, ['SELECT', 'INSERT', 'LOCK TABLES']] as const),
    signal,
  );
  if (twice === undefined) return missing;
  const message = `Defaults of ${source.schema}.${source.table} use the sequence ${twice} more than once, which no statement can do under the lock of the swap.`;
  return [...missing, { code: 'UNSUPPORTED_TABLE', message }];
}
