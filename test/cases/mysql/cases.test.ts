/** Every case folder (test/support/case-folder.ts) on both servers; `-t NAME` runs those with NAME in their name. */
import { describe, expect, test } from 'vitest';
import { casesIn } from '../../support/case-folder.ts';
import { caseTimeoutMs, endingOf, sentenceOf } from '../../support/case-runner.ts';
import { CaseRun } from '../../support/mysql-case-runner.ts';
import { sharedServer } from '../../support/shared-servers.ts';

describe.concurrent.each(['mysql', 'mariadb'] as const)('on %s', (flavour) => {
  const cases = casesIn(import.meta.dirname, flavour).map((item) => [sentenceOf(item), item] as const);

  test.each(cases)('%s', { timeout: caseTimeoutMs }, async (_sentence, item) => {
    await using run = await CaseRun.prepare(sharedServer(flavour), item);
    const { ending, outcome } = await run.migrate();
    expect(ending).toMatch(endingOf(item));
    expect(outcome).toEqual(await run.nativeOutcome());
  });
});
