/** Chance of one part of a simulated run: delays, choices and faults, the same for the same seed on every machine. */

import { seededRandom, type Random } from '../support/random.ts';

/** A generator for one part of a seed; parts don't disturb each other, so a new draw in one leaves the others as they were. */
export class Chance {
  readonly #random: Random;

  constructor(seed: number, part: string) {
    this.#random = seededRandom(seed, part);
  }

  /** Uniform in [0, 1). */
  next(): number {
    return this.#random();
  }

  /** A whole number from 0 to `limit` - 1. */
  below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  /** A whole number from `least` to `most`, both included. */
  between(least: number, most: number): number {
    return least + this.below(most - least + 1);
  }

  /** True with this probability. */
  hits(probability: number): boolean {
    return this.#random() < probability;
  }

  /** One of the items; the list is not empty. */
  pick<Item>(items: readonly [Item, ...Item[]]): Item {
    return items[this.below(items.length)] ?? items[0];
  }

  /** One of a list that may be empty. */
  some<Item>(items: readonly Item[]): Item | undefined {
    return items[this.below(items.length)];
  }

  /** A delay around `meanMs` with a long tail: most are near, some are ten times as long. */
  delay(meanMs: number): number {
    const draw = this.#random();
    const size = -Math.log(1 - this.#random());
    if (draw < 0.6) return meanMs * 0.5 * this.#random();
    return draw < 0.93 ? meanMs * size : meanMs * 6 * size;
  }
}
