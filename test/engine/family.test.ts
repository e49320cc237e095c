import { describe, expect, test } from 'vitest';
import { MigrationError } from '../../src/engine/errors.ts';
import { seatFamily, type Seat } from '../../src/engine/family.ts';
import type { MigrationId, Plan } from '../../src/engine/model.ts';
import type { CutoverOptions, CutoverOutcome, FamilyClaim } from '../../src/engine/ports.ts';
import { settle } from '../support/virtual-clock.ts';

const OPTIONS: CutoverOptions = { lockTimeoutMs: 2000, holdTimeoutMs: 5000, oldSnapshots: 'ignore' };
const SWAPPED: CutoverOutcome = { kind: 'swapped', blockedMs: 7 };
const ended = new MigrationError('CLAIM_LOST', 'The claim is gone.');
const none = async (): Promise<void> => undefined;

/** Two seats, what ends all, and the attempts that were made, each answered by `answer`. */
function family(answer: FamilyClaim['attempt'], missing = 0) {
  const end = new AbortController();
  const members = Array.from({ length: 2 + missing }, (_, place) => {
    const name = { schema: 'app', table: `t${place}` };
    return { id: `m${place}` as MigrationId, source: name, shadow: name, retired: name };
  });
  const plans = members.slice(0, 2).map((member) => ({ ...member, family: { id: 'm0', members } }) as unknown as Plan);
  const attempts: CutoverOptions[] = [];
  const attempt: FamilyClaim['attempt'] = (options, drains, signal) => {
    attempts.push(options);
    return answer(options, drains, signal);
  };
  const [first, second] = seatFamily(plans, { attempt }, end) as [Seat, Seat];
  return { first, second, end, attempts, alive: new AbortController().signal };
}

/** How a promise stands after everything that can go on has gone on. */
async function stateOf(promise: Promise<unknown>): Promise<unknown> {
  return await Promise.race([promise, settle().then(() => 'waiting')]);
}

describe('an attempt of a family', () => {
  test('waits for the drains of all, makes one attempt with them in order, and all get its outcome; so does the next', async () => {
    const outcomes: CutoverOutcome[] = [{ kind: 'not-locked', blockers: ['session 5'] }, SWAPPED];
    const drained: string[] = [];
    const careful: CutoverOptions = { lockTimeoutMs: 500, holdTimeoutMs: 3000, oldSnapshots: 'wait' };
    const { first, second, attempts, alive } = family(async (_options, drains, signal) => {
      for (const drain of drains) await drain(null as never, signal);
      return outcomes.shift() ?? SWAPPED;
    });
    for (const outcome of [...outcomes]) {
      const ending = { ...OPTIONS, onBlockerEnded: () => undefined };
      const later = second.attempt(ending, async () => void drained.push('second'), alive);
      expect(await stateOf(later)).toBe('waiting');
      const sooner = first.attempt(careful, async () => void drained.push('first'), alive);
      expect(await Promise.all([sooner, later])).toEqual([outcome, outcome]);
    }
    expect(attempts).toEqual([careful, careful]);
    expect(drained).toEqual(['first', 'second', 'first', 'second']);
  });

  test('passes the error of a drain on to all, and tells each of a blocker that was ended', async () => {
    const late = new MigrationError('STATEMENT_TIMEOUT', 'The drain took too long.');
    const told: string[] = [];
    const { first, second, end, attempts, alive } = family(async (options, drains, signal) => {
      options.onBlockerEnded?.('session 5');
      for (const drain of drains) await drain(null as never, signal);
      return SWAPPED;
    });
    const options = { ...OPTIONS, onBlockerEnded: (blocker: string): void => void told.push(blocker) };
    const both = [first.attempt(options, none, alive), second.attempt(options, () => Promise.reject(late), alive)];
    expect(await Promise.allSettled(both)).toEqual(both.map(() => ({ status: 'rejected', reason: late })));
    expect(told).toEqual(['session 5', 'session 5']);
    expect(attempts).toMatchObject([OPTIONS]);
    expect(end.signal.aborted).toBe(false);
  });

  test('does not begin when one of them is ended before all have come', async () => {
    const { first, second, end, attempts, alive } = family(async () => SWAPPED);
    const one = new AbortController();
    const waiting = first.attempt(OPTIONS, none, one.signal);
    one.abort(ended);
    await expect(second.attempt(OPTIONS, none, alive)).rejects.toBe(ended);
    await expect(waiting).rejects.toBe(ended);
    expect(end.signal.reason).toBe(ended);
    expect(attempts).toEqual([]);
  });

  test('ends for all in the same tick when one of them is ended, and each waits until nothing of it runs any more', async () => {
    let stop = (): void => undefined;
    const { first, second, end, alive } = family(
      (_options, _drains, signal) =>
        new Promise((_, reject) => {
          stop = () => reject(signal.reason as Error);
        }),
    );
    const one = new AbortController();
    const both = Promise.allSettled([first.attempt(OPTIONS, none, one.signal), second.attempt(OPTIONS, none, alive)]);
    await settle();
    one.abort(ended);
    expect(end.signal.reason).toBe(ended);
    expect(await stateOf(both)).toBe('waiting');
    stop();
    expect(await both).toMatchObject([{ reason: ended }, { reason: ended }]);
  });
});

