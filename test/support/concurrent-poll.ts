/**
 * Makes `expect.poll` work in tests that run at the same time. Vitest's own has to know which test runs, and when one of several
 * has ended it takes it that none does: "expect.poll() must be called inside a test".
 */
import { expect, vi } from 'vitest';

/** What takes longer is stuck: the machine may be busy with other tests. */
const usualTimeoutMs = 60_000;
const usualIntervalMs = 50;

type Poll = typeof expect.poll;

const poll: Poll = (look, { timeout = usualTimeoutMs, interval = usualIntervalMs, message } = {}) => {
  const matchers = (isNegated: boolean): object =>
    new Proxy(
      {},
      {
        get(_, name) {
          if (name === 'not') return matchers(!isNegated);
          return async (...args: readonly unknown[]): Promise<void> => {
            const called = new Error('as called');
            const match = async (): Promise<void> => {
              const assertion = expect(await look(), message);
              const from = isNegated ? assertion.not : assertion;
              Reflect.apply(Reflect.get(from, name) as () => void, from, args);
            };
            await vi.waitFor(match, { timeout, interval }).catch((error: unknown) => {
              // A failure is shown where the test asked, not here.
              if (error instanceof Error) error.stack = called.stack?.replace(called.message, error.message) ?? '';
              throw error;
            });
          };
        },
      },
    );
  return matchers(false) as ReturnType<Poll>;
};

expect.poll = poll;
