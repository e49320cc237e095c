/** Positions of a MySQL log and their tokens. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { endOfLog } from '../../src/mysql/binlog-start.ts';
import { checkLogFile, formatToken, GtidHistory, LogPosition, parseLogFile, parseToken } from '../../src/mysql/position.ts';

const one = '3e11fa47-71ca-11e1-9e33-c80aa9429562';
const other = '5a0c7d4e-0000-11ee-8000-0242ac110002';

test('a token says what it was made from', () => {
  for (const place of [
    { kind: 'file', server: '101', file: 'mysql-bin.000042', offset: 4294967296 },
    { kind: 'file', server: one, file: 'log:with:colons.000001', offset: 4 },
    { kind: 'gtid', executed: `${one}:1-7:9` },
    { kind: 'gtid', executed: '' },
  ] as const) {
    const read = { server: one, file: 'log:with@signs/5.000001', begunAt: 1_700_000_000 };
    expect(parseToken(formatToken(place, null))).toEqual(place);
    expect(parseToken(formatToken(place, read))).toEqual(place);
    expect([formatToken(place, null), formatToken(place, read)].map(parseLogFile)).toEqual([null, read]);
  }
});

test('a log that was begun anew is told from the one that was read', () => {
  const read = { server: '1', file: 'log.000009', begunAt: 100 };
  const isAnother = { code: 'LOG_PURGED' };
  expect(() => checkLogFile(read, { ...read, begunAt: 101 })).toThrow(expect.objectContaining(isAnother));
  expect(() => checkLogFile(read, { ...read, file: 'log.000008', begunAt: 101 })).toThrow(expect.objectContaining(isAnother));
  for (const next of [
    read,
    { ...read, file: 'log.000010' },
    { ...read, file: 'other.000001' },
    { ...read, server: '2', begunAt: 5 },
  ]) {
    expect(() => checkLogFile(read, next)).not.toThrow();
  }
  expect(() => checkLogFile(null, read)).not.toThrow();
});

test('a text that is no token is a fault of ours', () => {
  for (const text of ['', 'file:1:log', 'lsn:0/1', 'file:1:log:-5']) {
    expect(() => parseToken(text)).toThrow(expect.objectContaining({ code: 'INTERNAL' }));
  }
});

test('a stream cannot begin in a file where no reader can be sent, and says what to do', () => {
  expect(endOfLog('1', 'log.7', '4294967295')).toEqual({ kind: 'file', server: '1', file: 'log.7', offset: 4294967295 });
  expect(() => endOfLog('1', 'log.7', '4294967296')).toThrow(
    expect.objectContaining({ code: 'STREAM_BROKEN', message: expect.stringContaining('Run FLUSH BINARY LOGS') }),
  );
});

test('a history has the set that it began with and every transaction since', () => {
  let history = GtidHistory.from(`${one}:1-5`);
  history = history.with(one, 6n).with(one, 7n).with(other, 1n).with(one, 8n).with(one, 20n);
  expect(history.toString().split(',').sort()).toEqual([`${one}:1-8:20`, `${other}:1`]);
});

test('a history that was kept does not change when it goes on', () => {
  const kept = GtidHistory.from('').with(one, 1n);
  kept.with(one, 2n).with(other, 9n);
  expect(kept.toString()).toBe(`${one}:1`);
});

test('a history of any transactions in any order is the set of them, however many runs they make', () => {
  const gtids = fc.array(fc.tuple(fc.constantFrom(one, other), fc.integer({ min: 1, max: 900 })), { maxLength: 700 });
  fc.assert(
    fc.property(gtids, (numbers) => {
      let history = GtidHistory.from('');
      for (const [source, number] of numbers) history = history.with(source, BigInt(number));
      const found = new Set<string>();
      for (const part of history
        .toString()
        .split(',')
        .filter((text) => text !== '')) {
        const [source = '', ...intervals] = part.split(':');
        for (const interval of intervals) {
          const [first = 0, last = first] = interval.split('-').map(Number);
          for (let number = first; number <= last; number += 1) found.add(`${source.trim()}:${number}`);
        }
      }
      expect([...found].sort()).toEqual([...new Set(numbers.map(([source, number]) => `${source}:${number}`))].sort());
    }),
    { numRuns: 30, seed: 5 },
  );
});

test('a number beyond 53 bits stays exact', () => {
  expect(GtidHistory.from(`${one}:1-9007199254740992`).with(one, 9007199254740993n).toString()).toBe(
    `${one}:1-9007199254740993`,
  );
});

test('a position names the GTIDs where there are some, else the file', () => {
  const at = { server: '1', file: 'log.000001', offset: 120, read: null };
  expect(new LogPosition(3, { ...at, history: null }).token).toBe('file:1:log.000001:120');
  expect(new LogPosition(3, { ...at, history: GtidHistory.from(`${one}:1-2`) }).token).toBe(`gtid:${one}:1-2`);
});
