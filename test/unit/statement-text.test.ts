import { expect, test } from 'vitest';
import { theStatement } from '../../src/sessions/statement-text.ts';

test.each([
  [
    `SET LOCAL search_path = "pg_catalog", "a;b", "pg_temp"; SET LOCAL lc_monetary = 'de_DE'; INSERT INTO "s"."t" SELECT 1`,
    'The statement "INSERT INTO "s"."t" SELECT 1"',
  ],
  ['SET LOCAL lock_timeout = 1', 'The statement "SET LOCAL lock_timeout = 1"'],
])('settings in front of a statement are not told, but where there is nothing else: %s', (sql, told) => {
  expect(theStatement(sql)).toBe(told);
});
