/** Traffic on MySQL and MariaDB. */
import type { Connection as StreamConnection } from 'mysql2';
import mysql from 'mysql2/promise';
import type { Fault, TrafficConnection, TrafficContent, TrafficDialect } from './traffic-dialect.ts';
import { firstId, type TrafficTables } from './traffic-table.ts';

const rowsPerInsert = 100_000;
const connectTimeoutMs = 5_000;

/** See TrafficDialect. */
export const mysqlTraffic: TrafficDialect = {
  kinds: [
    'update',
    'update',
    'update',
    'insert',
    'insert',
    'delete',
    'delete-insert',
    'change-key',
    'swap',
    'many',
    'read-own',
  ],
  connect,
  faultOf,
  givingId: (insert) => insert,
  createTables,
  areSame: (columns) => columns.map((name) => `CAST(a.${name} AS BINARY) <=> CAST(b.${name} AS BINARY)`).join(' AND '),
};

/** Options of a connection as an application has it; a session of these waits for locks up to a minute. */
export function applicationConnection(url: string): mysql.ConnectionOptions {
  const { hostname, port, username, password } = new URL(url);
  const login = { user: decodeURIComponent(username), password: decodeURIComponent(password) };
  return { host: hostname, port: Number(port || 3306), ...login, charset: 'utf8mb4', supportBigNumbers: true };
}

async function connect(url: string): Promise<TrafficConnection> {
  const connection = await mysql.createConnection({ ...applicationConnection(url), connectTimeout: connectTimeoutMs });
  connection.on('error', () => undefined);
  return {
    async query(sql, values = []) {
      const [result] = await connection.query<mysql.ResultSetHeader | mysql.RowDataPacket[]>(sql, [...values]);
      return Array.isArray(result) ? { rows: result, insertId: 0 } : { rows: [], insertId: result.insertId };
    },
    copyIn: () => Promise.reject(new Error('There is no COPY here.')),
    stream(sql) {
      // Only the callback interface can stream.
      const streaming = connection as unknown as { readonly connection: StreamConnection };
      return streaming.connection.query(sql).stream({ highWaterMark: 1_000 }) as AsyncIterable<Record<string, unknown>>;
    },
    end: () => connection.end(),
    destroy: () => connection.destroy(),
  };
}

const duplicateEntry = 1062;
const deadlockFound = 1213;
/** Shutdown, killed, idle time-out: the session is gone although the server said so itself. */
const goneErrors = new Set([1053, 1927, 3169, 4031]);

function faultOf(error: unknown): Fault | null {
  if (!(error instanceof Error) || !('errno' in error || 'code' in error || /closed state/.test(error.message))) return null;
  const { code, errno, fatal } = error as { readonly code?: string; readonly errno?: number; readonly fatal?: boolean };
  const isServerAnswer = errno !== undefined && errno > 0 && fatal !== true && !goneErrors.has(errno);
  const kind = errno === duplicateEntry ? 'duplicate' : errno === deadlockFound ? 'deadlock' : 'other';
  return { code: code ?? String(errno ?? 'closed'), kind, isBroken: !isServerAnswer };
}

async function createTables(
  connection: TrafficConnection,
  { schema, table, twin, journal }: TrafficTables,
  { rows, hasTwin }: TrafficContent,
): Promise<void> {
  await connection.query(`CREATE DATABASE IF NOT EXISTS ${schema} DEFAULT CHARACTER SET utf8mb4`);
  await connection.query(`CREATE TABLE ${schema}.${table} (
    id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    handle VARCHAR(40) NOT NULL,
    amount INT NOT NULL,
    version BIGINT NOT NULL DEFAULT 0,
    note VARCHAR(200) NULL,
    PRIMARY KEY (id),
    UNIQUE KEY by_handle (handle),
    KEY by_amount (amount)
  ) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 AUTO_INCREMENT=${firstId}`);
  await connection.query(`CREATE TABLE ${schema}.${twin} LIKE ${schema}.${table}`);
  await connection.query(`CREATE TABLE ${schema}.${journal} (
    worker INT NOT NULL, number BIGINT NOT NULL, PRIMARY KEY (worker, number)) ENGINE=InnoDB`);
  for (let from = 0; from < rows; from += rowsPerInsert) {
    const count = Math.min(rowsPerInsert, rows - from);
    await connection.query(`INSERT INTO ${schema}.${table} (id, handle, amount, version, note)
      SELECT ${firstId} + place, CONCAT('h', ${firstId} + place), (place * 7919) % 100003, 0, ${noteExpression(`(${firstId} + place)`)}
      FROM (SELECT ${from} + place AS place FROM (${places(count)}) AS near) AS all_places`);
  }
  if (hasTwin) await connection.query(`INSERT INTO ${schema}.${twin} SELECT * FROM ${schema}.${table}`);
}

/** `noteOf` in SQL, for version 0. */
function noteExpression(id: string): string {
  return `IF(${id} % 11 = 0, NULL, CONCAT('Größe ☃ ', ${id}, '/0 ', REPEAT('x', ${id} % 97)))`;
}

/** A query for the numbers from 0 to `count` - 1. */
function places(count: number): string {
  const digit =
    '(SELECT 0 AS d UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9)';
  const digits = Array.from({ length: Math.max(1, Math.ceil(Math.log10(count))) }, (_, place) => `t${place}`);
  const sum = digits.map((name, place) => `${name}.d * ${10 ** place}`).join(' + ');
  return `SELECT ${sum} AS place FROM ${digits.map((name) => `${digit} AS ${name}`).join(', ')} WHERE ${sum} < ${count}`;
}
