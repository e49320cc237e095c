/** Files whose existence says something, as scripts and other tools make and remove them. */

import type { Controls } from '../engine/controls.ts';
import { messageOf } from '../engine/errors.ts';
import type { Clock, ThrottleSignal } from '../engine/ports.ts';
import { FlagFile } from './outside-files.ts';

const LOOK_EACH_MS = 500;

/** Copying rests while the file exists. That nobody can tell is no answer, which the throttler counts as a stop. */
export function throttleFile(path: string): ThrottleSignal & Disposable {
  const file = new FlagFile(path);
  return {
    name: 'throttle file',
    async sample() {
      const exists = await file.exists();
      return { pressure: exists ? 1 : 0, detail: `${path} ${exists ? 'exists' : 'does not exist'}` };
    },
    [Symbol.dispose]: () => file[Symbol.dispose](),
  };
}

/** Looks once and then again and again, and holds the cutover while the file exists, or while that cannot be told. */
export class CutoverFile {
  #file: FlagFile | null;
  readonly #controls: Controls;
  readonly #clock: Clock;

  /** `path` of null: there is none. */
  constructor(path: string | null, controls: Controls, clock: Clock) {
    this.#file = openFlagOrNone(path);
    this.#controls = controls;
    this.#clock = clock;
  }

  /** From here on another file counts, or none. */
  async replace(path: string | null): Promise<void> {
    this.#file?.[Symbol.dispose]();
    this.#file = openFlagOrNone(path);
    await this.look();
  }

  async look(): Promise<void> {
    const file = this.#file;
    const reason = file === null ? null : await reasonToHold(file);
    if (file !== this.#file) return;
    if (reason === null) this.#controls.releaseCutover('file');
    else this.#controls.holdCutover('file', reason);
  }

  /** Until `signal` aborts. */
  async keep(signal: AbortSignal): Promise<void> {
    for (;;) {
      await this.look();
      await this.#clock.sleep(LOOK_EACH_MS, signal);
    }
  }
}

/** Null: nothing holds. Never rejects. */
async function reasonToHold(file: FlagFile): Promise<string | null> {
  try {
    return (await file.exists()) ? `${file.path} exists` : null;
  } catch (error) {
    return messageOf(error);
  }
}

function openFlagOrNone(path: string | null): FlagFile | null {
  return path === null ? null : new FlagFile(path);
}
