/** Rows events: the key of each row before and after, and nothing else of it. */

import { MigrationError } from '../engine/errors.ts';
import type { RowKey } from '../engine/model.ts';
import { inflateMariadb } from './binlog-compression.ts';
import { brokenEvent, byteAt, EVENT, hasBit, lengthEncoded, numberLE, type LogEvent } from './binlog-format.ts';
import type { RowLayout, WatchedTable } from './binlog-table-map.ts';
import { rowKey } from './row-key.ts';

/** What a type of rows event does, and how it is laid out. */
interface RowsShape {
  readonly action: 'insert' | 'update' | 'delete';
  /** Version 2 has a block of extra data behind the flags. */
  readonly hasExtra: boolean;
  /** MariaDB's log_bin_compress: the rows are one deflated block. */
  readonly isCompressed: boolean;
  /** MySQL's PARTIAL_JSON: an after image may hold parts of documents. */
  readonly isPartial: boolean;
}

const shape = (action: RowsShape['action'], more: Partial<RowsShape> = {}): RowsShape => {
  return { action, hasExtra: false, isCompressed: false, isPartial: false, ...more };
};

const SHAPES: ReadonlyMap<number, RowsShape> = new Map([
  [EVENT.WRITE_ROWS_V1, shape('insert')],
  [EVENT.UPDATE_ROWS_V1, shape('update')],
  [EVENT.DELETE_ROWS_V1, shape('delete')],
  [EVENT.WRITE_ROWS, shape('insert', { hasExtra: true })],
  [EVENT.UPDATE_ROWS, shape('update', { hasExtra: true })],
  [EVENT.DELETE_ROWS, shape('delete', { hasExtra: true })],
  [EVENT.PARTIAL_UPDATE_ROWS, shape('update', { hasExtra: true, isPartial: true })],
  [EVENT.WRITE_ROWS_COMPRESSED_V1, shape('insert', { isCompressed: true })],
  [EVENT.UPDATE_ROWS_COMPRESSED_V1, shape('update', { isCompressed: true })],
  [EVENT.DELETE_ROWS_COMPRESSED_V1, shape('delete', { isCompressed: true })],
  [EVENT.WRITE_ROWS_COMPRESSED, shape('insert', { hasExtra: true, isCompressed: true })],
  [EVENT.UPDATE_ROWS_COMPRESSED, shape('update', { hasExtra: true, isCompressed: true })],
  [EVENT.DELETE_ROWS_COMPRESSED, shape('delete', { hasExtra: true, isCompressed: true })],
]);

/** Hands every row change of the event to the table's `take`. */
export function readRows(event: LogEvent, layout: RowLayout): void {
  const form = SHAPES.get(event.type);
  if (form === undefined) throw brokenEvent(event.type, 'it is no rows event');
  new RowsReader(event, layout, form).read();
}

/** Which columns an image holds: bit by bit, unless it holds all. */
interface ImageColumns {
  readonly bitmap: Buffer;
  readonly count: number;
}

/** Where the key columns of one image are; -1 for one that it lacks. */
interface KeyPlaces {
  readonly starts: number[];
  readonly ends: number[];
}

/** Walks one event. */
class RowsReader {
  readonly #event: LogEvent;
  readonly #layout: RowLayout;
  readonly #form: RowsShape;
  readonly #columns: number;
  readonly #before: KeyPlaces;
  readonly #after: KeyPlaces;
  #bytes: Buffer;
  #at: number;
  #end: number;

  constructor(event: LogEvent, layout: RowLayout, form: RowsShape) {
    const nowhere = (): number[] => layout.decoders.map(() => -1);
    this.#event = event;
    this.#layout = layout;
    this.#form = form;
    this.#columns = layout.sizes.length;
    this.#before = { starts: nowhere(), ends: nowhere() };
    this.#after = { starts: nowhere(), ends: nowhere() };
    this.#bytes = event.bytes;
    this.#at = event.start + 8;
    this.#end = event.end;
  }

