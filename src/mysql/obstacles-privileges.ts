/** Privileges that a migration needs and the user lacks. docs/operating.md says what each is for. */

import type { Obstacle } from '../engine/obstacles.ts';
import { bookkeepingSchema } from '../sessions/bookkeeping.ts';
import { type Account, accountText } from './account.ts';
import type { Flavour } from './flavour.ts';
import { quoteName } from './statements.ts';

/** On the schema of the table: reading it, making, filling, locking and swapping the shadow, and seeing triggers. */
const onSchema = ['SELECT', 'INSERT', 'DELETE', 'CREATE', 'ALTER', 'DROP', 'LOCK TABLES', 'CREATE TEMPORARY TABLES', 'TRIGGER'];

/** On the bookkeeping's schema. */
const onBookkeeping = ['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'CREATE'];

/** Reading the log, knowing where it ends, and seeing sessions and foreign keys of others. */
const globally = (flavour: Flavour): readonly string[] => [
  'REPLICATION SLAVE',
  flavour.privileges.logStatus,
  'PROCESS',
  // Transactions that are prepared, but in the log already.
  ...flavour.privileges.listPrepared,
];

/** One obstacle a level, with the statement that grants what is missing. */
export function privilegeObstacles(
  account: Account,
  { schema, flavour }: { readonly schema: string; readonly flavour: Flavour },
): readonly Obstacle[] {
  return missingPrivileges(account, [
    [null, globally(flavour)],
    [schema, onSchema],
    [bookkeepingSchema, onBookkeeping],
  ]);
}

/** Those on the bookkeeping alone, which a native change is recorded in. */
export function bookkeepingPrivileges(account: Account): readonly Obstacle[] {
  return missingPrivileges(account, [[bookkeepingSchema, onBookkeeping]]);
}

/** Privileges that are needed on a schema; null: globally. */
export type Level = readonly [schema: string | null, privileges: readonly string[]];

/** One obstacle a level of which something is missing. */
export function missingPrivileges(account: Account, levels: readonly Level[]): readonly Obstacle[] {
  return levels.flatMap(([schema, needed]): readonly Obstacle[] => {
    const missing = needed.filter((privilege) => !account.grants.has(privilege, schema));
    if (missing.length === 0) return [];
    const level = schema === null ? '*.*' : `${quoteName(schema)}.*`;
    const list = missing.join(', ');
    const message = `The user lacks ${list} on ${level}: GRANT ${list} ON ${level} TO ${accountText(account)};`;
    return [{ code: 'MISSING_PRIVILEGE', message }];
  });
}
