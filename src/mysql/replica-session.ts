/** A session on a replica: one that is named, or one that the server tells of. */

import { isIP } from 'node:net';
import { MigrationError } from '../engine/errors.ts';
import { disposeBefore, disposingOnFailure } from '../sessions/disposal.ts';
import type { Address, AttachedReplica } from './attached-replicas.ts';
import type { ConnectionConfig } from './connection-config.ts';
import { openServer, type Server } from './server.ts';
import { describeServer, type Row } from './session.ts';

/** Disposing it closes it. */
export interface ReplicaSession extends AsyncDisposable {
  /** Host and port. */
  readonly where: string;
  query(sql: string, signal: AbortSignal): Promise<readonly Row[]>;
  /** What it says of its replication: a row for each channel. */
  status(signal: AbortSignal): Promise<readonly Row[]>;
}

/** Connects to a replica. Rejects with ACCESS_DENIED, UNREACHABLE or SERVER_BUSY. */
export async function connectTo(config: ConnectionConfig, signal: AbortSignal): Promise<ReplicaSession> {
  const server = await openServer(config, signal);
  return await disposingOnFailure(server, async () => {
    const session = await server.openSession({}, signal);
    return {
      where: describeServer(config),
      query: (sql, signal) => session.query(sql, signal),
      status: (signal) => session.query(server.flavour.shows.replicaStatus, signal),
      [Symbol.asyncDispose]: () => disposeBefore(server, [session]),
    };
  });
}

/**
 * Connects to a replica that the source tells of, with the login of the run: tries one address after another. Rejects with why the
 * last one is not it.
 */
export async function connectAttached(
  source: Server,
  { serverId, addresses }: AttachedReplica,
  signal: AbortSignal,
): Promise<ReplicaSession> {
  let failure: unknown = new MigrationError('UNREACHABLE', 'the server does not tell its address (report_host)');
  for (const address of addresses) {
    try {
      return await connectAt(source, { serverId, address }, signal);
    } catch (error) {
      signal.throwIfAborted();
      failure = error;
    }
  }
  throw failure;
}

/** Those of a replica's channels that replicate from this server itself. */
export async function channelsFrom(source: Server, channels: readonly Row[], signal: AbortSignal): Promise<readonly Row[]> {
  await using session = await source.openSession({}, signal);
  const { isMariaDb } = source.flavour;
  const [own] = await session.query(`SELECT ${isMariaDb ? '@@server_id' : '@@server_uuid'} AS id`, signal);
  return channels.filter((row) => sourceOf(row, isMariaDb) === own?.['id']);
}

interface Sought {
  readonly serverId: string | null;
  readonly address: Address;
}

async function connectAt(source: Server, { serverId, address }: Sought, signal: AbortSignal): Promise<ReplicaSession> {
  const config = { ...source.config, ...address, socketPath: null };
  if (config.ssl?.known.verifyIdentity === true && isIP(config.host) !== 0) {
    // The driver would compare the certificate with "localhost" then.
    throw new MigrationError('BAD_USAGE', `its certificate cannot be checked, for only its address ${config.host} is known`);
  }
  const replica = await connectTo(config, signal);
  return await disposingOnFailure(replica, async () => {
    await checkFollows(source, replica, { serverId, signal });
    return replica;
  });
}

interface Expected {
  readonly serverId: string | null;
  readonly signal: AbortSignal;
}

/** Rejects where it is another server than the source told of, or follows another one. */
async function checkFollows(source: Server, replica: ReplicaSession, { serverId, signal }: Expected): Promise<void> {
  const [itself] = await replica.query('SELECT @@server_id AS id', signal);
  if (serverId !== null && itself?.['id'] !== serverId) {
    throw new MigrationError('UNREACHABLE', `another server than the replica with the server_id ${serverId} answers there`);
  }
  const channels = await channelsFrom(source, await replica.status(signal), signal);
  if (channels.length === 0) throw new MigrationError('UNREACHABLE', 'it does not replicate from this server');
}

function sourceOf(status: Row, isMariaDb: boolean): string | null {
  return (isMariaDb ? status['Master_Server_Id'] : (status['Source_UUID'] ?? status['Master_UUID'])) ?? null;
}
