/** Rests of a connection that is read all the time: each look at a socket wakes the process, which costs more than what is read. */

/** A connection, as far as its rests need to know it. */
export interface RestingConnection {
  /** How much has come so far, in whatever unit. */
  readonly received: () => number;
  readonly pause: () => void;
  readonly resume: () => void;
}

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
  #restWhenCalm(): void {
    const before = this.#connection.received();
    setImmediate(() => {
      if (this.#isAsked || this.#resting !== null) return;
      if (this.#connection.received() !== before) return this.#restWhenCalm();
      this.#resting = setTimeout(() => this.end(), REST_MS_MAX);
      this.#connection.pause();
    });
  }
}
