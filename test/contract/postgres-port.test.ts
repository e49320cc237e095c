/** The PostgreSQL adapter keeps the contract of the ports, on servers whose commits can be held back from sight. */

import { afterAll, beforeAll, describe } from 'vitest';
import { openPostgresApplication } from '../support/postgres-adapter.ts';
import { startServer, type Server } from '../support/servers.ts';
import { describePortContract } from './port-contract.ts';
import { openPostgresFixture } from './postgres-fixture.ts';

describe.each([15, 16, 17, 18] as const)('on a server of version %i', (version) => {
  let server: Server;
  beforeAll(async () => {
    server = await startServer({ flavour: 'postgres', version, extraFlags: ['--synchronous-standby-names=nobody'] });
    await using application = await openPostgresApplication(server.url);
    // Only who asks for it waits for the standby that does not exist.
    await application.run('SET synchronous_commit = local; ALTER ROLE postgres SET synchronous_commit = local');
  });
  afterAll(() => server[Symbol.asyncDispose]());

  describePortContract(`PostgreSQL ${version}`, () => openPostgresFixture(server.url, true));
});
