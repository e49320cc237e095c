/** Which snapshots a swap waits for. */
import { expect, test } from 'vitest';
import { type HeldSnapshot, OlderSnapshots, type SnapshotWait } from '../../src/sessions/older-snapshots.ts';

const never = new AbortController().signal;
const older = ', whose snapshot is older than the new table';

function held(...names: readonly string[]): ReadonlyMap<string, HeldSnapshot> {
  const sessionId = (name: string): number => Number(name.replaceAll(/\D/g, ''));
  return new Map(
    names.map((name) => [name, { sessionId: sessionId(name), sentence: name, isResting: name.startsWith('resting') }]),
  );
}

/** What one look after another finds; the last one goes on. */
function finding(...looks: readonly ReadonlyMap<string, HeldSnapshot>[]): Pick<SnapshotWait, 'read' | 'pollMs'> {
  let place = 0;
  return {
    pollMs: 1,
    read: () => Promise.resolve(looks[Math.min(place++, looks.length - 1)] ?? new Map<string, HeldSnapshot>()),
  };
}

test('at the first attempt all that are held are waited for, until they are gone; those that come meanwhile are not', async () => {
  const looks = finding(
    held('running 1', 'resting 2'),
    held('running 1', 'running 3', 'resting 4'),
    held('running 3', 'resting 4'),
  );
  expect(await new OlderSnapshots().awaitGone({ ...looks, limitMs: 60_000, end: null }, never)).toEqual([]);
});

test('at later attempts what is left of the first ones is waited for, and whoever rests then', async () => {
  const snapshots = new OlderSnapshots();
  const attempt = (...names: readonly string[]): Promise<readonly string[]> =>
    snapshots.awaitGone({ ...finding(held(...names)), limitMs: -1, end: null }, never);
  expect(await attempt('running 1', 'running 2')).toEqual([`running 1${older}`, `running 2${older}`]);
  expect(await attempt('running 1', 'running 3', 'resting 4')).toEqual([`running 1${older}`, `resting 4${older}`]);
  // The second one was gone once: it is another by the same name.
  expect(await attempt('running 2', 'running 3')).toEqual([]);
});

test('where sessions are ended, those that are left are waited for once more, with the reason why each was spared', async () => {
  const asked: (readonly number[])[] = [];
  const end: SnapshotWait['end'] = (sessionIds) => {
    asked.push(sessionIds);
    return Promise.resolve({ isAnyEnded: true, whyNot: (id) => (id === 2 ? 'it makes a backup' : null) });
  };
  const looks = finding(held('resting 1', 'resting 2', 'resting 3'), held('resting 2', 'resting 3'));
  expect(await new OlderSnapshots().awaitGone({ ...looks, limitMs: -1, end }, never)).toEqual([
    `resting 2${older} (not ended: it makes a backup)`,
    `resting 3${older} (not ended: it holds no lock on the table, or must be spared)`,
  ]);
  expect(asked).toEqual([[1, 2, 3]]);
});

test('where none is held nobody is asked to end a session', async () => {
  const end = (): never => expect.fail('there is none');
  expect(await new OlderSnapshots().awaitGone({ ...finding(held()), limitMs: -1, end }, never)).toEqual([]);
});
