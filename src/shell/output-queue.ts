/**
 * Output that does not keep the program waiting. A terminal may take nothing for hours (Ctrl-S stops it, and so does a connection that
 * hangs), and so may a file (NFS whose server is away). Node's own streams wait for both with everything else, which a run that holds a
 * claim, or a lock, must not.
 */

import { fstatSync, write, writeSync } from 'node:fs';

/** One of the program's streams, as far as it is needed. */
export interface OutputStream {
  readonly fd: number;
  readonly isTTY?: boolean;
  readonly columns?: number | undefined;
  readonly rows?: number | undefined;
  on(event: 'resize', listener: () => void): unknown;
  off(event: 'resize', listener: () => void): unknown;
}

/** So much is kept for a terminal or a file that takes nothing, bytes. What comes beyond is counted and left out. */
const KEPT_BYTES_MAX = 1024 * 1024;
/** The same for a pipe. Behind it is a program, which may be away for an hour or two: in an hour a run writes some 2 MB of JSON. */
const PIPE_BYTES_MAX = 8 * 1024 * 1024;
/** Somebody else who has the terminal may have made it one that refuses instead of waiting. */
const REFUSED_PAUSE_MS = 50;

/** Whether Node's own stream would keep everything waiting: pipes it does not wait for. */
export function isWaitedFor({ fd, isTTY }: Pick<OutputStream, 'fd' | 'isTTY'>): boolean {
  return isTTY === true || (stat(fd)?.isFile() ?? false);
}

/** Whether both are the same terminal or file, so that what is written to one comes behind what was written to the other. */
export function areSame(one: number, other: number): boolean {
  const [a, b] = [stat(one), stat(other)];
  return a !== null && b !== null && a.dev === b.dev && a.ino === b.ino;
}

function stat(fd: number): ReturnType<typeof fstatSync> | null {
  try {
    return fstatSync(fd);
  } catch {
    // It was closed by who started the program.
    return null;
  }
}

/** Node's own stream for a pipe or a socket. */
export interface PipeStream extends OutputStream {
  readonly writableLength: number;
  write(text: string): unknown;
  on(event: 'resize' | 'drain', listener: () => void): unknown;
}

/** Output into a pipe, or a socket such as that of the journal: Node does not wait for those, but would keep all that they do not take. */
export class PipeOutput {
  readonly #stream: PipeStream;
  #textsLeftOut = 0;

  /** `onError` is told what was left out, once all the rest has been taken. */
  constructor(stream: PipeStream, onError: (error: Error) => void) {
    this.#stream = stream;
    stream.on('drain', () => {
      if (this.#textsLeftOut > 0) onError(leftOut(this.#textsLeftOut));
      this.#textsLeftOut = 0;
    });
  }

  write(text: string): void {
    if (this.#stream.writableLength < PIPE_BYTES_MAX) this.#stream.write(text);
    else this.#textsLeftOut += 1;
  }

  on(event: 'resize', listener: () => void): void {
    this.#stream.on(event, listener);
  }

  off(event: 'resize', listener: () => void): void {
    this.#stream.off(event, listener);
  }
}

function leftOut(texts: number): Error {
  return new Error(`${texts} texts, while nothing could be written`);
}

/** Output into a terminal or a file. */
export class OutputQueue {
  readonly #stream: OutputStream;
  readonly #onError: (error: NodeJS.ErrnoException) => void;
  readonly #kept: Buffer[] = [];
  #keptBytes = 0;
  #textsLeftOut = 0;
  #isWriting = false;

  /** `onError` is told of what could not be written; what comes next is tried all the same, for a full disk may have room again. */
  constructor(stream: OutputStream, onError: (error: NodeJS.ErrnoException) => void) {
    this.#stream = stream;
    this.#onError = onError;
  }

  get isTTY(): boolean {
    return this.#stream.isTTY === true;
  }

  get columns(): number | undefined {
    return this.#stream.columns;
  }

  get rows(): number | undefined {
    return this.#stream.rows;
  }

  /** Whether what was written before has not been taken yet. */
  get isBehind(): boolean {
    return this.#keptBytes > 0;
  }

  on(event: 'resize', listener: () => void): void {
    this.#stream.on(event, listener);
  }

  off(event: 'resize', listener: () => void): void {
    this.#stream.off(event, listener);
  }

  write(text: string): void {
    if (this.#keptBytes >= KEPT_BYTES_MAX) {
      this.#textsLeftOut += 1;
      return;
    }
    this.#keep(text);
    this.#writeNext();
  }

  /** Writes what is left, and waits until it is taken: for the end of the process. */
  flush(): void {
    // What is being written is written to its end before the process ends.
    if (this.#isWriting) this.#kept.shift();
    this.#isWriting = true;
    try {
      for (let next = this.#kept.shift(); next !== undefined; next = this.#kept.shift()) {
        for (let from = 0; from < next.length; ) from += writeSync(this.#stream.fd, next, from);
      }
    } catch {
      // Nobody is left to be told.
    }
    this.#keptBytes = 0;
  }

  #keep(text: string): void {
    const bytes = Buffer.from(text);
    this.#kept.push(bytes);
    this.#keptBytes += bytes.length;
  }

  #writeNext(): void {
    const next = this.#kept[0];
    if (next === undefined || this.#isWriting) return;
    this.#isWriting = true;
    write(this.#stream.fd, next, (error, written) => {
      // The end of the process has taken over.
      if (this.#kept[0] !== next) return;
      this.#isWriting = false;
      if (error?.code === 'EAGAIN') {
        setTimeout(() => this.#writeNext(), REFUSED_PAUSE_MS);
        return;
      }
      this.#take(next, error === null ? written : next.length);
      // Who is told may write here, too.
      if (error !== null) this.#onError(error);
      this.#tellLeftOut();
      this.#writeNext();
    });
  }

  #take(bytes: Buffer, count: number): void {
    this.#keptBytes -= count;
    if (count < bytes.length) this.#kept[0] = bytes.subarray(count);
    else this.#kept.shift();
  }

  #tellLeftOut(): void {
    if (this.#kept.length === 0 && this.#textsLeftOut > 0) {
      const count = this.#textsLeftOut;
      this.#textsLeftOut = 0;
      this.#onError(leftOut(count));
    }
  }
}
