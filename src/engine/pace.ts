/** How hard copying and verifying may work, from how much pressure there is: a controller, not a switch. */

/** A share from here on counts as full: nothing that anybody would ask about holds the work back. */
export const PACE_FULL = 0.95;
/** At no more than this share others feel next to nothing of the work. */
export const PACE_RESTING = 0.1;

/** The pressure that the controller aims at: near the stop point, yet with room for what comes by surprise. */
const AIM = 0.75;
/** Above this pressure the pace gives way at once, down to nothing at the stop point. */
const BRAKE_FROM = 0.5;
/** The first chunks show what they cost before more are under way. */
const FIRST_SHARE = 0.5;
const SHARE_MIN = 0.02;
/** What is gained in a second without any pressure: so much, and so much of what there is. */
const GROWTH = 0.05;
const GROWTH_OF_SHARE = 0.4;
/** So many times faster until the aim was first reached: what the first chunks cost shows within half a second. */
const GROWTH_AT_FIRST = 3;
/** At the stop point the share halves in about a second. */
const DECAY = 0.7;
/**
 * Near the share at which the aim was reached, growth is slow: most signals tell of a second or two that have passed, in which a fast one
 * would go far beyond. From half as much again on it is fast, as the server may bear more by now.
 */
const GROWTH_NEAR_EDGE = 0.1;
const EDGE_WIDTH = 0.5;
/** What the last time counts beside those before it. */
const EDGE_WEIGHT = 0.3;
/** What is forgotten of it in a second. */
const EDGE_RISE = 0.02;
/** A signal that was silent for longer must not move the pace more than this. */
const STEP_MAX_MS = 1000;

/**
 * A share of full work, 0 to 1: the product of one that learns slowly what the server bears and of one that gives way at once.
 * The second alone would stand at the edge of the stop point for hours; the first alone would swing where the answer comes
 * late, as a replica's lag does.
 */
export class Pace {
  #learned: number;
  #brake = 1;
  /** The learned share at which the pressure has reached the aim, as of late; null until it did. */
  #edge: number | null = null;
  #isOverAim = false;

  /** Without any signal nothing holds back from the start. */
  constructor(hasSignals: boolean) {
    this.#learned = hasSignals ? FIRST_SHARE : 1;
  }

  /** The share that holds now. */
  get share(): number {
    return Math.max(SHARE_MIN, this.#learned * this.#brake);
  }

  /** Takes in the strongest pressure, which has held for `ms`. */
  follow(pressure: number, ms: number): void {
    const seconds = Math.min(ms, STEP_MAX_MS) / 1000;
    if (pressure < AIM) {
      const gain = (GROWTH + GROWTH_OF_SHARE * this.#learned) * this.#growthShare;
      this.#learned = Math.min(1, this.#learned + gain * (1 - pressure / AIM) * seconds);
      if (this.#edge !== null) this.#edge *= 1 + EDGE_RISE * seconds;
    } else {
      if (!this.#isOverAim) this.#meetEdge();
      const excess = Math.min(2, (pressure - AIM) / (1 - AIM));
      this.#learned = Math.max(SHARE_MIN, this.#learned * Math.exp(-DECAY * excess * seconds));
    }
    this.#isOverAim = pressure >= AIM;
    this.#brake = Math.min(1, Math.max(0, (1 - pressure) / (1 - BRAKE_FROM)));
  }

  #meetEdge(): void {
    this.#edge ??= this.#learned;
    this.#edge += EDGE_WEIGHT * (this.#learned - this.#edge);
  }

  /** Of the usual growth. */
  get #growthShare(): number {
    if (this.#edge === null) return GROWTH_AT_FIRST;
    const distance = Math.abs(1 - this.#learned / this.#edge);
    return Math.min(1, Math.max(GROWTH_NEAR_EDGE, distance / EDGE_WIDTH));
  }
}
