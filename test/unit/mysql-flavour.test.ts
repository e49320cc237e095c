import { expect, test } from 'vitest';
import { flavourOf } from '../../src/mysql/flavour.ts';

test.each([
  ['5.7.44-log', ['REPLICATION CLIENT', 'SUPER', 'SUPER'], 'half-sha2'],
  ['8.0.36', ['REPLICATION CLIENT', 'CONNECTION_ADMIN', 'SET_USER_ID', 'XA_RECOVER_ADMIN'], 'sha2'],
  ['9.7.0', ['REPLICATION CLIENT', 'CONNECTION_ADMIN', 'SET_ANY_DEFINER', 'XA_RECOVER_ADMIN'], 'sha2'],
  ['10.4.34-MariaDB', ['REPLICATION CLIENT', 'SUPER', 'SUPER'], 'half-sha2'],
  ['5.5.5-10.11.8-MariaDB-log', ['BINLOG MONITOR', 'CONNECTION ADMIN', 'SET USER'], 'crc'],
])('%s has its own privileges and hash', (version, privileges, rowHash) => {
  const flavour = flavourOf(version);
  const { logStatus, endSessions, setDefiner, listPrepared } = flavour.privileges;
  expect([logStatus, endSessions, setDefiner, ...listPrepared]).toEqual(privileges);
  expect(flavour.rowHash).toBe(rowHash);
});

test.each([
  ['5.6.51-log', 'The server is MySQL 5.6.51-log; MySQL 5.7.9 is the oldest that can be used.'],
  ['5.7.8-rc', 'The server is MySQL 5.7.8-rc; MySQL 5.7.9 is the oldest that can be used.'],
  ['5.5.5-10.1.48-MariaDB', 'The server is MariaDB 5.5.5-10.1.48-MariaDB; MariaDB 10.2.6 is the oldest that can be used.'],
  ['PostgreSQL', "The server's version PostgreSQL cannot be read."],
])('%s is refused', (version, message) => {
  expect(() => flavourOf(version)).toThrow(message);
});

test.each(['5.7.9', '10.2.6-MariaDB', '5.5.5-10.2.44-MariaDB'])('%s is not', (version) => {
  expect(flavourOf(version).version).toBe(version);
});
