/** Makes the data directory of a streaming standby from a running server on the same machine. */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { dataDirectory } from './server-process.ts';

/** Not needed to recover, or wrong for a copy. Their folders are needed. */
const leftOut: ReadonlySet<string> = new Set([
  'pg_wal',
  'pg_replslot',
  'pg_stat_tmp',
  'pg_dynshmem',
  'pg_notify',
  'pg_subtrans',
]);

/**
 * Copies the source's data into `directory` unless it has data already. A server started there follows the source. The work of
 * pg_basebackup, which the server packages lack.
 */
export async function copyForStandby(sourcePort: number, directory: string): Promise<void> {
  const data = dataDirectory({ directory });
  if (existsSync(data)) return;
  const partial = join(directory, 'standby.partial');
  rmSync(partial, { recursive: true, force: true });
  const client = new pg.Client({ host: '127.0.0.1', port: sourcePort, user: 'postgres', database: 'postgres' });
  await client.connect();
  try {
    const shown = await client.query<{ data_directory: string }>('SHOW data_directory');
    const source = shown.rows[0]?.data_directory ?? '';
    await client.query(`SELECT pg_backup_start('standby', true)`);
    copy(source, partial);
    const stopped = await client.query<{ labelfile: string }>('SELECT labelfile FROM pg_backup_stop(false)');
    writeFileSync(join(partial, 'backup_label'), stopped.rows[0]?.labelfile ?? '');
    writeFileSync(join(partial, 'standby.signal'), '');
    writeFileSync(
      join(partial, 'postgresql.auto.conf'),
      `primary_conninfo = 'host=127.0.0.1 port=${sourcePort} user=postgres application_name=standby'\n`,
    );
    execFileSync('chown', ['--recursive', `--reference=${source}`, partial]);
    execFileSync('chmod', ['0700', partial]);
    execFileSync('mv', [partial, data]);
  } finally {
    await client.end();
  }
}

/** A file may go while it is copied; what recovery needs of it is in the log. */
function copy(from: string, to: string): void {
  mkdirSync(to, { recursive: true });
  for (const name of readdirSync(from)) {
    const path = join(from, name);
    try {
      if (leftOut.has(name)) mkdirSync(join(to, name, ...(name === 'pg_wal' ? ['archive_status'] : [])), { recursive: true });
      else if (statSync(path).isDirectory()) copy(path, join(to, name));
      else if (!name.startsWith('postmaster.')) cpSync(path, join(to, name));
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
    }
  }
}
