/** Sequences of MariaDB that the swap cannot lock. */

import type { Obstacle } from '../engine/obstacles.ts';
import type { Account } from './account.ts';
import { missingPrivileges } from './obstacles-privileges.ts';
import type { PlanningFacts } from './planning-facts.ts';
import { sequencesOf } from './sequences.ts';

/** A sequence that is locked can be used once in a statement, as a table can. And who may use one may not therefore lock it. */
export function sequenceObstacles({ probed, source }: PlanningFacts, account: Account): readonly Obstacle[] {
  const used = probed.definition.columns.flatMap(({ definition }) => sequencesOf(definition));
  const names = used.map(({ schema, table }) => `${schema}.${table}`);
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  const schemas = [...new Set(used.map(({ schema }) => schema))];
  const missing = missingPrivileges(
    account,
    schemas.map((schema) => [schema, ['SELECT', 'INSERT', 'LOCK TABLES']] as const),
  );
  if (twice === undefined) return missing;
  const message = `Defaults of ${source.schema}.${source.table} use the sequence ${twice} more than once, which no statement can do under the lock of the swap.`;
  return [...missing, { code: 'UNSUPPORTED_TABLE', message }];
}
