/** Chance from a seed, so that a failed run can be repeated. */

/** Uniform numbers in [0, 1), the same sequence for the same seed. */
export type Random = () => number;

/** A generator (mulberry32) for a seed; parts of a run take `seededRandom(seed, 'name', 7)` and don't disturb each other. */
export function seededRandom(...seed: readonly (number | string)[]): Random {
  let state = 2_166_136_261;
  for (const letter of seed.join('/')) state = Math.imul(state ^ (letter.codePointAt(0) ?? 0), 16_777_619);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** A whole number from 0 to `below` - 1. */
export function below(random: Random, limit: number): number {
  return Math.floor(random() * limit);
}

/** One of the items; the list is not empty. */
export function pick<Item>(random: Random, items: readonly [Item, ...Item[]]): Item {
  return items[below(random, items.length)] ?? items[0];
}
