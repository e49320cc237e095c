/** Reasons to refuse, found before anything is changed. The registry is the troubleshooting page: docs/errors.md is made from it. */

import { MigrationError } from './errors.ts';

interface ObstacleEntry {
  /** What is in the way, in general. */
  readonly summary: string;
  /** What the operator can do about it. */
  readonly remedy: string;
}

export const OBSTACLES = {
  TABLE_NOT_FOUND: {
    summary: 'The table does not exist or is not a base table.',
    remedy: 'Check the name, its schema and the database in --url.',
  },
  INVALID_ALTER: {
    summary:
      'The server refuses the ALTER on an empty copy of the table, or would refuse it because of the rows that are there.',
    remedy: 'Correct the clauses; the message, or the server’s own in it, says what is wrong.',
  },
  UNSUPPORTED_CLAUSE: {
    summary: 'The ALTER changes nothing, or has a clause that cannot be carried out this way.',
    remedy:
      'Write one ALTER TABLE that changes the definition of the table; leave out ALGORITHM=, LOCK= and RENAME TO, and run other statements and clauses by themselves.',
  },
  NO_SHARED_KEY: {
    summary: 'No unique key over NOT NULL columns exists both before and after the change.',
    remedy: 'Add a unique key over NOT NULL columns first, or keep one in this ALTER.',
  },
  UNSUPPORTED_KEY: {
    summary: 'The key asked for cannot identify rows exactly.',
    remedy: 'Choose a unique key without prefix parts and without FLOAT, DOUBLE or JSON columns.',
  },
  UNKNOWN_COLUMN_TYPE: {
    summary: 'The table has a column of a type that is not known here.',
    remedy: 'Report the type; until it is known the table cannot be migrated safely.',
  },
  SYSTEM_VERSIONED: {
    summary: 'The table keeps the history of its rows.',
    remedy: 'System-versioned tables cannot be migrated without losing their history; use the server’s own ALTER.',
  },
  UNSUPPORTED_ENGINE: {
    summary: 'The table’s storage engine has no consistent reads.',
    remedy: 'Only InnoDB tables can be migrated; convert the table first.',
  },
  DATA_DIRECTORY: {
    summary: 'The table lies in a directory of its own, which a table that is made like it does not.',
    remedy: 'Use the server’s own ALTER, which keeps the directory; or move the table into the data directory first.',
  },
  PACKET_TOO_SMALL: {
    summary: 'The server could not make the texts by which rows are compared, or would not take the statements that do it.',
    remedy: 'Raise max_allowed_packet (SET GLOBAL, no restart).',
  },
  LOG_BIN_OFF: { summary: 'The server writes no binary log.', remedy: 'Set log_bin and restart the server.' },
  BINLOG_NOT_ROW: {
    summary: 'The server logs statements instead of rows.',
    remedy: 'Set binlog_format=ROW globally and let clients reconnect.',
  },
  MINIMAL_ROW_IMAGE: {
    summary: 'The log does not have the migration key of each changed row.',
    remedy: 'Set binlog_row_image=FULL globally and let clients reconnect, or use the primary key.',
  },
  BINLOG_FILTERED: {
    summary: 'A binlog filter leaves out the table’s database or the bookkeeping database.',
    remedy: 'Remove binlog-do-db and binlog-ignore-db for these databases.',
  },
  BINLOG_ORDER_COMMITS_OFF: {
    summary: 'Commits may become visible in another order than they are logged, and there are no GTIDs to ask for.',
    remedy: 'Set binlog_order_commits=ON, or turn GTIDs on.',
  },
  NO_KEYRING: {
    summary: 'The bookkeeping would be encrypted, and the server has no key for it.',
    remedy:
      "Load a keyring (component_keyring_file and the like); or SET GLOBAL default_table_encryption=OFF, and where the database tableshift is there already, ALTER DATABASE tableshift DEFAULT ENCRYPTION='N'.",
  },
  NOT_A_SOURCE: {
    summary: 'The server is read-only or a replica that does not log what it applies.',
    remedy: 'Connect to the primary.',
  },
  REPLICA_FILTERED: {
    summary:
      'A filter of a replica treats the table, its shadow and the old table in different ways, so that replication would stop at the swap or the replica keep the old definition.',
    remedy:
      'Let the filter go by the database (replicate-do-db, replicate-wild-do-table=shop.%), or have it fit all the names that are told; or use the server’s own ALTER. Where replicate-rewrite-db renames the database, alter each server by itself.',
  },
  CLUSTERED_SERVER: {
    summary: 'The server is a member of a cluster that applies writes of several servers.',
    remedy: 'Table locks and named locks do not hold in a cluster; use the cluster’s own way of changing schemas.',
  },
  MISSING_PRIVILEGE: { summary: 'The user lacks a privilege.', remedy: 'Grant the privilege that is named.' },
  ACCOUNT_LIMITS: {
    summary: 'The account may not have as many sessions as a migration needs, or not run as many statements.',
    remedy: 'Run the ALTER USER that is named, as an administrator.',
  },
  BLOCKERS_UNKNOWN: {
    summary: 'The server does not tell who holds a lock on a table, so that --kill-blockers-after cannot know whom to end.',
    remedy: 'Turn on what is named, or leave the option out.',
  },
  FOREIGN_KEYS: {
    summary: 'A foreign key of the table, or of another table to it, cannot be carried over or does not go with the change.',
    remedy:
      'Drop the foreign key that is named first and make it again afterwards, or leave out of the ALTER what it does not go with; where the tables at both its ends have to change, change them in one command (`--table A --alter … --table B --alter …`).',
  },
  UNLOGGED_CASCADES: {
    summary: 'A foreign key changes rows of the table by itself, and the log does not tell.',
    remedy: 'Replace its CASCADE or SET NULL by RESTRICT for as long as the migration runs, or use the server’s own ALTER.',
  },
  TRIGGERS: {
    summary: 'A trigger of the table cannot be made again as it is, or would fail after the change.',
    remedy: 'Make the trigger again as the message says, or drop it first and make it again afterwards.',
  },
  PARTITIONS: {
    summary: 'Partitions of the table, or those that the ALTER asks for, stand in the way.',
    remedy: 'Do what the message says; a row that no partition takes must be corrected, or given one.',
  },
  LOSSY_CONVERSION: {
    summary: 'Existing values would not survive the conversion.',
    remedy: 'Correct the rows that are named, or choose a type that holds every value of the old one.',
  },
  DUPLICATE_ROWS: {
    summary: 'Rows have equal values under a unique key that the change adds or alters.',
    remedy: 'Correct the rows that are named; others may be found while copying.',
  },
  ENUM_MEANING_CHANGED: {
    summary: 'Members of an ENUM or SET are removed or renamed, and rows hold them; or CONVERT TO makes others of them.',
    remedy: 'Give these rows another member first, or keep it; beside CONVERT TO, write the members out with MODIFY.',
  },
  NO_REPLICA_IDENTITY: {
    summary: 'The log does not say which row an UPDATE or DELETE changed.',
    remedy: 'Give the table a primary key, or ALTER TABLE … REPLICA IDENTITY USING INDEX a unique index over NOT NULL columns.',
  },
  WAL_LEVEL: {
    summary: 'The server’s log cannot be decoded.',
    remedy: 'Set wal_level=logical and restart the server.',
  },
  SYNCHRONOUS_STANDBY: {
    summary: 'Commits of applications would wait for this migration as for a standby.',
    remedy: 'Name the standbys in synchronous_standby_names instead of *.',
  },
  NO_FREE_SLOT: {
    summary: 'The server has no replication slot or no sender process left.',
    remedy: 'Raise max_replication_slots or max_wal_senders, or drop slots that nobody uses.',
  },
  NO_FREE_SESSION: {
    summary: 'A migration would not get the sessions that it needs, or take the last ones from applications.',
    remedy: 'End sessions that nobody needs, or raise the limit that is named.',
  },
  UNSUPPORTED_TABLE: {
    summary: 'The table is of a kind whose rows or changes cannot be carried over.',
    remedy:
      'Use the server’s own ALTER. Not supported are, on PostgreSQL, unlogged, temporary, foreign, inheriting and typed tables and those of an extension; on MySQL those with CHECK constraints and a name that leaves no room for theirs; on MariaDB those with an application-time period, or with defaults that use one sequence more than once.',
  },
  UNSUPPORTED_INDEX: {
    summary:
      'The table has, or gets, a unique index whose collisions cannot be told apart from changes in flight, or on MySQL and MariaDB a full-text index over rows that have numbers of their own (FTS_DOC_ID).',
    remedy: 'Drop the index first and add it again by itself afterwards, or use the server’s own ALTER.',
  },
  INVALID_INDEX: {
    summary: 'The table has an index that was left half-built.',
    remedy: 'Drop it or REINDEX it CONCURRENTLY.',
  },
  ROW_SECURITY: {
    summary: 'Row security would hide rows from the user.',
    remedy: 'Use the table’s owner (without FORCE ROW LEVEL SECURITY) or a role with BYPASSRLS.',
  },
  PUBLISHED_FOR_ALL: {
    summary:
      'A publication FOR ALL TABLES would send the shadow and the bookkeeping to its subscribers, which have no such tables and stop.',
    remedy: 'List the tables in the publication, or publish by schema.',
  },
  SUBSCRIBED: {
    summary: 'The table receives the changes of a subscription.',
    remedy: 'Remove it from the subscription first.',
  },
  PREPARED_TRANSACTION: {
    summary: 'A prepared transaction holds the table, and has for more than 2 s.',
    remedy: 'Commit or roll back the prepared transaction.',
  },
  WRAPAROUND_NEAR: {
    summary: 'The database is near to the wraparound of its transaction ids, and a long copy would bring it nearer.',
    remedy: 'Let VACUUM (FREEZE) catch up first; look for old transactions, slots and prepared transactions.',
  },
  DEPENDENT_OBJECTS: {
    summary: 'Something depends on the table that would stay with the old one.',
    remedy: 'Drop what is named first and make it again afterwards.',
  },
  EVENT_TRIGGERS: {
    summary:
      'An event trigger of the database adds a trigger, a policy or a rule to each new table, and so to the shadow, or refuses new tables, or something else that a migration does.',
    remedy:
      'Let it leave out the schemas tableshift_…, or disable it until the migration has made its shadow. One that refuses has to let the user pass until the migration is over.',
  },
  NAME_TAKEN: {
    summary: 'An index or a sequence of the new table has the name of something else in the schema.',
    remedy: 'Name it in the ALTER, or rename the other.',
  },
  SHADOW_EXISTS: {
    summary: 'A table, or on PostgreSQL a schema, with the shadow’s name exists and does not belong to this migration.',
    remedy: 'Look whether it is a leftover; `tableshift cleanup` drops those of known migrations.',
  },
  RETIRED_EXISTS: {
    summary: 'A table, or on PostgreSQL a schema, with the retired table’s name exists.',
    remedy: 'Drop it with `tableshift cleanup`, or rename it.',
  },
  MIGRATION_OPEN: {
    summary: 'An unfinished migration of this table is recorded.',
    remedy: 'Go on with `tableshift resume ID`, or give it up with `tableshift cleanup ID`.',
  },
  TABLE_IN_USE: {
    summary: 'Another live run holds the claim on this table.',
    remedy: 'Wait for it, or end it; `tableshift list` shows it.',
  },
  TABLE_CHANGED: {
    summary: 'The table was altered between planning and the begin of the run, by another migration or by somebody else.',
    remedy: 'Look at its definition; run the command again if the change is still wanted.',
  },
  DISK_SPACE: {
    summary: 'The server has not enough free disk space for a second copy of the table.',
    remedy: 'Free or add space; the plan says how much is needed.',
  },
} as const satisfies Record<string, ObstacleEntry>;

export type ObstacleCode = keyof typeof OBSTACLES;

/** No plan can be made, for these reasons. Nothing changed. */
export class PlanRefusedError extends MigrationError {
  readonly obstacles: readonly Obstacle[];

  constructor(obstacles: readonly Obstacle[]) {
    super('OBSTACLE', obstacles.map((obstacle) => obstacle.message).join(' '));
    this.name = 'PlanRefusedError';
    this.obstacles = obstacles;
  }
}

/** One reason to refuse this plan. `message` names the table, column, row or privilege in one sentence. */
export interface Obstacle {
  readonly code: ObstacleCode;
  readonly message: string;
  /** The ID of the migration that the commands of the remedy are about. */
  readonly migration?: string;
}

/** What to do about it, with the commands as they are to be typed. */
export function remedyOf({ code, migration }: Obstacle): string {
  const { remedy } = OBSTACLES[code];
  return migration === undefined ? remedy : remedy.replaceAll(' ID`', ` ${migration}\``);
}

/** Each once: what is in the way of several tables may be in the way of each. */
export function distinct(obstacles: readonly Obstacle[]): readonly Obstacle[] {
  return [...new Map(obstacles.map((obstacle) => [`${obstacle.code} ${obstacle.message}`, obstacle])).values()];
}
