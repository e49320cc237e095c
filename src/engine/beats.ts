/** How long ago something was sent that a follower does not have yet, by one clock. */

/** With more, pairs of beats are made one: the age is then known less exactly, and never too small. */
const KEPT_MAX = 10_000;

interface Beat {
  readonly number: bigint;
  readonly atMs: number;
}

/** Beats are numbered upwards by whatever order the source has: a counter, a place in its log. */
export class Beats {
  #beats: Beat[] = [];

  /** Takes note that everything up to `number` was there at this moment. */
  sent(number: bigint, atMs: number): void {
    if (this.#beats.length >= KEPT_MAX) this.#beats = halved(this.#beats);
    this.#beats.push({ number, atMs });
  }

  /** Milliseconds since the first beat behind `seen`; 0 when there is none. */
  age(seen: bigint, nowMs: number): number {
    const unseen = this.#beats.findIndex(({ number }) => number > seen);
    this.#beats = unseen === -1 ? [] : this.#beats.slice(unseen);
    const [first] = this.#beats;
    return first === undefined ? 0 : nowMs - first.atMs;
  }
}

/** Each pair as one: what is lacking of it may have been sent with the first. */
function halved(beats: readonly Beat[]): Beat[] {
  return beats.flatMap(({ atMs }, place) => {
    const last = beats[place + 1] ?? beats[place];
    return place % 2 === 1 || last === undefined ? [] : [{ number: last.number, atMs }];
  });
}
