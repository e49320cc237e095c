/** The command line of scripts/servers. */
import { parseArgs } from 'node:util';
import {
  findSharedServer,
  sharedServerNames,
  sharedServers,
  startShared,
  stopShared,
  versionOf,
  type SharedServer,
} from '../test/support/shared-servers.ts';
import { installServer } from '../test/support/server-software.ts';

const usage = `Real MySQL, MariaDB and PostgreSQL servers for tests, without installing anything on the machine.

  scripts/servers install [SERVER...]           download and unpack, into TABLESHIFT_CACHE or ~/.cache/tableshift
  scripts/servers up [SERVER...] [-- FLAG...]   start, unless it runs; flags go to the server, after the usual ones
      --replica      and a read-only replica of the mysql server
      --semisync     commit waits for the replica (AFTER_SYNC)
  scripts/servers env                           print the URLs of those that run:  export $(scripts/servers env)
  scripts/servers down [SERVER...] [--all]      stop; --all deletes the data too

SERVER is mysql, mariadb, postgres-15, postgres-16, postgres-17 or postgres-18, and postgres is all of these four;
without one, up means mysql and mariadb, and install and down mean all.

TABLESHIFT_SERVERS      the folder of this set of servers (.servers); another folder is another set, with its own ports
TABLESHIFT_BUFFER_POOL  innodb_buffer_pool_size and shared_buffers (512M)`;

/** Those that a command may name. */
const startable = sharedServerNames.filter((name) => name !== 'mysql-replica');

async function main(args: readonly string[]): Promise<void> {
  const split = args.indexOf('--');
  const flags = split === -1 ? [] : args.slice(split + 1);
  const { values, positionals } = parseArgs({
    args: split === -1 ? [...args] : args.slice(0, split),
    allowPositionals: true,
    options: { replica: { type: 'boolean' }, semisync: { type: 'boolean' }, all: { type: 'boolean' } },
  });
  const [command = '', ...names] = positionals;
  const isNamed = (name: SharedServer): boolean => names.includes(name) || names.includes(sharedServers[name].flavour);
  const chosen = startable.filter((name) => names.length === 0 || isNamed(name));
  const isUnknown = names.some((name) => name !== 'postgres' && !startable.some((one) => one === name));
  const isSemiSync = values.semisync === true;
  const commands = new Map<string, () => Promise<void>>([
    [
      'install',
      async () => {
        for (const name of chosen) await installServer(sharedServers[name].flavour, versionOf(name));
      },
    ],
    [
      'up',
      async () => {
        const started = names.length > 0 ? chosen : (['mysql', 'mariadb'] as const);
        for (const name of started) await startShared(name, { isSemiSync: isSemiSync && name === 'mysql', flags });
        if (values.replica) await startShared('mysql-replica', { isSemiSync, flags });
        printUrls();
      },
    ],
    ['env', async () => printUrls()],
    [
      'down',
      () => {
        const stopped = sharedServerNames.filter((name) => names.length === 0 || isNamed(name));
        return stopShared(stopped, { deletesData: values.all === true });
      },
    ],
  ]);
  const perform = commands.get(command);
  if (perform === undefined || isUnknown) {
    console.error(usage);
    process.exitCode = 2;
  } else {
    await perform();
  }
}

function printUrls(): void {
  for (const name of sharedServerNames) {
    const url = findSharedServer(name);
    if (url !== undefined) console.log(`${sharedServers[name].variable}=${url}`);
  }
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
