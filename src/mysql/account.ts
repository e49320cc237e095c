/** Whom the server takes the user for, and what he may do. */

import { type Grants, readGrants } from './grants.ts';
import type { Session } from './session.ts';

/** The account of a session. */
export interface Account {
  /** `name@host`, as CURRENT_USER() tells it. */
  readonly user: string;
  readonly grants: Grants;
}

/** Reads nothing but the account. */
export async function readAccount(session: Session, signal: AbortSignal): Promise<Account> {
  const [row] = await session.query('SELECT CURRENT_USER() AS user', signal);
  const rows = await session.query('SHOW GRANTS', signal);
  const partial = await session.query(`SHOW GLOBAL VARIABLES WHERE Variable_name = 'partial_revokes' AND Value = 'ON'`, signal);
  const statements = rows.map((grant) => Object.values(grant)[0] ?? '');
  return { user: row?.['user'] ?? '', grants: readGrants(statements, partial.length === 0) };
}

/** `'name'@'host'`, as statements take it; the host has no @. */
export function accountText({ user }: Pick<Account, 'user'>): string {
  const at = user.lastIndexOf('@');
  return [user.slice(0, at), user.slice(at + 1)].map((part) => `'${part.replaceAll("'", "''")}'`).join('@');
}
