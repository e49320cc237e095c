/**
 * Virtual time. Everything that can happen next stands in one queue; the earliest entry happens, then the program under test
 * runs until it waits again, then the next. Nothing else drives it, so a seed is a whole run, step for step.
 */

import type { Clock } from '../../src/engine/ports.ts';
import type { Chance } from './chance.ts';
import type { SimulatedProcess } from './process.ts';

interface Scheduled {
  readonly at: number;
  /** Order of scheduling; decides among equals. */
  readonly number: number;
  readonly label: string;
  readonly run: () => void;
  /** The process that this reaches; nothing reaches a process that has died. Null: happens on the server or in an application. */
  readonly process: SimulatedProcess | null;
}

/** Why the world stood still or went on for ever. */
export class StuckError extends Error {
  override readonly name = 'StuckError';
}

export class World {
  now = 0;
  steps = 0;
  /** Sum over every step so far: equal for equal runs. */
  digest = 2_166_136_261;
  readonly counts: Record<string, number> = {};
  /** Receives a line a step while a seed is traced. */
  readonly #trace: ((line: string) => void) | null;
  readonly #queue: Scheduled[] = [];
  #number = 0;

  constructor(trace: ((line: string) => void) | null) {
    this.#trace = trace;
  }

  /** Lets `run` happen on the server or in an application after `delayMs`. It must not touch the program under test. */
  after(delayMs: number, label: string, run: () => void): void {
    this.#push({ at: this.now + delayMs, number: this.#number++, label, run, process: null });
  }

  /** Lets `run` reach the process after `delayMs`, if it is still alive then. */
  reach(process: SimulatedProcess, delayMs: number, label: string, run: () => void): void {
    this.#push({ at: this.now + delayMs, number: this.#number++, label, run, process });
  }

  count(what: string): void {
    this.counts[what] = (this.counts[what] ?? 0) + 1;
  }

  /** Writes a line into the trace; the text is made only while tracing. */
  note(line: () => string): void {
    if (this.#trace !== null) this.#trace(`${this.now.toFixed(2).padStart(9)}  ${line()}`);
  }

  /** Runs until `isOver` says so; throws StuckError after `stepsMax` steps in all. */
  async runUntil(isOver: () => boolean, stepsMax: number): Promise<void> {
    await settle();
    while (!isOver()) {
      if (this.steps >= stepsMax) throw new StuckError(`still running after ${stepsMax} steps`);
      const next = this.#step();
      if (next === undefined) throw new StuckError('nothing is left that could happen');
      if (next.process !== null) await settle();
    }
  }

  /** Lets the next thing happen, if there is one, and then whoever waited for it go on. */
  async step(): Promise<void> {
    this.#step();
    await settle();
  }

  #step(): Scheduled | undefined {
    for (;;) {
      const next = this.#pop();
      if (next === undefined) return undefined;
      if (next.process !== null && !next.process.isAlive) continue;
      this.steps += 1;
      this.now = next.at;
      this.#mix(next);
      next.run();
      return next;
    }
  }

  #mix(step: Scheduled): void {
    let digest = this.digest ^ Math.floor(step.at * 1000);
    for (let index = 0; index < step.label.length; index++)
      digest = Math.imul(digest ^ step.label.charCodeAt(index), 16_777_619);
    this.digest = digest >>> 0;
  }

  #push(item: Scheduled): void {
    const queue = this.#queue;
    let index = queue.length;
    queue.push(item);
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const above = queue[parent];
      if (above === undefined || isBefore(above, item)) break;
      queue[index] = above;
      index = parent;
    }
    queue[index] = item;
  }

  #pop(): Scheduled | undefined {
    const queue = this.#queue;
    const first = queue[0];
    const last = queue.pop();
    if (last === undefined || last === first) return first;
    let index = 0;
    for (;;) {
      let child = index * 2 + 1;
      let below = queue[child];
      if (below === undefined) break;
      const right = queue[child + 1];
      if (right !== undefined && isBefore(right, below)) {
        child += 1;
        below = right;
      }
      if (isBefore(last, below)) break;
      queue[index] = below;
      index = child;
    }
    queue[index] = last;
    return first;
  }
}

function isBefore(one: Scheduled, other: Scheduled): boolean {
  return one.at === other.at ? one.number < other.number : one.at < other.at;
}

/** Lets the program run until everything in it waits. */
function settle(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

/** Time and chance as the engine sees them. */
export class VirtualClock implements Clock {
  readonly #world: World;
  readonly #process: SimulatedProcess;
  readonly #chance: Chance;

  constructor(world: World, process: SimulatedProcess, chance: Chance) {
    this.#world = world;
    this.#process = process;
    this.#chance = chance;
  }

  now(): number {
    return this.#world.now;
  }

  sleep(ms: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.reject(signal.reason as Error);
    return new Promise((resolve, reject) => {
      let isOver = false;
      const onAbort = (): void => {
        isOver = true;
        reject(signal.reason as Error);
      };
      signal.addEventListener('abort', onAbort, { once: true });
      this.#world.reach(this.#process, Math.max(0, ms), 'timer', () => {
        if (isOver) return;
        signal.removeEventListener('abort', onAbort);
        resolve();
      });
    });
  }

  random(): number {
    return this.#chance.next();
  }
}
