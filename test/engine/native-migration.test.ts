/** A native change as a migration, on a table in memory: what is saved, how it ends, and how it goes on. */
import { expect, test } from 'vitest';
import { Controls } from '../../src/engine/controls.ts';
import { type ErrorCode, failureText, MigrationError } from '../../src/engine/errors.ts';
import type { MigrationEvent } from '../../src/engine/events.ts';
import type { MigrationId } from '../../src/engine/model.ts';
import type {
  NativeChange,
  NativeClaim,
  NativeMigration,
  NativePlace,
  NativePlan,
  NoNativeWay,
} from '../../src/engine/native-change.ts';
import { giveUpNative, runNativeMigration } from '../../src/engine/native-migration.ts';
import { PlanRefusedError } from '../../src/engine/obstacles.ts';
import { DEFAULT_OPTIONS } from '../../src/engine/options.ts';
import { systemClock } from '../../src/sessions/system-clock.ts';
import { settle } from '../support/virtual-clock.ts';

const source = { schema: 'shop', table: 'orders' };
const never = new AbortController().signal;

/** A table that each of the steps changes once; `fault` is what the step of that name rejects with. */
class Table {
  readonly done: string[] = [];
  readonly events: MigrationEvent[] = [];
  readonly states: [state: string, failure: string | null][] = [];
  readonly lost = new AbortController();
  place: NativePlace | null = null;
  placeWhenHeld: NativePlace | null = null;
  saves = 0;
  /** Called while a place is being saved. */
  onSave = (): void => undefined;
  fault: { readonly step: string; readonly error: Error; readonly hasHappened: boolean } | null = null;
  isLocked = false;
  isDiscarded = false;
  /** What the server has against the steps that are missing. */
  objection: string | null = null;
  /** The claim is lost while the end is recorded. */
  isLostAtEnd = false;

  lose(): void {
    this.lost.abort(new MigrationError('CLAIM_LOST', 'Another run has begun.'));
  }

  /** The steps that are missing; refused where none is, as a server does. */
  readonly #find = async (): Promise<NativePlan | NoNativeWay> => {
    if (this.objection !== null) return { clause: 'ADD c', reason: this.objection };
    const missing = ['one', 'two'].filter((sql) => !this.done.includes(sql));
    if (missing.length === 0) throw new PlanRefusedError([{ code: 'INVALID_ALTER', message: 'It is there already.' }]);
    return planOf(missing);
  };

  readonly #run: NativeClaim['run'] = async ({ sql }) => {
    if (this.isLocked) return { kind: 'not-locked', blockers: [] };
    const fault = this.fault?.step === sql ? this.fault : null;
    if (fault === null || fault.hasHappened) this.done.push(sql);
    if (fault !== null) throw fault.error;
    return { kind: 'done' };
  };

  get claim(): NativeClaim {
    return {
      lost: this.lost.signal,
      checkpoints: {
        load: async () => this.place,
        // What is not waited for comes late.
        save: async (place) => {
          await settle();
          this.place = place;
          this.saves += 1;
          this.onSave();
        },
        conclude: async (state, failure, signal) => {
          await settle();
          if (this.isLostAtEnd) this.lose();
          signal.throwIfAborted();
          this.states.push([state, failureText(failure)]);
        },
      },
      run: this.#run,
      readDefinition: async () => this.done.join(),
      discard: async () => {
        this.isDiscarded = true;
        return { kind: 'done' };
      },
      [Symbol.asyncDispose]: async () => undefined,
    };
  }

  async migrate(purpose: 'start' | 'resume', controls = new Controls(DEFAULT_OPTIONS)): Promise<unknown> {
    const native: NativeChange = {
      find: this.#find,
      run: this.#run,
      newId: () => plan.id,
      claim: async () => this.claim,
      findObstacles: async () => [],
    };
    const observer = (event: MigrationEvent): void => {
      this.events.push(event);
      if (event.kind !== 'cutover-awaited') return;
      this.placeWhenHeld = this.place;
      queueMicrotask(() => controls.releaseCutover(event.by));
    };
    return await runNativeMigration(
      { plan, native, claim: this.claim, purpose, clock: systemClock, controls, observer },
      never,
    );
  }
}

