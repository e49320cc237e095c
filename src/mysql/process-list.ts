/** How busy the sessions of applications are on MariaDB, which counts no transactions: by looks at its process list. */

import type { SessionsOfOthers } from '../sessions/sessions-of-others.ts';
import { untilUntold } from './errors.ts';
import { systemUsers } from './lock-holders.ts';
import type { Server } from './server.ts';
import type { Session } from './session.ts';
import { quoteText } from './statements.ts';

/** Tells `others` of those that have done something within two seconds; no more once the server has not told. */
export function processListLooks(
  server: Pick<Server, 'ownConnections'>,
  others: Pick<SessionsOfOthers, 'see'>,
): (session: Session, signal: AbortSignal) => Promise<void> {
  return untilUntold(async (session: Session, signal: AbortSignal): Promise<void> => {
    const [row] = await session.query(statement(server.ownConnections()), signal);
    others.see({ count: Number(row?.['count']), inTransaction: Number(row?.['busy'] ?? 0) });
  }, undefined);
}

/** A session that sends us the log, and the server's own threads, run for as long as they live. */
function statement(own: readonly number[]): string {
  return `SELECT COUNT(*) AS count, SUM(p.COMMAND <> 'Sleep' OR x.id IS NOT NULL) AS busy FROM information_schema.PROCESSLIST AS p
    LEFT JOIN (SELECT DISTINCT trx_mysql_thread_id AS id FROM information_schema.INNODB_TRX) AS x ON x.id = p.ID
    WHERE p.TIME_MS < 2000 AND p.COMMAND IN ('Query', 'Execute', 'Sleep') AND p.USER NOT IN (${systemUsers.map(quoteText).join(', ')})
      AND p.ID NOT IN (${['CONNECTION_ID()', ...own].join(', ')})`;
}
