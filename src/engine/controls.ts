/** What an operator, or a window of the day, can change while a migration runs. */

import type { Observer, SettingChange } from './events.ts';
import type { LoadLimits } from './load.ts';
import type { MigrationOptions } from './options.ts';
import { changesOf, checkSettings } from './settings.ts';
import { Condition } from './tasks.ts';

/** Options that take effect when they are changed while a migration runs; the others are read once, at its start. */
export type ChangeableOptions = Pick<
  MigrationOptions,
  | 'copyWorkers'
  | 'applyWorkers'
  | 'chunkTargetMs'
  | 'chunkRowsMax'
  | 'niceRatio'
  | 'flushIntervalMs'
  | 'checkpointIntervalMs'
  | 'latency'
  | 'load'
  | 'cutover'
>;

/** Rejects with BAD_USAGE where the server does not know what is to be limited. */
export type LoadCheck = (load: LoadLimits, signal: AbortSignal) => Promise<void>;

/** Somebody who wants a rest, and why. */
export interface Hold {
  readonly by: string;
  readonly reason: string;
}

/**
 * Shared by one run and those who steer it. Several may hold at the same time (an operator, a window, a hook), each by its own
 * name; work goes on when the last of them lets go. None of them ever stops the change stream or the applier: what is committed
 * is applied meanwhile.
 */
export class Controls {
  readonly #options: { -readonly [Name in keyof MigrationOptions]: MigrationOptions[Name] };
  readonly #pauses = new Map<string, string>();
  readonly #cutoverHolds = new Map<string, string>();
  readonly #changed = new Condition();
  #observer: Observer = () => undefined;
  #checkLoad: LoadCheck = async () => undefined;
  #limitsRevision = 0;
  #verificationsAsked = 0;

  /** Throws BAD_USAGE for what no run could keep to. */
  constructor(options: MigrationOptions) {
    checkSettings(options);
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

  /** Another one whenever a limit was changed: answers to what was asked before do not count any more. */
  get limitsRevision(): number {
    return this.#limitsRevision;
  }

  /** How many times it was asked that all rows be compared once more, for a run that remembers how many it has done. */
  get verificationsAsked(): number {
    return this.#verificationsAsked;
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

  /** The run tells how limits on the load are checked, which only its server can. */
  checkLoadBy(check: LoadCheck): void {
    this.#checkLoad = check;
  }

  /** Copying and verifying rest after the chunks in hand. */
  pause(by: string, reason: string): void {
    this.#hold(this.#pauses, { by, reason }, 'paused');
  }

  /** `who` is the person that asked for it, where that is known. */
  unpause(by: string, who?: string): void {
    this.#release(this.#pauses, { by, who }, 'unpaused');
  }

  /** No cutover attempt begins; one that is under way goes on. */
  holdCutover(by: string, reason: string): void {
    this.#hold(this.#cutoverHolds, { by, reason }, 'cutover-held');
  }

  releaseCutover(by: string, who?: string): void {
    this.#release(this.#cutoverHolds, { by, who }, 'cutover-released');
  }

  /** All rows are compared once more before the next attempt of the swap, at once where that is only held. */
  verifyAgain(by: string): void {
    this.#verificationsAsked += 1;
    this.#observer({ kind: 'verification-asked', by });
    this.#changed.notify();
  }

  /** Takes effect with the next chunk, flush, sample or attempt, or throws BAD_USAGE as the constructor does. `by` is for the event. */
  change(changes: Partial<ChangeableOptions>, by: string): void {
    const [before, after] = [{ ...this.#options }, { ...this.#options, ...changes }];
    checkSettings(after);
    Object.assign(this.#options, changes);
    if (changes.load !== undefined) this.#limitsRevision += 1;
    this.#tell(changesOf(before, after), by);
  }

  /** Like `change`, after the server was asked: rejects with BAD_USAGE, and nothing has changed, where it does not know a limit. */
  async changeLoad(changes: Partial<LoadLimits>, by: string, signal: AbortSignal): Promise<void> {
    await this.#checkLoad({ ...this.#options.load, ...changes }, signal);
    this.change({ load: { ...this.#options.load, ...changes } }, by);
  }

  /** Tells what else was changed by those who steer, such as a file that holds copying. */
  noteChanges(changes: readonly SettingChange[], by: string): void {
    this.#limitsRevision += 1;
    this.#tell(changes, by);
  }

  #tell(changes: readonly SettingChange[], by: string): void {
    if (changes.length > 0) this.#observer({ kind: 'options-changed', by, changes });
    this.#changed.notify();
  }

  /** Resolves at the next change of anything here, or at `wake`. */
  async changed(signal: AbortSignal): Promise<void> {
    await this.#changed.changed(signal);
  }

  /** Waits while somebody holds the cutover, and tells who, and while `isWaiting`, which is asked at each change. */
  async awaitCutoverRelease(isWaiting: () => boolean, observer: Observer, signal: AbortSignal): Promise<void> {
    let told: string | null = null;
    for (let hold = this.cutoverHeldBy; hold !== null && isWaiting(); hold = this.cutoverHeldBy) {
      if (told !== hold.by) observer({ kind: 'cutover-awaited', by: hold.by, reason: hold.reason });
      told = hold.by;
      await this.changed(signal);
    }
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

  #release(
    holds: Map<string, string>,
    { by, who }: { readonly by: string; readonly who: string | undefined },
    kind: 'unpaused' | 'cutover-released',
  ): void {
    if (!holds.delete(by)) return;
    this.#observer({ kind, by, ...(who === undefined ? {} : { who }) });
    this.#changed.notify();
  }
}

function firstOf(holds: ReadonlyMap<string, string>): Hold | null {
  for (const [by, reason] of holds) return { by, reason };
  return null;
}
