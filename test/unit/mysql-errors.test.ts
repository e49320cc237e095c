/** What numbers of the server's errors mean for the caller. */
import { expect, test } from 'vitest';
import { explainDumpError } from '../../src/mysql/binlog-connection.ts';
import { isUnknownTable, isUntold, translate } from '../../src/mysql/errors.ts';
import { translate as translatePostgres } from '../../src/postgres/errors.ts';
import { isUnsupported } from '../../src/mysql/native-trial.ts';

test.each([
  ['a definition that somebody is changing', 1684, 'SERVER_BUSY', true],
  ['an index that cannot be sorted, as the directory for temporary files is full', 1878, 'SERVER_BUSY', true],
  ['a schema that somebody has made read-only', 3989, 'SERVER_BUSY', true],
  ['a transaction that max_binlog_cache_size is too small for', 1197, 'SERVER_LIMIT', false],
  ['a build whose log of writes is full', 1799, 'ONLINE_LOG_FULL', false],
  ['a server that logs statements', 1665, 'LOGS_STATEMENTS', false],
  ['a transaction that a deadlock has undone unnoticed', 4060, 'DEADLOCK', true],
  ['a moment that is out of range', 1441, 'ROW_NOT_CONVERTIBLE', false],
  ['a table whose triggers a killed RENAME has lost', 1343, 'OBJECT_NEEDED', false],
  ['a text that is no JSON', 4038, 'ROW_NOT_CONVERTIBLE', false],
])('%s (error %i) is %s', (_, errno, code, isTransient) => {
  const error = translate(Object.assign(new Error('said'), { errno, sqlState: 'HY000' }), 'Asking');
  expect([error.code, error.isTransient, error.isResumable]).toEqual([code, isTransient, true]);
});

test.each([
  ["Unknown trigger has an error in its body: 'Query was empty'", 'STATEMENT_TIMEOUT'],
  ["Trigger 't' has an error in its body: 'You have an error in your SQL syntax'", 'INTERNAL'],
])('a syntax error that is no more than a RENAME that was killed is told from others (%s)', (said, code) => {
  expect(translate(Object.assign(new Error(said), { errno: 1064, sqlState: '42000' }), 'Swapping').code).toBe(code);
});

test.each([
  [translate, 'mysql', { errno: 1146, sqlState: '42S02' }, "Table 'tableshift.fences' doesn't exist"],
  [translate, 'mysql', { errno: 1049, sqlState: '42000' }, "Unknown database 'tableshift'"],
  [translatePostgres, 'postgres', { code: '42P01', severity: 'ERROR' }, 'relation "tableshift.checkpoints" does not exist'],
])('a table of the bookkeeping that is gone is RECORDS_LOST (%#)', (translated, _server, fields, said) => {
  expect(translated(Object.assign(new Error(said), fields), 'Asking').code).toBe('RECORDS_LOST');
});

test.each([
  ['a file that cannot be written', 3, "Error writing file '/tmp/MLfd=55' (OS errno 28 - No space left on device)"],
  ['the same of MariaDB', 3, 'Error writing file \'/tmp/MLfd=55\' (Errcode: 28 "No space left on device")'],
  ['a log that cannot be written', 1026, "Error writing file 'binlog' (errno: 28 - No space left on device)"],
  ['an engine that cannot write', 1030, "Got error 28 - 'No space left on device' from storage engine"],
  ['a quota that is used up', 1030, 'Got error 122 "Disk quota exceeded" from storage engine InnoDB'],
])('%s (error %i) is waited for', (_, errno, said) => {
  const thrown = Object.assign(new Error(said), { errno, sqlState: 'HY000' });
  expect(translate(thrown, 'Writing')).toMatchObject({ code: 'SERVER_BUSY', isTransient: true });
  const other = Object.assign(new Error(said.replace(/28|122/, '5')), { errno, sqlState: 'HY000' });
  expect(translate(other, 'Writing').code).toBe('INTERNAL');
});

test.each([
  "binlog truncated in the middle of event; consider out of disk space on master; the first event 'binlog.000024' at 453868",
  "bogus data in log event; the first event 'binlog.000024' at 453868",
  "event read from binlog did not pass crc check; the first event 'binlog.000024' at 453868",
])('a log that is damaged cannot be gone on with: %s', (said) => {
  const thrown = Object.assign(new Error(said), { errno: 1236, sqlState: 'HY000' });
  const error = explainDumpError(thrown, { kind: 'file', server: 's', file: 'binlog.000024', offset: 453868 });
  expect([error.code, error.isResumable]).toEqual(['LOG_DAMAGED', false]);
});

test.each([
  "Replica has more GTIDs than the source has, using the source's SERVER_UUID.",
  "Slave has more GTIDs than the master has, using the master's SERVER_UUID.",
])('a server that has fewer transactions of its own than were read has begun its log anew (%s)', (said) => {
  const thrown = Object.assign(new Error(said), { errno: 1236, sqlState: 'HY000' });
  const error = explainDumpError(thrown, { kind: 'gtid', executed: '' });
  expect([error.code, error.isResumable]).toEqual(['LOG_PURGED', false]);
  expect(error.message).toContain('begun anew (RESET)');
});

test('a log that has transactions without a GTID cannot be gone on with behind GTIDs', () => {
  const said = 'Cannot replicate anonymous transaction when AUTO_POSITION = 1, at file ./binlog.000030, position 244.';
  const thrown = Object.assign(new Error(said), { errno: 1236, sqlState: 'HY000' });
  const error = explainDumpError(thrown, { kind: 'gtid', executed: '' });
  expect([error.code, error.isResumable, error.message]).toEqual([
    'UNKNOWN_LOG_EVENT',
    false,
    expect.stringMatching(/Give this migration up/),
  ]);
});

test.each([
  ['a duplicate', 1062, "Duplicate entry '1' for key 't.i'", false],
  ['a statement that somebody ended', 1317, 'Query execution was interrupted', false],
  ['a row that would be too long', 4096, "Column can't be added with 'INSTANT'. Try 'ALGORITHM=INPLACE/COPY'", true],
])(
  '%s (error %i) under an ALTER that names its algorithm tells whether the server refuses the algorithm',
  (_, errno, said, is) => {
    const thrown = Object.assign(new Error(said), { errno, sqlState: 'HY000' });
    const statement = 'The statement "ALTER TABLE t ADD UNIQUE i (n), ALGORITHM=INPLACE, LOCK=NONE"';
    expect(isUnsupported(translate(thrown, statement))).toBe(is);
  },
);

test.each([
  ['a database that is not there', 1049, true, true],
  ['a table of information_schema that this server lacks', 1109, true, true],
  ['a table that is not there', 1146, true, true],
  ['a table that may not be read', 1142, false, true],
  ['a list that only who has PROCESS may read', 1227, false, true],
  ['a statement that somebody ended', 1317, false, false],
])('%s (error %i) is an unknown table: %s, and a server that does not tell: %s', (_, errno, isUnknown, isSilent) => {
  const error = translate(Object.assign(new Error('said'), { errno, sqlState: 'HY000' }), 'Asking');
  expect([isUnknownTable(error), isUntold(error)]).toEqual([isUnknown, isSilent]);
});
