/** What errors of PostgreSQL mean for the caller. */
import { expect, test } from 'vitest';
import { refusalIn, translate } from '../../src/postgres/errors.ts';

test.each([
  ['a wrong statement', '42601', true],
  ['a row that does not fit', '23514', true],
  ['a privilege that is lacking', '42501', true],
  ['a lock that was not had', '55P03', false],
  ['a deadlock', '40P01', false],
  ['a session that somebody ended', '57P01', false],
  ['a full disk', '53100', false],
])('%s (%s) is a refusal of the statement: %s', (_, code, is) => {
  const thrown = Object.assign(new Error('said'), { code, severity: 'ERROR' });
  expect(refusalIn(translate(thrown, 'Trying'))?.message ?? null).toBe(is ? 'said' : null);
});
