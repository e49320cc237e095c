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
