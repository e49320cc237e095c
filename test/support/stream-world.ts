/** A private server with a schema and an application for the tests of one file, on which they open change streams. */
import { afterAll, afterEach, beforeAll } from 'vitest';
import { createSchema, openApplication, type TestSchema } from './adapter-server.ts';
import { startServer, type Server } from './servers.ts';
import { openStreamFixture, type CollectedStream, type FixtureStream, type StreamFixture } from './stream-fixture.ts';

/** The servers that the change stream is tested on: what it does differs by GTIDs too. */
export const streamServers = [
  { name: 'MySQL', flavour: 'mysql', flags: [] },
  { name: 'MySQL without GTIDs', flavour: 'mysql', flags: ['--gtid-mode=OFF', '--enforce-gtid-consistency=OFF'] },
  { name: 'MariaDB', flavour: 'mariadb', flags: [] },
] as const satisfies readonly StreamServer[];

export interface StreamServer {
  readonly name: string;
  readonly flavour: 'mysql' | 'mariadb';
  readonly flags: readonly string[];
}

export interface StreamWorld {
  readonly server: Server;
  readonly schema: string;
  readonly fixture: StreamFixture;
  /** Runs a statement as an application whose default database is the schema. */
  readonly run: (sql: string) => Promise<Record<string, unknown>[]>;
  /** Another such application; its connection ends with the tests. */
  readonly connect: () => Promise<(sql: string) => Promise<Record<string, unknown>[]>>;
  /** Opens a stream on table `t` by `id`, or as told. */
  readonly open: (stream?: Partial<FixtureStream>) => Promise<CollectedStream>;
}

/** Starts the server before the tests of the describe block, and ends it after them. */
export function useStreamWorld(on: StreamServer, extraFlags: readonly string[] = []): () => StreamWorld {
  let world: StreamWorld | null = null;
  const disposals: AsyncDisposable[] = [];
  const streams: CollectedStream[] = [];
  const cheap = ['--sync-binlog=0', '--innodb-flush-log-at-trx-commit=0'];

  const connect = async (server: Server, schema: string): Promise<TestSchema['application']['run']> => {
    const application = await openApplication(server.url);
    disposals.push(application);
    await application.run(`USE ${schema}`);
    // A lock that a failed test left behind must not keep the others waiting.
    await application.run("SET time_zone = '+00:00', sql_mode = '', lock_wait_timeout = 10");
    return (sql) => application.run(sql);
  };

  beforeAll(async () => {
    const server = await startServer({ flavour: on.flavour, extraFlags: [...cheap, ...on.flags, ...extraFlags] });
    disposals.push(server);
    const schema = await createSchema(server.url);
    disposals.push(schema);
    const fixture = await openStreamFixture(server.url, schema.name);
    disposals.push(fixture);
    world = {
      server,
      schema: schema.name,
      fixture,
      run: await connect(server, schema.name),
      connect: () => connect(server, schema.name),
      async open(options = {}) {
        const stream = await fixture.open({ schema: schema.name, table: 't', keyColumns: ['id'], ...options });
        streams.push(stream);
        return stream;
      },
    };
  });

  afterEach(async () => {
    for (const stream of streams.splice(0)) await stream.close();
  });

  afterAll(async () => {
    for (const disposal of disposals.toReversed()) await disposal[Symbol.asyncDispose]();
  });

  return () => {
    if (world === null) throw new Error('The server is not up yet.');
    return world;
  };
}
