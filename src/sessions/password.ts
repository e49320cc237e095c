/**
 * The password of a login. A run lives for days, and its password may not: tokens of clouds last for minutes, and secrets are rotated. So
 * once the server refuses the one that is known it is read again from where it came, and where that is another one, tried once more.
 */

import { MigrationError, messageOf } from '../engine/errors.ts';

/** Reads it from where it is; null where there is none. */
export type ReadPassword = () => Promise<string | null>;

/** Shared by all sessions of a login: one of them reads for all. Never put it into a message or an event. */
export class Password {
  readonly #read: ReadPassword;
  #known: string | null;
  #reading: Promise<string | null> | null = null;

  private constructor(read: ReadPassword, known: string | null) {
    this.#read = read;
    this.#known = known;
  }

  /** Reads it for the first time. Rejects with what that rejects with. */
  static async from(read: ReadPassword): Promise<Password> {
    return new Password(read, await read());
  }

  get known(): string | null {
    return this.#known;
  }

  /**
   * Connects, and once more with another password where there is one by then and `isRefused` says of the error that it was the password.
   * Rejects with ACCESS_DENIED where it cannot be read any more.
   */
  async login<Result>(connect: () => Promise<Result>, isRefused: (error: unknown) => boolean): Promise<Result> {
    const tried = this.#known;
    try {
      return await connect();
    } catch (error) {
      if (!isRefused(error) || !(await this.#isOtherThan(tried))) throw error;
      return await connect();
    }
  }

  async #isOtherThan(tried: string | null): Promise<boolean> {
    if (this.#known === tried) this.#known = await this.#readAgain();
    return this.#known !== tried;
  }

  async #readAgain(): Promise<string | null> {
    this.#reading ??= this.#read().finally(() => {
      this.#reading = null;
    });
    try {
      return await this.#reading;
    } catch (cause) {
      const message = `The server refused the password, and it cannot be read again: ${messageOf(cause)}`;
      throw new MigrationError('ACCESS_DENIED', message, { cause });
    }
  }
}
