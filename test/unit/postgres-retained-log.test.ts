/** How the log that a replication slot keeps is judged. */
import { describe, expect, test } from 'vitest';
import { diskNotes, retentionNotes } from '../../src/postgres/log-retention.ts';
import { judgeRetainedLog, limitOf, type RetainedLog } from '../../src/postgres/retained-log.ts';
import { slotFault } from '../../src/postgres/replication-slot.ts';

const MIB = 1024 ** 2;
const quiet: RetainedLog = {
  walStatus: 'reserved',
  retained: 10 * MIB,
  unconfirmed: 10 * MIB,
  safe: null,
  keepMax: null,
  other: null,
};

describe('the log that a slot keeps', () => {
  test('has the limit of the operator, else half of the server’s, else none', () => {
    expect([
      limitOf({ keepMax: 100 }, 30),
      limitOf({ keepMax: 100 }, null),
      limitOf({ keepMax: 100 }, 0),
      limitOf({ keepMax: null }, null),
    ]).toEqual([30, 50, null, null]);
  });

  test('is no pressure without a limit', () => {
    expect(judgeRetainedLog(quiet, null, null)).toEqual({
      pressure: 0,
      detail: 'the replication slot keeps 10 MiB of log, without a limit',
    });
  });

  test('is a stop when the server may remove it at any moment, though the limit is far', () => {
    const log: RetainedLog = { ...quiet, walStatus: 'unreserved', keepMax: 8 * MIB, safe: -2 * MIB };
    expect(judgeRetainedLog(log, 1024 * MIB, null)).toEqual({
      pressure: 1,
      detail:
        'the replication slot keeps 10 MiB of log, more than the server allows (max_slot_wal_keep_size), and may be lost at any moment',
    });
  });

  test('is a stop with less than a quarter of the server’s limit left', () => {
    const at = (safe: number) => judgeRetainedLog({ ...quiet, walStatus: 'extended', keepMax: 40 * MIB, safe }, null, null);
    expect(at(10 * MIB).pressure).toBe(0);
    expect(at(9.5 * MIB)).toEqual({
      pressure: 1,
      detail: 'the replication slot keeps 10 MiB of log, and is lost when 9.5 MiB more are written (max_slot_wal_keep_size)',
    });
  });

  test('is worth a warning at one and a half times the limit where a transaction holds it, and not before', () => {
    const at = (mebibytes: number) =>
      judgeRetainedLog({ ...quiet, retained: mebibytes * MIB, unconfirmed: MIB }, 10 * MIB, 'the transaction of app');
    expect(at(14.9)).toEqual({
      pressure: 1.49,
      detail: 'the replication slot keeps 15 MiB of log, because of the transaction of app, the limit is 10 MiB',
    });
    expect(at(15).warning).toBe(
      'The server keeps more than 1.5 times the limit of 10 MiB of log because of the transaction of app: end it, or the disk may fill and copying does not go on.',
    );
  });

  test('is no warning while it is only what is left to apply', () => {
    expect(judgeRetainedLog({ ...quiet, retained: 90 * MIB, unconfirmed: 90 * MIB }, 10 * MIB, null)).toEqual({
      pressure: 9,
      detail: 'the replication slot keeps 90 MiB of log, the limit is 10 MiB',
    });
  });
});

describe('the plan', () => {
  const dataBytes = 4096 * MIB;

  test('says so where the server keeps less than twice what the copy logs', () => {
    const notes = (keepMax: number | null): readonly string[] => retentionNotes({ keepMax, idleMax: null }, { dataBytes });
    expect([notes(null), notes(2 * dataBytes)]).toEqual([[], []]);
    expect(notes(dataBytes)).toEqual([
      'The server keeps 4096 MiB of log for a replication slot (max_slot_wal_keep_size), and the copy writes about 4096 MiB: a run that is interrupted can be resumed only until what others write has used that up.',
    ]);
  });

  test('says for how long a slot may be without a reader', () => {
    expect(retentionNotes({ keepMax: null, idleMax: '1d' }, { dataBytes })).toEqual([
      'The server gives up a replication slot that nobody has read from for 1d (idle_replication_slot_timeout): a run that is interrupted can be resumed only until then.',
    ]);
  });

  test('says what a large table takes of a disk that the server does not tell of', () => {
    expect(diskNotes({ dataBytes: 512 * MIB, indexBytes: 511 * MIB })).toEqual([]);
    expect(diskNotes({ dataBytes, indexBytes: MIB })).toEqual([
      'The server does not tell how much disk space is free: the shadow takes about 4097 MiB, and the log of the copy about as much while it is kept.',
    ]);
  });
});

test.each([
  [
    null,
    'is gone: somebody has dropped it, or a standby that did not have it has taken over. Give this migration up, and start',
  ],
  ['wal_removed', 'kept more log than the server allows. Give this migration up, raise max_slot_wal_keep_size, and start'],
  ['idle_timeout', 'longer than the server allows. Give this migration up, raise idle_replication_slot_timeout, and start'],
  ['rows_removed', 'was invalidated (rows_removed). Give this migration up, and start'],
])('a slot that is lost by %s says why, and names a setting only where that is at fault', (reason, said) => {
  const fault = slotFault('tableshift_orders1', reason === null ? null : { walStatus: 'lost', reason });
  expect(fault).toMatchObject({ code: 'LOG_PURGED', message: expect.stringContaining(said) });
});
