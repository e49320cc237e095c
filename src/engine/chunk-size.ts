/** How many rows a chunk should have, so that it takes about the target time. */

export interface ChunkSizeOptions {
  /** Asked anew for each chunk: the pace shortens it. */
  readonly targetMs: () => number;
  readonly rowsMin: number;
  readonly rowsMax: () => number;
  readonly rowsFirst: number;
}

/** A size grows by half at most from one chunk to the next, so that a few empty ranges do not make a huge one. */
const GROWTH_MAX = 1.5;
/** A chunk this many times over the target shrinks the next ones at once, not by average. */
const FAR_OVER_FACTOR = 5;
/** Weight of the newest chunk in the running speed. */
const NEWEST_WEIGHT = 0.3;

/** Follows the speed of the chunks that were done. Several workers share one. */
export class ChunkSize {
  readonly #options: ChunkSizeOptions;
  #rows: number;
  #rowsPerMs: number | null = null;

  constructor(options: ChunkSizeOptions) {
    this.#options = options;
    this.#rows = options.rowsFirst;
  }

  /** Rows to ask for next. */
  get rows(): number {
    const { targetMs, rowsMin, rowsMax } = this.#options;
    const inTime = this.#rowsPerMs === null ? this.#rows : Math.min(this.#rows, this.#rowsPerMs * targetMs());
    return Math.round(clamp(inTime, rowsMin, rowsMax()));
  }

  /** At most so many, whatever their speed. */
  get rowsMax(): number {
    return this.#options.rowsMax();
  }

  /** Takes in a finished chunk that asked for `limitRows` and processed `rows` in `durationMs`. */
  observe(limitRows: number, rows: number, durationMs: number): void {
    if (rows === 0) return;
    const speed = rows / Math.max(durationMs, 1);
    const rowsMin = this.#options.rowsMin;
    const rowsMax = this.#options.rowsMax();
    const targetMs = this.#options.targetMs();
    if (durationMs > FAR_OVER_FACTOR * targetMs) {
      this.#rowsPerMs = speed;
      this.#rows = clamp(Math.min(this.#rows, speed * targetMs), rowsMin, rowsMax);
      return;
    }
    // A short last chunk or one of few rows says nothing about bigger ones.
    if (rows < limitRows / 2) return;
    this.#rowsPerMs = this.#rowsPerMs === null ? speed : this.#rowsPerMs * (1 - NEWEST_WEIGHT) + speed * NEWEST_WEIGHT;
    this.#rows = clamp(
      Math.min(this.#rowsPerMs * targetMs, Math.max(this.#rows, limitRows) * GROWTH_MAX, this.#rows * GROWTH_MAX),
      rowsMin,
      rowsMax,
    );
  }
}

function clamp(value: number, least: number, greatest: number): number {
  return Math.min(greatest, Math.max(least, value));
}
