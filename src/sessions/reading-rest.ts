/** Rests of a connection that is read all the time: each look at a socket wakes the process, which costs more than what is read. */

import type { Socket } from 'node:net';

/** A connection, as far as its rests need to know it. */
export interface RestingConnection {
  /** How much has come so far, in whatever unit. */
  readonly received: () => number;
  readonly pause: () => void;
  readonly resume: () => void;
}

/** Where more comes at each look, the rest begins nevertheless. */
const LOOKS_MAX = 8;
/** Nobody stays away for longer, or the server would not be heard when it has something to say. */
const REST_MS_MAX = 250;

/** Reads all that has arrived while nobody asks for more, and then looks away until somebody does. */
export class ReadingRest {
  readonly #connection: RestingConnection;
  #isAsked = true;
  #resting: NodeJS.Timeout | null = null;

  constructor(connection: RestingConnection) {
    this.#connection = connection;
  }

  /** Nobody asks for more at present. */
  begin(): void {
    this.#isAsked = false;
    this.#restWhenCalm();
  }

  /** Somebody asks. */
  end(): void {
    this.#isAsked = true;
    if (this.#resting === null) return;
    clearTimeout(this.#resting);
    this.#resting = null;
    this.#connection.resume();
  }

  /** The event loop looks at the sockets once before this is called. */
  #restWhenCalm(looks = 1): void {
    const before = this.#connection.received();
    setImmediate(() => {
      if (this.#isAsked || this.#resting !== null) return;
      if (this.#connection.received() !== before && looks < LOOKS_MAX) return this.#restWhenCalm(looks + 1);
      this.#resting = setTimeout(() => this.end(), REST_MS_MAX);
      this.#connection.pause();
    });
  }
}

/** In a flow that is steady there is a rest of so long between two looks, which nobody feels who waits for what it brings. */
export const FLOW_REST_MS = 3;
/** What comes sooner after it was asked for was on its way already. */
const STEADY_WAIT_MS = 0.5;
/** So many looks in a row make a flow steady; the changes of one transaction may take a few. */
const STEADY_LOOKS = 16;

/** Whether there is something at each look, as in a backlog: then many small looks cost both sides more than what they bring. */
export class Flow {
  #looks = 0;

  /** Something has come, so long after it was asked for. */
  note(waitedMs: number): void {
    this.#looks = waitedMs < STEADY_WAIT_MS ? this.#looks + 1 : 0;
  }

  get isSteady(): boolean {
    return this.#looks >= STEADY_LOOKS;
  }
}

/**
 * Makes a pause of this socket one at once: by itself a stream that is paused goes on reading, and so the process goes on waking,
 * until 16 KB wait in it, which is longer than any rest lasts. What it may hold at most can be given to a socket when it is made, but
 * drivers make those with TLS themselves.
 */
export function pauseAtOnce(socket: Socket): void {
  // oxlint-disable-next-line no-underscore-dangle -- there is no other way to it once a stream is made
  (socket as Socket & { readonly _readableState: { highWaterMark: number } })._readableState.highWaterMark = 1;
}
