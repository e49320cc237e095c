/** Who may log in to PostgreSQL, with a password from where, with which grants; and standbys to wait for. */
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type CliEnvironment, lastObject, runCli, startCli } from '../support/cli.ts';
import { openPostgresApplication } from '../support/postgres-adapter.ts';
import { openPostgresShop, type PostgresShop } from '../support/postgres-shop.ts';
import { startServer } from '../support/servers.ts';

/** Has what shells, URLs and password files treat specially. */
const password = 'gh3im"&% #/p@s:s\\';
const encoded = encodeURIComponent(password);
/** Each stands in every form in which the password could show. */
const secrets = [password, encoded, 'gh3im'];

let shop: PostgresShop;
let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tableshift-postgres-login-'));
  chmodSync(folder, 0o755);
  const rules = ['local all all trust', 'host all postgres all trust', 'host replication postgres all trust'];
  writeFileSync(join(folder, 'hba.conf'), [...rules, 'host all mover all scram-sha-256', ''].join('\n'), { mode: 0o644 });
  shop = await openPostgresShop(17, 2_000, [`--hba-file=${join(folder, 'hba.conf')}`]);
  // The grants of the manual, and no others.
  await shop.sql(
    `SET password_encryption = 'scram-sha-256';
     CREATE ROLE app; GRANT CREATE ON SCHEMA public TO app; ALTER TABLE orders OWNER TO app;
     CREATE ROLE mover LOGIN REPLICATION PASSWORD '${password}';
     GRANT app TO mover;
     GRANT CREATE ON DATABASE shop TO mover`,
  );
  writeFileSync(join(folder, 'password'), `${password}\n`, { mode: 0o600 });
  mkdirSync(join(folder, 'home'));
  const line = `*:*:shop:mover:${password}\n`;
  writeFileSync(join(folder, 'home', '.pgpass'), line, { mode: 0o600 });
  writeFileSync(join(folder, 'passfile'), line, { mode: 0o600 });
});
afterAll(async () => {
  await shop[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

const urlOf = (user: string): string => `postgres://${user}@127.0.0.1:${shop.server.port}/shop`;

interface Way {
  readonly name: string;
  readonly args: () => readonly string[];
  readonly environment: () => CliEnvironment;
  readonly isWarned?: true;
}

const ways: readonly Way[] = [
  { name: 'in --url', args: () => ['--url', urlOf(`mover:${encoded}`)], environment: () => ({}), isWarned: true },
  {
    name: 'as a parameter of --url',
    args: () => ['--url', `${urlOf('mover')}?password=${encoded}`],
    environment: () => ({}),
    isWarned: true,
  },
  { name: 'in TABLESHIFT_URL', args: () => [], environment: () => ({ TABLESHIFT_URL: urlOf(`mover:${encoded}`) }) },
  {
    name: 'in TABLESHIFT_PASSWORD, which wins over PGPASSWORD',
    args: () => ['--url', urlOf('mover')],
    environment: () => ({ TABLESHIFT_PASSWORD: password, PGPASSWORD: 'another' }),
  },
  {
    name: 'in --password-file',
    args: () => ['--url', urlOf('mover'), '--password-file', join(folder, 'password')],
    environment: () => ({}),
  },
  {
    name: 'in PGPASSWORD, with the rest in variables too',
    args: () => ['--url', 'postgres://'],
    environment: () => ({
      ...{ PGHOST: '127.0.0.1', PGPORT: String(shop.server.port), PGUSER: 'mover', PGDATABASE: 'shop', PGPASSWORD: password },
    }),
  },
  { name: 'in ~/.pgpass', args: () => ['--url', urlOf('mover')], environment: () => ({ HOME: join(folder, 'home') }) },
  {
    name: 'in PGPASSFILE',
    args: () => ['--url', urlOf('mover')],
    environment: () => ({ PGPASSFILE: join(folder, 'passfile') }),
  },
];

describe.each(ways)('a password $name', ({ args, environment, isWarned }) => {
  test('lets us in, and shows neither in the output, nor in the process list, nor in the books', async () => {
    const clauses = ['--table', 'orders', '--alter', 'ALTER note TYPE varchar(70)', '--output', 'json', '--log-level', 'debug'];
    await using run = startCli(['migrate', ...args(), ...clauses, '--max-latency', '0'], environment());
    await run.lineMatching(/"kind":"plan"/);
    const commandLine = readFileSync(`/proc/${run.child.pid}/cmdline`, 'utf8').replaceAll('\0', '');
    expect(commandLine).toBe('tableshift migrate');
    const result = await run.result;
    expect(result).toMatchObject({
      exitCode: 0,
      stderr: expect.stringMatching(isWarned === true ? /^warning: The password in --url could be read by every/ : /^$/),
    });

    const list = await runCli(['list', ...args(), '--output', 'json'], environment());
    const cleanup = await runCli(['cleanup', ...args(), '--yes', '--now'], environment());
    const books = await shop.sql(
      `SELECT (SELECT json_agg(m)::text FROM tableshift.migrations AS m) AS migrations,
         (SELECT json_agg(c)::text FROM tableshift.checkpoints AS c) AS checkpoints,
         (SELECT json_agg(c)::text FROM tableshift.claims AS c) AS claims`,
    );
    const shown = JSON.stringify([result, list, cleanup, books, readFileSync(shop.server.logFile, 'utf8')]);
    expect(secrets.filter((secret) => shown.includes(secret))).toEqual([]);
    expect(await shop.leftovers()).toEqual([]);
    const [owner] = await shop.sql(`SELECT tableowner FROM pg_tables WHERE tablename = 'orders'`);
    expect(owner).toEqual({ tableowner: 'app' });
  });

  test('that is wrong is refused, and shows nowhere either', async () => {
    await shop.sql(`ALTER ROLE mover PASSWORD 'other'`);
    try {
      const text = await runCli(['list', ...args()], environment());
      const change = ['--table', 'orders', '--alter', 'ADD x INT', '--output', 'json'];
      const json = await runCli(['migrate', ...args(), ...change], environment());
      expect([text.exitCode, json.exitCode]).toEqual([2, 2]);
      expect(text.stderr).toContain('error ACCESS_DENIED: ');
      const shown = JSON.stringify([text, json]);
      expect(secrets.filter((secret) => shown.includes(secret))).toEqual([]);
    } finally {
      await shop.sql(`ALTER ROLE mover PASSWORD '${password}'`);
    }
  });
});

test('a password file that others may read is not used, and that is why the login fails', async () => {
  const file = join(folder, 'open');
  writeFileSync(file, readFileSync(join(folder, 'passfile')), { mode: 0o644 });
  const { exitCode, stderr } = await runCli(['list', '--url', urlOf('mover')], { PGPASSFILE: file });
  expect(exitCode).toBe(2);
  expect(stderr).toContain(
    `: the server wants a password and none was given. The password file ${file} is not used, as others may read it: chmod 600 it.\n`,
  );
});

test('a password in a URL that cannot be read is not shown', async () => {
  for (const url of [
    'postgres://mover:gh3im#x@127.0.0.1/shop',
    'postgres://mover:gh3im@127.0.0.1:port/shop',
    'postgres://mover:gh3im%@h/',
    'postgres://h/shop?password=gh3im&sslmod=require',
    'postgres://h/shop?password=gh3im&sslmode=sometimes',
  ]) {
    const result = await runCli(['list', '--url', url]);
    expect(result.exitCode).toBe(2);
    expect(JSON.stringify(result)).not.toContain('gh3im');
  }
});

test('the TLS options of the command line are those of the URL', async () => {
  const result = await runCli(['list', '--url', urlOf('postgres'), '--ssl-mode', 'required']);
  expect(result.exitCode).toBe(2);
  expect(result.stderr).toContain('error ACCESS_DENIED: ');
  expect(result.stderr).toContain('does not support SSL');
});

test('copying rests while a standby of --replicas does not keep up, and goes on when it does', async () => {
  await using standby = await startServer({ flavour: 'postgres', version: 17, replicaOf: shop.server });
  await using follower = await openPostgresApplication(standby.url);
  await follower.run('SELECT pg_wal_replay_pause()');
  // What it lacks is older than the limit from the first look on.
  await shop.sql('ANALYZE orders');
  await expect
    .poll(() => follower.run("SELECT coalesce(clock_timestamp() - pg_last_xact_replay_timestamp() > '2 s', true) AS is_old"))
    .toEqual([{ is_old: 't' }]);
  await using run = startCli([
    ...['migrate', '--url', shop.url, '--alter', 'ALTER TABLE orders ADD extra int', '--output', 'json'],
    // Small chunks, one after another, so that the standby is asked before the last; and not resting for any other reason.
    ...['--workers', '1', '--chunk-rows-max', '10', '--chunk-time', '10ms', '--max-latency', '0'],
    ...['--replicas', `postgres://127.0.0.1:${standby.port}`, '--max-lag', '1s'],
  ]);
  expect(JSON.parse(await run.lineMatching(/"kind":"throttled"/))).toMatchObject({
    signal: expect.stringMatching(/^(standby lag|replica 127\.0\.0\.1:\d+)$/),
    detail: expect.stringMatching(
      /^it is \d+\.\d s behind.*, the limit is 1 s$|^the standby .* replays |^it is behind and has replayed nothing since/,
    ),
  });
  await follower.run('SELECT pg_wal_replay_resume()');
  await run.lineMatching(/"kind":"throttle-released"/);
  const result = await run.result;
  expect(result.exitCode).toBe(0);
  expect(lastObject(result)).toMatchObject({ state: 'done', rowsCopied: 2_000 });
  await runCli(['cleanup', '--url', shop.url, '--yes', '--now']);
});

test('a server that is no standby, or cannot be asked, counts as a stop', async () => {
  const slowly = ['--workers', '1', '--chunk-rows-max', '10', '--max-latency', '0', '--output', 'json'];
  for (const [replica, detail] of [
    [`postgres://127.0.0.1:${shop.server.port}`, 'it is no standby'],
    ['postgres://127.0.0.1:1', expect.stringMatching(/^replica 127\.0\.0\.1:1 cannot be asked: Connecting to 127\.0\.0\.1:1 /)],
  ]) {
    const change = ['--url', shop.url, '--alter', 'ALTER TABLE orders DROP COLUMN IF EXISTS extra'];
    await using run = startCli(['migrate', ...change, ...slowly, '--replicas', String(replica)]);
    expect(JSON.parse(await run.lineMatching(/"kind":"throttled"/))).toMatchObject({ detail });
    run.child.kill('SIGINT');
    const { id } = lastObject(await run.result);
    expect((await runCli(['cleanup', '--url', shop.url, String(id)])).exitCode).toBe(0);
  }
  expect(await shop.leftovers()).toEqual([]);
});
