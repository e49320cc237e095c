/** Keeps a run to its windows: holds copying or the cutover outside, and lets go inside. */

import type { Controls } from '../engine/controls.ts';
import type { Clock } from '../engine/ports.ts';
import type { Windows } from './window.ts';

/** By whom windows hold, in events and in what the operator sees. */
const HOLDER = 'window';
/** The clock on the wall may be set: it is looked at again this often, whatever the windows say. */
const LOOK_AGAIN_MS = 10_000;

/** What the windows are about. */
type WindowSubject = 'copy' | 'cutover';

/** The windows of one run. They may change while it goes on. */
export class WindowKeeper {
  readonly #controls: Controls;
  readonly #clock: Clock;
  readonly #wallClock: () => Date;
  readonly #windows: Record<WindowSubject, Windows | null> = { copy: null, cutover: null };
  /** Until when each is known to be closed. */
  readonly #closedUntil: Record<WindowSubject, Date | null> = { copy: null, cutover: null };
  #hasCutoverWindows = false;

  constructor(controls: Controls, clock: Clock, wallClock: () => Date) {
    this.#controls = controls;
    this.#clock = clock;
    this.#wallClock = wallClock;
  }

  /** Null: any time. Takes effect at once; also on the cutover, as long as that has no windows of its own. */
  setCopy(windows: Windows | null): void {
    this.#set('copy', windows);
    if (!this.#hasCutoverWindows) this.#set('cutover', windows);
  }

  /** Null: any time, whatever the windows of the copy. */
  setCutover(windows: Windows | null): void {
    this.#hasCutoverWindows = true;
    this.#set('cutover', windows);
  }

  /** The cutover has no windows of its own (any more): it keeps to those of the copy. */
  letCutoverFollow(): void {
    this.#hasCutoverWindows = false;
    this.#set('cutover', this.#windows.copy);
  }

  #set(subject: WindowSubject, windows: Windows | null): void {
    this.#windows[subject] = windows;
    this.#closedUntil[subject] = null;
    this.#look(subject);
  }

  /** Opens and closes on time until `signal` aborts. */
  async keep(signal: AbortSignal): Promise<void> {
    for (;;) {
      this.#look('copy');
      this.#look('cutover');
      await this.#clock.sleep(this.#nextLookMs(), signal);
    }
  }

  #look(subject: WindowSubject): void {
    const now = this.#wallClock();
    const windows = this.#windows[subject];
    if (windows === null || windows.isOpen(now)) this.#release(subject);
    else this.#hold(subject, windows, now);
  }

  #hold(subject: WindowSubject, windows: Windows, now: Date): void {
    const known = this.#closedUntil[subject];
    if (known !== null && known > now) return;
    const next = windows.nextChange(now);
    this.#closedUntil[subject] = next;
    const reason = `outside ${windows.text}; ${next === null ? 'it never opens' : `next at ${windows.describe(next)}`}`;
    if (subject === 'copy') this.#controls.pause(HOLDER, reason);
    else this.#controls.holdCutover(HOLDER, reason);
  }

  #release(subject: WindowSubject): void {
    this.#closedUntil[subject] = null;
    if (subject === 'copy') this.#controls.unpause(HOLDER);
    else this.#controls.releaseCutover(HOLDER);
  }

  #nextLookMs(): number {
    const now = this.#wallClock().getTime();
    const toMinute = 60_000 - (now % 60_000);
    return Math.min(LOOK_AGAIN_MS, toMinute);
  }
}
