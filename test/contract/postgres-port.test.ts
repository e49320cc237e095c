/** The PostgreSQL adapter keeps the contract of the ports, on servers whose commits can be held back from sight. */

import { afterAll, beforeAll } from 'vitest';
import { openPostgresApplication } from '../support/postgres-adapter.ts';
import { startServer, type Server } from '../support/servers.ts';
import { describeSideBySide } from '../support/side-by-side.ts';
import { describePortContract } from './port-contract.ts';
import { openPostgresFixture } from './postgres-fixture.ts';

describeSideBySide([15, 16, 17, 18] as const, 'on a server of version', (version) => {
  let server: Server;
  beforeAll(async () => {
    const extraFlags = ['--synchronous-standby-names=nobody'];
    server = await startServer({ flavour: 'postgres', version, extraFlags });
    await using application = await openPostgresApplication(server.url);
    // Only who asks for it waits for the standby that does not exist.
    await application.run('SET synchronous_commit = local; ALTER ROLE postgres SET synchronous_commit = local');
  });
  afterAll(() => server[Symbol.asyncDispose]());

  describePortContract(`PostgreSQL ${version}`, () => openPostgresFixture(server.url, true));
});
