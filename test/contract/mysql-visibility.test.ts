/** The change stream where commits are logged long before they are visible: a source that waits for its replica. */

import { afterAll, beforeAll } from 'vitest';
import { type Server, startServer } from '../support/servers.ts';
import { describeSideBySide } from '../support/side-by-side.ts';
import { openMysqlFixture } from './mysql-fixture.ts';
import { describeStreamContract } from './stream-contract.ts';

describeSideBySide(['mysql', 'mariadb'], 'a source that waits for its replica keeps the contract on', (flavour) => {
  let source: Server;
  let replica: Server;
  beforeAll(async () => {
    source = await startServer({ flavour, isSemiSync: true });
    replica = await startServer({ flavour, replicaOf: source });
  });
  afterAll(async () => {
    // The source would wait for an answer of the replica while it shuts down.
    await source[Symbol.asyncDispose]();
    await replica[Symbol.asyncDispose]();
  });

  describeStreamContract(() => openMysqlFixture(source.url, replica.url));
});
