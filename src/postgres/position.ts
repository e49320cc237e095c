/** Places in the write-ahead log, as the server writes them (`16/B374D848`) and as positions of a stream. */

import { MigrationError } from '../engine/errors.ts';
import type { Position } from '../engine/model.ts';

/** A log sequence number. */
export type Lsn = bigint;

/** From the server's text. Rejects what is none, for it comes from a checkpoint. */
export function parseLsn(text: string): Lsn {
  const match = /^([0-9A-Fa-f]{1,8})\/([0-9A-Fa-f]{1,8})$/.exec(text);
  const [, high, low] = match ?? [];
  if (high === undefined || low === undefined) {
    throw new MigrationError('INTERNAL', `"${text}" is no position in a PostgreSQL log.`);
  }
  return (BigInt(`0x${high}`) << 32n) | BigInt(`0x${low}`);
}

/** As the server writes it. */
function formatLsn(lsn: Lsn): string {
  return `${(lsn >> 32n).toString(16).toUpperCase()}/${(lsn & 0xffffffffn).toString(16).toUpperCase()}`;
}

/** The position behind which reading goes on. Exact as a number up to 8 PB of log. */
export function positionAt(lsn: Lsn): Position {
  return {
    order: Number(lsn),
    get token(): string {
      return formatLsn(lsn);
    },
  };
}

/** The log sequence number of a position of this folder. */
export function lsnOf(position: Position): Lsn {
  return parseLsn(position.token);
}
