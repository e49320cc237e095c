import { expect, test } from 'vitest';
import { MigrationError } from '../../src/engine/errors.ts';
import { ControlConnection } from '../../src/sessions/control-connection.ts';

test('statements that meet the same loss, some later, go on over one new connection, which is closed in the end', async () => {
  let connectedAnew = (): void => undefined;
  const isConnectedAnew = new Promise<void>((resolve) => {
    connectedAnew = resolve;
  });
  const closed: string[] = [];
  let opened = 0;
  const control = new ControlConnection<string>({
    connect: async () => {
      const number = ++opened;
      if (number === 2) connectedAnew();
      return {
        isOpen: true,
        run: async (sql) => {
          if (number > 1) return `${sql} over ${number}`;
          // One hears of the loss only when the other has connected again.
          if (sql === 'b') await isConnectedAnew;
          throw new Error('lost');
        },
        end: async () => void closed.push(`${number} ended`),
        destroy: () => void closed.push(`${number} destroyed`),
      };
    },
    connectTimeoutMs: 1_000,
    isLoss: () => true,
    translate: (error) => new MigrationError('INTERNAL', 'never', { cause: error }),
    translateConnecting: (error) => new MigrationError('INTERNAL', 'never', { cause: error }),
    sessionList: 'the list',
    leaving: new AbortController().signal,
  });
  const replies = await Promise.all(['a', 'b', 'c'].map((sql) => control.run(sql)));
  expect(replies).toEqual(['a over 2', 'b over 2', 'c over 2']);
  await control[Symbol.asyncDispose]();
  expect(closed.filter((one) => one.endsWith('ended'))).toEqual(['2 ended']);
});

test('a server that has been away for as long as one is waited for is asked once more for each session, and not waited for again', async () => {
  let attempts = 0;
  const control = new ControlConnection<string>(
    {
      connect: () => {
        attempts += 1;
        return Promise.reject(new Error('refused'));
      },
      connectTimeoutMs: 1_000,
      isLoss: () => true,
      translate: (error) => new MigrationError('INTERNAL', 'never', { cause: error }),
      translateConnecting: (error) => new MigrationError('CONNECTION_LOST', 'refused', { cause: error }),
      sessionList: 'the list',
      leaving: new AbortController().signal,
    },
    100,
  );
  await expect(control.run('a')).rejects.toMatchObject({ code: 'SESSION_STUCK' });
  attempts = 0;
  await expect(control.run('b')).rejects.toMatchObject({ code: 'SESSION_STUCK' });
  expect(attempts).toBe(1);
});

test('a server that lets nobody in is one that answers: it is asked anew by who comes later, and waited for again once it is away', async () => {
  const answers = ['away', 'refused', 'away', 'in'];
  const control = new ControlConnection<string>(
    {
      connect: () => {
        const answer = answers.shift() ?? '';
        if (answer !== 'in') return Promise.reject(new Error(answer));
        return Promise.resolve({
          isOpen: true,
          run: (sql) => Promise.resolve(`reply to ${sql}`),
          end: () => Promise.resolve(),
          destroy: () => undefined,
        });
      },
      connectTimeoutMs: 1_000,
      isLoss: () => true,
      translate: (error) => new MigrationError('INTERNAL', 'never', { cause: error }),
      translateConnecting: (error) =>
        new MigrationError((error as Error).message === 'refused' ? 'ACCESS_DENIED' : 'CONNECTION_LOST', 'no', {
          cause: error,
        }),
      sessionList: 'the list',
      leaving: new AbortController().signal,
    },
    // Less than lies between two attempts.
    200,
  );
  const message = expect.stringMatching(/: no\. Have the server let the user in, then resume, which ends it\.$/);
  await expect(control.run('a')).rejects.toMatchObject({ code: 'SESSION_STUCK', message });
  expect(answers).toEqual(['away', 'in']);
  await expect(control.run('b')).resolves.toBe('reply to b');
});

