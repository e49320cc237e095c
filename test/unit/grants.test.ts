import { describe, expect, test } from 'vitest';
import { readGrants } from '../../src/mysql/grants.ts';

describe('a privilege is had', () => {
  test.each<[string, string[], string | null]>([
    ['globally', ['GRANT SELECT, INSERT ON *.* TO `u`@`%`'], 'shop'],
    ['globally, where it is needed globally', ['GRANT PROCESS, SELECT ON *.* TO `u`@`%`'], null],
    ['on the schema', ['GRANT USAGE ON *.* TO `u`@`%`', 'GRANT SELECT ON `shop`.* TO `u`@`%` WITH GRANT OPTION'], 'shop'],
    ['with all others', ["GRANT ALL PRIVILEGES ON *.* TO `u`@`%` IDENTIFIED BY PASSWORD '*AB' WITH GRANT OPTION"], 'shop'],
    ['through a role', ['GRANT `r`@`%` TO `u`@`%`', 'GRANT SELECT ON `shop`.* TO `r`'], 'shop'],
    ['on a pattern', ['GRANT SELECT ON `sh%`.* TO `u`@`%`'], 'shop'],
    ['on a pattern with a letter for any', ['GRANT SELECT ON `s_op`.* TO `u`@`%`'], 'shop'],
    ['on a name with a quote', ['GRANT SELECT ON `a``b`.* TO `u`@`%`'], 'a`b'],
    ['on a name with a dot and brackets', ['GRANT SELECT ON `a.[b]`.* TO `u`@`%`'], 'a.[b]'],
    [
      'where another schema is taken out',
      ['GRANT SELECT ON *.* TO `u`@`%`', 'REVOKE SELECT ON `mysql`.* FROM `u`@`%`'],
      'shop',
    ],
    ['beside privileges on columns', ['GRANT UPDATE (`a`, `b`), SELECT ON `shop`.* TO `u`@`%`'], 'shop'],
  ])('%s', (_name, statements, schema) => {
    expect(readGrants(statements, true).has(schema === null ? 'PROCESS' : 'SELECT', schema)).toBe(true);
  });
});

describe('a privilege is lacking', () => {
  test.each<[string, string[], string | null]>([
    ['without any grant', ['GRANT USAGE ON *.* TO `u`@`%`'], 'shop'],
    ['on another schema', ['GRANT SELECT ON `shop2`.* TO `u`@`%`'], 'shop'],
    ['on one table', ['GRANT SELECT ON `shop`.`orders` TO `u`@`%`'], 'shop'],
    ['on one column', ['GRANT SELECT (`a`) ON `shop`.* TO `u`@`%`'], 'shop'],
    ['on the schema, where it is needed globally', ['GRANT SELECT ON `shop`.* TO `u`@`%`'], null],
    ['on an escaped pattern', ['GRANT SELECT ON `s\\_op`.* TO `u`@`%`'], 'shop'],
    ['where this schema is taken out', ['GRANT SELECT ON *.* TO `u`@`%`', 'REVOKE SELECT ON `shop`.* FROM `u`@`%`'], 'shop'],
    ['through a role that is not active', ['GRANT `r`@`%` TO `u`@`%`'], 'shop'],
    ['by a right to be a proxy', ["GRANT PROXY ON ''@'' TO 'u'@'%' WITH GRANT OPTION"], 'shop'],
  ])('%s', (_name, statements, schema) => {
    expect(readGrants(statements, true).has('SELECT', schema)).toBe(false);
  });

  test('on a pattern, where partial revokes make names literal', () => {
    expect(readGrants(['GRANT SELECT ON `s_op`.* TO `u`@`%`'], false).has('SELECT', 'shop')).toBe(false);
    expect(readGrants(['GRANT SELECT ON `s_op`.* TO `u`@`%`'], false).has('SELECT', 's_op')).toBe(true);
  });
});

test('SUPER is enough to read where the log ends', () => {
  expect(readGrants(['GRANT SUPER ON *.* TO `u`@`%`'], true).has('REPLICATION CLIENT', null)).toBe(true);
});
