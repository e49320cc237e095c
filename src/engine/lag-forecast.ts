/** How far behind a replica will be, from what it still has to write and how fast it writes. */

/** The speed is that of the last so many milliseconds in which there was something to write. */
const WINDOW_MS = 3000;
/** Too short a time says nothing. */
const WINDOW_MIN_MS = 500;
/** A replica that stands still is not taken for slower than to be so many times its lag behind. */
const GROWTH_MAX = 10;
/** Below that a lag says nothing about what a replica that stands still would come to, milliseconds. */
const LAG_NOTABLE_MS = 500;
/** More places than that are thinned out: a replica may hang for days. */
const PLACES_MAX = 2000;

/** Rows that a run has written to the source. */
export interface RowsWritten {
  readonly done: number;
  /** In statements that have not committed yet, at most. */
  readonly underWay: number;
}

/** Where the source stood, and when. */
interface Place {
  readonly atMs: number;
  readonly rowsWritten: number;
}

/**
 * A lag tells when the change was committed that a replica applies now, and so which of the rows written on the source it has.
 * A change that is committed now is applied when it has written the others. The lag by itself says too little: a copy that
 * just went faster has put more work into the last second than into the one before.
 */
export class LagForecast {
  /** The oldest is at or before the place that the replica has reached. */
  #source: Place[] = [];
  /** What the replica did, between two questions each, while it had something to do. */
  #steps: { readonly ms: number; readonly rows: number }[] = [];
  #last: { readonly atMs: number; readonly reached: number; readonly isBehind: boolean } | null = null;

  /**
   * Takes in a lag and what was written so far, and gives the lag of a change that is committed next, milliseconds; never less
   * than the lag.
   */
  observe(lagMs: number, nowMs: number, { done, underWay }: RowsWritten): number {
    this.#note({ atMs: nowMs, rowsWritten: done });
    const reached = this.#writtenAt(nowMs - lagMs);
    const last = this.#last;
    // It may go back: of several replicas the slowest is told.
    if (last?.isBehind === true) this.#addStep({ ms: nowMs - last.atMs, rows: Math.max(0, reached - last.reached) });
    this.#last = { atMs: nowMs, reached, isBehind: done > reached };
    const busyMs = sum(this.#steps.map(({ ms }) => ms));
    const left = done - reached + underWay;
    if (left <= 0 || busyMs < WINDOW_MIN_MS) return lagMs;
    const expectedMs = (left * busyMs) / sum(this.#steps.map(({ rows }) => rows));
    return Math.max(lagMs, Math.min(expectedMs, GROWTH_MAX * Math.max(lagMs, LAG_NOTABLE_MS)));
  }

  /** Of a time in which nothing was written only the beginning and the end. */
  #note(place: Place): void {
    const isStill = [-1, -2].every((at) => this.#source.at(at)?.rowsWritten === place.rowsWritten);
    if (isStill) this.#source.pop();
    this.#source.push(place);
    if (this.#source.length > PLACES_MAX) this.#source = this.#source.filter((_, at) => at % 2 === 0);
  }

  /** Between two places as if the source had gone evenly from one to the other. */
  #writtenAt(atMs: number): number {
    while ((this.#source[1]?.atMs ?? Number.POSITIVE_INFINITY) <= atMs) this.#source.shift();
    const [before, after] = this.#source;
    if (before === undefined) return 0;
    if (after === undefined || atMs <= before.atMs) return before.rowsWritten;
    const share = (atMs - before.atMs) / (after.atMs - before.atMs);
    return before.rowsWritten + share * (after.rowsWritten - before.rowsWritten);
  }

  #addStep(step: { readonly ms: number; readonly rows: number }): void {
    this.#steps.push(step);
    let ms = sum(this.#steps.map((one) => one.ms));
    while (ms - (this.#steps[0]?.ms ?? 0) >= WINDOW_MS) ms -= this.#steps.shift()?.ms ?? 0;
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
