/** Files whose existence says something, as scripts and other tools make and remove them. */

import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Controls } from '../engine/controls.ts';
import { messageOf } from '../engine/errors.ts';
import type { Clock, ThrottleSignal } from '../engine/ports.ts';

const LOOK_EACH_MS = 500;

/** Copying rests while the file exists. A directory that cannot be read is no answer, which the throttler counts as a stop. */
export function throttleFile(path: string): ThrottleSignal {
  return {
    name: 'throttle file',
    async sample() {
      const exists = await flagExists(path);
      return { pressure: exists ? 1 : 0, detail: `${path} ${exists ? 'exists' : 'does not exist'}` };
    },
  };
}

/** Looks once and then again and again, and holds the cutover while the file exists, or while that cannot be told. */
export class CutoverFile {
  #path: string | null;
  readonly #controls: Controls;
  readonly #clock: Clock;

  /** `path` of null: there is none. */
  constructor(path: string | null, controls: Controls, clock: Clock) {
    this.#path = path;
    this.#controls = controls;
    this.#clock = clock;
  }

  /** From here on another file counts, or none. */
  async replace(path: string | null): Promise<void> {
    this.#path = path;
    await this.look();
  }

  async look(): Promise<void> {
    const path = this.#path;
    const reason = path === null ? null : await reasonToHold(path);
    if (path !== this.#path) return;
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
async function reasonToHold(path: string): Promise<string | null> {
  try {
    return (await flagExists(path)) ? `${path} exists` : null;
  } catch (error) {
    return messageOf(error);
  }
}

/** Rejects where nobody can tell: the directory is gone, or must not be read. */
async function flagExists(path: string): Promise<boolean> {
  const found = await stat(path).then(
    () => true,
    (error: unknown) => error,
  );
  if (found === true) return true;
  const isAbsent = found instanceof Error && 'code' in found && found.code === 'ENOENT';
  const hasDirectory =
    isAbsent &&
    (await stat(dirname(path)).then(
      (status) => status.isDirectory(),
      () => false,
    ));
  if (hasDirectory) return false;
  throw new Error(`the directory of ${path} cannot be read`, { cause: found });
}
