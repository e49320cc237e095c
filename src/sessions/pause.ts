/** Waiting in real time, for polls and time limits of the adapters. */

/** True after `ms`, false as soon as the signal aborts. Never rejects. */
export async function hasPassed(ms: number, signal: AbortSignal): Promise<boolean> {
  if (signal.aborted) return false;
  // Not the timers of node:timers/promises, which make an error of their own for each wait that is cut short.
  return await new Promise<boolean>((resolve) => {
    const end = (isPassed: boolean): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', cutShort);
      resolve(isPassed);
    };
    const cutShort = (): void => end(false);
    const timer = setTimeout(() => end(true), ms);
    signal.addEventListener('abort', cutShort, { once: true });
  });
}
