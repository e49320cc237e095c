/** What about the server itself keeps a migration from being safe. */

import type { Plan } from '../engine/model.ts';
import type { Obstacle } from '../engine/obstacles.ts';
import { bookkeepingSchema } from '../sessions/bookkeeping.ts';
import type { Index, TableDescription } from './catalog.ts';
import { isUntold } from './errors.ts';
import type { Flavour } from './flavour.ts';
import { isSameInAnyCase } from './name-case.ts';
import type { PlanningFacts } from './planning-facts.ts';
import type { Server } from './server.ts';
import type { Session } from './session.ts';

/** Global variables that matter here; one that the server does not have is missing. */
export type Variables = ReadonlyMap<string, string>;

const names = [
  'binlog_format',
  'binlog_order_commits',
  'binlog_row_image',
  'default_table_encryption',
  'group_replication_group_name',
  'group_replication_single_primary_mode',
  'gtid_mode',
  'innodb_read_only',
  'log_bin',
  'log_replica_updates',
  'log_slave_updates',
  'read_only',
  'sql_require_primary_key',
  'super_read_only',
  'wsrep_on',
];

/** Reads them. */
export async function readVariables(session: Session, signal: AbortSignal): Promise<Variables> {
  const list = names.map((name) => `'${name}'`).join(', ');
  const rows = await session.query(`SHOW GLOBAL VARIABLES WHERE Variable_name IN (${list})`, signal);
  return new Map(rows.map((row) => [row['Variable_name'] ?? '', (row['Value'] ?? '').toUpperCase()]));
}

/** What the variables alone tell. */
export function variableObstacles(variables: Variables): readonly Obstacle[] {
  return [logOff(variables), notRows(variables), unorderedCommits(variables), readOnly(variables), clustered(variables)].filter(
    (obstacle) => obstacle !== null,
  );
}

function logOff(variables: Variables): Obstacle | null {
  return variables.get('log_bin') === 'ON'
    ? null
    : { code: 'LOG_BIN_OFF', message: 'The server writes no binary log (log_bin is OFF).' };
}

function notRows(variables: Variables): Obstacle | null {
  const format = variables.get('binlog_format') ?? 'ROW';
  return format === 'ROW'
    ? null
    : { code: 'BINLOG_NOT_ROW', message: `The server logs statements: binlog_format is ${format}.` };
}

/**
 * A log that lacks the migration key: a minimal image of a row that is changed has the columns of the primary key, or of the first
 * unique key over NOT NULL columns.
 */
export function rowImageObstacles(variables: Variables, source: TableDescription, plan: Plan): readonly Obstacle[] {
  if (variables.get('binlog_row_image') !== 'MINIMAL') return [];
  const logged = source.indexes.find((index) => index.isUnique && isNeverNull(index, source));
  const isLogged = (column: string): boolean => logged?.parts.some((part) => part.column === column) ?? false;
  if (logged?.name === plan.key.index && plan.key.columns.every(isLogged)) return [];
  return [
    {
      code: 'MINIMAL_ROW_IMAGE',
      message: `The log does not have the migration key ${plan.key.index} of each changed row: binlog_row_image is MINIMAL.`,
    },
  ];
}

/**
 * The server takes a primary key's change to a unique one and refuses every change of the table after that (MySQL), which finishing the
 * shadow needs: indexes, the next number, foreign keys.
 */
export function primaryKeyObstacles(variables: Variables, { source, probed }: PlanningFacts): readonly Obstacle[] {
  if (variables.get('sql_require_primary_key') !== 'ON') return [];
  if (probed.definition.indexes.some(({ name }) => name === 'PRIMARY')) return [];
  const message = `${source.schema}.${source.table} would have no primary key, and sql_require_primary_key is ON: the shadow could not be finished. Keep a primary key, or SET GLOBAL sql_require_primary_key=OFF for as long as the migration runs.`;
  return [{ code: 'INVALID_ALTER', message }];
}

function isNeverNull(index: Index, source: TableDescription): boolean {
  return index.parts.every((part) =>
    source.columns.some((column) => column.name === part.column && !column.isNullable && part.prefixLength === null),
  );
}

function unorderedCommits(variables: Variables): Obstacle | null {
  if (variables.get('binlog_order_commits') !== 'OFF' || variables.get('gtid_mode') === 'ON') return null;
  return { code: 'BINLOG_ORDER_COMMITS_OFF', message: 'binlog_order_commits is OFF and so are GTIDs (gtid_mode).' };
}

function readOnly(variables: Variables): Obstacle | null {
  const reason = whyReadOnly(variables);
  return reason === null ? null : { code: 'NOT_A_SOURCE', message: `The server takes no writes: ${reason}.` };
}