function planOf(steps: readonly string[]): NativePlan {
  return { source, alter: 'ADD c', steps: steps.map((sql) => ({ sql, kind: 'brief', reason: 'it is cheap' })) };
}

const plan: NativeMigration = {
  ...{ id: 'orders1' as MigrationId, strategy: 'native', source, clauses: 'ADD c' },
  ...{ options: { deferIndexes: 'auto', key: null }, native: planOf(['one', 'two']) },
};

const failing = (step: string, code: ErrorCode, hasHappened = false) => ({
  ...{ step, hasHappened, error: new MigrationError(code, 'It went wrong.') },
});

test('a place is saved once before each step, with the definition from before it, and the end is recorded', async () => {
  const table = new Table();
  expect(await table.migrate('start')).toMatchObject({ strategy: 'native', id: 'orders1', steps: 2, attempts: 2 });
  expect(table.place).toEqual({ step: 2, steps: 2, sql: 'two', definition: 'one' });
  expect(table.saves).toBe(2);
  expect(table.states).toEqual([['done', null]]);
  expect(table.events.at(-1)).toEqual({ kind: 'finished', id: 'orders1' });
});

test('a step that is held is saved as one that nobody has tried, for whoever looks meanwhile or finds the run dead', async () => {
  const table = new Table();
  const controls = new Controls(DEFAULT_OPTIONS);
  controls.holdCutover('operator', 'not yet');
  await table.migrate('start', controls);
  expect(table.placeWhenHeld).toEqual({ step: 1, steps: 2, sql: 'one', definition: null });
  expect(table.done).toEqual(['one', 'two']);
  const kinds = table.events.map(({ kind }) => kind);
  expect(kinds.slice(0, 3)).toEqual(['cutover-held', 'cutover-awaited', 'cutover-released']);
});

test('a step that comes to be held while it is saved as begun is not tried, and is saved as one that nobody has tried', async () => {
  const table = new Table();
  const controls = new Controls(DEFAULT_OPTIONS);
  table.onSave = () => {
    if (table.saves === 1) controls.holdCutover('operator', 'not yet');
  };
  await table.migrate('start', controls);
  expect(table.placeWhenHeld).toEqual({ step: 1, steps: 2, sql: 'one', definition: null });
  const kinds = table.events.map(({ kind }) => kind);
  expect(kinds.indexOf('cutover-awaited')).toBeLessThan(kinds.indexOf('native-step-begun'));
  expect(table.done).toEqual(['one', 'two']);
});

test.each([
  ['one', 'NO_NATIVE_WAY', 'aborted'],
  ['two', 'NO_NATIVE_WAY', 'open'],
  ['one', 'NATIVE_NOT_LOCKED', 'open'],
  ['one', 'ABORTED', 'open'],
] as const)('a run whose step %s ends with %s leaves the migration %s', async (step, code, state) => {
  const table = new Table();
  table.fault = failing(step, code);
  await expect(table.migrate('start')).rejects.toMatchObject({ code });
  expect(table.states).toEqual([[state, `${code}: It went wrong.`]]);
});

test('a privilege that is lacking refuses the migration at its first step, and later keeps it open for a resume', async () => {
  const refused = new Table();
  refused.fault = failing('one', 'ACCESS_DENIED');
  await expect(refused.migrate('start')).rejects.toMatchObject({ code: 'ACCESS_DENIED', exitCode: 2 });
  expect(refused.states).toEqual([['aborted', 'ACCESS_DENIED: It went wrong.']]);
  const begun = new Table();
  begun.fault = failing('two', 'ACCESS_DENIED');
  await expect(begun.migrate('start')).rejects.toMatchObject({ code: 'PRIVILEGE_NEEDED', exitCode: 1, isResumable: true });
  expect(begun.states).toEqual([['open', 'PRIVILEGE_NEEDED: It went wrong.']]);
});

test('a resume does the missing steps, and none where the last one had happened before its run died', async () => {
  const table = new Table();
  table.fault = failing('two', 'INTERRUPTED');
  await expect(table.migrate('start')).rejects.toMatchObject({ code: 'INTERRUPTED' });
  table.fault = failing('two', 'INTERRUPTED', true);
  await expect(table.migrate('resume')).rejects.toMatchObject({ code: 'INTERRUPTED' });
  expect(await table.migrate('resume')).toMatchObject({ steps: 0 });
  expect(table.done).toEqual(['one', 'two']);
  expect(table.events.at(-2)).toMatchObject({ kind: 'noticed', message: expect.stringContaining('had happened') });
  expect(table.states.at(-1)).toEqual(['done', null]);
});

