/** The flags that every test server gets, whatever it is for. */
import type { Flavour } from './server-software.ts';

/** The usual flags by flavour, for a port. */
export const usualFlags: Readonly<Record<Flavour, (port: number) => readonly string[]>> = {
  mysql: (port) => [
    ...bothMysqls(port),
    '--mysqlx=OFF',
    '--gtid-mode=ON',
    '--enforce-gtid-consistency=ON',
    '--performance-schema=ON',
    '--innodb-redo-log-capacity=512M',
    // Without writers of their own for the redo log commits wait 100 ms at times, and a copy waits for the application that feels that.
    '--innodb-log-writer-threads=ON',
    // Once the server keeps 0.8 of a processor busy, its log writer would spin, and take another one for good.
    '--innodb-log-spin-cpu-abs-lwm=400',
  ],
  mariadb: (port) => [
    ...bothMysqls(port),
    '--binlog-format=ROW',
    '--log-slave-updates',
    '--plugin-load-add=metadata_lock_info',
    '--innodb-log-file-size=512M',
  ],
  postgres: (port) => [
    `--port=${port}`,
    '--listen-addresses=127.0.0.1',
    '--unix-socket-directories=',
    '--wal-level=logical',
    '--max-replication-slots=20',
    '--max-wal-senders=20',
    '--max-prepared-transactions=20',
    '--max-connections=300',
    // Enough for a standby to be copied while the server works.
    '--wal-keep-size=256MB',
    `--shared-buffers=${bufferPool}B`,
    `--fsync=${isWaitingForDisk ? 'on' : 'off'}`,
  ],
};

/**
 * `TABLESHIFT_DISK_WAITS=no`, which scripts/test sets: nothing waits for the disk. What was written survives the end of the
 * server's process all the same, and no test takes more from it. Benches measure servers that wait.
 */
const isWaitingForDisk = process.env['TABLESHIFT_DISK_WAITS'] !== 'no';

const bufferPool = process.env['TABLESHIFT_BUFFER_POOL'] || '512M';

function bothMysqls(port: number): readonly string[] {
  return [
    `--port=${port}`,
    `--server-id=${port}`,
    '--bind-address=127.0.0.1',
    // Relative to the data directory: a path of any length works.
    '--socket=server.sock',
    '--pid-file=server.pid',
    '--skip-name-resolve',
    '--secure-file-priv=',
    '--log-bin=binlog',
    '--relay-log=relay',
    `--sync-binlog=${isWaitingForDisk ? 1 : 0}`,
    `--innodb-flush-log-at-trx-commit=${isWaitingForDisk ? 1 : 2}`,
    `--innodb-buffer-pool-size=${bufferPool}`,
    '--max-connections=300',
  ];
}
