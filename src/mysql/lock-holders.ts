/** Who keeps others from locking tables: the sessions that hold metadata locks on them, as an operator would name them. */

import type { TableName } from '../engine/model.ts';
import { serverErrno } from './errors.ts';
import type { Flavour } from './flavour.ts';
import type { Row, Session } from './session.ts';
import { quoteText } from './statements.ts';

/** More names than this help nobody. */
const holdersMax = 10;
/** Characters of a statement that are shown. */
const statementLength = 120;

/**
 * One sentence a holder, our own session `except` left out: connection, user, host, what it runs, since when. Where the server
 * does not list metadata locks, the sessions that may be it. Never rejects for lack of a table or privilege; then it is empty.
 */
export async function findLockHolders(
  session: Session,
  tables: readonly TableName[],
  from: { readonly flavour: Flavour; readonly except: number },
  signal: AbortSignal,
): Promise<readonly string[]> {
  const sources =
    from.flavour.metadataLockSource === 'performance_schema'
      ? [fromPerformanceSchema, fromTransactions]
      : [fromMetadataLockInfo, fromTransactions];
  for (const source of sources) {
    try {
      const rows = await session.query(`${source(tables, from.except)} LIMIT ${holdersMax}`, signal);
      return rows.map(describeHolder);
    } catch (error) {
      signal.throwIfAborted();
      // The table is unknown or may not be read.
      if (serverErrno(error) === null) throw error;
    }
  }
  return [];
}

/** MySQL. The instrument wait/lock/metadata/sql/mdl is on by default. The last statement of an idle session is shown as well. */
function fromPerformanceSchema(tables: readonly TableName[], except: number): string {
  return `SELECT DISTINCT t.PROCESSLIST_ID AS id, t.PROCESSLIST_USER AS user, t.PROCESSLIST_HOST AS host,
      t.PROCESSLIST_COMMAND AS command, t.PROCESSLIST_TIME AS seconds,
      LEFT(COALESCE(t.PROCESSLIST_INFO, s.SQL_TEXT), ${statementLength + 1}) AS statement, x.trx_started AS transactionSince, 1 AS isSure
    FROM performance_schema.metadata_locks AS l
    JOIN performance_schema.threads AS t ON t.THREAD_ID = l.OWNER_THREAD_ID
    LEFT JOIN performance_schema.events_statements_current AS s ON s.THREAD_ID = t.THREAD_ID AND s.NESTING_EVENT_ID IS NULL
    LEFT JOIN information_schema.INNODB_TRX AS x ON x.trx_mysql_thread_id = t.PROCESSLIST_ID
    WHERE l.OBJECT_TYPE = 'TABLE' AND (l.OBJECT_SCHEMA, l.OBJECT_NAME) IN (${nameList(tables)})
      AND l.LOCK_STATUS = 'GRANTED' AND t.PROCESSLIST_ID <> ${except}
    ORDER BY t.PROCESSLIST_TIME DESC, id`;
}

/** MariaDB with the plug-in METADATA_LOCK_INFO, which lists granted locks only. */
function fromMetadataLockInfo(tables: readonly TableName[], except: number): string {
  return `SELECT DISTINCT p.ID AS id, p.USER AS user, p.HOST AS host, p.COMMAND AS command, p.TIME AS seconds,
      LEFT(p.INFO, ${statementLength + 1}) AS statement, x.trx_started AS transactionSince, 1 AS isSure
    FROM information_schema.METADATA_LOCK_INFO AS l
    JOIN information_schema.PROCESSLIST AS p ON p.ID = l.THREAD_ID
    LEFT JOIN information_schema.INNODB_TRX AS x ON x.trx_mysql_thread_id = p.ID
    WHERE (l.TABLE_SCHEMA, l.TABLE_NAME) IN (${nameList(tables)})
      AND l.LOCK_TYPE = 'Table metadata lock' AND p.ID <> ${except}
    ORDER BY p.TIME DESC, id`;
}

/** Where neither can be read: open transactions, and running statements that name a table. Those that wait do not block. */
function fromTransactions(tables: readonly TableName[], except: number): string {
  return `SELECT p.ID AS id, p.USER AS user, p.HOST AS host, p.COMMAND AS command, p.TIME AS seconds,
      LEFT(p.INFO, ${statementLength + 1}) AS statement, x.trx_started AS transactionSince, 0 AS isSure
    FROM information_schema.PROCESSLIST AS p
    LEFT JOIN information_schema.INNODB_TRX AS x ON x.trx_mysql_thread_id = p.ID
    WHERE (x.trx_id IS NOT NULL OR ${tables.map(({ table }) => `LOCATE(${quoteText(table)}, p.INFO) > 0`).join(' OR ')}) AND p.ID NOT IN (${except}, CONNECTION_ID())
      AND COALESCE(p.STATE, '') <> 'Waiting for table metadata lock'
    ORDER BY p.TIME DESC, id`;
}

function nameList(tables: readonly TableName[]): string {
  return tables.map(({ schema, table }) => `(${quoteText(schema)}, ${quoteText(table)})`).join(', ');
}

function describeHolder(row: Row): string {
  const who = `connection ${row['id'] ?? ''} of ${row['user'] ?? ''} from ${row['host'] ?? ''}`;
  const seconds = Math.max(0, Number(row['seconds'] ?? 0));
  const doing = row['command'] === 'Sleep' ? `idle for ${seconds} s` : `running for ${seconds} s`;
  const since = row['transactionSince'] === null ? '' : ` in a transaction since ${row['transactionSince'] ?? ''}`;
  const statement = row['statement'] ?? null;
  const text = statement === null ? '' : `: ${shortened(statement)}`;
  return `${row['isSure'] === '1' ? '' : 'perhaps '}${who}, ${doing}${since}${text}`;
}

function shortened(statement: string): string {
  const text = statement.replaceAll(/\s+/g, ' ').trim();
  return text.length <= statementLength ? text : `${text.slice(0, statementLength - 1)}…`;
}
