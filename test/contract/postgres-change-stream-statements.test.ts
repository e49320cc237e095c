/** What ends the change stream: statements on the source and its publication, and messages that are not known. */
import { once } from 'node:events';
import { connect, createServer, type AddressInfo } from 'node:net';
import { beforeEach, describe, expect, test } from 'vitest';
import { changeText } from '../support/stream-collected.ts';
import { postgresStreamVersions, usePostgresStreamWorld } from '../support/stream-postgres.ts';

/** A wire to the server on which the first message of type `from` in a replication stream becomes one of type `to`. */
async function startForger(serverPort: number, from: string, to: string): Promise<AsyncDisposable & { readonly port: number }> {
  // A frame of the copy protocol: 'd', length, 'w', three numbers of eight bytes; then the message.
  const message = new RegExp(`(d[^]{4}w[^]{24})${from}`);
  const forger = createServer((client) => {
    const server = connect(serverPort, '127.0.0.1');
    client.on('error', () => server.destroy()).on('close', () => server.destroy());
    server.on('error', () => client.destroy()).on('close', () => client.destroy());
    client.on('data', (data) => server.write(data));
    server.on('data', (data) => {
      client.write(Buffer.from(data.toString('latin1').replace(message, `$1${to}`), 'latin1'));
    });
  });
  forger.listen(0, '127.0.0.1');
  await once(forger, 'listening');
  return {
    port: (forger.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      forger.close();
      await once(forger, 'close');
    },
  };
}

/** What someone may do to the source, after which changes of it would be missing or wrong. */
const alterations: readonly (readonly [string, string, string])[] = [
  ['is truncated', 'TRUNCATE t CASCADE', 'was truncated'],
  ['is truncated together with another', 'TRUNCATE other, t', 'was truncated'],
  ['gets another name for its key', 'ALTER TABLE t RENAME id TO key', 'got another migration key'],
  ['is renamed', 'ALTER TABLE t RENAME TO u', 'was renamed'],
  ['goes to another schema', 'CREATE SCHEMA IF NOT EXISTS elsewhere; ALTER TABLE t SET SCHEMA elsewhere', 'was renamed'],
  [
    'is joined by another in its publication',
    "DO $$ BEGIN EXECUTE format('ALTER PUBLICATION %I ADD TABLE other', (SELECT pubname FROM pg_publication)); END $$",
    'was added to its publication',
  ],
];

describe.each(postgresStreamVersions)('on PostgreSQL %i', (version) => {
  const world = usePostgresStreamWorld(version);

  beforeEach(async () => {
    await world().run('DROP SCHEMA IF EXISTS elsewhere CASCADE; DROP TABLE IF EXISTS t, u, other CASCADE');
    await world().run('CREATE TABLE t (id integer PRIMARY KEY, v integer)');
    await world().run('CREATE TABLE other (id integer PRIMARY KEY REFERENCES t, v integer)');
  });

  test.each(alterations)('the stream ends when its table %s', async (_what, statements, said) => {
    const { run, open } = world();
    const { failure, changes } = await open();
    await run('INSERT INTO t VALUES (1, 0), (2, 0)');
    expect(await changes()).toEqual(["upsert '1'", "upsert '2'"]);
    await run(statements);
    // One of these tables is still there by its name.
    for (const table of ['t', 'u', 'elsewhere.t']) await run(`INSERT INTO ${table} VALUES (3, 0)`).catch(() => undefined);
    await run('INSERT INTO other VALUES (3, 0)').catch(() => undefined);
    expect(await failure()).toMatchObject({ code: 'SOURCE_CHANGED', message: expect.stringContaining(said) });
  });

  test('the server does not let anyone change the type of a published key', async () => {
    const { run, open } = world();
    await open();
    await expect(run('ALTER TABLE t ALTER id TYPE bigint')).rejects.toThrow(
      'cannot alter type of a column used by a publication',
    );
  });

  test('what a transaction changed before its TRUNCATE does not move the position', async () => {
    const { run, open } = world();
    const { next, start } = await open();
    await run('BEGIN; INSERT INTO t VALUES (1, 0); TRUNCATE t CASCADE; COMMIT');
    const seen: string[] = [];
    const failed = (async () => {
      for (;;) {
        const { changes, position } = await next();
        seen.push(...changes.map(changeText));
        expect(position.order).toBe(start.order);
      }
    })();
    await expect(failed).rejects.toMatchObject({ code: 'SOURCE_CHANGED' });
    expect(seen).toEqual(["upsert '1'"]);
  });

  test('what does not touch the key or its changes does not end the stream', async () => {
    const { run, open } = world();
    const { changes } = await open();
    await run('INSERT INTO t VALUES (1, 0)');
    await run('ALTER TABLE t ADD w text DEFAULT now()::text; ANALYZE t; CREATE INDEX ON t (v)');
    await run('VACUUM FULL t');
    await run('ALTER TABLE t SET (fillfactor = 50); COMMENT ON TABLE t IS $$x$$; GRANT SELECT ON t TO PUBLIC');
    await run('TRUNCATE other');
    await run('INSERT INTO t VALUES (2, 0)');
    expect(await changes()).toEqual(["upsert '1'", "upsert '2'"]);
  });

  test('the stream ends when its publication is dropped', async () => {
    const { run, open } = world();
    const { failure, slot, changes } = await open();
    await run('INSERT INTO t VALUES (1, 0)');
    expect(await changes()).toEqual(["upsert '1'"]);
    await run(`DROP PUBLICATION ${slot}`);
    await run('INSERT INTO t VALUES (2, 0)');
    // Before 18 the server refuses to go on; 18 goes on without the changes, and warns.
    expect(await failure()).toMatchObject({
      code: version < 18 ? 'LOG_PURGED' : 'SOURCE_CHANGED',
      message: expect.stringContaining(`publication "${slot}"`),
    });
  });

  test.each([
    ['of a transaction that streams while it runs', 'B', 'S'],
    ['of a kind that nobody knows', 'I', 'z'],
  ])('a message %s ends the stream', async (_what, from, to) => {
    const { run, open, fixture, server } = world();
    await using forger = await startForger(server.port, from, to);
    const { failure, close } = await open({ config: { ...fixture.adapter.config, port: forger.port } });
    await run('INSERT INTO t VALUES (1, 0)');
    expect(await failure()).toMatchObject({
      code: 'UNKNOWN_LOG_EVENT',
      message: `The log has a message of type "${to}", which is not known here. Nothing was skipped; report it.`,
    });
    await close();
  });
});
