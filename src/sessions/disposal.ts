/** Letting go of several things. */

/** Waits until all have ended, and only then rejects with the first reason why one failed. */
export async function allEnded(ending: readonly PromiseLike<void>[]): Promise<void> {
  for (const result of await Promise.allSettled(ending)) if (result.status === 'rejected') throw result.reason;
}

/** Disposes all of them side by side, and rejects with the first reason why one could not be only when all have ended. */
export async function disposeAll(parts: readonly AsyncDisposable[]): Promise<void> {
  await allEnded(parts.map((part) => part[Symbol.asyncDispose]()));
}

/** Disposes what works by `last`, such as the sessions of a claim, and then `last` itself, whether or not the others could be. */
export async function disposeBefore(last: AsyncDisposable, parts: readonly AsyncDisposable[]): Promise<void> {
  try {
    await disposeAll(parts);
  } finally {
    await last[Symbol.asyncDispose]();
  }
}

/** Disposes all of them because something has failed. Never rejects: that failure is the one to be told. */
export async function disposeAfterFailure(parts: readonly AsyncDisposable[]): Promise<void> {
  await Promise.allSettled(parts.map((part) => part[Symbol.asyncDispose]()));
}

/** Does the work that `opened` is to be kept for; where it fails, `opened` is disposed, and that failure told. */
export async function disposingOnFailure<Result>(opened: AsyncDisposable, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    await disposeAfterFailure([opened]);
    throw error;
  }
}