/** A server that is away, as who connects to it sees it. */
function away(connect: (signal: AbortSignal) => Promise<never>) {
  const leaving = new AbortController();
  let attempts = 0;
  const control = new ControlConnection<string>({
    connect: (signal) => {
      attempts += 1;
      return connect(signal);
    },
    connectTimeoutMs: 600_000,
    isLoss: () => true,
    translate: (error) => new MigrationError('INTERNAL', 'never', { cause: error }),
    translateConnecting: (error) => new MigrationError('CONNECTION_LOST', (error as Error).message, { cause: error }),
    sessionList: 'the list',
    leaving: leaving.signal,
  });
  return { control, leaving, attempts: () => attempts };
}

const kinds = {
  refuses: () => Promise.reject(new Error('nobody listens')),
  'answers nothing': (signal: AbortSignal) =>
    new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error))),
};

test.each(['refuses', 'answers nothing'] as const)(
  'a server that %s is not waited for once the run has been told to end, nor asked for what comes later',
  async (kind) => {
    const { control, leaving, attempts } = away(kinds[kind]);
    const asked = control.run('a');
    leaving.abort();
    const reason = kind === 'refuses' ? 'nobody listens' : 'It did not answer, and is not waited for any longer';
    await expect(asked).rejects.toMatchObject({
      code: 'SESSION_STUCK',
      message: expect.stringContaining(`the server could not be asked (${reason}). Look for it in the list`),
    });
    const before = attempts();
    await expect(control.run('b')).rejects.toMatchObject({ code: 'SESSION_STUCK' });
    expect(attempts()).toBe(before);
  },
);

/** A server on which each statement ends as it is told by its text, and how often it was connected to. */
function answering(limitMs: number) {
  let opened = 0;
  const control = new ControlConnection<string>(
    {
      connect: () => {
        opened += 1;
        const number = opened;
        const run = (sql: string): Promise<string> =>
          sql === 'refused' || sql === `lost over ${number}`
            ? Promise.reject(new Error(sql))
            : Promise.resolve(`${sql}: ${number}`);
        return Promise.resolve({ isOpen: true, run, end: () => Promise.resolve(), destroy: () => undefined });
      },
      connectTimeoutMs: 1_000,
      isLoss: (error) => (error as Error).message.startsWith('lost'),
      translate: (error, what) => new MigrationError('INTERNAL', `${what}: ${(error as Error).message}`, { cause: error }),
      translateConnecting: (error) => new MigrationError('INTERNAL', 'never', { cause: error }),
      sessionList: 'the list',
      leaving: new AbortController().signal,
    },
    limitMs,
  );
  return control;
}

test('a statement that the server refuses is not tried again, and one that is lost is, however long ago the last loss was', async () => {
  // Less than lies between two attempts.
  const control = answering(200);
  await expect(control.run('refused')).rejects.toMatchObject({ message: 'Controlling a session (refused): refused' });
  expect(await control.run('a')).toBe('a: 1');
  expect(await control.run('lost over 1')).toBe('lost over 1: 2');
  expect(await control.run('lost over 2')).toBe('lost over 2: 3');
});

test('sessions are told to end until none is left, or one of them is still there after all that time', async () => {
  const control = answering(50);
  const left = [['5', '6'], ['6'], []];
  await control.endAll(
    async () => left.shift() ?? [],
    (sessions) => `${sessions} were told to end`,
  );
  expect(left).toEqual([]);
  let told = 0;
  const staying = control.endAll(
    async () => {
      told += 1;
      return ['5', '6'];
    },
    (sessions) => `${sessions} were told to end`,
  );
  await expect(staying).rejects.toMatchObject({
    code: 'SESSION_STUCK',
    message: expect.stringContaining(': 5, 6 were told to end but is still there after 0.05 s. Look for it in the list'),
  });
  expect(told).toBeGreaterThan(1);
});
