/** What errors of PostgreSQL mean for the caller. */
import { expect, test } from 'vitest';
import { isPasswordRefused, refusalIn, translate, translateConnecting } from '../../src/postgres/errors.ts';

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

test.each([
  ['28P01', 'auth_failed', true],
  // PAM, LDAP and the like.
  ['28000', 'auth_failed', true],
  ['28000', 'InitializeSessionUserId', false],
  ['28000', 'ClientAuthentication', false],
  ['42501', 'auth_failed', false],
])('a login that is refused with %s by %s is refused for its password: %s', (code, routine, isForPassword) => {
  expect(isPasswordRefused(Object.assign(new Error('said'), { code, severity: 'FATAL', routine }))).toBe(isForPassword);
});

test('a login that a time limit of the role has ended is a lost connection, which may come back', () => {
  const thrown = Object.assign(new Error('terminating connection due to transaction timeout'), {
    code: '25P04',
    severity: 'FATAL',
  });
  expect(translateConnecting(thrown, 'Connecting', 'again').code).toBe('CONNECTION_LOST');
});

test.each([
  ['53400', 'FileWriteV', 'temporary file size exceeds "temp_file_limit" (1000kB)', 'SERVER_LIMIT'],
  ['53400', 'ReplicationSlotCreate', 'all replication slots are in use', 'SERVER_BUSY'],
  ['54000', '_bt_check_third_page', 'index row size 2736 exceeds btree version 4 maximum 2704', 'ROW_NOT_CONVERTIBLE'],
  ['54000', 'GetNewTransactionId', 'database is not accepting commands', 'SERVER_BUSY'],
  ['54000', 'GetNewMultiXactId', 'database is not accepting commands', 'SERVER_BUSY'],
])('a limit (%s) that %s has found, as "%s", is %s', (code, routine, message, expected) => {
  const thrown = Object.assign(new Error(message), { code, severity: 'ERROR', routine });
  expect(translate(thrown, 'Trying').code).toBe(expected);
});

test.each([
  ['0A000', 'The statement "INSERT INTO "s"."t" SELECT 1"', 'ROW_NOT_CONVERTIBLE'],
  ['0A000', 'The statement "CREATE UNIQUE INDEX "i" ON "s"."t" (((a)::integer))"', 'ROW_NOT_CONVERTIBLE'],
  ['0A000', 'The statement "CREATE OR REPLACE VIEW "s"."v" AS SELECT 1"', 'INTERNAL'],
  ['20000', 'The statement "INSERT INTO "s"."t" SELECT 1"', 'ROW_NOT_CONVERTIBLE'],
  ['21000', 'The statement "INSERT INTO "s"."t" SELECT 1"', 'ROW_NOT_CONVERTIBLE'],
])('what the server does not do (%s) in %s is %s', (code, what, expected) => {
  const thrown = Object.assign(new Error('said'), { code, severity: 'ERROR' });
  expect(translate(thrown, what).code).toBe(expected);
});

test.each([
  [
    '22P02',
    'The statement "DELETE FROM ONLY "tableshift_a1"."t" WHERE "id" OPERATOR(pg_catalog.=) ANY (ARRAY[\'b\']::public.e[])"',
    'SOURCE_CHANGED',
  ],
  ['22P02', 'The statement "INSERT INTO "tableshift_a1"."t" ("id") OVERRIDING SYSTEM VALUE SELECT 1"', 'ROW_NOT_CONVERTIBLE'],
  ['42704', 'The statement "INSERT INTO "tableshift_a1"."t" ("id") OVERRIDING SYSTEM VALUE SELECT 1"', 'SOURCE_CHANGED'],
  ['42704', 'The statement "SELECT pg_catalog.concat("id") AS k0 FROM ONLY "public"."t""', 'SOURCE_CHANGED'],
  ['42704', 'The statement "SELECT pg_catalog.count(s.k0) AS source, pg_catalog.count(t.k0) AS shadow"', 'SOURCE_CHANGED'],
  ['42704', 'The statement "SELECT pg_catalog.pg_drop_replication_slot(slot_name)"', 'INTERNAL'],
  ['42704', 'The statement "GRANT SELECT ON "public"."t" TO "app""', 'INTERNAL'],
])('what is read no more, or is not there (%s), in %s is %s', (code, what, expected) => {
  const thrown = Object.assign(new Error('type "public.e" does not exist'), { code, severity: 'ERROR' });
  expect(translate(thrown, what).code).toBe(expected);
});

test.each([
  ['42P01', 'OBJECT_NEEDED'],
  ['42703', 'OBJECT_NEEDED'],
  ['AB123', 'ROW_NOT_CONVERTIBLE'],
  ['2F005', 'ROW_NOT_CONVERTIBLE'],
  ['23503', 'ROW_NOT_CONVERTIBLE'],
  ['23505', 'ROW_NOT_CONVERTIBLE'],
  ['54001', 'ROW_NOT_CONVERTIBLE'],
  ['42501', 'ACCESS_DENIED'],
  ['55P03', 'LOCK_WAIT'],
  ['XX000', 'INTERNAL'],
])('what a function of the user raises with %s while it computes a row is %s', (code, expected) => {
  const where = 'PL/pgSQL function public.f(integer) line 1 at RAISE';
  const thrown = Object.assign(new Error('said'), { code, severity: 'ERROR', where });
  expect(translate(thrown, 'The statement "INSERT INTO "tableshift_a1"."t" ("id") SELECT 1"').code).toBe(expected);
});

test('a duplicate that a parallel worker finds while an index is built is one, and not what a function raises', () => {
  const thrown = Object.assign(new Error('said'), { code: '23505', severity: 'ERROR', where: 'parallel worker' });
  expect(translate(thrown, 'The statement "CREATE UNIQUE INDEX "i" ON "s"."t" (a)"').code).toBe('DUPLICATE_KEY');
});

test('an event trigger that raises under a code of its own refuses what defines something', () => {
  const where = 'PL/pgSQL function public.frozen() line 1 at RAISE';
  const thrown = Object.assign(new Error('frozen'), { code: 'AB123', severity: 'ERROR', where });
  expect(translate(thrown, 'The statement "CREATE SCHEMA "tableshift_a1""').code).toBe('ACCESS_DENIED');
});