/** `read_only is ON`; null where the server takes writes. Some users may write all the same. */
export function whyReadOnly(variables: Variables): string | null {
  const isWritable = (name: string): boolean => ['OFF', '0', undefined].includes(variables.get(name));
  const name = ['read_only', 'super_read_only', 'innodb_read_only'].find((name) => !isWritable(name));
  return name === undefined ? null : `${name} is ${variables.get(name)}`;
}

function clustered(variables: Variables): Obstacle | null {
  if (variables.get('wsrep_on') === 'ON')
    return { code: 'CLUSTERED_SERVER', message: 'The server is a member of a Galera cluster.' };
  const hasGroup = (variables.get('group_replication_group_name') ?? '') !== '';
  if (!hasGroup || variables.get('group_replication_single_primary_mode') !== 'OFF') return null;
  return { code: 'CLUSTERED_SERVER', message: 'The server is a member of a group with several primaries.' };
}

/** A replica that does not log what it applies. Asks for nothing where everything is logged. */
export async function replicaObstacles(
  session: Session,
  { variables, flavour }: { readonly variables: Variables; readonly flavour: Flavour },
  signal: AbortSignal,
): Promise<readonly Obstacle[]> {
  if ((variables.get('log_replica_updates') ?? variables.get('log_slave_updates')) === 'ON') return [];
  const rows = await session.query(flavour.shows.replicaStatus, signal);
  if (rows.length === 0) return [];
  return [
    { code: 'NOT_A_SOURCE', message: 'The server is a replica and does not log what it applies (log_replica_updates is OFF).' },
  ];
}

/**
 * A bookkeeping that would be encrypted (MySQL), where there is no key to do it with. A run that failed for that before it was asked has
 * left a schema that keeps the default it was made with.
 */
export async function keyringObstacles(
  session: Session,
  variables: Variables,
  signal: AbortSignal,
): Promise<readonly Obstacle[]> {
  const ofServer = variables.get('default_table_encryption');
  if (ofServer === undefined) return [];
  const [schema] = await session.query(
    `SELECT DEFAULT_ENCRYPTION AS isEncrypted FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = '${bookkeepingSchema}'`,
    signal,
  );
  if (schema === undefined ? ofServer !== 'ON' : schema['isEncrypted'] !== 'YES') return [];
  if ((await hasKeyring(session, signal)) !== false) return [];
  const why =
    schema === undefined
      ? `default_table_encryption is ON, so the database ${bookkeepingSchema} would be encrypted`
      : `The tables of the database ${bookkeepingSchema} are encrypted by default (DEFAULT ENCRYPTION)`;
  return [{ code: 'NO_KEYRING', message: `${why}, but the server has loaded no keyring.` }];
}

/** Null where the server does not tell. */
async function hasKeyring(session: Session, signal: AbortSignal): Promise<boolean | null> {
  try {
    const found = await session.query(
      `SELECT 1 AS one FROM performance_schema.keyring_component_status WHERE STATUS_KEY = 'Component_status' AND STATUS_VALUE = 'Active'
       UNION ALL SELECT 1 FROM information_schema.PLUGINS WHERE PLUGIN_TYPE = 'KEYRING' AND PLUGIN_STATUS = 'ACTIVE'`,
      signal,
    );
    return found.length > 0;
  } catch (error) {
    if (isUntold(error)) return null;
    throw error;
  }
}

/**
 * Databases that a filter keeps out of the log. MySQL takes no notice of case there where it takes none in names; MariaDB holds what the
 * filter has against the name in lower case.
 */
export async function filterObstacles(
  session: Session,
  { schema, server }: { readonly schema: string; readonly server: Pick<Server, 'flavour' | 'ignoresNameCase'> },
  signal: AbortSignal,
): Promise<readonly Obstacle[]> {
  const [row] = await session.query(server.flavour.shows.logStatus, signal);
  const ignoresCase = server.ignoresNameCase && !server.flavour.isMariaDb;
  const has = (names: readonly string[], name: string): boolean =>
    names.some((one) => (ignoresCase ? isSameInAnyCase(one, name) : one === name));
  const listed = (name: string): readonly string[] => (row?.[name] ?? '').split(',').filter((schema) => schema !== '');
  const [done, ignored] = [listed('Binlog_Do_DB'), listed('Binlog_Ignore_DB')];
  return [schema, bookkeepingSchema].flatMap((schema): readonly Obstacle[] => {
    const isLogged = done.length > 0 ? has(done, schema) : !has(ignored, schema);
    if (isLogged) return [];
    const filter = done.length > 0 ? 'binlog-do-db lacks it' : 'binlog-ignore-db has it';
    return [{ code: 'BINLOG_FILTERED', message: `Changes in the database ${schema} are not logged: ${filter}.` }];
  });
}