describe('members of a family', () => {
  test('meet, as often as they like', async () => {
    const { first, second, alive } = family(async () => SWAPPED);
    for (const place of ['cutover', 'attempt', 'cutover', 'settlement'] as const) {
      const waiting = first.meet(place, alive);
      expect(await stateOf(waiting)).toBe('waiting');
      await Promise.all([waiting, second.meet(place, alive)]);
    }
  });

  test('are told the same of whether all are ready, as of the moment in which the last has come', async () => {
    const { first, second, alive } = family(async () => SWAPPED);
    for (const isReady of [false, true]) {
      let isSo = !isReady;
      const waiting = first.meet('attempt', alive, () => isSo);
      isSo = isReady;
      const both = Promise.all([waiting, second.meet('attempt', alive)]);
      isSo = !isReady;
      expect(await both).toEqual([isReady, isReady]);
    }
  });

  test('know whom they wait for: whoever works hard, has not come yet, or has not brought its drain', async () => {
    const { first, second, alive } = family(async () => SWAPPED);
    let finish = (): void => undefined;
    const busy = first.inTurn(() => new Promise<void>((resolve) => (finish = resolve)), alive);
    const turn = second.inTurn(none, alive);
    await settle();
    expect([first.waitingFor, second.waitingFor]).toEqual([[], ['app.t0']]);
    finish();
    await Promise.all([busy, turn]);
    const meeting = first.meet('cutover', alive);
    expect([first.waitingFor, second.waitingFor]).toEqual([['app.t1'], []]);
    await Promise.all([meeting, second.meet('cutover', alive)]);
    const attempt = second.attempt(OPTIONS, none, alive);
    expect([first.waitingFor, second.waitingFor]).toEqual([[], ['app.t0']]);
    await Promise.all([attempt, first.attempt(OPTIONS, none, alive)]);
    expect([first.waitingFor, second.waitingFor]).toEqual([[], []]);
  });

  test('stop waiting for each other when they are ended', async () => {
    const { first, end } = family(async () => SWAPPED);
    const waiting = first.meet('cutover', end.signal);
    end.abort(ended);
    await expect(waiting).rejects.toBe(ended);
    await expect(first.meet('cutover', end.signal)).rejects.toBe(ended);
    const other = family(async () => SWAPPED);
    const alone = other.first.meet('cutover', other.alive);
    await expect(other.second.meet('cutover', end.signal)).rejects.toBe(ended);
    expect(await stateOf(alone)).toBe('waiting');
  });

  test('that find themselves at different places, or that miss one that is done, cannot go on', async () => {
    const { first, second, alive } = family(async () => SWAPPED);
    const apart = await Promise.allSettled([first.meet('settlement', alive), second.meet('cutover', alive)]);
    expect(apart).toMatchObject([{ reason: { code: 'SWAP_UNKNOWN' } }, { reason: { code: 'SWAP_UNKNOWN' } }]);
    const { first: left, second: right } = family(async () => SWAPPED, 1);
    await Promise.all([left.meet('settlement', alive), right.meet('settlement', alive)]);
    await expect(left.meet('cutover', alive)).rejects.toMatchObject({
      code: 'SWAP_UNKNOWN',
      message: expect.stringContaining('app.t0, app.t1, app.t2'),
    });
  });

  test('work hard by turns, and whoever is ended while he waits lets the others keep their order', async () => {
    const { first, second, alive } = family(async () => SWAPPED);
    const seen: string[] = [];
    let finish = (): void => undefined;
    const busy = first.inTurn(() => new Promise<void>((resolve) => (finish = resolve)), alive);
    const one = new AbortController();
    const leaving = second.inTurn(async () => void seen.push('left'), one.signal);
    const last = second.inTurn(async () => void seen.push('last'), alive);
    one.abort(ended);
    await expect(leaving).rejects.toBe(ended);
    expect(await stateOf(last)).toBe('waiting');
    finish();
    await Promise.all([busy, last]);
    expect(seen).toEqual(['last']);
  });
});
