/**
 * The servers that tests share: those that the environment names, or a set that `scripts/servers up` started and that stays
 * up between test runs. A set is a folder; several sets run beside each other, each server on a free port of its own.
 */
import { mkdirSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { follow, replicaFlags, semiSyncReplicaFlags, semiSyncSourceFlags } from './replication.ts';
import { postgresVersions, type PostgresVersion } from './postgres-software.ts';
import { endProcess, isRunning, readProcess, startProcess } from './server-process.ts';
import type { Flavour } from './server-software.ts';
import { serverUrl } from './servers.ts';

/** The servers that a set can have, and the environment variable that names each one's URL. */
export const sharedServers = {
  mysql: { flavour: 'mysql', variable: 'TABLESHIFT_TEST_MYSQL_URL' },
  'mysql-replica': { flavour: 'mysql', variable: 'TABLESHIFT_TEST_MYSQL_REPLICA_URL' },
  mariadb: { flavour: 'mariadb', variable: 'TABLESHIFT_TEST_MARIADB_URL' },
  'postgres-15': { flavour: 'postgres', variable: 'TABLESHIFT_TEST_POSTGRES_15_URL' },
  'postgres-16': { flavour: 'postgres', variable: 'TABLESHIFT_TEST_POSTGRES_16_URL' },
  'postgres-17': { flavour: 'postgres', variable: 'TABLESHIFT_TEST_POSTGRES_17_URL' },
  'postgres-18': { flavour: 'postgres', variable: 'TABLESHIFT_TEST_POSTGRES_18_URL' },
} as const satisfies Readonly<Record<string, { flavour: Flavour; variable: string }>>;

/** One server of a set. */
export type SharedServer = keyof typeof sharedServers;

/**
 * The names of all servers of a set, in the order to stop them in: a semi-synchronous source that lost its replica would wait
 * for it while shutting down.
 */
export const sharedServerNames: readonly SharedServer[] = [
  'mysql',
  'mysql-replica',
  'mariadb',
  'postgres-15',
  'postgres-16',
  'postgres-17',
  'postgres-18',
];

/**
 * The servers for what is the same on every PostgreSQL: what differs began with 16, 17 or 18, so that the oldest and the newest show
 * nearly all of it. With TABLESHIFT_ALL_VERSIONS=1 it is all of them.
 */
export const testedPostgres: readonly SharedServer[] = process.env['TABLESHIFT_ALL_VERSIONS']
  ? ['postgres-15', 'postgres-16', 'postgres-17', 'postgres-18']
  : ['postgres-15', 'postgres-18'];

/** The version of a PostgreSQL server of the set; for the others it means nothing. */
export function versionOf(name: SharedServer): PostgresVersion {
  return postgresVersions.find((version) => name === `postgres-${version}`) ?? 18;
}

/** The URL of a shared server, or undefined when the environment names none and none was started. */
export function findSharedServer(name: SharedServer): string | undefined {
  const named = process.env[sharedServers[name].variable];
  if (named) return named;
  const running = readProcess(folderOf(name));
  return running !== undefined && isRunning(running) ? serverUrl(running) : undefined;
}

/** The URL of a shared server. */
export function sharedServer(name: SharedServer): string {
  const url = findSharedServer(name);
  if (url === undefined) {
    throw new Error(`No ${name} server for tests: run "scripts/servers up ${name}", or set ${sharedServers[name].variable}.`);
  }
  return url;
}

/** Starts a server of the set unless it runs. It stays up until `stopShared`; its data stays until that deletes it. */
export async function startShared(
  name: SharedServer,
  options: { isSemiSync: boolean; flags: readonly string[] },
): Promise<string> {
  const { flavour } = sharedServers[name];
  const isReplica = name === 'mysql-replica';
  const semiSyncFlags = isReplica ? semiSyncReplicaFlags : semiSyncSourceFlags;
  const flags = [
    ...(isReplica ? replicaFlags[flavour] : []),
    ...(options.isSemiSync ? semiSyncFlags[flavour] : []),
    ...options.flags,
  ];
  const known = readProcess(folderOf(name));
  if (known !== undefined && isRunning(known)) {
    const missing = flags.filter((flag) => !known.flags.includes(flag));
    if (missing.length > 0)
      throw new Error(`${name} runs without ${missing.join(' ')}: run "scripts/servers down ${name}" first.`);
    return serverUrl(known);
  }
  const source = isReplica ? readProcess(folderOf('mysql')) : undefined;
  if (isReplica && (source === undefined || !isRunning(source))) throw new Error('The replica needs its source: mysql.');
  const running = await startProcess({
    flavour,
    version: versionOf(name),
    directory: folderOf(name),
    flags,
    endsWithParent: false,
    ...(known === undefined ? {} : { port: known.port }),
  });
  if (source !== undefined) await follow(running, source.port);
  return serverUrl(running);
}

/** Ends the servers of the set that run. */
export async function stopShared(names: readonly SharedServer[], options: { deletesData: boolean }): Promise<void> {
  for (const name of names) {
    const known = readProcess(folderOf(name));
    if (known !== undefined) await endProcess(known, options.deletesData ? 'at once' : 'in order');
    if (options.deletesData) rmSync(folderOf(name), { recursive: true, force: true });
  }
}

/** The folder of the set: `TABLESHIFT_SERVERS`, or `.servers` in the repository. */
function folderOf(name: SharedServer): string {
  const set = process.env['TABLESHIFT_SERVERS'] || join(import.meta.dirname, '..', '..', '.servers');
  const folder = join(resolve(set), name);
  mkdirSync(folder, { recursive: true });
  return folder;
}
