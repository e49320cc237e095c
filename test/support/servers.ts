/** Private, throw-away servers for tests that stop, kill or configure one. Tests that only need some server: shared-servers.ts. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { copyForStandby } from './postgres-standby.ts';
import type { PostgresVersion } from './postgres-software.ts';
import { follow, replicaFlags, semiSyncReplicaFlags, semiSyncSourceFlags } from './replication.ts';
import { endProcess, startProcess, type ServerProcess } from './server-process.ts';
import type { Flavour } from './server-software.ts';

export type { PostgresVersion } from './postgres-software.ts';
export type { Flavour } from './server-software.ts';

/** What a private server shall be. */
export interface ServerOptions {
  readonly flavour: Flavour;
  /** Of PostgreSQL; the newest when it is not given. */
  readonly version?: PostgresVersion;
  /** Come after the usual flags, so they win: `--binlog-row-image=MINIMAL`, `--fsync=off`. */
  readonly extraFlags?: readonly string[];
  /**
   * A server of the same flavour and version, which it then replicates (by GTID; PostgreSQL: streaming, as the standby
   * `standby`); semi-synchronously when the source is. Read-only.
   */
  readonly replicaOf?: Server;
  /**
   * As a source: commit waits for a replica (AFTER_SYNC). Without a connected replica nothing waits until one was there;
   * PostgreSQL waits for the first one too.
   */
  readonly isSemiSync?: boolean;
}

/** A running private server. It is killed and its data deleted when it is disposed, or when the test process ends. */
export interface Server extends AsyncDisposable {
  readonly flavour: Flavour;
  readonly version: PostgresVersion;
  /** With the administrator's account, which has no password: `mysql://root@127.0.0.1:20123/`. */
  readonly url: string;
  /** The same after a restart. */
  readonly port: number;
  /** Of the process that runs now or ran last. */
  readonly pid: number;
  /** The file that the server writes its errors and warnings to. */
  readonly logFile: string;
  readonly isSemiSync: boolean;
  /** Ends the process with SIGKILL, as a power cut of the server would, and comes back when it is gone. */
  kill9(): Promise<void>;
  /** Ends the process in order, if it runs, starts it on the same data and port, and comes back when it answers. */
  restart(): Promise<void>;
}

/** Starts a server with its own port, data directory and server id, and comes back when it answers: about a second. */
export async function startServer(options: ServerOptions): Promise<Server> {
  const { flavour, replicaOf } = options;
  const version = options.version ?? replicaOf?.version ?? 18;
  if (replicaOf !== undefined && (replicaOf.flavour !== flavour || replicaOf.version !== version)) {
    throw new Error('A replica has the flavour and version of its source.');
  }
  const isSemiSync = options.isSemiSync ?? false;
  const flags = [
    ...smallFlags[flavour],
    ...(isSemiSync ? semiSyncSourceFlags[flavour] : []),
    ...(replicaOf === undefined ? [] : replicaFlags[flavour]),
    ...(replicaOf?.isSemiSync ? semiSyncReplicaFlags[flavour] : []),
    ...(options.extraFlags ?? []),
  ];
  const directory = await mkdtemp(join(tmpdir(), `tableshift-${flavour}-`));
  const discard = (): Promise<void> => rm(directory, { recursive: true, force: true });
  let running: ServerProcess;
  try {
    if (flavour === 'postgres' && replicaOf !== undefined) await copyForStandby(replicaOf.port, directory);
    running = await startProcess({ flavour, version, directory, flags, endsWithParent: true });
  } catch (error) {
    await discard();
    throw error;
  }
  const server: Server = {
    flavour,
    version,
    isSemiSync,
    port: running.port,
    url: serverUrl(running),
    logFile: join(directory, 'server.log'),
    get pid() {
      return running.pid;
    },
    kill9: () => endProcess(running, 'at once'),
    async restart() {
      await endProcess(running, 'in order');
      running = await startProcess({ ...running, endsWithParent: true });
    },
    async [Symbol.asyncDispose]() {
      await endProcess(running, 'at once');
      await discard();
    },
  };
  try {
    if (replicaOf !== undefined) await follow(running, replicaOf.port);
  } catch (error) {
    await server[Symbol.asyncDispose]();
    throw error;
  }
  return server;
}

/** A private server holds little, and writing half a gigabyte of log files would be most of its start. */
const smallFlags: Readonly<Record<Flavour, readonly string[]>> = {
  mysql: ['--innodb-buffer-pool-size=128M', '--innodb-redo-log-capacity=64M'],
  mariadb: ['--innodb-buffer-pool-size=128M', '--innodb-log-file-size=64M'],
  postgres: ['--shared-buffers=64MB', '--max-connections=100'],
};

/** The URL of a local server's administrator. */
export function serverUrl(server: { readonly flavour: Flavour; readonly port: number }): string {
  if (server.flavour === 'postgres') return `postgres://postgres@127.0.0.1:${server.port}/postgres`;
  return `${server.flavour}://root@127.0.0.1:${server.port}/`;
}
