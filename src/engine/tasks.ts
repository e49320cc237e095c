/** Concurrency in few forms: waiting for a change of state, work side by side, a bounded number at a time. */

import { asError, MigrationError } from './errors.ts';
import type { Clock } from './ports.ts';

interface Waiter {
  readonly signal: AbortSignal;
  readonly isSo: () => boolean;
  readonly wake: () => void;
  readonly giveUp: (reason: Error) => void;
}

const always = (): boolean => true;

/**
 * Something that several tasks wait for. After `changed` or `becomes` resolves the waiter looks at the state again, in the same
 * tick, in a loop: what it waited for may have gone again meanwhile.
 */
export class Condition {
  readonly #waiters = new Set<Waiter>();
  /** One a signal, however many wait with it: hosts warn of a signal with many listeners. */
  readonly #listeners = new Map<AbortSignal, () => void>();

  /** Wakes everybody who waits now for any change, or for what is so now. */
  notify(): void {
    const woken = [...this.#waiters].filter(({ isSo }) => isSo());
    for (const waiter of woken) this.#waiters.delete(waiter);
    if (woken.length > 0) this.#forgetListeners();
    for (const { wake } of woken) wake();
  }

  /** Resolves at the next `notify`; rejects with the signal's reason. */
  changed(signal: AbortSignal): Promise<void> {
    return this.becomes(always, signal);
  }

  /** Resolves at the next `notify` at which `isSo`: others need not wake for what does not concern them. */
  async becomes(isSo: () => boolean, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    await new Promise<void>((wake, giveUp) => {
      this.#waiters.add({ signal, isSo, wake, giveUp });
      if (this.#listeners.has(signal)) return;
      const onAbort = (): void => this.#abandon(signal);
      this.#listeners.set(signal, onAbort);
      signal.addEventListener('abort', onAbort, { once: true });
    });
  }

  /** Resolves at the next `notify` or after `ms`, whichever is first. */
  async changedWithin(ms: number, clock: Clock, signal: AbortSignal): Promise<void> {
    await firstOf([(inner) => this.changed(inner), (inner) => clock.sleep(ms, inner)], signal);
  }

  /** Resolves when `isSo`, which is asked now and at each `notify`, or after `ms`. */
  async becomesWithin(isSo: () => boolean, ms: number, clock: Clock, signal: AbortSignal): Promise<void> {
    const becomes = async (inner: AbortSignal): Promise<void> => {
      while (!isSo()) await this.becomes(isSo, inner);
    };
    if (!isSo()) await firstOf([becomes, (inner) => clock.sleep(ms, inner)], signal);
  }

  /** Those of signals with which nobody waits any more. */
  #forgetListeners(): void {
    const waited = new Set([...this.#waiters].map(({ signal }) => signal));
    for (const [signal, onAbort] of this.#listeners) {
      if (waited.has(signal)) continue;
      signal.removeEventListener('abort', onAbort);
      this.#listeners.delete(signal);
    }
  }

  #abandon(signal: AbortSignal): void {
    this.#listeners.delete(signal);
    for (const waiter of [...this.#waiters].filter((one) => one.signal === signal)) {
      this.#waiters.delete(waiter);
      waiter.giveUp(asError(signal.reason));
    }
  }
}

/** A task of `runTogether`: it ends by itself or when the signal aborts. */
export type Task = (signal: AbortSignal) => Promise<void>;

/**
 * Runs all tasks side by side, each with a signal of its own, and resolves when all have ended well. When one fails the others
 * are aborted with its reason; when all have ended this rejects with the first failure.
 */
export async function runTogether(tasks: readonly Task[], signal: AbortSignal): Promise<void> {
  const group = new AbortController();
  const stop = followSignal(signal, group);
  let failure: { readonly reason: unknown } | null = null;
  const guarded = tasks.map(async (task) => {
    try {
      await runApart(task, group.signal);
    } catch (reason) {
      failure ??= { reason };
      group.abort(reason);
    }
  });
  try {
    await Promise.all(guarded);
  } finally {
    stop();
  }
  throwFailure(failure);
  signal.throwIfAborted();
}

/**
 * Runs `foreground` while `background` tasks go on, and ends these when it has ended. A background task that fails ends the
 * foreground too, and its failure is what this rejects with; one that ends by itself is no matter.
 */
export async function runWithBackground<Result>(
  foreground: (signal: AbortSignal) => Promise<Result>,
  background: readonly Task[],
  signal: AbortSignal,
): Promise<Result> {
  const front = new AbortController();
  const back = new AbortController();
  const stopFront = followSignal(signal, front);
  const stopBack = followSignal(signal, back);
  let failure: { readonly reason: unknown } | null = null;
  const guarded = background.map(async (task) => {
    try {
      await runApart(task, back.signal);
    } catch (reason) {
      if (back.signal.aborted) return;
      failure ??= { reason };
      front.abort(reason);
    }
  });
  try {
    return await foreground(front.signal);
  } catch (reason) {
    throwFailure(failure);
    throw reason;
  } finally {
    back.abort(workIsOver);
    await Promise.all(guarded);
    stopFront();
    stopBack();
  }
}

/** With a signal of its own, so that those who wait with one signal stay few. */
async function runApart(task: Task, signal: AbortSignal): Promise<void> {
  const own = new AbortController();
  const stop = followSignal(signal, own);
  try {
    await task(own.signal);
  } finally {
    stop();
  }
}

/** How long a piece of work may take. */
export interface TimeLimit {
  readonly ms: number;
  readonly clock: Clock;
  /** Said of work that took longer. */
  readonly lateMessage: string;
}

/** Rejects with STATEMENT_TIMEOUT, and aborts the work, if it takes longer than the limit; resolves or rejects when the work has ended. */
export async function withinTime<Result>(
  { ms, clock, lateMessage }: TimeLimit,
  work: (signal: AbortSignal) => Promise<Result>,
  signal: AbortSignal,
): Promise<Result> {
  const own = new AbortController();
  const over = new AbortController();
  const stop = followSignal(signal, own);
  const limiting = clock.sleep(ms, over.signal).then(
    () => own.abort(new MigrationError('STATEMENT_TIMEOUT', lateMessage)),
    () => undefined,
  );
  try {
    return await work(own.signal);
  } catch (reason) {
    // What work says of its own end is that it was aborted; why, the signal knows.
    throw own.signal.aborted ? asError(own.signal.reason) : reason;
  } finally {
    over.abort(workIsOver);
    await limiting;
    stop();
  }
}

/** Works through `items` with at most `workers` at a time; the first failure ends it. */
export async function forEachParallel<Item>(
  items: readonly Item[],
  workers: number,
  work: (item: Item, signal: AbortSignal) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const remaining = items[Symbol.iterator]();
  const worker: Task = async (inner) => {
    for (let next = remaining.next(); next.done !== true; next = remaining.next()) {
      inner.throwIfAborted();
      await work(next.value, inner);
    }
  };
  await runTogether(
    Array.from({ length: Math.max(1, Math.min(workers, items.length)) }, () => worker),
    signal,
  );
}

/** Lets one piece of work run at a time, in the order of asking. */
export class Turnstile {
  #last: Promise<void> = Promise.resolve();

  /** Where `signal` is given, waiting for the turn ends with its reason. */
  async run<Result>(work: () => Promise<Result>, signal?: AbortSignal): Promise<Result> {
    const before = this.#last;
    let release = (): void => {};
    const own = new Promise<void>((resolve) => {
      release = resolve;
    });
    // Whoever left the queue must not let those behind him pass those before him.
    this.#last = signal === undefined ? own : before.then(() => own);
    try {
      await (signal === undefined ? before : firstOf([() => before, untilAborted], signal));
      return await work();
    } finally {
      release();
    }
  }
}

/** Aborts `controller` when `signal` aborts, until the function that is returned is called. */
export function followSignal(signal: AbortSignal, controller: AbortController): () => void {
  const follow = (): void => controller.abort(signal.reason);
  if (signal.aborted) {
    follow();
    return () => undefined;
  }
  const following = followings.get(signal) ?? beginFollowing(signal);
  following.followers.add(follow);
  return () => {
    const isLast = following.followers.delete(follow) && following.followers.size === 0;
    if (!isLast) return;
    signal.removeEventListener('abort', following.onAbort);
    followings.delete(signal);
  };
}

interface Following {
  readonly followers: Set<() => void>;
  readonly onAbort: () => void;
}

/** One listener a signal, however many follow it: hosts warn of a signal with many listeners. */
const followings = new WeakMap<AbortSignal, Following>();

function beginFollowing(signal: AbortSignal): Following {
  const followers = new Set<() => void>();
  const onAbort = (): void => {
    for (const follow of [...followers]) follow();
  };
  signal.addEventListener('abort', onAbort, { once: true });
  const following = { followers, onAbort };
  followings.set(signal, following);
  return following;
}

/** One for all, as making an error is dear, and nobody gets to see it. */
const waitIsOver = new MigrationError('INTERRUPTED', 'This wait is over.');
const workIsOver = new MigrationError('INTERRUPTED', 'The work that this served is over.');

const untilAborted: Task = (signal) => new Condition().changed(signal);

/** Resolves with the first of these waits, and aborts the others; rejects with the signal's reason. */
async function firstOf(waits: readonly Task[], signal: AbortSignal): Promise<void> {
  const either = new AbortController();
  const stop = followSignal(signal, either);
  try {
    await Promise.race(waits.map((wait) => quietly(wait(either.signal), either.signal)));
    signal.throwIfAborted();
  } finally {
    either.abort(waitIsOver);
    stop();
  }
}

/** The loser of a race must not be an unhandled rejection; the winner's abort is judged by the caller. */
async function quietly(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  try {
    await promise;
  } catch (reason) {
    if (!signal.aborted) throw reason;
  }
}

function throwFailure(failure: { readonly reason: unknown } | null): void {
  if (failure !== null) throw asError(failure.reason);
}
