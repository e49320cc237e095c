import mysql from 'mysql2/promise';
import pg from 'pg';
import { describe, expect, test } from 'vitest';
import { postgresVersions } from '../support/postgres-software.ts';
import { startServer, type Flavour, type Server } from '../support/servers.ts';

describe.each<{ flavour: Flavour; version: RegExp }>([
  { flavour: 'mysql', version: /^9\.7\./ },
  { flavour: 'mariadb', version: /^10\.11\..*MariaDB/ },
])('a private $flavour server', ({ flavour, version }) => {
  test('answers, keeps its data over a restart, and recovers what was committed before a kill', async () => {
    await using server = await startServer({ flavour, extraFlags: ['--max-connections=77'] });
    const url = server.url;
    expect(await ask(server, 'SELECT VERSION() AS v')).toEqual([{ v: expect.stringMatching(version) }]);
    expect(await ask(server, 'SELECT @@max_connections AS n, @@log_bin AS b')).toEqual([{ n: 77, b: 1 }]);
    await ask(server, 'CREATE DATABASE app', 'CREATE TABLE app.t (id INT PRIMARY KEY)', 'INSERT INTO app.t VALUES (1)');

    const firstPid = server.pid;
    await server.restart();
    expect(server.pid).not.toBe(firstPid);
    await ask(server, 'INSERT INTO app.t VALUES (2)');

    await server.kill9();
    await expect(ask(server, 'SELECT 1')).rejects.toThrow('ECONNREFUSED');
    await server.restart();
    expect(server.url).toBe(url);
    expect(await ask(server, 'SELECT id FROM app.t ORDER BY id')).toEqual([{ id: 1 }, { id: 2 }]);
  });

  test('commits semi-synchronously to a replica that takes no writes', async () => {
    await using source = await startServer({ flavour, isSemiSync: true });
    await using replica = await startServer({ flavour, replicaOf: source });
    const clients = flavour === 'mysql' ? 'Rpl_semi_sync_source_clients' : 'Rpl_semi_sync_master_clients';
    const acknowledged = flavour === 'mysql' ? 'Rpl_semi_sync_source_yes_tx' : 'Rpl_semi_sync_master_yes_tx';
    await expect.poll(() => ask(source, `SHOW GLOBAL STATUS LIKE '${clients}'`)).toMatchObject([{ Value: '1' }]);
    await ask(source, 'CREATE DATABASE app', 'CREATE TABLE app.t (id INT PRIMARY KEY)', 'INSERT INTO app.t VALUES (1)');
    expect(await ask(source, `SHOW GLOBAL STATUS LIKE '${acknowledged}'`)).toMatchObject([{ Value: '3' }]);
    await expect.poll(() => ask(replica, 'SELECT id FROM app.t').catch(() => [])).toEqual([{ id: 1 }]);
    expect(await ask(replica, 'SELECT @@read_only AS r')).toEqual([{ r: 1 }]);
  });
});

describe.each(postgresVersions)('a private PostgreSQL %i server', (version) => {
  test('answers, keeps its data over a restart, and recovers what was committed before a kill', async () => {
    await using server = await startServer({ flavour: 'postgres', version, extraFlags: ['--max-connections=77'] });
    const url = server.url;
    expect(await ask(server, 'SHOW server_version')).toEqual([
      { server_version: expect.stringMatching(new RegExp(`^${version}\\.`)) },
    ]);
    expect(await ask(server, 'SHOW max_connections')).toEqual([{ max_connections: '77' }]);
    expect(await ask(server, 'SHOW wal_level')).toEqual([{ wal_level: 'logical' }]);
    await ask(server, 'CREATE TABLE t (id int PRIMARY KEY)', 'INSERT INTO t VALUES (1)');

    const firstPid = server.pid;
    await server.restart();
    expect(server.pid).not.toBe(firstPid);
    await ask(server, 'INSERT INTO t VALUES (2)');

    await server.kill9();
    await expect(ask(server, 'SELECT 1')).rejects.toThrow('ECONNREFUSED');
    await server.restart();
    expect(server.url).toBe(url);
    expect(await ask(server, 'SELECT id FROM t ORDER BY id')).toEqual([{ id: 1 }, { id: 2 }]);
  });

  test('commits only when its standby has the change, and the standby takes no writes', async () => {
    await using source = await startServer({ flavour: 'postgres', version, isSemiSync: true });
    await using standby = await startServer({ flavour: 'postgres', version, replicaOf: source });
    await ask(source, 'CREATE TABLE t (id int PRIMARY KEY)', 'INSERT INTO t VALUES (1)');
    expect(await ask(source, 'SELECT application_name, state, sync_state FROM pg_stat_replication')).toEqual([
      { application_name: 'standby', state: 'streaming', sync_state: 'sync' },
    ]);
    await expect.poll(() => ask(standby, 'SELECT id FROM t').catch(() => [])).toEqual([{ id: 1 }]);
    await expect(ask(standby, 'INSERT INTO t VALUES (2)')).rejects.toThrow('read-only transaction');
  });
});

/** Runs statements in one session; the rows of the last. */
async function ask(server: Server, ...statements: readonly string[]): Promise<unknown> {
  return server.flavour === 'postgres' ? askPostgres(server, statements) : askMysql(server, statements);
}

async function askPostgres(server: Server, statements: readonly string[]): Promise<unknown> {
  const client = new pg.Client({ connectionString: server.url });
  client.on('error', () => {});
  await client.connect();
  try {
    let last: unknown;
    for (const statement of statements) last = (await client.query(statement)).rows;
    return last;
  } finally {
    await client.end();
  }
}

async function askMysql(server: Server, statements: readonly string[]): Promise<unknown> {
  const connection = await mysql.createConnection(server.url.replace('mariadb:', 'mysql:'));
  try {
    let last: unknown;
    for (const statement of statements) [last] = await connection.query(statement);
    return last;
  } finally {
    connection.destroy();
  }
}
