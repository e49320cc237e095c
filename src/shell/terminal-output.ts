/**
 * Output to a terminal that does not keep the program waiting. A terminal may take nothing for hours: Ctrl-S stops it, and so does a
 * connection that hangs. Node's own stream would wait for it with everything else, which a run that holds a claim, or a lock, must not.
 */

import { write, writeSync } from 'node:fs';

/** The stream of the terminal, as far as it is needed. */
export interface TerminalStream {
  readonly fd: number;
  readonly columns?: number | undefined;
  readonly rows?: number | undefined;
  on(event: 'resize', listener: () => void): unknown;
  off(event: 'resize', listener: () => void): unknown;
}

/** What a stopped terminal is kept for, bytes. What comes beyond is counted and left out. */
const KEPT_BYTES_MAX = 1024 * 1024;
/** Somebody else who has the terminal may have made it one that refuses instead of waiting. */
const REFUSED_PAUSE_MS = 50;

export class TerminalOutput {
  readonly isTTY = true;
  readonly #terminal: TerminalStream;
  readonly #onError: (error: NodeJS.ErrnoException) => void;
  readonly #kept: Buffer[] = [];
  #keptBytes = 0;
  #textsLeftOut = 0;
  #isWriting = false;
  #isGone = false;

  /** `onError` is called once, when the terminal is gone for good; nothing is written from then on. */
  constructor(terminal: TerminalStream, onError: (error: NodeJS.ErrnoException) => void) {
    this.#terminal = terminal;
    this.#onError = onError;
  }

  get columns(): number | undefined {
    return this.#terminal.columns;
  }

  get rows(): number | undefined {
    return this.#terminal.rows;
  }

  /** Whether the terminal has not yet taken what was written before. */
  get isBehind(): boolean {
    return this.#keptBytes > 0;
  }

  on(event: 'resize', listener: () => void): void {
    this.#terminal.on(event, listener);
  }

  off(event: 'resize', listener: () => void): void {
    this.#terminal.off(event, listener);
  }

  write(text: string): void {
    if (this.#isGone) return;
    if (this.#keptBytes >= KEPT_BYTES_MAX) {
      this.#textsLeftOut += 1;
      return;
    }
    this.#keep(text);
    this.#writeNext();
  }

  /** Writes what is left, and waits for the terminal to take it: for the end of the process. */
  flush(): void {
    // What is being written is written to its end before the process ends.
    if (this.#isWriting) this.#kept.shift();
    this.#isWriting = true;
    try {
      for (let next = this.#kept.shift(); next !== undefined; next = this.#kept.shift()) {
        for (let from = 0; from < next.length; ) from += writeSync(this.#terminal.fd, next, from);
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
    write(this.#terminal.fd, next, (error, written) => {
      this.#isWriting = false;
      if (error?.code === 'EAGAIN') setTimeout(() => this.#writeNext(), REFUSED_PAUSE_MS);
      else if (error !== null) this.#giveUp(error);
      else this.#noteWritten(next, written);
    });
  }

  #noteWritten(bytes: Buffer, written: number): void {
    // The end of the process has taken over.
    if (this.#kept[0] !== bytes) return;
    this.#keptBytes -= written;
    if (written < bytes.length) this.#kept[0] = bytes.subarray(written);
    else this.#kept.shift();
    if (this.#kept.length === 0 && this.#textsLeftOut > 0) {
      this.#keep(`warning: The terminal took nothing for a while, and ${this.#textsLeftOut} texts were left out.\n`);
      this.#textsLeftOut = 0;
    }
    this.#writeNext();
  }

  #giveUp(error: NodeJS.ErrnoException): void {
    this.#isGone = true;
    this.#kept.length = 0;
    this.#keptBytes = 0;
    this.#onError(error);
  }
}
