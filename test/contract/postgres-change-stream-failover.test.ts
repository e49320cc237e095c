/** A slot that a standby keeps in step (PostgreSQL 17 and later) may be ahead of the data that the standby has when it takes over. */
import { describe, expect, test } from 'vitest';
import { openChangeStream } from '../../src/postgres/change-stream.ts';
import { createSessionPool } from '../../src/postgres/session-pool.ts';
import { never, openPostgres, openPostgresApplication, type PostgresApplication } from '../support/postgres-adapter.ts';
import { startServer, type Server } from '../support/servers.ts';
import { openPostgresStreamFixture } from '../support/stream-postgres.ts';

/** A standby that keeps its slots in step. */
async function startStandby(source: Server, application: PostgresApplication): Promise<Server> {
  await application.run("SELECT pg_create_physical_replication_slot('standby', true)");
  return await startServer({
    flavour: 'postgres',
    replicaOf: source,
    extraFlags: [
      '--fsync=off',
      '--hot-standby-feedback=on',
      '--sync-replication-slots=on',
      '--primary-slot-name=standby',
      `--primary-conninfo=host=127.0.0.1 port=${source.port} user=postgres application_name=standby dbname=postgres`,
    ],
  });
}

describe('on PostgreSQL 18', () => {
  test('a standby that must have the log first and is away is told as a warning, and the stream goes on when it is waited for no more', async () => {
    await using server = await startServer({ flavour: 'postgres', version: 18, extraFlags: ['--fsync=off'] });
    await using application = await openPostgresApplication(server.url);
    const name = 'shop';
    await application.run(`CREATE SCHEMA ${name}; CREATE TABLE ${name}.t (id integer PRIMARY KEY)`);
    const waitFor = async (standbys: string): Promise<void> => {
      await application.run(`ALTER SYSTEM SET synchronized_standby_slots = '${standbys}'`);
      await application.run('SELECT pg_reload_conf()');
      const isLoaded = `SELECT 1 WHERE current_setting('synchronized_standby_slots') = '${standbys}'`;
      while ((await application.run(isLoaded)).length === 0);
    };
    await application.run("SELECT pg_create_physical_replication_slot('away', true)");
    await waitFor('away');
    await using fixture = await openPostgresStreamFixture(server.url, name);
    const { changes, stream } = await fixture.open({ table: 't', keyColumns: ['id'], hasFailover: true });
    const warnings: string[] = [];
    const warned = new Promise<void>((resolve) => {
      stream.watchWarnings?.((message) => {
        warnings.push(message);
        resolve();
      });
    });

    await application.run(`INSERT INTO ${name}.t VALUES (1)`);
    const received = changes();
    await warned;
    await waitFor('');
    expect(await received).toEqual(["upsert '1'"]);
    expect(new Set(warnings).size).toBe(warnings.length);
    expect(warnings[0]).toBe(
      'replication slot "away" specified in parameter "synchronized_standby_slots" does not have active_pid. ' +
        'Logical replication is waiting on the standby associated with replication slot "away".',
    );
  });

  test('a standby that takes over with its slot ahead of its data gives no stream, instead of one that leaves changes out', async () => {
    await using source = await startServer({ flavour: 'postgres', version: 18, extraFlags: ['--fsync=off'] });
    await using application = await openPostgresApplication(source.url);
    const name = 'shop';
    await application.run(
      `CREATE SCHEMA ${name}; CREATE TABLE ${name}.t (id integer PRIMARY KEY); CREATE TABLE ${name}.saved (position pg_lsn)`,
    );
    await using standby = await startStandby(source, application);
    await using atStandby = await openPostgresApplication(standby.url);
    await using fixture = await openPostgresStreamFixture(source.url, name);
    const { catchUp, stream, slot, start, close } = await fixture.open({ table: 't', keyColumns: ['id'], hasFailover: true });
    const received = async (): Promise<void> => {
      const [row] = await application.run('SELECT pg_current_wal_flush_lsn() AS lsn');
      while ((await atStandby.run(`SELECT 1 WHERE pg_last_wal_replay_lsn() >= '${row?.['lsn']}'`)).length === 0);
    };
    /** What the engine does: the checkpoint first, and only then does the server learn of it. */
    const save = async (position: typeof start): Promise<void> => {
      await application.run(`DELETE FROM ${name}.saved; INSERT INTO ${name}.saved VALUES ('${position.token}')`);
      await stream.acknowledge(position, never);
      const confirmed = `SELECT 1 FROM pg_replication_slots WHERE slot_name = '${slot}' AND confirmed_flush_lsn = '${position.token}'`;
      while ((await application.run(confirmed)).length === 0);
    };
    const isSynced = `SELECT 1 FROM pg_replication_slots WHERE slot_name = '${slot}' AND synced AND NOT temporary`;
    do {
      await application.run('SELECT pg_log_standby_snapshot()');
      await save((await catchUp()).at(-1)?.position ?? start);
      await received();
    } while ((await atStandby.run(isSynced)).length === 0);
    const [before] = await application.run(`SELECT position FROM ${name}.saved`);

    await application.run(`INSERT INTO ${name}.t VALUES (1)`);
    const position = (await catchUp()).at(-1)?.position ?? start;
    await received();
    // From here on the standby gets no more data, but the position of the slot.
    const [receiver] = await atStandby.run('SELECT pid FROM pg_stat_wal_receiver');
    process.kill(Number(receiver?.['pid']), 'SIGSTOP');
    await save(position);
    const hasFollowed = `SELECT 1 FROM pg_replication_slots WHERE slot_name = '${slot}' AND confirmed_flush_lsn = '${position.token}'`;
    while ((await atStandby.run(hasFollowed)).length === 0);
    await close();
    await source.kill9();
    // What waits in its socket is lost with it.
    process.kill(Number(receiver?.['pid']), 'SIGTERM');
    process.kill(Number(receiver?.['pid']), 'SIGCONT');
    await atStandby.run('SELECT pg_promote()');

    const [saved] = await atStandby.run(`SELECT position FROM ${name}.saved`);
    expect(saved?.['position']).toBe(before?.['position']);
    await using adapter = await openPostgres(standby.url);
    await using sessions = createSessionPool({ sizeMax: 2, open: (signal) => adapter.openSession({}, signal) });
    const opening = openChangeStream(
      {
        config: adapter.config,
        sessions,
        slot,
        publication: slot,
        source: { schema: name, table: 't' },
        keyColumns: ['id'],
        from: saved?.['position'] ?? '',
      },
      never,
    );
    const refusal: unknown = await opening.catch((error: unknown) => error);
    await source.restart();
    expect(refusal).toMatchObject({
      code: 'LOG_PURGED',
      message: expect.stringContaining('ahead of what this migration has applied'),
    });
  });
});
