/** What many measurements of the same thing come to. */

/** How often values fell between `from` and, exclusively, `to`; the last bin has no end. */
export interface Bin {
  readonly from: number;
  readonly to: number | null;
  readonly count: number;
}

/** The value that this share of the values does not exceed, by nearest rank: `percentile(values, 0.95)`. Throws for no values. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const value = sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)];
  if (value === undefined) throw new Error('There is no percentile of nothing.');
  return value;
}

/** The middle one, and the lower of the two middle ones: always one that was measured. */
export function median(values: readonly number[]): number {
  return percentile(values, 0.5);
}

/** The item whose value is the median, so that all its other figures belong together. */
export function medianBy<Item>(items: readonly Item[], valueOf: (item: Item) => number): Item {
  const middle = median(items.map(valueOf));
  const item = items.find((item) => valueOf(item) === middle);
  if (item === undefined) throw new Error('There is no median of what is not a number.');
  return item;
}

/** Counts the values between rising edges; those below the first edge count to the first bin. */
export function histogram(values: readonly number[], edges: readonly number[]): readonly Bin[] {
  return edges.map((from, place) => {
    const to = edges[place + 1] ?? null;
    const isInside = (value: number): boolean => (place === 0 || value >= from) && (to === null || value < to);
    return { from, to, count: values.filter(isInside).length };
  });
}

/** How many times the reference; null where there is none. */
export function ratio(value: number | null, reference: number | null): number | null {
  return value === null || reference === null || reference === 0 ? null : value / reference;
}
