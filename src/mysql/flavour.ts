/** What a server is: the differences between MySQL, MariaDB and their versions that matter in several places, as named capabilities. */

import { MigrationError } from '../engine/errors.ts';

/** What a server is and can do. Read once, when the first connection is made. */
export interface Flavour {
  readonly name: 'mysql' | 'mariadb';
  /** As the server prints it. */
  readonly version: string;
  readonly isMariaDb: boolean;
  /** RENAME TABLE works under LOCK TABLES (MySQL 8.0.13; on MariaDB error 1192), so that one session can cut over. */
  readonly renamesUnderLock: boolean;
  /** Statements with another name elsewhere: where the log ends, who is connected as a replica, what the server itself replicates. */
  readonly shows: { readonly logStatus: string; readonly replicas: string; readonly replicaStatus: string };
  /** Privileges with another name elsewhere, or that exist only here; SUPER implies the newer ones. */
  readonly privileges: {
    /** To see where the log ends. */
    readonly logStatus: string;
    /** To end sessions of others. */
    readonly endSessions: string;
    /** To name somebody else as the definer of a trigger. */
    readonly setDefiner: string;
    /** To list transactions that are prepared, where that needs one. */
    readonly listPrepared: readonly string[];
  };
  /** SQL: what tells the server from any other. */
  readonly identityExpression: string;
  /**
   * Where metadata locks can be listed. MariaDB's table exists only with the plug-in METADATA_LOCK_INFO, and says nothing about
   * who waits.
   */
  readonly metadataLockSource: 'performance_schema' | 'metadata_lock_info';
  /** LOCK TABLES … NOWAIT exists (MariaDB 10.3). */
  readonly locksAtOnce: boolean;
  /** Changes of a child by a foreign key's cascade are row events in the log (MySQL 9.6). */
  readonly logsCascades: boolean;
  /** ALTER TABLE … RENAME INDEX exists (MySQL 5.7, MariaDB 10.5.2). */
  readonly renamesIndexes: boolean;
  /** Where InnoDB lists its tables and indexes in information_schema: INNODB_TABLES or INNODB_SYS_TABLES, and so on. */
  readonly innodbPrefix: 'INNODB' | 'INNODB_SYS';
  /**
   * What may end an ALTER that must not copy rows while writers wait, the cheapest first. The last one tells nothing of
   * cheapness by itself.
   */
  readonly onlineAlgorithms: readonly string[];
  /** An index over a virtual column can be built while rows are written. MariaDB leaves some of these rows out of it. */
  readonly buildsVirtualIndexes: boolean;
  /** Instant changes of columns that a table may have had since it was rebuilt; null: not counted (MySQL before 8.0.29, MariaDB). */
  readonly instantVersionsMax: number | null;
  /** information_schema.VIEW_TABLE_USAGE tells which tables a view uses (MySQL 8.0.13). */
  readonly listsTablesOfViews: boolean;
  /** Statistics about the values of a column can be kept (MySQL 8.0, MariaDB). */
  readonly hasHistograms: boolean;
  /** How rows are hashed: MySQL 8 computes BIT_XOR over binary strings; MariaDB 10.8 has CRC32C, and its SHA2 would double the cost. */
  readonly rowHash: 'sha2' | 'crc' | 'half-sha2';
  /** Settings of each session beside those that all servers share, as assignments for one SET. */
  readonly sessionSettings: readonly string[];
}

/**
 * The first releases with all of: several user-level locks in one session, by which claims stand, several triggers of one kind on a
 * table, and stored generated columns by these words.
 */
const oldest = { mysql: { number: 5_07_09, name: 'MySQL 5.7.9' }, mariadb: { number: 10_02_06, name: 'MariaDB 10.2.6' } };

/** Before it is known what the server is: what the oldest one has, and only settings that every server knows. */
export const unknownFlavour: Flavour = { ...flavourOf('5.7.9'), sessionSettings: [] };