test('a step that had happened before its run died leaves those behind it to the resume', async () => {
  const table = new Table();
  table.fault = failing('one', 'INTERRUPTED', true);
  await expect(table.migrate('start')).rejects.toMatchObject({ code: 'INTERRUPTED' });
  expect(await table.migrate('resume')).toMatchObject({ steps: 1 });
  expect(table.done).toEqual(['one', 'two']);
});

test('a resume for which there is no cheap way any more says so, and may be repeated', async () => {
  const table = new Table();
  table.fault = failing('two', 'INTERRUPTED');
  await expect(table.migrate('start')).rejects.toMatchObject({ code: 'INTERRUPTED' });
  table.objection = 'it is too large';
  await expect(table.migrate('resume')).rejects.toMatchObject({ code: 'NO_NATIVE_WAY' });
  expect(table.states.at(-1)).toEqual(['open', expect.stringMatching(/^NO_NATIVE_WAY: .*it is too large/)]);
});

test('a change that is given up is done where its last step has happened, and aborted where it has not', async () => {
  for (const hasHappened of [true, false]) {
    const table = new Table();
    table.fault = failing('two', 'INTERRUPTED', hasHappened);
    await expect(table.migrate('start')).rejects.toMatchObject({ code: 'INTERRUPTED' });
    const parts = { limits: DEFAULT_OPTIONS.cutover, context: { clock: systemClock, observer: () => undefined } };
    const state = hasHappened ? 'done' : 'aborted';
    expect(await giveUpNative({ plan, claim: table.claim }, parts, never)).toBe(state);
    expect(table.states.at(-1)).toEqual([state, null]);
    expect(table.isDiscarded).toBe(!hasHappened);
  }
});

test('a last step that did not have its lock has not happened, whatever somebody else changes before the resume', async () => {
  const table = new Table();
  table.done.push('one');
  table.isLocked = true;
  const once = new Controls({ ...DEFAULT_OPTIONS, cutover: { ...DEFAULT_OPTIONS.cutover, attemptsMax: 1 } });
  await expect(table.migrate('resume', once)).rejects.toMatchObject({ code: 'NATIVE_NOT_LOCKED' });
  expect(table.place).toEqual({ step: 1, steps: 1, sql: 'two', definition: null });
  table.isLocked = false;
  table.done.push('an index of a colleague');
  expect(await table.migrate('resume')).toMatchObject({ steps: 1 });
  expect(table.done).toEqual(['one', 'an index of a colleague', 'two']);
});

test('what was made ready may go in several tries, and the change is not taken for done because the definition is another one', async () => {
  const table = new Table();
  table.fault = failing('two', 'INTERRUPTED');
  await expect(table.migrate('start')).rejects.toMatchObject({ code: 'INTERRUPTED' });
  const parts = { limits: DEFAULT_OPTIONS.cutover, context: { clock: systemClock, observer: () => undefined } };
  const discard = async (): Promise<never> => {
    table.done.length = 0;
    throw new MigrationError('DROP_NOT_LOCKED', 'Somebody reads the table.');
  };
  await expect(giveUpNative({ plan, claim: { ...table.claim, discard } }, parts, never)).rejects.toMatchObject({
    code: 'DROP_NOT_LOCKED',
  });
  expect(await giveUpNative({ plan, claim: table.claim }, parts, never)).toBe('aborted');
});

test('a run whose claim is lost ends without a word in the bookkeeping, which another run may have by now', async () => {
  const before = new Table();
  before.lose();
  await expect(before.migrate('start')).rejects.toMatchObject({ code: 'CLAIM_LOST' });
  const meanwhile = new Table();
  meanwhile.fault = failing('one', 'SESSION_STUCK');
  meanwhile.isLostAtEnd = true;
  await expect(meanwhile.migrate('start')).rejects.toMatchObject({ code: 'SESSION_STUCK' });
  expect([...before.states, ...meanwhile.states]).toEqual([]);
});