  read(): void {
    const form = this.#form;
    const event = this.#event;
    if (form.hasExtra) this.#at += numberLE(this.#bytes, this.#at, 2);
    const count = lengthEncoded(this.#bytes, this.#at);
    if (count.value !== this.#columns)
      throw brokenEvent(event.type, `it has ${count.value} columns, its table ${this.#columns}`);
    this.#at = count.next;
    const first = this.#imageColumns();
    const second = form.action === 'update' ? this.#imageColumns() : first;
    if (form.isCompressed) {
      this.#bytes = inflateMariadb(this.#bytes, this.#at, this.#end);
      this.#at = 0;
      this.#end = this.#bytes.length;
    }
    while (this.#at < this.#end) this.#readChange(first, second);
    if (this.#at !== this.#end) throw brokenEvent(event.type, `its rows end ${this.#at - this.#end} bytes behind it`);
  }

  #imageColumns(): ImageColumns {
    const length = (this.#columns + 7) >> 3;
    const bitmap = this.#bytes.subarray(this.#at, this.#at + length);
    this.#at += length;
    let count = 0;
    for (let index = 0; index < this.#columns; index += 1) if (hasBit(bitmap, 0, index)) count += 1;
    return { bitmap, count };
  }

  #readChange(first: ImageColumns, second: ImageColumns): void {
    const { table } = this.#layout;
    if (this.#form.action === 'insert') {
      this.#readImage(first, this.#after);
      table.take(this.#insertedKey(table), 'upsert');
      return;
    }
    this.#readImage(first, this.#before);
    const old = this.#key((index) => this.#decode(index, this.#before) ?? this.#missing(index, 'before'));
    if (this.#form.action === 'delete') {
      table.take(old, 'delete');
      return;
    }
    if (this.#form.isPartial) this.#skipPartialBits();
    this.#readImage(second, this.#after);
    const key = this.#isSameKey() ? old : this.#changedKey();
    if (key !== old) table.take(old, 'delete');
    table.take(key, 'upsert');
  }

  /** Finds the key columns of the image that begins here, and steps behind it. */
  #readImage(image: ImageColumns, places: KeyPlaces): void {
    const bytes = this.#bytes;
    const columns = this.#columns;
    const { isFixed, sizes, keyIndexes } = this.#layout;
    const isWhole = image.count === columns;
    const nulls = this.#at;
    let at = nulls + ((image.count + 7) >> 3);
    let present = 0;
    places.starts.fill(-1);
    for (let column = 0; column < columns; column += 1) {
      if (!isWhole && !hasBit(image.bitmap, 0, column)) continue;
      const isNull = (byteAt(bytes, nulls + (present >> 3)) & (1 << (present & 7))) !== 0;
      present += 1;
      if (isNull) continue;
      const size = sizes[column] ?? 0;
      const next = isFixed[column] === true ? at + size : at + size + numberLE(bytes, at, size);
      const keyIndex = keyIndexes[column] ?? -1;
      if (keyIndex >= 0) {
        places.starts[keyIndex] = at;
        places.ends[keyIndex] = next;
      }
      at = next;
    }
    if (at > this.#end) throw brokenEvent(this.#event.type, `a row ends ${at - this.#end} bytes behind it`);
    this.#at = at;
  }

  /** Between the images of a partial update: options, and if bit 0 is set, one bit for each JSON column of the table. */
  #skipPartialBits(): void {
    const options = lengthEncoded(this.#bytes, this.#at);
    this.#at = options.next;
    if ((options.value & 1) !== 0) this.#at += (this.#layout.jsonColumns + 7) >> 3;
  }

  /** Whether the after image has the same bytes in the key as the before image, or no key at all. */
  #isSameKey(): boolean {
    const bytes = this.#bytes;
    const before = this.#before;
    const after = this.#after;
    return after.starts.every((start, index) => {
      if (start < 0) return true;
      const length = (after.ends[index] ?? 0) - start;
      const old = before.starts[index] ?? 0;
      if ((before.ends[index] ?? 0) - old !== length) return false;
      for (let offset = 0; offset < length; offset += 1) {
        if (bytes[start + offset] !== bytes[old + offset]) return false;
      }
      return true;
    });
  }

  /** A key column that an after image lacks has not changed. */
  #changedKey(): RowKey {
    return this.#key(
      (index) => this.#decode(index, this.#after) ?? this.#decode(index, this.#before) ?? this.#missing(index, 'after'),
    );
  }

  /** With binlog_row_image=MINIMAL an inserted row lacks the columns that the statement left to their defaults. */
  #insertedKey(table: WatchedTable): RowKey {
    return this.#key((index) => this.#decode(index, this.#after) ?? table.defaults[index] ?? this.#missing(index, 'after'));
  }

  #key(literal: (index: number) => string): RowKey {
    const { decoders } = this.#layout;
    return decoders.length === 1 ? rowKey([literal(0)]) : rowKey(decoders.map((_, index) => literal(index)));
  }

  #decode(index: number, places: KeyPlaces): string | null {
    const start = places.starts[index] ?? -1;
    return start < 0 ? null : (this.#layout.decoders[index]?.(this.#bytes, start) ?? null);
  }

  #missing(index: number, image: 'before' | 'after'): never {
    const { name, key } = this.#layout.table;
    const message =
      `The log holds a change of ${name.schema}.${name.table} without key column ${key[index]?.name} in its ${image} image, ` +
      'so the row cannot be known. Set binlog_row_image=FULL, also in the sessions that write, or migrate by the primary key.';
    throw new MigrationError('UNKNOWN_LOG_EVENT', message);
  }
}
