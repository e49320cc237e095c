/** What a plan says of the files of the log that a copy will need. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newSegmentNotes } from '../../src/postgres/new-segments.ts';
import { never, openPostgres, openPostgresApplication, type PostgresApplication } from '../support/postgres-adapter.ts';
import { type Server, startServer } from '../support/servers.ts';

const MIB = 1024 ** 2;

describe.each([15, 18] as const)('the files of the log on PostgreSQL %i', (version) => {
  let server: Server;
  let application: PostgresApplication;
  beforeAll(async () => {
    server = await startServer({
      flavour: 'postgres',
      version,
      extraFlags: ['--wal-keep-size=0', '--min-wal-size=1GB', '--autovacuum=off'],
    });
    application = await openPostgresApplication(server.url);
    await application.run('CREATE ROLE ordinary LOGIN; CREATE ROLE watcher LOGIN IN ROLE pg_monitor');
  });
  afterAll(async () => {
    await application[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
  });

  const notesFor = async (mib: number, role: string): Promise<readonly string[]> => {
    await using reached = await openPostgres(server.url.replace(/\/\/[^@/]*@/, `//${role}@`));
    await using session = await reached.openSession({}, never);
    return await newSegmentNotes(session, { dataBytes: (mib - 1) * MIB, indexBytes: MIB }, never);
  };

  test('a new server has none at hand, and one that has been at work those that a checkpoint left over', async () => {
    await expect(notesFor(300, 'watcher')).resolves.toEqual([
      expect.stringContaining('Copying writes some 300 MiB of log, and the server has files for 0 MiB of it at hand'),
    ]);
    await application.run("SELECT pg_logical_emit_message(false, '', repeat('x', 16777216)) FROM generate_series(1, 10)");
    await application.run('CHECKPOINT');
    await application.run('SELECT pg_switch_wal()');
    await application.run('CHECKPOINT');
    const [row] = await application.run(
      'SELECT count(*) - 1 AS files FROM pg_ls_waldir() WHERE name >= pg_walfile_name(pg_current_wal_insert_lsn())',
    );
    const files = Number(row?.['files']);
    expect(files).toBeGreaterThanOrEqual(5);
    expect(files).toBeLessThanOrEqual(15);
    await expect(notesFor(16 * files + 255, 'watcher')).resolves.toEqual([]);
    await expect(notesFor(16 * files + 256, 'watcher')).resolves.toHaveLength(1);
  });

  test('nothing is said where they cannot be listed, or are made without work', async () => {
    await expect(notesFor(1_000_000, 'watcher')).resolves.toHaveLength(1);
    await expect(notesFor(1_000_000, 'ordinary')).resolves.toEqual([]);
    await application.run('ALTER ROLE watcher SET wal_init_zero = off');
    await expect(notesFor(1_000_000, 'watcher')).resolves.toEqual([]);
  });
});
