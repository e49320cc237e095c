import { expect, test } from 'vitest';
import { logWriterNotes } from '../../src/mysql/log-writers.ts';

test('commits that may wait are a note, with what keeps few processors from being taken', () => {
  expect(logWriterNotes({ areOn: false, spinFrom: 80, processors: 2 })).toEqual([
    expect.stringContaining('SET GLOBAL innodb_log_writer_threads = ON, GLOBAL innodb_log_spin_cpu_abs_lwm = 400 ends that'),
  ]);
  expect(logWriterNotes({ areOn: false, spinFrom: 80, processors: 16 })).toEqual([
    expect.stringContaining('SET GLOBAL innodb_log_writer_threads = ON ends that'),
  ]);
});

test('a log writer that may take one of few processors is a note', () => {
  expect(logWriterNotes({ areOn: true, spinFrom: 80, processors: 2 })).toEqual([
    expect.stringMatching(/^The server has 2 processors, .* SET GLOBAL innodb_log_spin_cpu_abs_lwm = 400 ends that/),
  ]);
});

test.each([
  { areOn: true, spinFrom: 80, processors: 16 },
  { areOn: true, spinFrom: 200, processors: 2 },
  { areOn: true, spinFrom: 80, processors: null },
  { areOn: null, spinFrom: null, processors: null },
])('nothing is said of %j', (writers) => {
  expect(logWriterNotes(writers)).toEqual([]);
});
