import { describe, expect, test } from 'vitest';
import { MigrationError } from '../../src/engine/errors.ts';
import type { MigrationEvent } from '../../src/engine/events.ts';
import { awaitingLocks, retry } from '../../src/engine/retry.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const SIGNAL = new AbortController().signal;

function surroundings() {
  const clock = new VirtualClock();
  const events: MigrationEvent[] = [];
  return { clock, events, context: { clock, observer: (event: MigrationEvent) => events.push(event) } };
}

describe('retrying', () => {
  test('tries a transient failure again and makes each try an event', async () => {
    const { clock, events, context } = surroundings();
    const result = retry(
      'asking',
      async (attempt) => {
        if (attempt < 3) throw new MigrationError('DEADLOCK', 'chosen as victim');
        return attempt;
      },
      context,
      SIGNAL,
    );
    await clock.advance(1000);
    await expect(result).resolves.toBe(3);
    expect(events.map((event) => (event.kind === 'retrying' ? [event.what, event.attempt, event.code] : null))).toEqual([
      ['asking', 1, 'DEADLOCK'],
      ['asking', 2, 'DEADLOCK'],
    ]);
  });

  test('does not try again what a repetition cannot cure', async () => {
    const { events, context } = surroundings();
    await expect(
      retry('asking', () => Promise.reject(new MigrationError('LOG_PURGED', 'gone')), context, SIGNAL),
    ).rejects.toThrow('gone');
    const only = { ...context, isCurable: ({ code }: MigrationError) => code === 'DEADLOCK' };
    const lost = new MigrationError('CONNECTION_LOST', 'away');
    await expect(retry('asking', () => Promise.reject(lost), only, SIGNAL)).rejects.toBe(lost);
    expect(events).toEqual([]);
  });

  test('gives up after 16 attempts, a minute or two later', async () => {
    const { clock, events, context } = surroundings();
    const result = retry('asking', () => Promise.reject(new MigrationError('CONNECTION_LOST', 'away')), context, SIGNAL);
    const outcome = expect(result).rejects.toThrow('away');
    await clock.advance(60_000);
    expect(events.length).toBeLessThan(15);
    await clock.advance(60_000);
    expect(events).toHaveLength(15);
    await outcome;
  });

  test('waits for a lock for as long as others hold it, and counts what else fails', async () => {
    const { clock, events, context } = surroundings();
    const failures = [
      ...Array.from({ length: 200 }, () => 'LOCK_WAIT' as const),
      ...Array.from({ length: 16 }, () => 'DEADLOCK' as const),
    ];
    const result = retry(
      'asking',
      (attempt) => Promise.reject(new MigrationError(failures[attempt - 1] ?? 'INTERNAL', 'held')),
      awaitingLocks(context),
      SIGNAL,
    );
    const outcome = expect(result).rejects.toMatchObject({ code: 'DEADLOCK' });
    await clock.advance(4_000_000);
    await outcome;
    expect(events).toHaveLength(215);
  });

  test('ends for the reason why it is aborted, whatever then fails', async () => {
    const { events, context } = surroundings();
    for (const code of ['CONNECTION_LOST', 'LOG_PURGED'] as const) {
      const controller = new AbortController();
      const operation = async (): Promise<never> => {
        controller.abort(new Error('stop'));
        throw new MigrationError(code, 'cut off');
      };
      await expect(retry('asking', operation, context, controller.signal)).rejects.toThrow('stop');
    }
    expect(events).toEqual([]);
  });

  test('ends at once when it is aborted in a pause', async () => {
    const { clock, context } = surroundings();
    const controller = new AbortController();
    const result = retry(
      'asking',
      () => Promise.reject(new MigrationError('CONNECTION_LOST', 'away')),
      context,
      controller.signal,
    );
    const outcome = expect(result).rejects.toThrow('stop');
    await clock.advance(10);
    controller.abort(new Error('stop'));
    await outcome;
  });
});
