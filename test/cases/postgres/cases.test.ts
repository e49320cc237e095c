/** Every case folder (test/support/case-folder.ts) on PostgreSQL; `-t NAME` runs those with NAME in their name. */
import { describe, expect, test } from 'vitest';
import { casesIn } from '../../support/case-folder.ts';
import { caseTimeoutMs, endingOf, sentenceOf } from '../../support/case-runner.ts';
import { PostgresCaseRun } from '../../support/postgres-case-runner.ts';
import { sharedServer, testedPostgres } from '../../support/shared-servers.ts';

describe.concurrent.each(testedPostgres)('on %s', (server) => {
  const cases = casesIn(import.meta.dirname, server).map((item) => [sentenceOf(item), item] as const);

  test.each(cases)('%s', { timeout: caseTimeoutMs }, async (_sentence, item) => {
    await using run = await PostgresCaseRun.prepare(sharedServer(server), item);
    const { ending, outcome } = await run.migrate();
    expect(ending).toMatch(endingOf(item));
    expect(outcome).toEqual(await run.nativeOutcome());
  });
});
