/** How a claim is taken again, and what its signs say of the run that has it or had it. */
import { expect, test } from 'vitest';
import { type ErrorCode, MigrationError } from '../../src/engine/errors.ts';
import type { Plan } from '../../src/engine/model.ts';
import type { RecordedMigration } from '../../src/sessions/bookkeeping.ts';
import { claimAll, type ClaimSigns, lastRunOf, openMigrationObstacles, retakeClaim } from '../../src/sessions/claims.ts';
import { settle } from '../support/virtual-clock.ts';

const { signal } = new AbortController();

/** What becomes of a claim whose session was lost so, and whose lock then fails to be had so, time after time; and what was done. */
async function retaken(lost: ErrorCode, ...refusals: ErrorCode[]) {
  const deeds: string[] = [];
  const session = {
    async [Symbol.asyncDispose]() {
      await settle();
      deeds.push('closed');
    },
  };
  const retaking = {
    cause: new MigrationError(lost, 'It ended.'),
    async open() {
      deeds.push('opened');
      return session;
    },
    async retake() {
      await settle();
      deeds.push('asked');
      const refusal = refusals.shift();
      if (refusal !== undefined) throw new MigrationError(refusal, 'It was not had.');
    },
  };
  const ending = await retakeClaim(retaking, signal).catch((error: unknown) => error);
  return { ending, isHad: ending === session, deeds };
}

test('a claim whose connection was lost is held again with its lock', async () => {
  expect(await retaken('CONNECTION_LOST')).toMatchObject({ isHad: true, deeds: ['opened', 'asked'] });
});

test('a claim is asked for again where the server is not back yet', async () => {
  const deeds = ['opened', 'asked', 'closed', 'opened', 'asked'];
  expect(await retaken('CONNECTION_LOST', 'CONNECTION_LOST')).toMatchObject({ isHad: true, deeds });
});

test.each([
  ['another run has had since', 'CLAIM_LOST', /^It was not had\.$/],
  ['the server does not give for a reason that stays', 'ACCESS_DENIED', /lost \(It was not had\.\), so another run/],
] as const)('a claim that %s is lost at once, and the session that found out is closed', async (_, refusal, message) => {
  const { ending, deeds } = await retaken('CONNECTION_LOST', refusal);
  expect(ending).toMatchObject({ code: 'CLAIM_LOST', message: expect.stringMatching(message) });
  expect(deeds).toEqual(['opened', 'asked', 'closed']);
});

test('a claim whose session has ended for another reason than its connection is lost without a question', async () => {
  const { ending, deeds } = await retaken('SESSION_STUCK');
  expect(ending).toMatchObject({ code: 'CLAIM_LOST' });
  expect(deeds).toEqual([]);
});

test('all tables are claimed before anything is recorded, and that is done before any is begun', async () => {
  const deeds: string[] = [];
  const note = async (deed: string): Promise<void> => {
    await settle();
    deeds.push(deed);
  };
  const plans = ['a', 'b'].map((id) => ({ id })) as unknown as readonly Plan[];
  const tables = await claimAll(
    plans,
    {
      async take({ id }) {
        await note(`claimed ${id}`);
        return id;
      },
      open: (_, id) => ({ id, begin: () => note(`begun ${id}`), [Symbol.asyncDispose]: () => note(`given back ${id}`) }),
      async record(id) {
        await settle();
        await note(`recorded by ${id}`);
      },
    },
    signal,
  );
  expect(tables.map(({ id }) => id)).toEqual(['a', 'b']);
  expect(deeds).toEqual(['claimed a', 'claimed b', 'recorded by a', 'begun a', 'begun b']);
});

const plan = { source: { schema: 'shop', table: 'orders' } };
const at = (seconds: number): string => new Date(seconds * 1000).toISOString();
const migration = { id: 'orders1', plan, state: 'open', startedAt: at(5), updatedAt: at(20) } as unknown as RecordedMigration;
const signs: ClaimSigns = {
  record: { token: 'a', migrationId: 'orders1', connectionId: 7, host: 'db1', pid: 42, claimedAt: at(10) },
  ...{ isHeld: true, pingedAt: at(30), now: at(34) },
};
const run = { host: 'db1', pid: 42, startedAt: at(10) };

test.each([
  ['its newest ping', signs, { ...run, heardAt: at(30), silentMs: 4000 }],
  ['its checkpoint, where that is newer', { ...signs, pingedAt: at(11) }, { ...run, heardAt: at(20), silentMs: 14_000 }],
  [
    'its checkpoint, where nobody holds the claim',
    { ...signs, isHeld: false, pingedAt: null },
    { heardAt: at(20), silentMs: 14_000 },
  ],
  ['nothing, where the server does not tell of pings', { ...signs, pingedAt: null }, { heardAt: at(20), silentMs: null }],
  ['a moment to come, where clocks differ', { ...signs, now: at(29) }, { heardAt: at(30), silentMs: 0 }],
])('how long a run has been silent is told by %s', (_, seen, expected) => {
  expect(lastRunOf(migration, seen)).toMatchObject(expected);
});

test('the last run of a migration is not known where another one has had the claim since', () => {
  expect(lastRunOf(migration, { ...signs, record: null })).toBeNull();
  expect(lastRunOf({ ...migration, id: 'orders2' as RecordedMigration['id'] }, signs)).toBeNull();
});

test('an unfinished migration of the same table is in the way, but not the one itself, a finished one, or one of another table', () => {
  const { source } = plan;
  const obstacles = (id: string | null, one: object): number =>
    openMigrationObstacles({ id, source }, [{ ...migration, ...one }]).length;
  expect(obstacles(null, {})).toBe(1);
  expect(obstacles('orders2', {})).toBe(1);
  expect(obstacles('orders1', {})).toBe(0);
  expect(obstacles(null, { state: 'done' })).toBe(0);
  expect(obstacles(null, { plan: { source: { schema: 'shop', table: 'items' } } })).toBe(0);
  expect(obstacles(null, { plan: { source: { schema: 'archive', table: 'orders' } } })).toBe(0);
});
