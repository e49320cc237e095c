/** Events of a binary log, made byte by byte, for what no test can have a server write: files of 4 GiB, broken bytes. */
import { FLAG_ARTIFICIAL } from '../../src/mysql/binlog-format.ts';

/** What an event has beside its type. */
export interface EventParts {
  readonly body?: Buffer;
  /** Offset in the file behind the event; its low 32 bits are logged. */
  readonly endsAt?: number;
  readonly isArtificial?: boolean;
}

/** An event without a checksum. */
export function logEvent(type: number, { body = Buffer.alloc(0), endsAt = 0, isArtificial = false }: EventParts = {}): Buffer {
  const header = Buffer.alloc(19);
  header.writeUInt8(type, 4);
  header.writeUInt32LE(19 + body.length, 9);
  header.writeUInt32LE(endsAt % 0x1_0000_0000, 13);
  header.writeUInt16LE(isArtificial ? FLAG_ARTIFICIAL : 0, 17);
  return Buffer.concat([header, body]);
}

/** A length-encoded integer below 2^32. */
export function lengthEncodedInteger(value: number): Buffer {
  if (value < 0xfb) return Buffer.from([value]);
  const bytes = Buffer.alloc(9);
  bytes.writeUInt8(0xfe, 0);
  bytes.writeUInt32LE(value, 1);
  return bytes;
}
