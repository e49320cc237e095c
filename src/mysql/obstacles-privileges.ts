/** Privileges that a migration needs and the user lacks. docs/operating.md says what each is for. */

import type { Obstacle } from '../engine/obstacles.ts';
import { bookkeepingSchema } from '../sessions/bookkeeping.ts';
import type { Flavour } from './flavour.ts';
import { type Grants, readGrants } from './grants.ts';
import type { Session } from './session.ts';
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
export async function privilegeObstacles(
  session: Session,
  { schema, flavour }: { readonly schema: string; readonly flavour: Flavour },
  signal: AbortSignal,
): Promise<readonly Obstacle[]> {
  const levels: readonly Level[] = [
    [null, globally(flavour)],
    [schema, onSchema],
    [bookkeepingSchema, onBookkeeping],
  ];
  return await missingPrivileges(session, levels, signal);
}

/** Those on the bookkeeping alone, which a native change is recorded in. */
export function bookkeepingPrivileges(session: Session, signal: AbortSignal): Promise<readonly Obstacle[]> {
  return missingPrivileges(session, [[bookkeepingSchema, onBookkeeping]], signal);
}

/** Privileges that are needed on a schema; null: globally. */
export type Level = readonly [schema: string | null, privileges: readonly string[]];

/** One obstacle a level of which something is missing. */
export async function missingPrivileges(
  session: Session,
  levels: readonly Level[],
  signal: AbortSignal,
): Promise<readonly Obstacle[]> {
  const grants = await readGrantsOf(session, signal);
  const [user] = await session.query('SELECT CURRENT_USER() AS name', signal);
  const account = accountText(user?.['name'] ?? '');
  return levels.flatMap(([schema, needed]): readonly Obstacle[] => {
    const missing = needed.filter((privilege) => !grants.has(privilege, schema));
    if (missing.length === 0) return [];
    const level = schema === null ? '*.*' : `${quoteName(schema)}.*`;
    const list = missing.join(', ');
    return [
      { code: 'MISSING_PRIVILEGE', message: `The user lacks ${list} on ${level}: GRANT ${list} ON ${level} TO ${account};` },
    ];
  });
}

/** What the user of the session may do. */
export async function readGrantsOf(session: Session, signal: AbortSignal): Promise<Grants> {
  const rows = await session.query('SHOW GRANTS', signal);
  const partial = await session.query(`SHOW GLOBAL VARIABLES WHERE Variable_name = 'partial_revokes' AND Value = 'ON'`, signal);
  return readGrants(
    rows.map((row) => Object.values(row)[0] ?? ''),
    partial.length === 0,
  );
}

/** `'name'@'host'` from `name@host`; the host has no @. */
export function accountText(current: string): string {
  const at = current.lastIndexOf('@');
  return [current.slice(0, at), current.slice(at + 1)].map((part) => `'${part.replaceAll("'", "''")}'`).join('@');
}