/** The flavour from what `SELECT @@version` says. Throws UNREACHABLE where that is no version, or an older one than can be used. */
export function flavourOf(version: string): Flavour {
  // A MariaDB server may put `5.5.5-` in front, for the sake of old replicas.
  const match = /^(?:5\.5\.5-)?(\d+)\.(\d+)\.(\d+)/.exec(version);
  const [major, minor, patch] = [Number(match?.[1]), Number(match?.[2]), Number(match?.[3])];
  if (match === null) throw new MigrationError('UNREACHABLE', `The server's version ${version} cannot be read.`);
  const isMariaDb = /mariadb/i.test(version);
  const versionNumber = major * 10_000 + minor * 100 + patch;
  const least = oldest[isMariaDb ? 'mariadb' : 'mysql'];
  if (versionNumber < least.number) {
    throw new MigrationError(
      'UNREACHABLE',
      `The server is ${isMariaDb ? 'MariaDB' : 'MySQL'} ${version}; ${least.name} is the oldest that can be used.`,
    );
  }
  const isMySqlFrom = (from: number): boolean => !isMariaDb && versionNumber >= from;
  const isMariaDbFrom = (from: number): boolean => isMariaDb && versionNumber >= from;
  return {
    name: isMariaDb ? 'mariadb' : 'mysql',
    version,
    isMariaDb,
    renamesUnderLock: isMySqlFrom(8_00_13),
    shows: {
      logStatus: isMySqlFrom(8_02_00) ? 'SHOW BINARY LOG STATUS' : 'SHOW MASTER STATUS',
      replicas: isMySqlFrom(8_00_22) ? 'SHOW REPLICAS' : 'SHOW SLAVE HOSTS',
      // On MariaDB without ALL: only by the connection that has no name.
      replicaStatus: isMariaDb ? 'SHOW ALL SLAVES STATUS' : isMySqlFrom(8_00_22) ? 'SHOW REPLICA STATUS' : 'SHOW SLAVE STATUS',
    },
    privileges: {
      logStatus: isMariaDbFrom(10_05_02) ? 'BINLOG MONITOR' : 'REPLICATION CLIENT',
      endSessions: isMariaDbFrom(10_05_02) ? 'CONNECTION ADMIN' : isMySqlFrom(8_00_00) ? 'CONNECTION_ADMIN' : 'SUPER',
      setDefiner: isMariaDbFrom(10_05_02)
        ? 'SET USER'
        : isMySqlFrom(8_02_00)
          ? 'SET_ANY_DEFINER'
          : isMySqlFrom(8_00_00)
            ? 'SET_USER_ID'
            : 'SUPER',
      listPrepared: isMySqlFrom(8_00_04) ? ['XA_RECOVER_ADMIN'] : [],
    },
    identityExpression: isMariaDb ? "CONCAT_WS(' ', @@server_id, @@hostname, @@port)" : '@@server_uuid',
    metadataLockSource: isMariaDb ? 'metadata_lock_info' : 'performance_schema',
    locksAtOnce: isMariaDbFrom(10_03_00),
    logsCascades: isMySqlFrom(9_06_00),
    renamesIndexes: isMySqlFrom(5_07_00) || isMariaDbFrom(10_05_02),
    innodbPrefix: isMySqlFrom(8_00_00) ? 'INNODB' : 'INNODB_SYS',
    onlineAlgorithms: [
      ...(isMySqlFrom(8_00_12) || isMariaDbFrom(10_03_07) ? ['ALGORITHM=INSTANT'] : []),
      isMariaDbFrom(10_03_07) ? 'ALGORITHM=NOCOPY, LOCK=NONE' : 'ALGORITHM=INPLACE, LOCK=NONE',
    ],
    buildsVirtualIndexes: !isMariaDb,
    instantVersionsMax: isMySqlFrom(9_01_00) ? 255 : isMySqlFrom(8_00_29) ? 64 : null,
    listsTablesOfViews: isMySqlFrom(8_00_13),
    hasHistograms: isMariaDb || isMySqlFrom(8_00_00),
    rowHash: isMySqlFrom(8_00_00) ? 'sha2' : isMariaDbFrom(10_08_00) ? 'crc' : 'half-sha2',
    sessionSettings: [
      // A long IN list of keys would otherwise become a full scan or a join with a temporary table.
      ...(isMySqlFrom(5_07_09) ? ['range_optimizer_max_mem_size = 0', 'max_execution_time = 0'] : []),
      ...(isMariaDbFrom(10_03_00) ? ['in_predicate_conversion_threshold = 0'] : []),
      // SHOW CREATE TABLE would tell of a row format that is only the server's default.
      ...(isMySqlFrom(5_07_22) ? ['show_create_table_verbosity = 0'] : []),
      ...(isMariaDb ? ['max_statement_time = 0'] : []),
      ...(isMariaDbFrom(10_03_00)
        ? ['idle_transaction_timeout', 'idle_readonly_transaction_timeout', 'idle_write_transaction_timeout'].map(
            (name) => `${name} = 0`,
          )
        : []),
      ...(isMariaDbFrom(10_03_07) && !isMariaDbFrom(11_05_00) ? ['alter_algorithm = 0'] : []),
      // ON from 11.6 on: a row of the shadow that was put in while the statement ran would be error 1020 and no duplicate.
      ...(isMariaDb && hasSnapshotIsolation(versionNumber) ? ['innodb_snapshot_isolation = 0'] : []),
      // As with sql_notes: without `basic` a value is cut without a word; other words than that tell nothing of values.
      ...(isMariaDb && hasNoteVerbosity(versionNumber) ? ["note_verbosity = 'basic'"] : []),
      // With it the server refuses CREATE TABLE … LIKE, and passes over what is not there.
      ...(isMariaDbFrom(10_05_02) ? ['sql_if_exists = 0'] : []),
    ],
  };
}

/** Where MariaDB has innodb_snapshot_isolation: it came with fixes of older series. */
function hasSnapshotIsolation(version: number): boolean {
  return isFixedFrom(version, [10_06_18, 10_11_08, 11_04_02]);
}

/** Where MariaDB has note_verbosity, likewise. */
function hasNoteVerbosity(version: number): boolean {
  return isFixedFrom(version, [10_06_16, 10_10_07, 10_11_06, 11_00_04, 11_01_03, 11_02_02]);
}

/** Whether the version has what came with the first of each of these series, and with all that came after the last of them. */
function isFixedFrom(version: number, firsts: readonly number[]): boolean {
  return firsts.some((first) => version >= first && version < Math.ceil(first / 100) * 100) || version >= (firsts.at(-1) ?? 0);
}
