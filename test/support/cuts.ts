/** Cuts connections of a run with the n-th message that it sends to the server, for each n of a list. */
import { asMigrationError } from '../../src/engine/errors.ts';
import type { Cut } from './case-folder.ts';
import { type Fate, startProxy, type TcpProxy } from './tcp-proxy.ts';

export class Cuts implements AsyncDisposable {
  readonly #left: Cut[];
  #proxy: TcpProxy | null = null;
  #url: string;
  #messages = 0;
  /** How many were made. */
  passed = 0;

  private constructor(url: string, cuts: readonly Cut[]) {
    this.#url = url;
    this.#left = [...cuts];
  }

  /** Without any, connections go to the server itself. */
  static async between(url: string, cuts: readonly Cut[]): Promise<Cuts> {
    const made = new Cuts(url, cuts);
    if (cuts.length > 0) {
      made.#proxy = await startProxy(url, () => made.#judge());
      made.#url = made.#proxy.url;
    }
    return made;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#proxy?.[Symbol.asyncDispose]();
  }

  /** By which the run reaches the server. */
  get url(): string {
    return this.#url;
  }

  /** Runs it again for as long as it has lost connections here. */
  async outlast<Result>(run: () => Promise<Result>): Promise<Result> {
    for (;;) {
      const { passed } = this;
      try {
        return await run();
      } catch (error) {
        const { code, isResumable } = asMigrationError(error);
        // Nothing was done where it did not connect at all: it is tried again.
        if (this.passed === passed || !(isResumable || code === 'UNREACHABLE')) throw error;
      }
    }
  }

  #judge(): Fate {
    const [next] = this.#left;
    this.#messages += 1;
    if (next === undefined || this.#messages < next.at) return 'pass';
    this.#left.shift();
    this.#messages = 0;
    this.passed += 1;
    if (next.fate !== 'all' && next.fate !== 'all-unnoticed') return next.fate;
    if (next.fate === 'all') this.#proxy?.cut();
    else this.#proxy?.cutClients();
    return 'pass';
  }
}
