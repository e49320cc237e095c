/** That a run goes on when its password becomes another one, where it can be read again. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type CliProcess, type CliResult, lastObject, runCli, startCli } from '../support/cli.ts';
import { openPostgresShop } from '../support/postgres-shop.ts';
import type { Flavour } from '../support/servers.ts';
import { openShop } from '../support/shop.ts';

/** A server on which `mover` may do everything. */
interface Vault extends AsyncDisposable {
  /** Of the administrator, who needs no password. */
  readonly url: string;
  readonly urlOfMover: string;
  setPassword(password: string): Promise<void>;
  /** Ends the connection by which the log is read. */
  cutStream(): Promise<void>;
}

async function openMysqlVault(flavour: Flavour): Promise<Vault> {
  const shop = await openShop(flavour, 2_000);
  await shop.sql("CREATE USER mover@'%'", "GRANT ALL ON *.* TO mover@'%'");
  return {
    url: shop.url,
    urlOfMover: shop.url.replace('root@', 'mover@'),
    setPassword: async (password) => void (await shop.sql(`ALTER USER mover@'%' IDENTIFIED BY '${password}'`)),
    async cutStream() {
      const readers = "SELECT ID AS id FROM information_schema.PROCESSLIST WHERE COMMAND LIKE 'Binlog Dump%'";
      const [rows = []] = await shop.sql(readers);
      expect(rows).toHaveLength(1);
      await shop.sql(`KILL ${String(rows[0]?.['id'])}`);
    },
    [Symbol.asyncDispose]: () => shop[Symbol.asyncDispose](),
  };
}

async function openPostgresVault(): Promise<Vault> {
  const folder = mkdtempSync(join(tmpdir(), 'tableshift-hba-'));
  chmodSync(folder, 0o755);
  const rules = ['local all all trust', 'host all postgres all trust', 'host all mover all scram-sha-256', ''];
  writeFileSync(join(folder, 'hba.conf'), rules.join('\n'), { mode: 0o644 });
  const shop = await openPostgresShop(18, 2_000, [`--hba-file=${join(folder, 'hba.conf')}`]);
  await shop.sql('CREATE ROLE mover LOGIN SUPERUSER');
  return {
    url: shop.url,
    urlOfMover: shop.url.replace('postgres@', 'mover@'),
    setPassword: async (password) => void (await shop.sql(`ALTER ROLE mover PASSWORD '${password}'`)),
    async cutStream() {
      expect(await shop.sql('SELECT pg_terminate_backend(pid) FROM pg_stat_replication')).toHaveLength(1);
    },
    async [Symbol.asyncDispose]() {
      await shop[Symbol.asyncDispose]();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

const servers = [
  ['mysql', () => openMysqlVault('mysql')],
  ['mariadb', () => openMysqlVault('mariadb')],
  ['postgres-18', openPostgresVault],
] as const;

describe.each(servers)('on %s', (_, openVault) => {
  let folder: string;
  let vault: Vault;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'tableshift-secrets-'));
    vault = await openVault();
  });
  afterAll(async () => {
    await vault[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  });

  const secret = (): string => join(folder, 'secret');
  const rotate = async (password: string): Promise<void> => {
    await vault.setPassword(password);
    writeFileSync(secret(), `${password}\n`, { mode: 0o600 });
  };
  const socket = (): string => join(folder, 'control.sock');
  const change = ['--table', 'orders', '--cutover', 'manual', '--max-latency', '0', '--output', 'json'];

  const start = (way: readonly string[], column: string): CliProcess =>
    startCli(['migrate', '--url', vault.urlOfMover, '--socket', socket(), ...way, ...change, '--alter', `ADD ${column} int`]);
  const swapped = async (run: CliProcess): Promise<CliResult> => {
    expect(await runCli(['control', '--socket', socket(), 'cutover'])).toMatchObject({ exitCode: 0 });
    return await run.result;
  };

  test('a password file is read again when the server refuses the swap’s sessions', async () => {
    await rotate('first');
    await using run = start(['--password-file', secret()], 'extra_a');
    await run.lineMatching(/"cutover-awaited"/);
    await rotate('second');
    expect(await swapped(run)).toMatchObject({ exitCode: 0 });
  });

  test('a password command is run again when the server refuses the stream, until it tells the new password', async () => {
    await rotate('first');
    await using run = start(['--password-command', `cat '${secret()}'`], 'extra_b');
    await run.lineMatching(/"cutover-awaited"/);
    await vault.setPassword('second');
    await vault.cutStream();
    await run.lineMatching(/"retrying"/);
    writeFileSync(secret(), 'second\n');
    expect(await swapped(run)).toMatchObject({ exitCode: 0 });
  });

  test('a password that cannot be read again ends the run with the reason, and it can be resumed', async () => {
    await rotate('first');
    const command = ['--password-command', `cat '${secret()}' || { echo the vault is sealed >&2; exit 3; }`];
    await using run = start(command, 'extra_c');
    await run.lineMatching(/"cutover-awaited"/);
    await vault.setPassword('second');
    rmSync(secret());
    await vault.cutStream();
    const result = await run.result;
    expect(result.stderr).toMatch(
      /^error PRIVILEGE_NEEDED: The server refused the password, and it cannot be read again: The password command ended with 3: .*the vault is sealed/,
    );
    const { id } = lastObject(result) as { readonly id: string };
    writeFileSync(secret(), 'second\n', { mode: 0o600 });
    const goOn = ['resume', id, '--url', vault.urlOfMover, ...command, '--max-latency', '0'];
    expect(await runCli(goOn)).toMatchObject({ exitCode: 0 });
  });
});
