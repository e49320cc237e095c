/** Holds the cutover until a check of the operator's has passed: once before each attempt. */

import type { Controls } from '../engine/controls.ts';
import { messageOf } from '../engine/errors.ts';
import type { MigrationEvent } from '../engine/events.ts';
import type { Clock } from '../engine/ports.ts';
import { Condition } from '../engine/tasks.ts';

const HOLDER = 'hook';
/** A check that failed is made again after so long. */
const AGAIN_AFTER_MS = 30_000;

/** The check runs when the run waits for nothing else, and nobody else holds; it passes by resolving. */
export class CutoverGate {
  readonly #controls: Controls;
  readonly #check: (signal: AbortSignal) => Promise<void>;
  readonly #clock: Clock;
  readonly #members: () => number;
  readonly #changed = new Condition();
  /** Those that wait for nothing but their holders. */
  readonly #ready = new Set<string>();

  /** `members`: how many tables are swapped together. */
  constructor(controls: Controls, check: (signal: AbortSignal) => Promise<void>, clock: Clock, members = (): number => 1) {
    this.#controls = controls;
    this.#check = check;
    this.#clock = clock;
    this.#members = members;
    this.#close();
  }

  /** To be told of every event, synchronously. `member`: which of the tables it is about. */
  observe(event: MigrationEvent, member = ''): void {
    if (event.kind === 'cutover-awaited') this.#await(member);
    if (event.kind === 'cutover-attempt') this.#ready.delete(member);
    if (event.kind === 'cutover-failed') this.#close();
    this.#changed.notify();
  }

  /** Until `signal` aborts. */
  async keep(signal: AbortSignal): Promise<void> {
    for (;;) {
      while (!this.#isTime) await this.#changed.changed(signal);
      try {
        await this.#check(signal);
        this.#controls.releaseCutover(HOLDER);
      } catch (error) {
        signal.throwIfAborted();
        this.#hold(messageOf(error));
        await this.#clock.sleep(AGAIN_AFTER_MS, signal);
      }
    }
  }

  get #isTime(): boolean {
    const holds = this.#controls.cutoverHolds;
    return this.#ready.size >= this.#members() && holds.length === 1 && holds[0]?.by === HOLDER;
  }

  /** Who holds after the check has passed may do so for days: then it is made anew. */
  #await(member: string): void {
    if (!this.#controls.cutoverHolds.some(({ by }) => by === HOLDER)) {
      this.#ready.clear();
      this.#close();
    }
    this.#ready.add(member);
  }

  #close(): void {
    this.#hold('before-cutover has not passed yet');
  }

  #hold(reason: string): void {
    this.#controls.holdCutover(HOLDER, reason);
  }
}
