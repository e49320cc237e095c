/** Triggers that cannot be carried over as they are, and what the user lacks for making the others again. */

import { unlessDenied } from '../engine/errors.ts';
import type { Plan } from '../engine/model.ts';
import type { Obstacle } from '../engine/obstacles.ts';
import type { Account } from './account.ts';
import type { Flavour } from './flavour.ts';
import { type Level, missingPrivileges } from './obstacles-privileges.ts';
import type { Session } from './session.ts';
import { readSchemaCollation, readTriggers, triggerProblems, type Trigger } from './triggers.ts';

/** Triggers on the table. Nothing where the user lacks TRIGGER, which the obstacles of privileges tell. */
export async function triggerObstacles(
  session: Session,
  { plan, account, flavour }: { readonly plan: Plan; readonly account: Account; readonly flavour: Flavour },
  signal: AbortSignal,
): Promise<readonly Obstacle[]> {
  const triggers = await unlessDenied(() => readTriggers(session, plan.source, signal), []);
  if (triggers.length === 0) return [];
  const { schema, table } = plan.source;
  const collation = await readSchemaCollation(session, schema, signal);
  const problems = triggerProblems(plan, triggers, collation).map(
    (problem): Obstacle => ({ code: 'TRIGGERS', message: `${schema}.${table}: ${problem}` }),
  );
  return [
    ...problems,
    ...missingPrivileges(account, definerLevels(triggers, { account, flavour })),
    ...(await loggingObstacles(session, account, signal)),
  ];
}

/** What is needed to name somebody else in DEFINER. */
function definerLevels(
  triggers: readonly Trigger[],
  { account, flavour }: { readonly account: Account; readonly flavour: Flavour },
): readonly Level[] {
  if (triggers.every(({ definer }) => definer === account.user)) return [];
  return [[null, [flavour.privileges.setDefiner]]];
}

/** With a binary log, only SUPER may make triggers, unless the server trusts whoever may otherwise. */
async function loggingObstacles(session: Session, account: Account, signal: AbortSignal): Promise<readonly Obstacle[]> {
  const [row] = await session.query('SELECT @@log_bin_trust_function_creators AS isTrusting', signal);
  if (row?.['isTrusting'] === '1') return [];
  const missing = missingPrivileges(account, [[null, ['SUPER']]]);
  return missing.map(({ code, message }) => ({
    code,
    message: `${message} Or let the server trust those who have TRIGGER: SET GLOBAL log_bin_trust_function_creators = ON;`,
  }));
}
