/** Compressed parts of the log, whole and broken. */
import { deflateSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { inflateMariadb, payloadEvents } from '../../src/mysql/binlog-compression.ts';
import { EVENT, eventAt } from '../../src/mysql/binlog-format.ts';
import { lengthEncodedInteger, logEvent } from '../support/binlog-events.ts';

/** As MariaDB writes it: algorithm and size of the length, the length, a zlib stream. */
function deflated(text: Buffer, sizeBytes: 1 | 2 | 3 | 4): Buffer {
  const size = Buffer.alloc(sizeBytes);
  size.writeUIntBE(text.length, 0, sizeBytes);
  return Buffer.concat([Buffer.from([0x80 | sizeBytes]), size, deflateSync(text)]);
}

describe('what MariaDB compressed', () => {
  test('comes out as it went in, with a length of any width', () => {
    for (const [sizeBytes, length] of [
      [1, 255],
      [2, 65_535],
      [3, 70_000],
      [4, 70_000],
      [1, 0],
    ] as const) {
      const text = Buffer.from('é'.repeat(length)).subarray(0, length);
      const block = Buffer.concat([Buffer.from('head'), deflated(text, sizeBytes), Buffer.alloc(0)]);
      expect(inflateMariadb(block, 4, block.length).equals(text)).toBe(true);
    }
  });

  test.each([
    ['an unknown algorithm', Buffer.from([0x91, 1, 0])],
    ['no length', Buffer.from([0x80])],
    ['a length of five bytes', Buffer.from([0x85, 0, 0, 0, 0, 1])],
  ])('with %s is refused', (_name, block) => {
    expect(() => inflateMariadb(block, 0, block.length)).toThrow('its compression header');
  });

  test('that is shorter or longer than it says is refused', () => {
    const block = deflated(Buffer.from('twelve bytes'), 1);
    block.writeUInt8(13, 1);
    expect(() => inflateMariadb(block, 0, block.length)).toThrow('it inflates to 12 bytes of 13');
    block.writeUInt8(11, 1);
    expect(() => inflateMariadb(block, 0, block.length)).toThrow('larger than 11 bytes');
  });
});

const ZSTD = 0;
const NONE = 255;

function field(type: number, value: Buffer): Buffer {
  return Buffer.concat([lengthEncodedInteger(type), lengthEncodedInteger(value.length), value]);
}

/** A TRANSACTION_PAYLOAD event: (field, length, value) … 0, payload. */
function payloadEvent(payload: Buffer, compression: number, size: number, said = payload.length): Buffer {
  const body = Buffer.concat([
    field(2, lengthEncodedInteger(compression)),
    field(3, lengthEncodedInteger(size)),
    field(1, lengthEncodedInteger(said)),
    Buffer.from([0]),
    payload,
  ]);
  return logEvent(EVENT.TRANSACTION_PAYLOAD, { body });
}

/** A zstd frame of blocks that are not compressed: RFC 8878, 3.1.1. */
function zstdFrame(text: Buffer, blockBytes: number): Buffer {
  const parts: Buffer[] = [Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0xa0])];
  const size = Buffer.alloc(4);
  size.writeUInt32LE(text.length);
  parts.push(size);
  for (let at = 0; at < Math.max(text.length, 1); at += blockBytes) {
    const block = text.subarray(at, at + blockBytes);
    const isLast = at + blockBytes >= text.length;
    const header = Buffer.alloc(3);
    header.writeUIntLE((block.length << 3) | (isLast ? 1 : 0), 0, 3);
    parts.push(header, block);
  }
  return Buffer.concat(parts);
}

function read(event: Buffer): readonly string[] {
  return [...payloadEvents(eventAt(event, 0, event.length, 0))].map((inner) => inner.toString('hex'));
}

describe('a payload of MySQL', () => {
  const events = [5, 0, 70_000, 1, 300].map((length, place) =>
    logEvent(EVENT.ROWS_QUERY, { body: Buffer.alloc(length, place + 1), endsAt: place }),
  );
  const text = Buffer.concat(events);
  const expected = events.map((event) => event.toString('hex'));

  test('gives its events one by one, however the blocks lie', () => {
    expect(read(payloadEvent(text, NONE, text.length))).toEqual(expected);
    for (const blockBytes of [7, 19, 4096, 100_000]) {
      expect(read(payloadEvent(zstdFrame(text, blockBytes), ZSTD, text.length))).toEqual(expected);
    }
  });

  test('gives any events that went in', () => {
    const bodies = fc.array(fc.uint8Array({ maxLength: 200 }), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(bodies, fc.integer({ min: 1, max: 300 }), (contents, blockBytes) => {
        const made = contents.map((body) => logEvent(EVENT.ROWS_QUERY, { body: Buffer.from(body) }));
        const event = payloadEvent(zstdFrame(Buffer.concat(made), blockBytes), ZSTD, Buffer.concat(made).length);
        expect(read(event)).toEqual(made.map((one) => one.toString('hex')));
      }),
      { numRuns: 100, seed: 2 },
    );
  });

  test('that ends within an event, or has another length than it says, is refused', () => {
    const cut = text.subarray(0, text.length - 1);
    expect(() => read(payloadEvent(cut, NONE, cut.length))).toThrow('left over');
    expect(() => read(payloadEvent(zstdFrame(cut, 4096), ZSTD, cut.length))).toThrow('left over');
    expect(() => read(payloadEvent(zstdFrame(text, 4096), ZSTD, text.length + 1))).toThrow('it unpacks to');
    expect(() => read(payloadEvent(text, NONE, text.length, text.length - 1))).toThrow('its payload has');
  });

  test('that is compressed in an unknown way, or has an event shorter than a header, is refused', () => {
    expect(() => read(payloadEvent(text, 7, text.length))).toThrow('its compression is 7');
    const broken = Buffer.from(events[0] ?? Buffer.alloc(0));
    broken.writeUInt32LE(5, 9);
    expect(() => read(payloadEvent(broken, NONE, broken.length))).toThrow('says that it has 5 bytes');
  });
});
