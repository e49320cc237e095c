/** Compressed parts of the log: MySQL's transaction payloads (zstd) and MariaDB's log_bin_compress (zlib). */

import * as zlib from 'node:zlib';
import { Decompress } from 'fzstd';
import { brokenEvent, byteAt, EVENT, HEADER_BYTES, lengthEncoded, numberBE, type LogEvent } from './binlog-format.ts';

/** From so many bytes of an event on, its length is known. */
const LENGTH_KNOWN_BYTES = 13;
/** How much of a compressed payload is handed to the decoder at a time, so that a huge one is never whole in memory. */
const SLICE_BYTES = 16_384;
/** Up to this size a payload is decompressed in one go by Node's own zstd, where there is one (from 22.15). */
const ONE_GO_BYTES_MAX = 16 * 1024 * 1024;

type ZstdSync = (compressed: Uint8Array, options: { maxOutputLength: number }) => Buffer;
const nativeZstd = (zlib as unknown as { readonly zstdDecompressSync?: ZstdSync }).zstdDecompressSync;

/** Undoes MariaDB's compression of a query or of rows: a byte of algorithm and size length, the size, a zlib stream. */
export function inflateMariadb(bytes: Buffer, from: number, to: number): Buffer {
  const header = byteAt(bytes, from);
  const sizeBytes = header & 0x07;
  if ((header & 0xf0) !== 0x80 || sizeBytes < 1 || sizeBytes > 4) {
    throw brokenEvent(EVENT.QUERY_COMPRESSED, `its compression header is ${header}`);
  }
  const size = numberBE(bytes, from + 1, sizeBytes);
  const inflated = zlib.inflateSync(bytes.subarray(from + 1 + sizeBytes, to), { maxOutputLength: Math.max(1, size) });
  if (inflated.length !== size) throw brokenEvent(EVENT.QUERY_COMPRESSED, `it inflates to ${inflated.length} bytes of ${size}`);
  return inflated;
}

/** The parts of a TRANSACTION_PAYLOAD event, in front of which a list of (field, length, value) says what it is. */
interface Payload {
  readonly compressed: Buffer;
  readonly isZstd: boolean;
  readonly size: number;
}

const FIELD = { END: 0, PAYLOAD_SIZE: 1, COMPRESSION: 2, UNCOMPRESSED_SIZE: 3 } as const;
const COMPRESSION_ZSTD = 0;
const COMPRESSION_NONE = 255;

/**
 * The events of a compressed transaction, one buffer each and without checksums. Made as they are asked for: a consumer that
 * stops asking keeps the rest compressed.
 */
export function* payloadEvents(event: LogEvent): Generator<Buffer> {
  const payload = readPayload(event);
  let pieces: Buffer[] = [];
  let held = 0;
  let wanted = LENGTH_KNOWN_BYTES;
  let total = 0;
  for (const chunk of decompressed(payload)) {
    total += chunk.length;
    pieces.push(chunk);
    held += chunk.length;
    if (held < wanted) continue;
    const whole = pieces.length === 1 ? chunk : Buffer.concat(pieces);
    let at = 0;
    wanted = LENGTH_KNOWN_BYTES;
    while (held - at >= LENGTH_KNOWN_BYTES) {
      wanted = whole.readUInt32LE(at + 9);
      if (wanted < HEADER_BYTES) throw brokenEvent(event.type, `an event in it says that it has ${wanted} bytes`);
      if (held - at < wanted) break;
      yield whole.subarray(at, at + wanted);
      at += wanted;
      wanted = LENGTH_KNOWN_BYTES;
    }
    pieces = [whole.subarray(at)];
    held -= at;
  }
  if (held > 0 || total !== payload.size) {
    throw brokenEvent(event.type, `it unpacks to ${total} bytes of ${payload.size}, ${held} of them left over`);
  }
}

function readPayload(event: LogEvent): Payload {
  let at = event.start;
  let isZstd = false;
  let size = -1;
  let payloadSize = -1;
  for (;;) {
    const field = lengthEncoded(event.bytes, at);
    at = field.next;
    if (field.value === FIELD.END) break;
    const length = lengthEncoded(event.bytes, at);
    const { value } = lengthEncoded(event.bytes, length.next);
    at = length.next + length.value;
    if (at > event.end) throw brokenEvent(event.type, 'its fields end behind it');
    if (field.value === FIELD.PAYLOAD_SIZE) payloadSize = value;
    else if (field.value === FIELD.UNCOMPRESSED_SIZE) size = value;
    else if (field.value === FIELD.COMPRESSION) {
      if (value !== COMPRESSION_ZSTD && value !== COMPRESSION_NONE)
        throw brokenEvent(event.type, `its compression is ${value}`);
      isZstd = value === COMPRESSION_ZSTD;
    }
  }
  if (payloadSize !== event.end - at)
    throw brokenEvent(event.type, `its payload has ${event.end - at} bytes, not ${payloadSize}`);
  // A copy: the network buffer is used again while the payload may still be waiting.
  return { compressed: Buffer.from(event.bytes.subarray(at, event.end)), isZstd, size: isZstd ? size : payloadSize };
}

function* decompressed({ compressed, isZstd, size }: Payload): Generator<Buffer> {
  if (!isZstd) {
    yield compressed;
    return;
  }
  if (nativeZstd !== undefined && size <= ONE_GO_BYTES_MAX) {
    yield nativeZstd(compressed, { maxOutputLength: Math.max(1, size) });
    return;
  }
  let ready: Buffer[] = [];
  const stream = new Decompress((chunk) => ready.push(Buffer.from(chunk)));
  for (let at = 0; at < compressed.length; at += SLICE_BYTES) {
    stream.push(compressed.subarray(at, at + SLICE_BYTES), at + SLICE_BYTES >= compressed.length);
    const chunks = ready;
    ready = [];
    yield* chunks;
  }
}
