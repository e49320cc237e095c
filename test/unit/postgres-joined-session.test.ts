/** That statements without an answer go with the next question, in the order of the calls, and are never left behind. */
import { describe, expect, test } from 'vitest';
import { MigrationError } from '../../src/engine/errors.ts';
import { doneBefore, translate } from '../../src/postgres/errors.ts';
import { JoinedSession } from '../../src/postgres/joined-session.ts';
import type { Row, Session } from '../../src/postgres/session.ts';

const never = new AbortController().signal;

/** Answers each statement with its own text, and notes what was sent together. */
function echo(): { readonly session: Session; readonly messages: (readonly string[])[] } {
  const messages: (readonly string[])[] = [];
  const send = async (statements: readonly string[]): Promise<readonly (readonly Row[])[]> => {
    messages.push(statements);
    return statements.map((text) => (text.startsWith('SELECT') ? [{ text }] : []));
  };
  const session: Session = {
    pid: 1,
    transaction: 'open',
    query: async (sql) => (await send([sql]))[0] ?? [],
    queryEach: send,
    execute: async (sql) => {
      await send([sql]);
      return { affectedRows: 1, notices: [] };
    },
    [Symbol.asyncDispose]: async () => {},
  };
  return { session, messages };
}

describe('a session that keeps statements back', () => {
  test('sends them in front of the next question, whose answer alone is given', async () => {
    const { session, messages } = echo();
    const joined = new JoinedSession(session);
    await joined.execute('SET a', never);
    await joined.execute('SELECT setval(1)', never);
    expect(messages).toEqual([]);
    expect(await joined.query('SELECT 1', never)).toEqual([{ text: 'SELECT 1' }]);
    expect(messages).toEqual([['SET a', 'SELECT setval(1)', 'SELECT 1']]);
  });

  test('sends each of them once', async () => {
    const { session, messages } = echo();
    const joined = new JoinedSession(session);
    await joined.execute('SET a', never);
    expect(await joined.queryEach(['SELECT 1', 'SELECT 2'], never)).toEqual([[{ text: 'SELECT 1' }], [{ text: 'SELECT 2' }]]);
    await joined.query('SELECT 3', never);
    await joined.flush(never);
    expect(messages).toEqual([['SET a', 'SELECT 1', 'SELECT 2'], ['SELECT 3']]);
  });

  test('sends what is left when it is flushed', async () => {
    const { session, messages } = echo();
    const joined = new JoinedSession(session);
    await joined.execute('SET a', never);
    await joined.execute('SET b', never);
    await joined.flush(never);
    expect(messages).toEqual([['SET a', 'SET b']]);
  });
});

test('an error names the statement that failed, and what an event trigger refuses is told as that', async () => {
  const { session } = echo();
  const failing: Session = {
    ...session,
    queryEach: () => {
      const cause = Object.assign(new Error('not today'), { code: 'P0001', severity: 'ERROR', where: 'PL/pgSQL function f()' });
      return Promise.reject(translate(Object.assign(cause, { [doneBefore]: 1 }), 'The statement "SET a"'));
    },
  };
  const joined = new JoinedSession(failing);
  await joined.execute('SET a', never);
  await joined.execute('ALTER TABLE t OWNER TO b', never);
  await expect(joined.query('SELECT 1', never)).rejects.toMatchObject({
    code: 'ACCESS_DENIED',
    message: 'An event trigger of the database refuses the statement "ALTER TABLE t OWNER TO b": not today (SQLSTATE P0001).',
  });
});

test('an error that is not of a statement stays as it is, whatever is behind it', async () => {
  const { session } = echo();
  const refused = Object.assign(new Error('not permitted to log in'), { code: '28000', severity: 'FATAL', [doneBefore]: 0 });
  const stuck = new MigrationError('SESSION_STUCK', 'It could not be ended.', { cause: translate(refused, 'Ending it') });
  const joined = new JoinedSession({ ...session, queryEach: () => Promise.reject(stuck) });
  await expect(joined.query('SELECT 1', never)).rejects.toBe(stuck);
});
