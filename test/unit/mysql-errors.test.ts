/** What numbers of the server's errors mean for the caller. */
import { expect, test } from 'vitest';
import { translate } from '../../src/mysql/errors.ts';

test.each([
  ['a definition that somebody is changing', 1684, 'SERVER_BUSY', true],
  ['a build whose log of writes is full', 1799, 'ONLINE_LOG_FULL', false],
  ['a transaction that a deadlock has undone unnoticed', 4060, 'DEADLOCK', true],
])('%s (error %i) is %s', (_, errno, code, isTransient) => {
  const error = translate(Object.assign(new Error('said'), { errno, sqlState: 'HY000' }), 'Asking');
  expect([error.code, error.isTransient, error.isResumable]).toEqual([code, isTransient, true]);
});
