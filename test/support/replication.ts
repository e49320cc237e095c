/** Makes one test server the replica of another. */
import { pollServer, runSql, type ServerProcess } from './server-process.ts';
import type { Flavour } from './server-software.ts';

type MysqlFlavour = Exclude<Flavour, 'postgres'>;

/** Flags of a server that commits only when a replica has the change (semi-synchronous, AFTER_SYNC). */
export const semiSyncSourceFlags: Readonly<Record<Flavour, readonly string[]>> = {
  mysql: [
    '--plugin-load-add=semisync_source.so',
    '--rpl-semi-sync-source-enabled=ON',
    '--rpl-semi-sync-source-wait-point=AFTER_SYNC',
  ],
  mariadb: ['--rpl-semi-sync-master-enabled=ON', '--rpl-semi-sync-master-wait-point=AFTER_SYNC'],
  postgres: ['--synchronous-standby-names=*'],
};

/** Flags of its replica. */
export const semiSyncReplicaFlags: Readonly<Record<Flavour, readonly string[]>> = {
  mysql: ['--plugin-load-add=semisync_replica.so', '--rpl-semi-sync-replica-enabled=ON'],
  mariadb: ['--rpl-semi-sync-slave-enabled=ON'],
  postgres: [],
};

/** Nobody else writes to a replica. */
export const replicaFlags: Readonly<Record<Flavour, readonly string[]>> = {
  mysql: ['--super-read-only=ON'],
  mariadb: ['--read-only=ON'],
  postgres: [],
};

/**
 * Replicates by GTID from the source's first change on, and comes back when both threads run. PostgreSQL: waits for what the
 * data directory already says. Safe to run twice.
 */
export async function follow(replica: ServerProcess, sourcePort: number): Promise<void> {
  const { flavour } = replica;
  if (await isFollowing(replica)) return;
  const account = (word: string): string => `${word}_HOST = '127.0.0.1', ${word}_PORT = ${sourcePort}, ${word}_USER = 'root'`;
  const statements: Readonly<Record<MysqlFlavour, readonly string[]>> = {
    mysql: [
      'STOP REPLICA',
      `CHANGE REPLICATION SOURCE TO ${account('SOURCE')}, SOURCE_AUTO_POSITION = 1, SOURCE_CONNECT_RETRY = 1,
       GET_SOURCE_PUBLIC_KEY = 1`,
      'START REPLICA',
    ],
    mariadb: [
      'STOP SLAVE',
      `CHANGE MASTER TO ${account('MASTER')}, MASTER_USE_GTID = slave_pos, MASTER_CONNECT_RETRY = 1`,
      'START SLAVE',
    ],
  };
  if (flavour !== 'postgres') await runSql(replica, ...statements[flavour]);
  await pollServer(replica, `replicating from port ${sourcePort}`, () => isFollowing(replica));
}

async function isFollowing(replica: ServerProcess): Promise<boolean> {
  if (replica.flavour === 'postgres') {
    const [rows] = await runSql(replica, `SELECT 1 FROM pg_stat_wal_receiver WHERE status = 'streaming'`);
    return rows?.length === 1;
  }
  const isMysql = replica.flavour === 'mysql';
  const [rows] = await runSql(replica, isMysql ? 'SHOW REPLICA STATUS' : 'SHOW SLAVE STATUS');
  const status = rows?.[0];
  const threads = isMysql ? ['Replica_IO_Running', 'Replica_SQL_Running'] : ['Slave_IO_Running', 'Slave_SQL_Running'];
  return status !== undefined && threads.every((name) => status[name] === 'Yes');
}
