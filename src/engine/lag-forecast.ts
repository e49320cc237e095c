/** How far behind a follower will be, from how far behind it is and how fast it follows. */

/** The speed is that of so long, in milliseconds: several chunks, for within one of them nothing seems to move. */
const WINDOW_MS = 3000;
/** Too short a time says nothing. */
const WINDOW_MIN_MS = 500;
/** A follower that stands still is not taken for slower than this. */
const SPEED_MIN = 0.1;

/**
 * A lag tells when the change was committed that is being applied now. What is committed now is applied when everything between
 * has been: the lag, divided by the speed at which the follower goes through the time of its source.
 */
export class LagForecast {
  /** Where the follower stood in its source's time, and when; the oldest first. */
  readonly #places: { readonly atMs: number; readonly reachedMs: number }[] = [];

  /** Takes in a lag and gives the one that a change committed now will have, milliseconds. */
  observe(lagMs: number, nowMs: number): number {
    this.#places.push({ atMs: nowMs, reachedMs: nowMs - lagMs });
    while ((this.#places[1]?.atMs ?? nowMs) <= nowMs - WINDOW_MS) this.#places.shift();
    const [oldest] = this.#places;
    if (oldest === undefined || nowMs - oldest.atMs < WINDOW_MIN_MS) return lagMs;
    const speed = (nowMs - lagMs - oldest.reachedMs) / (nowMs - oldest.atMs);
    return lagMs / Math.min(1, Math.max(SPEED_MIN, speed));
  }
}
