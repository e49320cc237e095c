/** Which servers follow this one, as it tells itself, and where they may be reached. */

import { unlessDenied } from '../engine/errors.ts';
import { addressText } from '../sessions/server-address.ts';
import type { ConnectionConfig } from './connection-config.ts';
import type { Flavour } from './flavour.ts';
import type { Row, Session } from './session.ts';

/** Where a server listens. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

/** A replica that is connected to the source. */
export interface AttachedReplica {
  /** Its server_id; null where the source does not tell it. */
  readonly serverId: string | null;
  /** How messages call it: `db2:3306`, or `server 7` where its address is not told. */
  readonly label: string;
  /** Where it may be, the likeliest first: as it reports itself (report_host), or else the hosts that read the log. */
  readonly addresses: readonly Address[];
}

/** What the source is asked with, and what it is. */
export interface AskedSource {
  readonly config: ConnectionConfig;
  readonly flavour: Flavour;
}

/** More of them are left out. */
const replicasMax = 16;

/**
 * The replicas that are connected now; none where the user may not ask. Without PROCESS, only those that report their host have
 * an address.
 */
export async function findAttachedReplicas(
  session: Session,
  { config, flavour }: AskedSource,
  signal: AbortSignal,
): Promise<readonly AttachedReplica[]> {
  const read = async (): Promise<readonly AttachedReplica[]> => {
    const registered = await session.query(flavour.shows.replicas, signal);
    // Not information_schema: on MySQL it fails whenever any session runs a statement with a character beyond the BMP (3854).
    const sessions = await session.query('SHOW PROCESSLIST', signal);
    const dumps = sessions.filter((row) => row['Command']?.startsWith('Binlog Dump') === true);
    return attachedReplicas({ registered, dumps, isMariaDb: flavour.isMariaDb, config });
  };
  return await unlessDenied(read, []);
}

/** What two lists of the source say together. */
export interface ToldBySource {
  /** SHOW REPLICAS. MySQL lists every replica, with an empty host where it reports none; MariaDB only those that report one. */
  readonly registered: readonly Row[];
  /** The sessions that read the log, of the process list. Readers that are no replicas, ours among them, do not register. */
  readonly dumps: readonly Row[];
  readonly isMariaDb: boolean;
  readonly config: Pick<ConnectionConfig, 'host' | 'port' | 'user'>;
}

/** See `findAttachedReplicas`. */
export function attachedReplicas({ registered, dumps, isMariaDb, config }: ToldBySource): readonly AttachedReplica[] {
  const seenFrom = (host: string): string => (isLoopback(host) ? config.host : host);
  const dumpHosts = [...new Set(dumps.map((row) => seenFrom(withoutPort(row['Host'] ?? ''))))];
  const replicas = registered.map((row): AttachedReplica => {
    const { server_id: serverId = null, host, port } = inLowerCase(row);
    const hosts = host ? [seenFrom(host)] : dumpHosts;
    const addresses = hosts.map((host) => ({ host, port: Number(port ?? 0) || config.port }));
    const [first, ...others] = addresses;
    const label = first !== undefined && others.length === 0 ? addressText(first) : `server ${serverId ?? ''}`;
    return { serverId, label, addresses };
  });
  const reported = new Set(replicas.flatMap(({ addresses }) => addresses.map(({ host }) => host)));
  const silent = dumps.filter((row) => row['User'] !== config.user).map((row) => seenFrom(withoutPort(row['Host'] ?? '')));
  const guessed = [...new Set(silent)]
    .filter((host) => isMariaDb && !reported.has(host))
    .map((host): AttachedReplica => {
      const address = { host, port: config.port };
      return { serverId: null, label: addressText(address), addresses: [address] };
    });
  return [...replicas, ...guessed].slice(0, replicasMax);
}

/** Those whose address is not among the named ones, each as host and port. */
export function unnamedReplicas(found: readonly AttachedReplica[], named: readonly string[]): readonly AttachedReplica[] {
  return found.filter(({ addresses }) => !addresses.some((address) => named.includes(addressText(address))));
}

/** What is local to the source is where the source is; here it would be another machine. */
function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host.startsWith('127.');
}

/** `10.0.0.5:40312`; a session by the socket has no port. */
function withoutPort(client: string): string {
  return client.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1');
}

/** Versions spell the columns differently. */
function inLowerCase(row: Row): Row {
  return Object.fromEntries(Object.entries(row).map(([name, value]) => [name.toLowerCase(), value]));
}
