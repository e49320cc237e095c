/** Reading a log whose files are larger than the 32 bits that its events have for offsets. */
import { describe, expect, test } from 'vitest';
import { BatchQueue } from '../../src/mysql/binlog-batches.ts';
import { NO_COLUMN } from '../../src/mysql/binlog-column.ts';
import { EVENT } from '../../src/mysql/binlog-format.ts';
import { BinlogReader } from '../../src/mysql/binlog-reader.ts';
import { LogPosition } from '../../src/mysql/position.ts';
import { type EventParts, logEvent } from '../support/binlog-events.ts';

const GiB4 = 0x1_0000_0000;

const id = { name: 'id', ordinal: 0, isUnsigned: false, charset: null, scale: 0, precision: 0 };
/** With one whole number, which is its key. */
const table = {
  columns: [{ ...NO_COLUMN, ...id, dataType: 'int', columnType: 'int' }],
  key: [{ ...id, kind: 'integer' as const, fixedBytes: null }],
  defaults: [null],
};

/** A reader at a place of a log without GTIDs, fed with events that it finds at their own offsets. */
function readerAt(offset: number): {
  readonly reader: BinlogReader;
  readonly queue: BatchQueue;
  readonly feed: (type: number, parts?: EventParts) => void;
} {
  const start = new LogPosition(0, { server: '1', file: 'log.1', offset, history: null, read: null });
  const queue = new BatchQueue(start, { changesMax: 100, bytesMax: 1_000_000 });
  const reader = new BinlogReader({
    start,
    queue,
    source: { schema: 's', table: 't' },
    areNamesCaseSensitive: true,
    charsets: new Map(),
    table,
    fences: { table: { name: { schema: 's', table: 'f' }, columns: [], key: [], defaults: [] }, fenceOf: () => null },
    ownMark: null,
    onDistantWrite: () => undefined,
    onIndexChange: null,
  });
  const feed = (type: number, parts: EventParts = {}): void => {
    const event = logEvent(type, parts);
    reader.read(event, 0, event.length);
  };
  return { reader, queue, feed };
}

/** A transaction without rows whose last byte is before `endsAt`. */
function transaction(feed: (type: number, parts: EventParts) => void, endsAt: number): void {
  feed(EVENT.ANONYMOUS_GTID, { endsAt: endsAt - 27 });
  feed(EVENT.XID, { body: Buffer.alloc(8), endsAt });
}

function rotate(feed: (type: number, parts: EventParts) => void, file: string, isArtificial = false): void {
  const offset = Buffer.alloc(8);
  offset.writeUInt32LE(4, 0);
  feed(EVENT.ROTATE, { body: Buffer.concat([offset, Buffer.from(file)]), isArtificial });
}

describe('a file of over 4 GiB', () => {
  test('is resumed from its last place below, for no other can be asked for', () => {
    const { queue, feed } = readerAt(GiB4 - 200);
    transaction(feed, GiB4 - 100);
    transaction(feed, GiB4 - 1);
    transaction(feed, GiB4 + 99);
    transaction(feed, GiB4 + 200);
    const batch = queue.take();
    expect(batch?.position).toMatchObject({ order: 4, token: `file:1:log.1:${GiB4 - 1}` });
  });

  test('cannot be gone on with after a lost connection, which is said', () => {
    const { reader, feed } = readerAt(GiB4 - 100);
    transaction(feed, GiB4 - 1);
    expect(reader.restart()).toEqual({ kind: 'file', server: '1', file: 'log.1', offset: GiB4 - 1 });
    transaction(feed, GiB4 + 50);
    expect(() => reader.restart()).toThrow('The place in log.1 is beyond 4 GiB');
  });

  test('is followed by the next one, from which on positions are known again', () => {
    const { reader, queue, feed } = readerAt(GiB4 - 100);
    transaction(feed, GiB4 + 50);
    rotate(feed, 'log.2');
    expect(reader.restart()).toEqual({ kind: 'file', server: '1', file: 'log.2', offset: 4 });
    expect(queue.take()?.position.token).toBe('file:1:log.2:4');
    transaction(feed, 200);
    expect(queue.take()?.position).toMatchObject({ order: 2, token: 'file:1:log.2:200' });
  });

  test('is counted on past every 4 GiB, also where an event lies across', () => {
    const { reader, feed } = readerAt(GiB4 - 10);
    transaction(feed, GiB4 + 36);
    // What is below 4 GiB again in 32 bits is not taken for a place there.
    transaction(feed, GiB4 + 500);
    expect(() => reader.restart()).toThrow('beyond 4 GiB');
    transaction(feed, 2 * GiB4 + 7);
    expect(() => reader.restart()).toThrow('beyond 4 GiB');
  });
});

test('events that are not in the file move no position', () => {
  const { queue, feed } = readerAt(500);
  rotate(feed, 'log.1', true);
  feed(EVENT.HEARTBEAT, { endsAt: 9999, body: Buffer.from('log.1') });
  transaction(feed, 100);
  expect(queue.take()?.position.token).toBe('file:1:log.1:100');
});

test('an event of an unknown type ends the reading, unless it may be passed over', () => {
  const { feed } = readerAt(500);
  expect(() => feed(200, { endsAt: 600 })).toThrow('An event of type 200 in the log cannot be read');
});

test('a transaction that begins inside of another is no log', () => {
  const { feed } = readerAt(500);
  feed(EVENT.ANONYMOUS_GTID, { endsAt: 600 });
  expect(() => feed(EVENT.ANONYMOUS_GTID, { endsAt: 700 })).toThrow('has no end');
});

test('rows of a table that was never named, or outside of a transaction, are no log', () => {
  const body = Buffer.from([9, 0, 0, 0, 0, 0, 0, 0]);
  const { feed } = readerAt(500);
  feed(EVENT.ANONYMOUS_GTID, { endsAt: 600 });
  expect(() => feed(EVENT.WRITE_ROWS_V1, { body, endsAt: 700 })).toThrow('table 9 was never named');
});

describe('a transaction that is cut off, and cut off again', () => {
  const number = Buffer.from([9, 0, 0, 0, 0, 0]);
  const named = Buffer.concat([number, Buffer.from([0, 0, 1]), Buffer.from('s\0\x01t\0'), Buffer.from([1, 3, 0, 0])]);
  const insertOf = (key: number): Buffer => Buffer.concat([number, Buffer.from([0, 0, 1, 1, 0, key, 0, 0, 0])]);

  test.each([[[]], [[1]], [[1, 2, 3]], [[1, 2, 3, 4]]])('after %j had come again, comes once', (again) => {
    const { reader, queue, feed } = readerAt(500);
    const receive = (keys: readonly number[]): void => {
      rotate(feed, 'log.1', true);
      feed(EVENT.ANONYMOUS_GTID, { endsAt: 600 });
      feed(EVENT.TABLE_MAP, { body: named, endsAt: 700 });
      for (const key of keys) feed(EVENT.WRITE_ROWS_V1, { body: insertOf(key), endsAt: 800 + 50 * key });
    };
    receive([1, 2, 3]);
    reader.restart();
    receive(again);
    reader.restart();
    receive([1, 2, 3, 4, 5]);
    feed(EVENT.XID, { body: Buffer.alloc(8), endsAt: 2_000 });
    expect(queue.take()?.changes.map(({ key }) => key)).toEqual(['1', '2', '3', '4', '5']);
  });
});
