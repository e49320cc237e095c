/** Limits of an account that a run would meet. */
import { expect, test } from 'vitest';
import { limitObstacles } from '../../src/mysql/obstacles-account.ts';

const messages = (limits: { definition?: string; common?: number }, tables = 1): readonly string[] =>
  limitObstacles({ account: "'ts'@'%'", definition: '', common: 0, ...limits }, tables).map(({ message }) => message);

test.each([
  [{}],
  [{ common: 16 }],
  [{ definition: 'CREATE USER `ts`@`%` REQUIRE NONE WITH MAX_USER_CONNECTIONS 16 PASSWORD EXPIRE DEFAULT', common: 3 }],
])('an account that is limited by nothing, or by enough, is no obstacle: %j', (limits) => {
  expect(messages(limits)).toEqual([]);
});

test('too few sessions, and limits by the hour, are told with what lifts them', () => {
  const definition = 'CREATE USER `ts`@`%` REQUIRE NONE WITH MAX_QUERIES_PER_HOUR 5000 MAX_USER_CONNECTIONS 15';
  expect(messages({ definition })).toEqual([
    "The account 'ts'@'%' is limited (MAX_QUERIES_PER_HOUR 5000, MAX_USER_CONNECTIONS 15); a run needs up to 16 sessions, and statements without a limit: ALTER USER 'ts'@'%' WITH MAX_QUERIES_PER_HOUR 0 MAX_USER_CONNECTIONS 16;",
  ]);
  expect(messages({ common: 20 }, 2)).toEqual([
    "The account 'ts'@'%' is limited (max_user_connections = 20 of the server); a run needs up to 27 sessions, and statements without a limit: ALTER USER 'ts'@'%' WITH MAX_USER_CONNECTIONS 27;",
  ]);
});
