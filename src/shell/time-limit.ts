/** Time limits for what is outside of this program. */

/**
 * Aborts with `signal`, or after `ms` with a TimeoutError. To be disposed when what it limits has ended. (The signal of
 * `AbortSignal.timeout` may be collected as garbage inside of `AbortSignal.any`, and then never fires.)
 */
export function withTimeLimit(signal: AbortSignal, ms: number): AbortSignal & Disposable {
  const own = new AbortController();
  const follow = (): void => own.abort(signal.reason);
  const timer = setTimeout(() => own.abort(new DOMException(`it took longer than ${ms / 1000} s`, 'TimeoutError')), ms);
  if (signal.aborted) follow();
  else signal.addEventListener('abort', follow, { once: true });
  const end = (): void => {
    clearTimeout(timer);
    signal.removeEventListener('abort', follow);
  };
  return Object.assign(own.signal, { [Symbol.dispose]: end });
}
