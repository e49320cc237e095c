import { expect, test } from 'vitest';
import { dropPatiently, reasonToKeep } from '../../src/engine/clean-up.ts';
import { MigrationError } from '../../src/engine/errors.ts';
import type { MigrationEvent } from '../../src/engine/events.ts';
import type { MigrationId } from '../../src/engine/model.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const table = { schema: 'shop', table: 'old' };
const limits = { lockTimeoutMs: 500, attemptsMax: 3, pauseFirstMs: 1_000, pauseMaxMs: 1_500 };
const { signal } = new AbortController();

function surroundings() {
  const clock = new VirtualClock();
  const events: MigrationEvent[] = [];
  return { clock, events, parts: { limits, context: { clock, observer: (event: MigrationEvent) => events.push(event) } } };
}

test('an old table is kept until its soak is over, and while it is used', () => {
  const old = { id: 'k3' as MigrationId, table, bytes: 0, swappedAt: '2026-01-01T00:00:00.000Z', ageMs: 59_999, use: null };
  expect(reasonToKeep(old, 60_000)).toBe('its soak ends at 2026-01-01T00:01:00.000Z');
  expect(reasonToKeep({ ...old, ageMs: 60_000 }, 60_000)).toBeNull();
  expect(reasonToKeep({ ...old, ageMs: 60_000, use: 'it was read' }, 60_000)).toBe('it was read');
  expect(reasonToKeep({ ...old, use: 'it was read' }, 60_000)).toBe(
    'its soak ends at 2026-01-01T00:01:00.000Z, and it was read',
  );
});

test('a drop backs off from a lock that it does not get, and gives up after its attempts, naming who is in the way', async () => {
  const { clock, events, parts } = surroundings();
  const asked: number[] = [];
  const drop = async (lockTimeoutMs: number) => {
    asked.push(lockTimeoutMs);
    return { kind: 'not-locked', blockers: ['a reader'] } as const;
  };
  const outcome = expect(dropPatiently(table, drop, parts, signal)).rejects.toMatchObject({
    code: 'DROP_NOT_LOCKED',
    exitCode: 5,
    message:
      'shop.old was not dropped: a lock was not had within 500 ms in 3 attempts. In the way: a reader. All rows are still there; run the same cleanup again at a calmer time.',
  });
  await clock.advance(749);
  expect(asked).toEqual([500]);
  await clock.advance(60_000);
  await outcome;
  expect(asked).toEqual([500, 500, 500]);
  const blockers = ['a reader'];
  expect(events).toEqual([
    { kind: 'drop-blocked', table: 'shop.old', attempt: 1, blockers, nextInMs: 750 },
    { kind: 'drop-blocked', table: 'shop.old', attempt: 2, blockers, nextInMs: 1_125 },
    { kind: 'drop-blocked', table: 'shop.old', attempt: 3, blockers, nextInMs: 0 },
  ]);
});

test('a drop is tried again after a lost connection, and goes on with what is left', async () => {
  const { clock, events, parts } = surroundings();
  const faults = [new MigrationError('CONNECTION_LOST', 'away')];
  const done = dropPatiently(
    table,
    async () => {
      const fault = faults.pop();
      if (fault !== undefined) throw fault;
      return { kind: 'done' };
    },
    parts,
    signal,
  );
  await clock.advance(60_000);
  await done;
  expect(events.map(({ kind }) => kind)).toEqual(['retrying']);
});
