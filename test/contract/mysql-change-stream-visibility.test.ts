/** Between log and engine: what the stream delivers is not there yet for a reader, until `awaitVisible` says so. */
import { describe, expect, test } from 'vitest';
import type { ChangeBatch } from '../../src/engine/ports.ts';
import { createSchema, never, openApplication } from '../support/adapter-server.ts';
import { semiSyncReplicaFlags } from '../support/replication.ts';
import { startServer, type Server } from '../support/servers.ts';
import { openStreamFixture, type CollectedStream } from '../support/stream-fixture.ts';
import { streamServers, useStreamWorld } from '../support/stream-world.ts';

const ioThread = {
  mysql: ['STOP REPLICA IO_THREAD', 'START REPLICA IO_THREAD'],
  mariadb: ['STOP SLAVE IO_THREAD', 'START SLAVE IO_THREAD'],
};
const patience = {
  mysql: '--loose-rpl-semi-sync-source-timeout=3600000',
  mariadb: '--rpl-semi-sync-master-timeout=3600000',
};

/** Reads until a batch has changes. */
async function firstChange({ next }: CollectedStream): Promise<ChangeBatch> {
  for (;;) {
    const batch = await next();
    if (batch.changes.length > 0) return batch;
  }
}

/** A semi-synchronous replica; where there are no GTIDs it follows by file and offset. */
async function startReplica(source: Server, flags: readonly string[]): Promise<Server> {
  if (flags.length === 0) return startServer({ flavour: source.flavour, replicaOf: source });
  const replica = await startServer({ flavour: 'mysql', extraFlags: [...flags, ...semiSyncReplicaFlags.mysql] });
  await using application = await openApplication(replica.url);
  await application.run(
    `CHANGE REPLICATION SOURCE TO SOURCE_HOST = '127.0.0.1', SOURCE_PORT = ${source.port}, SOURCE_USER = 'root',
      GET_SOURCE_PUBLIC_KEY = 1, SOURCE_LOG_FILE = 'binlog.000001', SOURCE_LOG_POS = 4`,
  );
  await application.run('START REPLICA');
  await using atSource = await openApplication(source.url);
  const clients = async (): Promise<number> => {
    const [row] = await atSource.run("SHOW GLOBAL STATUS LIKE 'Rpl_semi_sync_source_clients'");
    return Number(row?.['Value']);
  };
  while ((await clients()) === 0) await atSource.run('SELECT SLEEP(0.05)');
  return replica;
}

describe('on MySQL without GTIDs', () => {
  const world = useStreamWorld(streamServers[1]);

  test('nothing is taken for visible while commits need not keep the order of the log', async () => {
    const { run, open } = world();
    await run('CREATE TABLE t (id INT PRIMARY KEY)');
    const stream = await open();
    await stream.stream.awaitVisible(stream.start, never);
    await run('SET GLOBAL binlog_order_commits = OFF');
    await run('INSERT INTO t VALUES (1)');
    const { reach } = await firstChange(stream);
    await expect(stream.stream.awaitVisible(reach, never)).rejects.toMatchObject({
      code: 'STREAM_BROKEN',
      message: expect.stringContaining('binlog_order_commits was switched off'),
    });
    await run('SET GLOBAL binlog_order_commits = ON');
    await stream.stream.awaitVisible(reach, never);
  });
});

describe.each(streamServers)('on $name', ({ flavour, flags }) => {
  test('a change whose commit waits for a replica is delivered, and awaited until it can be read', async () => {
    await using source = await startServer({ flavour, isSemiSync: true, extraFlags: [...flags, patience[flavour]] });
    await using replica = await startReplica(source, flags);
    await using schema = await createSchema(source.url);
    await using fixture = await openStreamFixture(source.url, schema.name);
    await using atReplica = await openApplication(replica.url);
    await using writer = await openApplication(source.url);
    await schema.application.run(`CREATE TABLE ${schema.name}.t (id INT PRIMARY KEY)`);
    const rows = async (): Promise<unknown> => schema.application.run(`SELECT id FROM ${schema.name}.t`);
    const [stop = '', start = ''] = ioThread[flavour];

    const impatient = await fixture.open({
      schema: schema.name,
      table: 't',
      keyColumns: ['id'],
      limits: { visibilityTimeoutMs: 1_000 },
    });
    const patient = await fixture.open({ schema: schema.name, table: 't', keyColumns: ['id'] });
    await impatient.stream.awaitVisible(impatient.start, never);

    await atReplica.run(stop);
    const writing = writer.run(`INSERT INTO ${schema.name}.t VALUES (1)`);
    const batch = await firstChange(impatient);
    expect(batch.changes).toEqual([{ key: '1', kind: 'upsert' }]);
    expect(await rows()).toEqual([]);
    await expect(impatient.stream.awaitVisible(batch.reach, never)).rejects.toMatchObject({ code: 'VISIBILITY_TIMEOUT' });
    expect(await rows()).toEqual([]);

    const { reach } = await firstChange(patient);
    const seenThen = patient.stream.awaitVisible(reach, never).then(rows);
    await atReplica.run(start);
    expect(await seenThen).toEqual([{ id: 1 }]);
    await writing;
  });
});
