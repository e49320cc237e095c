/** Which way a change goes, how the steps of a native one ask for their locks, and how they go on after faults. */
import { expect, test } from 'vitest';
import { Controls } from '../../src/engine/controls.ts';
import { MigrationError } from '../../src/engine/errors.ts';
import type { MigrationEvent } from '../../src/engine/events.ts';
import type { MigrationRequest } from '../../src/engine/model.ts';
import type { NativeChange, NativePlan, NoNativeWay, StepOutcome } from '../../src/engine/native-change.ts';
import { chooseWay, NativeRunner } from '../../src/engine/native-runner.ts';
import { type Obstacle, PlanRefusedError } from '../../src/engine/obstacles.ts';
import { DEFAULT_OPTIONS } from '../../src/engine/options.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const source = { schema: 'shop', table: 'orders' };
const ENDED = new MigrationError('INTERRUPTED', 'A signal came.');
const LOST = new MigrationError('CONNECTION_LOST', 'The server is away.');
const BUSY: StepOutcome = { kind: 'not-locked', blockers: ['session 5'] };
const DONE: StepOutcome = { kind: 'done' };

const request: MigrationRequest = { table: source, clauses: 'ADD c', options: { deferIndexes: 'auto', key: null } };

const planOf = (...steps: readonly string[]): NativePlan => ({
  ...{ source, alter: 'ADD c' },
  steps: steps.map((sql) => ({ sql, kind: 'brief', reason: 'it is cheap' })),
});

/**
 * A run of two steps on a server that answers so, and finds so what is left after a fault. What is done is told in its order.
 * `isEnded`: by the end of the first step.
 */
function start(answers: (StepOutcome | Error)[], rests: (NativePlan | NoNativeWay)[] = [], isEnded = false) {
  const clock = new VirtualClock();
  const told: unknown[] = [];
  const stop = new AbortController();
  const observer = (event: MigrationEvent): void => {
    if (event.kind === 'native-step-blocked') told.push([event.attempt, event.blockers, event.nextInMs]);
    if (event.kind === 'retrying') told.push([event.attempt, event.code]);
    if (event.kind === 'native-step-done' && isEnded) stop.abort(ENDED);
  };
  const runner = new NativeRunner({
    native: {
      find: async () => rests.shift() ?? planOf(),
      run: async ({ sql }) => {
        told.push(sql);
        const answer = answers.shift() ?? DONE;
        if (answer instanceof Error) throw answer;
        return answer;
      },
    },
    plan: planOf('one', 'two'),
    request,
    controls: new Controls({ ...DEFAULT_OPTIONS, cutover: { ...DEFAULT_OPTIONS.cutover, attemptsMax: 3 } }),
    context: { clock, observer },
    async onStep({ step }, isTried) {
      await Promise.resolve();
      told.push(`${isTried ? 'to be tried' : 'untried'}: ${step}`);
    },
  });
  const ended = runner.run(stop.signal).then(
    (result) => ({ result }),
    (error: unknown) => ({ error }),
  );
  return { clock, told, stop, ended };
}

test('a step backs off from its lock for longer and longer, each time saved as one that has not happened, and gives up in the end', async () => {
  const { clock, told, ended } = start([DONE, BUSY, BUSY, BUSY]);
  await clock.advance(749);
  expect(told.filter((one) => one === 'two')).toEqual(['two']);
  await clock.advance(10_000);
  expect(told.slice(0, 2)).toEqual(['to be tried: 1', 'one']);
  const attempt = (number: number, nextInMs: number) => [
    'to be tried: 2',
    'two',
    'untried: 2',
    [number, ['session 5'], nextInMs],
  ];
  expect(told.slice(2)).toEqual([...attempt(1, 750), ...attempt(2, 1500), ...attempt(3, 0)]);
  expect(await ended).toMatchObject({
    error: {
      code: 'NATIVE_NOT_LOCKED',
      message: expect.stringMatching(/^Step 2 .* in 3 attempts.*session 5.* first 1 steps are done/),
    },
  });
});

