import { beforeEach, describe, expect, test } from 'vitest';
import { ReadingRest } from '../../src/sessions/reading-rest.ts';

/** A connection over which something comes with each turn of the event loop, as long as it is told to. */
class BusyConnection {
  received = 0;
  readonly told: string[] = [];

  readonly rest = new ReadingRest({
    received: () => this.received,
    pause: () => this.told.push(`paused after ${this.received}`),
    resume: () => this.told.push('resumed'),
  });

  /** Lets the event loop turn once, and something come if it shall. */
  async turn(comes: 'something' | 'nothing'): Promise<void> {
    if (comes === 'something') this.received += 1;
    await new Promise<void>((resolve) => {
      setImmediate(resolve);
    });
  }
}

describe('a connection that nobody asks for more', () => {
  let connection: BusyConnection;
  beforeEach(() => {
    connection = new BusyConnection();
  });

  test('is read until nothing more comes, and not looked at then', async () => {
    connection.rest.begin();
    for (const comes of ['something', 'something', 'something'] as const) await connection.turn(comes);
    expect(connection.told).toEqual([]);
    await connection.turn('nothing');
    expect(connection.told).toEqual(['paused after 3']);
    connection.rest.end();
    expect(connection.told).toEqual(['paused after 3', 'resumed']);
  });

  test('is not paused where somebody asks before that', async () => {
    connection.rest.begin();
    connection.rest.end();
    await connection.turn('nothing');
    await connection.turn('nothing');
    expect(connection.told).toEqual([]);
  });

  test('is looked at again by itself, or a server that wants to end would not be heard', async () => {
    const resumed = new Promise<void>((resolve) => {
      const rest = new ReadingRest({ received: () => 0, pause: () => undefined, resume: resolve });
      rest.begin();
    });
    await expect(resumed).resolves.toBeUndefined();
  });
});
