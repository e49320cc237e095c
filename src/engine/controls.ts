/** What an operator, or a window of the day, can change while a migration runs. */

import type { Observer } from './events.ts';
import type { MigrationOptions } from './options.ts';
import { Condition } from './tasks.ts';

/** Options that take effect when they are changed while a migration runs; the others are read once, at its start. */
export type ChangeableOptions = Pick<
  MigrationOptions,
  | 'copyWorkers'
  | 'applyWorkers'
  | 'chunkTargetMs'
  | 'chunkRowsMax'
  | 'flushIntervalMs'
  | 'checkpointIntervalMs'
  | 'latency'
  | 'cutover'
>;

/** Somebody who wants a rest, and why. */
export interface Hold {
  readonly by: string;
  readonly reason: string;
}

/**
 * Shared by one run and those who steer it. Several may hold at the same time (an operator, a window, a hook), each by its own
 * name; work goes on when the last of them lets go. Nothing here ever touches the change stream or the applier.
 */
export class Controls {
  readonly #options: { -readonly [Name in keyof MigrationOptions]: MigrationOptions[Name] };
  readonly #pauses = new Map<string, string>();
  readonly #cutoverHolds = new Map<string, string>();
  readonly #changed = new Condition();
  #observer: Observer = () => undefined;

  constructor(options: MigrationOptions) {
    this.#options = { ...options };
  }

  /** As they are now: read them where they are used and keep none. */
  get options(): MigrationOptions {
    return this.#options;
  }

  /** Who holds copying and verifying, the first of them; null: nobody. */
  get pausedBy(): Hold | null {
    return firstOf(this.#pauses);
  }

  /** Who holds the cutover, the first of them; null: nobody. */
  get cutoverHeldBy(): Hold | null {
    return firstOf(this.#cutoverHolds);
  }

  /** Everybody who holds copying and verifying, the first of them first. */
  get pauses(): readonly Hold[] {
    return [...this.#pauses].map(([by, reason]) => ({ by, reason }));
  }

  /** Everybody who holds the cutover. */
  get cutoverHolds(): readonly Hold[] {
    return [...this.#cutoverHolds].map(([by, reason]) => ({ by, reason }));
  }

  /** The run tells its observer who holds already, and of every change from here on. */
  announceTo(observer: Observer): void {
    this.#observer = observer;
    for (const [by, reason] of this.#pauses) observer({ kind: 'paused', by, reason });
    for (const [by, reason] of this.#cutoverHolds) observer({ kind: 'cutover-held', by, reason });
  }

  /** Copying and verifying rest after the chunks in hand. */
  pause(by: string, reason: string): void {
    this.#hold(this.#pauses, { by, reason }, 'paused');
  }

  unpause(by: string): void {
    this.#release(this.#pauses, by, 'unpaused');
  }

  /** No cutover attempt begins; one that is under way goes on. */
  holdCutover(by: string, reason: string): void {
    this.#hold(this.#cutoverHolds, { by, reason }, 'cutover-held');
  }

  releaseCutover(by: string): void {
    this.#release(this.#cutoverHolds, by, 'cutover-released');
  }

  /** Takes effect with the next chunk, flush or attempt. */
  change(changes: Partial<ChangeableOptions>): void {
    Object.assign(this.#options, changes);
    this.#observer({ kind: 'options-changed', changes });
    this.#changed.notify();
  }

  /** Resolves at the next change of anything here, or at `wake`. */
  async changed(signal: AbortSignal): Promise<void> {
    await this.#changed.changed(signal);
  }

  /** Makes everybody who waits for a change look again. */
  wake(): void {
    this.#changed.notify();
  }

  #hold(holds: Map<string, string>, { by, reason }: Hold, kind: 'paused' | 'cutover-held'): void {
    if (holds.get(by) === reason) return;
    holds.set(by, reason);
    this.#observer({ kind, by, reason });
    this.#changed.notify();
  }

  #release(holds: Map<string, string>, by: string, kind: 'unpaused' | 'cutover-released'): void {
    if (!holds.delete(by)) return;
    this.#observer({ kind, by });
    this.#changed.notify();
  }
}

function firstOf(holds: ReadonlyMap<string, string>): Hold | null {
  for (const [by, reason] of holds) return { by, reason };
  return null;
}
