/** Time limits for what is outside of this program. */

import { followSignal } from '../engine/tasks.ts';

/**
 * Aborts with `signal`, or after `ms` with a TimeoutError. To be disposed when what it limits has ended. (The signal of
 * `AbortSignal.timeout` may be collected as garbage inside of `AbortSignal.any`, and then never fires.)
 */
export function withTimeLimit(signal: AbortSignal, ms: number): AbortSignal & Disposable {
  const own = new AbortController();
  const stopFollowing = followSignal(signal, own);
  const timer = setTimeout(() => own.abort(new DOMException(`it took longer than ${ms / 1000} s`, 'TimeoutError')), ms);
  const end = (): void => {
    clearTimeout(timer);
    stopFollowing();
  };
  return Object.assign(own.signal, { [Symbol.dispose]: end });
}
