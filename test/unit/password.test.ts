/** That a password which the server refuses is read again, once for all sessions, and tried again only if it is another one. */
import { describe, expect, test } from 'vitest';
import { MigrationError } from '../../src/engine/errors.ts';
import { Password } from '../../src/sessions/password.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const never = new AbortController().signal;
const refused = new Error('refused');
const isRefused = (error: unknown): boolean => error === refused;

/** A server that takes one password, and a place from which it can be read. */
function atServer() {
  const place = { server: 'old', kept: 'old' as string | null, reads: 0, logins: 0 };
  const read = async (): Promise<string | null> => {
    place.reads += 1;
    return place.kept;
  };
  const connect = (password: Password) => async (): Promise<string | null> => {
    place.logins += 1;
    const tried = password.known;
    await Promise.resolve();
    if (tried !== place.server) throw refused;
    return tried;
  };
  return { place, read, connect };
}

describe('a password', () => {
  test('that the server takes is read once', async () => {
    const { place, read, connect } = atServer();
    const password = await Password.from(read);
    for (let time = 0; time < 3; time++) expect(await password.login(connect(password), isRefused, never)).toBe('old');
    expect(place).toMatchObject({ reads: 1, logins: 3 });
  });

  test('that has become another one is read again, by one of the sessions that were refused', async () => {
    const { place, read, connect } = atServer();
    const password = await Password.from(read);
    Object.assign(place, { server: 'new', kept: 'new' });
    const logins = Array.from({ length: 4 }, () => password.login(connect(password), isRefused, never));
    expect(await Promise.all(logins)).toEqual(['new', 'new', 'new', 'new']);
    expect(place).toMatchObject({ reads: 2, logins: 8 });
  });

  test('that never was good, and is still the same, is not tried again', async () => {
    const { place, read, connect } = atServer();
    const password = await Password.from(read);
    place.server = 'new';
    await expect(password.login(connect(password), isRefused, never)).rejects.toBe(refused);
    expect(place).toMatchObject({ reads: 2, logins: 1 });
  });

  test('that was good is waited for until it is another one, which is tried once', async () => {
    const { place, read, connect } = atServer();
    const clock = new VirtualClock();
    const password = await Password.from(read, clock);
    await password.login(connect(password), isRefused, never);
    place.server = 'new';
    const login = password.login(connect(password), isRefused, never);
    await clock.advance(60_000);
    expect(place.logins).toBe(2);
    place.kept = 'new';
    await clock.advance(2_000);
    expect(await login).toBe('new');
    expect(place.logins).toBe(3);
  });

  test('that was good and is waited for in vain says so where the wait is cut short', async () => {
    const { place, read, connect } = atServer();
    const clock = new VirtualClock();
    const password = await Password.from(read, clock);
    await password.login(connect(password), isRefused, never);
    place.server = 'new';
    const late = new AbortController();
    const outcome = password.login(connect(password), isRefused, late.signal).catch((error: unknown) => error);
    await clock.advance(15_000);
    late.abort(new Error('too late'));
    expect(await outcome).toMatchObject({
      code: 'CONNECTION_LOST',
      message: 'The server refused the password, and no other one has come yet: refused',
    });
  });

  test('that was good is not waited for longer than two minutes, nor where it is not to be read', async () => {
    const { place, read, connect } = atServer();
    const clock = new VirtualClock();
    const [password, fixed] = [await Password.from(read, clock), await Password.from('old', clock)];
    for (const one of [password, fixed]) await one.login(connect(one), isRefused, never);
    place.server = 'new';
    await expect(fixed.login(connect(fixed), isRefused, never)).rejects.toBe(refused);
    const outcome = password.login(connect(password), isRefused, never).catch((error: unknown) => error);
    await clock.advance(122_000);
    expect(await outcome).toBe(refused);
    expect(place.logins).toBe(4);
  });

  test('is not read again for another error', async () => {
    const { place, read } = atServer();
    const password = await Password.from(read);
    const lost = new Error('lost');
    await expect(password.login(() => Promise.reject(lost), isRefused, never)).rejects.toBe(lost);
    expect(place.reads).toBe(1);
  });

  test('that was good may be unreadable twice in a row while it is changed, and not longer', async () => {
    const { place, connect } = atServer();
    const clock = new VirtualClock();
    const answers = ['old', null, null, 'old', null, null, 'new'];
    const password = await Password.from(async () => {
      const answer = answers.shift();
      if (answer == null) throw new MigrationError('BAD_USAGE', 'The file is empty.');
      return answer;
    }, clock);
    await password.login(connect(password), isRefused, never);
    place.server = 'new';
    const login = password.login(connect(password), isRefused, never);
    await clock.advance(10_000);
    expect(await login).toBe('new');
    place.server = 'newer';
    const outcome = password.login(connect(password), isRefused, never).catch((error: unknown) => error);
    await clock.advance(4_000);
    expect(await outcome).toMatchObject({ code: 'ACCESS_DENIED', message: expect.stringMatching(/The file is empty\.$/) });
  });

  test('that cannot be read any more is told with the reason', async () => {
    let reads = 0;
    const password = await Password.from(async () => {
      reads += 1;
      if (reads > 1) throw new MigrationError('BAD_USAGE', 'The vault is sealed.');
      return 'old';
    });
    await expect(password.login(() => Promise.reject(refused), isRefused, never)).rejects.toMatchObject({
      code: 'ACCESS_DENIED',
      message: 'The server refused the password, and it cannot be read again: The vault is sealed.',
    });
  });
});
