/** For how long the server keeps its binary log, and what is said of that. */
import { describe, expect, test } from 'vitest';
import { retentionNotes, retentionOf } from '../../src/mysql/log-retention.ts';
import { sumBehind } from '../../src/mysql/retained-log.ts';

const GIB = 1024 ** 3;
const of = (variables: Readonly<Record<string, string>>) => retentionOf(new Map(Object.entries(variables)));

describe('the retention of the log', () => {
  test('is that of the seconds, else of the days, else none', () => {
    expect(of({ binlog_expire_logs_seconds: '3600', expire_logs_days: '7' }).age).toEqual({
      setting: 'binlog_expire_logs_seconds',
      seconds: 3_600,
    });
    expect(of({ binlog_expire_logs_seconds: '0', expire_logs_days: '0.500000' }).age).toEqual({
      setting: 'expire_logs_days',
      seconds: 43_200,
    });
    expect(of({ expire_logs_days: '0' })).toEqual({ age: null, sizeMax: null });
  });

  test('is none where MySQL does not purge by itself', () => {
    expect(of({ binlog_expire_logs_seconds: '3600', binlog_expire_logs_auto_purge: 'OFF' }).age).toBeNull();
    expect(of({ binlog_expire_logs_seconds: '3600', binlog_expire_logs_auto_purge: 'ON' }).age).not.toBeNull();
  });

  test('by size is that of MariaDB or of Percona, and 0 is none', () => {
    expect([
      of({ max_binlog_total_size: '1024' }),
      of({ binlog_space_limit: '2048' }),
      of({ max_binlog_total_size: '0' }),
    ]).toEqual([1_024, 2_048, null].map((sizeMax) => ({ age: null, sizeMax })));
  });

  test('is worth a note below a day', () => {
    const notes = (seconds: number) => retentionNotes({ age: { setting: 'x', seconds }, sizeMax: null }, GIB);
    expect(notes(86_400)).toEqual([]);
    expect(notes(5_400)).toEqual([
      'The server keeps its binary log for 1.5 h (x): a run that is interrupted for longer cannot be resumed.',
    ]);
  });

  test('by size is worth a note below twice what the copy logs', () => {
    expect(retentionNotes({ age: null, sizeMax: 2 * GIB }, GIB)).toEqual([]);
    expect(retentionNotes({ age: null, sizeMax: 2 * GIB - 1 }, GIB)).toEqual([
      'The server keeps 2048 MiB of binary log, and the copy writes about 1024 MiB: a run that is interrupted can be resumed only until what others write has used that up.',
    ]);
  });
});

describe('the log behind a place', () => {
  const files = [
    { Log_name: 'binlog.000001', File_size: '100' },
    { Log_name: 'binlog.000002', File_size: '1000' },
    { Log_name: 'binlog.000003', File_size: '50' },
  ];

  test('is the rest of its file and all later ones', () => {
    expect(sumBehind(files, { file: 'binlog.000002', offset: 300 })).toBe(750);
    expect(sumBehind(files, { file: 'binlog.000003', offset: 50 })).toBe(0);
  });

  test('is everything where its file is gone', () => {
    expect(sumBehind(files, { file: 'binlog.000000', offset: 300 })).toBe(1_150);
  });
});
