import { describe, expect, test } from 'vitest';
import type { MigrationEvent } from '../../src/engine/events.ts';
import { RetentionWatch } from '../../src/engine/retention-watch.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const SIGNAL = new AbortController().signal;
const HOUR_MS = 3_600_000;

function setUp(retentionMs: number | null) {
  const events: MigrationEvent[] = [];
  const asked: number[] = [];
  const read = async (): Promise<number | null> => {
    asked.push(1);
    return retentionMs;
  };
  const watch = new RetentionWatch(read, { clock: new VirtualClock(), observer: (event) => events.push(event) });
  const look = async (etaMs: number | null, times: number): Promise<void> => {
    for (let time = 0; time < times; time += 1) await watch.look(etaMs, SIGNAL);
  };
  return { events, asked, look };
}

describe('the time that a run still takes', () => {
  test('is a warning, once, where it stays over the time for which the log is kept', async () => {
    const { events, asked, look } = setUp(12 * HOUR_MS);
    await look(30 * HOUR_MS, 9);
    expect(events).toEqual([]);
    await look(30.26 * HOUR_MS, 1);
    expect(events).toEqual([
      {
        kind: 'warning',
        about: 'log retention',
        message:
          'What is left of this phase takes about 30.3 h, and the server keeps its log for 12 h: a run that is interrupted must be resumed within that time.',
      },
    ]);
    await look(1, 5);
    await look(90 * HOUR_MS, 20);
    expect([events.length, asked.length]).toEqual([1, 1]);
  });

  test('is none while it is guessed, shorter, or unknown', async () => {
    const { events, look } = setUp(12 * HOUR_MS);
    for (let round = 0; round < 5; round += 1) {
      await look(30 * HOUR_MS, 9);
      await look(12 * HOUR_MS, 1);
    }
    await look(null, 20);
    expect(events).toEqual([]);
  });

  test('is none where the log is kept without a limit, or the adapter knows of none', async () => {
    const { events, look } = setUp(null);
    await look(9_000 * HOUR_MS, 20);
    const context = { clock: new VirtualClock(), observer: (event: MigrationEvent) => events.push(event) };
    const without = new RetentionWatch(undefined, context);
    for (let time = 0; time < 20; time += 1) await without.look(9_000 * HOUR_MS, SIGNAL);
    expect(events).toEqual([]);
  });
});
