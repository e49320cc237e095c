/** How who is in the way is told. */
import { expect, test } from 'vitest';
import { describeSession } from '../../src/postgres/lock-holders.ts';

test('an autovacuum that prevents wraparound is told as one that gives way to nobody, any other is not', () => {
  const worker = {
    ...{ pid: '4711', backend_type: 'autovacuum worker', state: 'active', state_seconds: '12', transaction_seconds: '12' },
    statement: 'autovacuum: VACUUM shop.orders (to prevent wraparound)',
  };
  const told =
    'autovacuum (process 4711), running for 12 s, in a transaction for 12 s: autovacuum: VACUUM shop.orders (to prevent wraparound)';
  expect(describeSession({ ...worker, prevents_wraparound: 't' })).toBe(
    `${told}; it gives way to nobody and has to come to its end`,
  );
  expect(describeSession({ ...worker, prevents_wraparound: 'f' })).toBe(told);
});
