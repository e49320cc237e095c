/** Limits of the user's account that a migration would run into, at the latest at its swap. */

import type { Obstacle } from '../engine/obstacles.ts';
import { sessionsNeeded } from '../sessions/sessions-needed.ts';
import { type Account, accountText } from './account.ts';
import { serverErrno } from './errors.ts';
import type { Flavour } from './flavour.ts';
import type { Row, Session } from './session.ts';

/** At most one obstacle. `tables` are those that are swapped together. Reads nothing but the account's definition. */
export async function accountObstacles(
  session: Session,
  { account, tables, flavour }: { readonly account: Account; readonly tables: number; readonly flavour: Flavour },
  signal: AbortSignal,
): Promise<readonly Obstacle[]> {
  const [shown] = await askForAccount(session, signal);
  const [row] = await session.query('SELECT @@GLOBAL.max_user_connections AS connectionsMax', signal);
  const common = account.grants.has(flavour.privileges.endSessions, null) ? 0 : Number(row?.['connectionsMax']);
  const definition = Object.values(shown ?? {})[0] ?? '';
  return limitObstacles({ account: accountText(account), common, definition }, tables);
}

/** None where the server refuses, as for an account that it keeps elsewhere. */
async function askForAccount(session: Session, signal: AbortSignal): Promise<readonly Row[]> {
  try {
    return await session.query('SHOW CREATE USER CURRENT_USER()', signal);
  } catch (error) {
    if (serverErrno(error) === null) throw error;
    return [];
  }
}

/** What is known of an account. */
export interface AccountLimits {
  /** `'name'@'host'`. */
  readonly account: string;
  /** SHOW CREATE USER; empty where it is not told. */
  readonly definition: string;
  /** max_user_connections of the server as far as it holds for the user; 0 is none. */
  readonly common: number;
}

/** See `accountObstacles`. */
export function limitObstacles({ account, definition, common }: AccountLimits, tables: number): readonly Obstacle[] {
  const limits = new Map([...definition.matchAll(/\b(MAX_[A-Z_]+) (\d+)/g)].map(([, name = '', most]) => [name, Number(most)]));
  const limitOf = (name: string): number => limits.get(name) ?? 0;
  const needed = sessionsNeeded(tables);
  const own = limitOf('MAX_USER_CONNECTIONS');
  const isShort = (most: number): boolean => most > 0 && most < needed;
  const hourly = ['MAX_QUERIES_PER_HOUR', 'MAX_UPDATES_PER_HOUR', 'MAX_CONNECTIONS_PER_HOUR'].filter(
    (name) => limitOf(name) > 0,
  );
  const lifted = [...hourly, ...(isShort(own) ? ['MAX_USER_CONNECTIONS'] : [])];
  const isCommonShort = own === 0 && isShort(common);
  if (lifted.length === 0 && !isCommonShort) return [];
  const told = lifted.map((name) => `${name} ${limitOf(name)}`);
  const has = [...told, ...(isCommonShort ? [`max_user_connections = ${common} of the server`] : [])].join(', ');
  const enough = (name: string): string => `${name} ${name === 'MAX_USER_CONNECTIONS' ? needed : 0}`;
  const cure = [...lifted, ...(isCommonShort ? ['MAX_USER_CONNECTIONS'] : [])].map(enough).join(' ');
  return [
    {
      code: 'ACCOUNT_LIMITS',
      message: `The account ${account} is limited (${has}); a run needs up to ${needed} sessions, and statements without a limit: ALTER USER ${account} WITH ${cure};`,
    },
  ];
}
