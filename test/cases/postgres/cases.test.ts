/** Every case folder (test/support/case-folder.ts) on PostgreSQL; `-t NAME` runs those with NAME in their name. */
import { describe, expect, test } from 'vitest';
import { casesIn } from '../../support/case-folder.ts';
import { caseTimeoutMs, endingOf, sentenceOf } from '../../support/case-runner.ts';
import { PostgresCaseRun } from '../../support/postgres-case-runner.ts';
import { type SharedServer, sharedServer } from '../../support/shared-servers.ts';

/** What differs between versions began with 16, 17 or 18, so that the oldest and the newest show nearly all of it. */
const servers: readonly SharedServer[] = process.env['TABLESHIFT_ALL_VERSIONS']
  ? ['postgres-15', 'postgres-16', 'postgres-17', 'postgres-18']
  : ['postgres-15', 'postgres-18'];

describe.concurrent.each(servers)('on %s', (server) => {
  const cases = casesIn(import.meta.dirname, server).map((item) => [sentenceOf(item), item] as const);

  test.each(cases)('%s', { timeout: caseTimeoutMs }, async (_sentence, item) => {
    await using run = await PostgresCaseRun.prepare(sharedServer(server), item);
    const { ending, ...outcome } = await run.migrate();
    expect(ending).toMatch(endingOf(item));
    expect(outcome).toEqual(await run.nativeOutcome());
  });
});
