/** What is drawn by chance for a generated case; the same for the same seed. */
import { below, type Random, seededRandom } from '../support/random.ts';

export class Draw {
  readonly #random: Random;

  constructor(...seed: readonly (number | string)[]) {
    this.#random = seededRandom(...seed);
  }

  /** From 0 to `limit` - 1. */
  below(limit: number): number {
    return below(this.#random, limit);
  }

  /** From `from` to `through`. */
  between(from: number, through: number): number {
    return from + this.below(through - from + 1);
  }

  happens(probability: number): boolean {
    return this.#random() < probability;
  }

  /** One of them; there is one. */
  of<Item>(items: readonly Item[]): Item {
    const item = items[this.below(items.length)];
    if (item === undefined) throw new Error('Nothing to draw from.');
    return item;
  }

  /** One of them, or null where there is none. */
  ofAny<Item>(items: readonly Item[]): Item | null {
    return items.length === 0 ? null : this.of(items);
  }

  /** The text with this probability, otherwise none. */
  text(probability: number, text: string): string {
    return this.happens(probability) ? text : '';
  }

  /** A number between -1 and 1 of some magnitude. */
  float(magnitudeMax: number): number {
    return (this.#random() - 0.5) * 10 ** this.below(magnitudeMax);
  }
}

export function times<Item>(count: number, make: (place: number) => Item): readonly Item[] {
  return Array.from({ length: count }, (_, place) => make(place));
}
