/** Who may hold a run or let it go, put together: windows, files, checks from outside, and the operator. */

import { Controls } from '../engine/controls.ts';
import type { ThrottleSample, ThrottleSignal } from '../engine/ports.ts';
import type { MigrationOptions } from '../engine/options.ts';
import type { Task } from '../engine/tasks.ts';
import { systemClock } from '../sessions/system-clock.ts';
import { CutoverFile, throttleFile } from './flag-file.ts';
import { httpCheck, showAddress } from './http-check.ts';
import type { OptionsOf } from './options.ts';
import { OPERATOR } from './steering-options.ts';
import { WindowKeeper } from './window-keeper.ts';
import { parseWindows } from './window.ts';

/** What may change while a run goes on and the library knows nothing of. */
export const STEERING_SETTINGS = ['window', 'cutoverWindow', 'throttleFile', 'throttleHttp', 'cutoverFile'] as const;
export type SteeringSetting = (typeof STEERING_SETTINGS)[number];
/** As they are now and may be shown; null: none. */
export type SteeringSettings = Readonly<Record<SteeringSetting, string | null>>;

type SteeringOptions = Pick<OptionsOf<'resume'>, 'cutover' | 'windowTimezone' | SteeringSetting>;

/** What steers one run. */
export class Steering {
  readonly controls: Controls;
  /** Reasons to slow down from outside. */
  readonly signals: readonly ThrottleSignal[];
  /** What goes on beside the run, each until its signal aborts. */
  readonly background: readonly Task[];
  readonly #timeZone: string | null;
  readonly #windows: WindowKeeper;
  readonly #cutoverFile: CutoverFile;
  readonly #file = new ReplaceableSignal('throttle file');
  readonly #check = new ReplaceableSignal('HTTP check');
  readonly #settings: Record<SteeringSetting, string | null> = {
    window: null,
    cutoverWindow: null,
    throttleFile: null,
    throttleHttp: null,
    cutoverFile: null,
  };

  /** Nothing holds yet. `timeZone` is that of the windows; null: that of this machine. */
  constructor(controls: Controls, timeZone: string | null, now: () => Date) {
    this.controls = controls;
    this.#timeZone = timeZone;
    this.#windows = new WindowKeeper(controls, systemClock, now);
    this.#cutoverFile = new CutoverFile(null, controls, systemClock);
    this.signals = [this.#file, this.#check];
    this.background = [(signal) => this.#windows.keep(signal), (signal) => this.#cutoverFile.keep(signal)];
  }

  get settings(): SteeringSettings {
    return this.#settings;
  }

  /** Takes effect at once. Null: what holds where nobody says anything. Rejects with BAD_USAGE, naming `origin`, with nothing changed. */
  async set(name: SteeringSetting, value: string | null, origin: string): Promise<void> {
    switch (name) {
      case 'window':
        this.#windows.setCopy(parseWindows(value, this.#timeZone, origin));
        break;
      case 'cutoverWindow':
        if (value === null) this.#windows.letCutoverFollow();
        else this.#windows.setCutover(parseWindows(value, this.#timeZone, origin));
        break;
      case 'throttleFile':
        this.#file.replace(value === null ? null : throttleFile(value));
        break;
      case 'throttleHttp':
        this.#check.replace(value === null ? null : httpCheck(value, systemClock));
        break;
      case 'cutoverFile':
        await this.#cutoverFile.replace(value);
        break;
    }
    this.#settings[name] = value !== null && name === 'throttleHttp' ? showAddress(value) : value;
  }

  /** Like `set` while the run goes on: tells who changed what. */
  async change(
    name: SteeringSetting,
    value: string | null,
    by: { readonly who: string; readonly origin: string },
  ): Promise<void> {
    const before = this.#settings[name];
    await this.set(name, value, by.origin);
    const after = this.#settings[name];
    if (before !== after) this.controls.noteChanges([{ name, before, after }], by.who);
  }
}

/** Everything that holds already does when this resolves. Rejects with BAD_USAGE. */
export async function openSteering(options: SteeringOptions, pace: MigrationOptions, now: () => Date): Promise<Steering> {
  const steering = new Steering(new Controls(pace), options.windowTimezone, now);
  if (options.cutover === 'manual') steering.controls.holdCutover(OPERATOR, 'it was asked for by hand (--cutover manual)');
  await steering.set('window', options.window, '--window');
  await steering.set('cutoverWindow', options.cutoverWindow, '--cutover-window');
  await steering.set('throttleFile', options.throttleFile, '--throttle-file');
  await steering.set('throttleHttp', options.throttleHttp, '--throttle-http');
  await steering.set('cutoverFile', options.cutoverFile, '--cutover-file');
  return steering;
}

/** Another signal, or none, may take the place of the present one while a run asks it. */
class ReplaceableSignal implements ThrottleSignal {
  readonly name: string;
  #signal: (ThrottleSignal & Partial<Disposable>) | null = null;

  constructor(name: string) {
    this.name = name;
  }

  replace(signal: (ThrottleSignal & Partial<Disposable>) | null): void {
    this.#signal?.[Symbol.dispose]?.();
    this.#signal = signal;
  }

  async sample(signal: AbortSignal): Promise<ThrottleSample> {
    return (await this.#signal?.sample(signal)) ?? { pressure: 0, detail: 'nothing is asked' };
  }
}
