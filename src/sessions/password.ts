/**
 * The password of a login. A run lives for days, and its password may not: tokens of clouds last for minutes, and secrets are rotated. So
 * once the server refuses the one that is known it is read again from where it came, and where that is another one, tried once more.
 */

import { MigrationError, messageOf } from '../engine/errors.ts';
import type { Clock } from '../engine/ports.ts';
import { systemClock } from './system-clock.ts';

/** Reads it from where it is; null where there is none. */
export type ReadPassword = () => Promise<string | null>;

/**
 * A password that was good is waited for when it is changed, for so long: whoever rotates a secret does not change it everywhere at once,
 * and Kubernetes takes a minute and more to bring a new one into a mounted file.
 */
const WAIT_MS_MAX = 120_000;
const READ_EVERY_MS = 2_000;
/** So often in a row it may be unreadable meanwhile: a file that is just written may be empty. */
const FAILURES_MAX = 2;

/** Shared by all sessions of a login: one of them reads for all. Never put it into a message or an event. */
export class Password {
  /** Null where it stays as it is. */
  readonly #read: ReadPassword | null;
  readonly #clock: Clock;
  #known: string | null;
  #hasBeenGood = false;
  #reading: Promise<string | null> | null = null;

  /** `read`: from where `known` was read just now; null where it stays as it is. */
  constructor(read: ReadPassword | null, known: string | null, clock: Clock = systemClock) {
    this.#read = read;
    this.#known = known;
    this.#clock = clock;
  }

  /** Reads it for the first time, where it is to be read. Rejects with what that rejects with. */
  static async from(given: string | ReadPassword | null, clock: Clock = systemClock): Promise<Password> {
    return typeof given === 'function' ? new Password(given, await given(), clock) : new Password(null, given, clock);
  }

  get known(): string | null {
    return this.#known;
  }

  /**
   * Connects, and once more with another password where there is one by then and `isRefused` says of the error that it was the password.
   * Rejects with ACCESS_DENIED where it cannot be read any more, and with CONNECTION_LOST where the signal aborts while another is
   * waited for.
   */
  async login<Result>(
    connect: () => Promise<Result>,
    isRefused: (error: unknown) => boolean,
    signal: AbortSignal,
  ): Promise<Result> {
    const tried = this.#known;
    try {
      const result = await connect();
      this.#hasBeenGood = true;
      return result;
    } catch (error) {
      if (!isRefused(error) || !(await this.#becomesOtherThan(tried, error, signal))) throw error;
      return await connect();
    }
  }

  async #becomesOtherThan(tried: string | null, refusal: unknown, signal: AbortSignal): Promise<boolean> {
    const read = this.#read;
    if (read === null) return false;
    const until = this.#clock.now() + (this.#hasBeenGood ? WAIT_MS_MAX : 0);
    let failures = this.#hasBeenGood ? 0 : FAILURES_MAX;
    for (;;) {
      try {
        if (this.#known === tried) this.#known = await this.#readAgain(read);
        failures = 0;
      } catch (cause) {
        if (failures >= FAILURES_MAX) {
          const message = `The server refused the password, and it cannot be read again: ${messageOf(cause)}`;
          throw new MigrationError('ACCESS_DENIED', message, { cause });
        }
        failures += 1;
      }
      if (this.#known !== tried) return true;
      if (this.#clock.now() >= until) return false;
      await this.#clock.sleep(READ_EVERY_MS, signal).catch((cause: unknown) => {
        const message = `The server refused the password, and no other one has come yet: ${messageOf(refusal)}`;
        throw new MigrationError('CONNECTION_LOST', message, { cause });
      });
    }
  }

  async #readAgain(read: ReadPassword): Promise<string | null> {
    this.#reading ??= read().finally(() => {
      this.#reading = null;
    });
    return await this.#reading;
  }
}