test('a step that never had its lock leaves the table as it was where it is the first', async () => {
  const { clock, ended } = start([BUSY, BUSY, BUSY]);
  await clock.advance(10_000);
  expect(await ended).toMatchObject({ error: { message: expect.stringContaining('The table is as it was') } });
});

test('after a fault that passes, what is left is asked for anew, and done; all attempts count', async () => {
  const { clock, told, ended } = start([DONE, LOST, LOST], [planOf('two'), planOf('two')]);
  await clock.advance(700);
  expect(told.slice(2)).toEqual(['to be tried: 2', 'two', [1, 'CONNECTION_LOST']]);
  await clock.advance(10_000);
  expect(told.slice(5)).toEqual(['to be tried: 1', 'two', [2, 'CONNECTION_LOST'], 'to be tried: 1', 'two']);
  expect(await ended).toEqual({ result: { strategy: 'native', steps: 2, attempts: 4, elapsedMs: 2250 } });
});

test.each([
  ['that does not pass', [new MigrationError('ACCESS_DENIED', 'It may not.')], 'ACCESS_DENIED'],
  ['that comes again and again', [LOST, LOST, LOST], 'CONNECTION_LOST'],
  ['behind which there is no cheap way any more', [LOST], 'NO_NATIVE_WAY'],
] as const)('a fault %s ends the run', async (_, faults, code) => {
  const rests = code === 'NO_NATIVE_WAY' ? [{ clause: 'ADD c', reason: 'it is too large' }] : faults.map(() => planOf('one'));
  const { clock, ended } = start([...faults], rests);
  await clock.advance(100_000);
  expect(await ended).toMatchObject({ error: { code } });
});

test('a run that is ended begins no further step', async () => {
  const { told, ended } = start([DONE], [], true);
  expect(await ended).toEqual({ error: ENDED });
  expect(told).toEqual(['to be tried: 1', 'one']);
});

const BACKFILL: NativePlan = {
  ...planOf(),
  steps: [{ sql: 'one', kind: 'brief', reason: 'it fills rows', isBackfill: true }],
};
const NO_WAY: NoNativeWay = { clause: 'ADD c', reason: 'it is too large.' };
const [INVALID, OTHER]: readonly Obstacle[] = [
  { code: 'INVALID_ALTER', message: 'There is no such column.' },
  { code: 'NO_FREE_SESSION', message: 'It is full.' },
];
const REFUSED = new PlanRefusedError([OTHER, INVALID].flatMap((one) => one ?? []));

test.each([
  ['auto', planOf('one'), { kind: 'native', native: planOf('one') }],
  ['auto', BACKFILL, { kind: 'shadow', reason: { clause: 'ADD c', reason: expect.stringContaining('all rows') }, refused: [] }],
  ['native', BACKFILL, { kind: 'native', native: BACKFILL }],
  ['auto', NO_WAY, { kind: 'shadow', reason: NO_WAY, refused: [] }],
  ['native', NO_WAY, { code: 'NO_NATIVE_WAY', message: expect.stringContaining('on shop.orders: it is too large.') }],
  ['auto', REFUSED, { kind: 'shadow', reason: null, refused: [INVALID] }],
  ['native', REFUSED, REFUSED],
  ['auto', LOST, LOST],
  ['shadow', LOST, { kind: 'shadow', reason: null, refused: [] }],
  [
    'auto',
    null,
    { kind: 'shadow', reason: { clause: 'ADD c', reason: expect.stringContaining('nothing is known') }, refused: [] },
  ],
] as const)('the strategy %s goes its way by what the server finds (%#)', async (strategy, found, expected) => {
  const find = async (): Promise<NativePlan | NoNativeWay> => {
    if (found === null) throw new TypeError('there is nobody to ask');
    if (found instanceof Error) throw found;
    return found;
  };
  const native = found === null ? undefined : ({ find } as unknown as NativeChange);
  const way = chooseWay({ native, strategy, request }, new AbortController().signal);
  expect(await way.catch((error: unknown) => error)).toMatchObject(expected);
});
