/** A PostgreSQL server with a schema and an application for the tests of one file, on which they open change streams. */
import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll } from 'vitest';
import { openChangeStream, type ChangeStreamOptions } from '../../src/postgres/change-stream.ts';
import { ReplicationConnection } from '../../src/postgres/replication-connection.ts';
import { createPublication, createSlot } from '../../src/postgres/replication-slot.ts';
import type { Server as Adapter } from '../../src/postgres/server.ts';
import { createSessionPool } from '../../src/postgres/session-pool.ts';
import type { ChangeStream, OnReconnect } from '../../src/engine/ports.ts';
import { createPostgresSchema, never, openPostgres, openPostgresApplication } from './postgres-adapter.ts';
import { startServer, type PostgresVersion, type Server } from './servers.ts';
import { collect, type CollectedStream } from './stream-collected.ts';

/** The versions that the change stream is tested on: the first and the last. */
export const postgresStreamVersions: readonly PostgresVersion[] = [15, 18];

/** Which table, by which key, and what differs from the usual. */
export interface PostgresStream extends Partial<Omit<ChangeStreamOptions, 'source'>> {
  readonly table: string;
  readonly keyColumns: readonly string[];
  /** Columns that are published; null: all. The key's unless given. */
  readonly columns?: readonly string[] | null;
  /** Whether standbys may keep a copy of the slot (PostgreSQL 17 and later). */
  readonly hasFailover?: boolean;
  readonly onReconnect?: OnReconnect;
}

/** A stream, and the slot and the publication (of the same name) that it reads. They stay when it is closed. */
export interface SlottedStream extends CollectedStream {
  readonly stream: ChangeStream;
  readonly slot: string;
  /** Opens a stream on the same slot, which nobody must read now. */
  readonly reopen: (from: string, options?: Partial<ChangeStreamOptions>) => Promise<SlottedStream>;
}

export interface PostgresStreamFixture extends AsyncDisposable {
  readonly adapter: Adapter;
  /** Opens a stream; it is closed with the fixture, if not before, and its slot dropped. */
  open(stream: PostgresStream): Promise<SlottedStream>;
  /** Closes all streams and drops their slots and publications. */
  clear(): Promise<void>;
}

/** Connects the adapter to a server, for streams on tables of one schema. */
export async function openPostgresStreamFixture(url: string, schema: string): Promise<PostgresStreamFixture> {
  const adapter = await openPostgres(url);
  const sessions = createSessionPool({ sizeMax: 4, open: (signal) => adapter.openSession({}, signal) });
  const streams: CollectedStream[] = [];
  const slots: string[] = [];

  const openOn = async (options: ChangeStreamOptions, onReconnect?: OnReconnect): Promise<SlottedStream> => {
    const stream = await openChangeStream(options, never);
    if (onReconnect !== undefined) stream.watchReconnects?.(onReconnect);
    const collected = collect(stream);
    streams.push(collected);
    const reopen: SlottedStream['reopen'] = (from, more) => openOn({ ...options, from, ...more });
    return { ...collected, slot: options.slot, reopen };
  };

  const clear = async (): Promise<void> => {
    for (const stream of streams.splice(0)) await stream.close();
    await using application = await openPostgresApplication(url);
    for (const slot of slots.splice(0)) {
      const named = `SELECT slot_name, active_pid FROM pg_replication_slots WHERE slot_name = '${slot}'`;
      await application.run(`SELECT pg_terminate_backend(active_pid, 5000) FROM (${named}) AS s WHERE active_pid IS NOT NULL`);
      await application.run(`SELECT pg_drop_replication_slot(slot_name) FROM (${named}) AS s`);
      await application.run(`DROP PUBLICATION IF EXISTS ${slot}`);
    }
  };

  return {
    adapter,
    async open({ table, keyColumns, columns = keyColumns, hasFailover = false, onReconnect, ...more }) {
      const slot = `stream_${randomUUID().slice(0, 8)}`;
      slots.push(slot);
      const source = { schema, table };
      await sessions.withSession((session) => createPublication(session, { name: slot, table: source, columns }, never), never);
      {
        await using connection = await ReplicationConnection.open(adapter.config, slot, never);
        await createSlot(connection, slot, hasFailover, never);
      }
      const [row] = await sessions.withSession(
        (session) =>
          session.query(`SELECT confirmed_flush_lsn AS lsn FROM pg_replication_slots WHERE slot_name = '${slot}'`, never),
        never,
      );
      const from = row?.['lsn'] ?? '';
      const options = { config: adapter.config, sessions, slot, publication: slot, source, keyColumns, from, ...more };
      return await openOn(options, onReconnect);
    },
    clear,
    async [Symbol.asyncDispose]() {
      await clear();
      await sessions[Symbol.asyncDispose]();
      await adapter[Symbol.asyncDispose]();
    },
  };
}

export interface PostgresStreamWorld {
  readonly server: Server;
  readonly schema: string;
  readonly fixture: PostgresStreamFixture;
  /** Runs statements as an application that searches the schema first. */
  readonly run: (sql: string) => Promise<Record<string, string | null>[]>;
  /** Another such application; its connection ends with the tests. */
  readonly connect: () => Promise<(sql: string) => Promise<Record<string, string | null>[]>>;
  /** Opens a stream on table `t` by `id`, or as told; it is closed after the test. */
  readonly open: (stream?: Partial<PostgresStream>) => Promise<SlottedStream>;
}

/** Starts the server before the tests of the describe block, and ends it after them. */
export function usePostgresStreamWorld(
  version: PostgresVersion,
  extraFlags: readonly string[] = [],
): () => PostgresStreamWorld {
  let world: PostgresStreamWorld | null = null;
  const disposals: AsyncDisposable[] = [];

  const connect = async (server: Server, schema: string): Promise<PostgresStreamWorld['run']> => {
    const application = await openPostgresApplication(server.url);
    disposals.push(application);
    // A lock that a failed test left behind must not keep the others waiting.
    await application.run(`SET search_path = ${schema}, pg_catalog; SET lock_timeout = 10000; SET synchronous_commit = local`);
    return (sql) => application.run(sql);
  };

  beforeAll(async () => {
    const server = await startServer({ flavour: 'postgres', version, extraFlags: ['--fsync=off', ...extraFlags] });
    disposals.push(server);
    const schema = await createPostgresSchema(server.url);
    const fixture = await openPostgresStreamFixture(server.url, schema.name);
    disposals.push(schema.application, fixture);
    world = {
      server,
      schema: schema.name,
      fixture,
      run: await connect(server, schema.name),
      connect: () => connect(server, schema.name),
      open: (stream = {}) => fixture.open({ table: 't', keyColumns: ['id'], ...stream }),
    };
  });

  afterEach(async () => {
    await world?.fixture.clear();
  });

  afterAll(async () => {
    for (const disposal of disposals.toReversed()) await disposal[Symbol.asyncDispose]();
  });

  return () => {
    if (world === null) throw new Error('The server is not up yet.');
    return world;
  };
}
