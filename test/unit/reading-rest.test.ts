import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { beforeEach, describe, expect, test } from 'vitest';
import { Flow, pauseAtOnce, ReadingRest } from '../../src/sessions/reading-rest.ts';

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

  test('is paused nevertheless where more comes each time', async () => {
    connection.rest.begin();
    for (let turn = 1; turn <= 20; turn += 1) await connection.turn('something');
    expect(connection.told).toEqual(['paused after 8']);
    connection.rest.end();
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

/** One end that reads and one that writes, of a connection in this process. */
interface Pair {
  readonly reader: Socket;
  readonly writer: Socket;
}

async function makePair(server: Server): Promise<Pair> {
  const reader = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const [writer] = (await once(server, 'connection')) as [Socket];
  writer.setNoDelay(true);
  return { reader, writer };
}

/** What was written has been looked at, if it is at all, once a witness that reads all the time has what was written after it. */
async function write(bytes: number, to: Pair, witness: Pair): Promise<void> {
  to.writer.write(Buffer.alloc(bytes));
  const seen = once(witness.reader, 'data');
  witness.writer.write('.');
  await seen;
}

async function withPairs(use: (pair: Pair, witness: Pair) => Promise<void>): Promise<void> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const [pair, witness] = [await makePair(server), await makePair(server)];
  try {
    await use(pair, witness);
  } finally {
    for (const { reader, writer } of [pair, witness]) {
      reader.destroy();
      writer.destroy();
    }
    server.close();
  }
}

describe('a socket that is paused', () => {
  const bytesReadInPause = async (prepare: (reader: Socket) => void): Promise<number> => {
    let read = Number.NaN;
    await withPairs(async (pair, witness) => {
      const { reader } = pair;
      prepare(reader);
      reader.resume();
      await write(10, pair, witness);
      reader.pause();
      for (let piece = 1; piece <= 50; piece += 1) await write(10, pair, witness);
      read = reader.bytesRead - 10;
      const all = new Promise<void>((resolve) => {
        reader.on('data', () => reader.bytesRead === 510 && resolve());
      });
      reader.resume();
      await all;
    });
    return read;
  };

  test('goes on reading by itself, which is what the rest is for', async () => {
    expect(await bytesReadInPause(() => undefined)).toBeGreaterThan(100);
  });

  test('reads once more at most where its pauses are to be at once, and then everything', async () => {
    expect(await bytesReadInPause(pauseAtOnce)).toBeLessThanOrEqual(10);
  });
});

describe('a flow', () => {
  test('is steady after sixteen looks each of which found something at once, and no more when it had to be waited for', () => {
    const flow = new Flow();
    for (let look = 1; look <= 15; look += 1) flow.note(0.1);
    expect(flow.isSteady).toBe(false);
    flow.note(0.1);
    expect(flow.isSteady).toBe(true);
    flow.note(3);
    expect(flow.isSteady).toBe(false);
  });
});
