/**
 * One call of the library, as its caller sees it: what he gives is looked at before anything is connected to, what his functions throw
 * ends the call in order, and whatever goes wrong comes out as a MigrationError.
 */

import { SOAK_MS_MAX } from './engine/clean-up.ts';
import { Controls } from './engine/controls.ts';
import { asMigrationError, MigrationError, messageOf } from './engine/errors.ts';
import type { ServerOptions } from './library-call.ts';

/** Functions of a caller, by the name that he gives them under. */
interface Callbacks {
  readonly observer?: (...event: never) => void;
  readonly onStart?: (...plans: never) => void;
  readonly onNativeStart?: (...plans: never) => void;
}

/**
 * Does the work of a call, with functions that throw nothing and a signal that they abort instead, as that of the caller does. `needed`:
 * what must be given beside the URL. Rejects with a MigrationError: BAD_USAGE where what is given is not what its type says.
 */
export async function inCall<Asked extends ServerOptions & Callbacks, Result>(
  asked: Asked,
  work: (options: Asked, signal: AbortSignal) => Promise<Result>,
  needed: readonly string[] = [],
): Promise<Result> {
  try {
    checkAsked(asked, ['url', ...needed]);
    using ending = endingOf(asked);
    return await work({ ...asked, ...guardedCallbacks(asked, ending.fail) }, ending.signal);
  } catch (thrown) {
    throw asMigrationError(thrown);
  }
}

type Kind = readonly [is: (value: unknown) => boolean, must: string];

const isObject = (value: unknown): boolean => typeof value === 'object' && value !== null;
const orNull = ([is, must]: Kind): Kind => [(value) => value === null || is(value), must];

const text: Kind = [(value) => typeof value === 'string', 'a text'];
const textOrNull = orNull(text);
const flag: Kind = [(value) => typeof value === 'boolean', 'true or false'];
const callback: Kind = [(value) => typeof value === 'function', 'a function'];
const list: Kind = [Array.isArray, 'a list'];
const object: Kind = [isObject, 'an object'];

/** What each setting must be. Those of a pace are looked at where they are put together. */
const KINDS: Readonly<Record<string, Kind>> = {
  url: text,
  password: [(value) => value === null || ['string', 'function'].includes(typeof value), 'a text or a function that gives one'],
  defaultsFile: textOrNull,
  environment: object,
  signal: [(value) => isObject(value) && 'aborted' in Object(value), 'an AbortSignal'],
  alter: text,
  table: textOrNull,
  key: textOrNull,
  changes: list,
  pace: object,
  controls: [(value) => value instanceof Controls, 'made by new Controls(…)'],
  signals: list,
  replicas: [(value) => Array.isArray(value) && value.every((one) => typeof one === 'string'), 'a list of URLs'],
  isFindingReplicas: flag,
  observer: callback,
  onStart: callback,
  onNativeStart: callback,
  id: textOrNull,
  eventsMax: [(value) => Number.isInteger(value) && Number(value) >= 1, 'a whole number, 1 or more'],
  isNow: flag,
  soakMs: [(value) => typeof value === 'number' && value >= 0 && value <= SOAK_MS_MAX, `a number from 0 to ${SOAK_MS_MAX}`],
};

/** Throws BAD_USAGE. Of what a compiler has looked at, only numbers can be wrong. What is undefined counts as not given. */
export function checkAsked(asked: unknown, needed: readonly string[]): void {
  if (typeof asked !== 'object' || asked === null) throw new MigrationError('BAD_USAGE', 'The options must be an object.');
  const given = new Map<string, unknown>(Object.entries(asked));
  for (const [name, [is, must]] of Object.entries(KINDS)) {
    const value = given.get(name);
    const isAbsent = value === undefined || (value === null && name === 'id');
    if (isAbsent ? !needed.includes(name) : is(value)) continue;
    throw new MigrationError('BAD_USAGE', `The setting ${name} must be ${must}; it is ${shown(name, value)}.`);
  }
}

/** Without what may be a secret. */
function shown(name: string, value: unknown): string {
  if (value === null) return 'null';
  return typeof value === 'number' && name !== 'password' ? String(value) : typeof value;
}

interface Ending extends Disposable {
  readonly signal: AbortSignal;
  /** What `name` of the caller has thrown ends the call. */
  readonly fail: (name: string, thrown: unknown) => void;
}

/**
 * The caller's signal with a reason that says what it means here: whatever a caller aborts with, it interrupts the run. To be disposed when
 * the call has ended, for a caller may have one signal for all of them.
 */
function endingOf({ signal }: ServerOptions): Ending {
  const own = new AbortController();
  const end = (why: string, cause: unknown): void => {
    const message = `${why}: ${messageOf(cause)}`;
    own.abort(cause instanceof MigrationError ? cause : new MigrationError('INTERRUPTED', message, { cause }));
  };
  const onAbort = (): void => end('The caller ended the run', signal?.reason);
  if (signal?.aborted === true) onAbort();
  else signal?.addEventListener('abort', onAbort, { once: true });
  return {
    signal: own.signal,
    fail: (name, thrown) => end(`The run was ended, because ${name} of the caller failed`, thrown),
    [Symbol.dispose]: () => signal?.removeEventListener('abort', onAbort),
  };
}

/** Those that are given. The engine calls them at moments at which nothing may come between, such as while writers are blocked. */
function guardedCallbacks(asked: Callbacks, fail: Ending['fail']): Callbacks {
  const guarded = ['observer', 'onStart', 'onNativeStart'] as const;
  return Object.fromEntries(
    guarded.flatMap((name) => {
      const callback: ((...args: never) => unknown) | undefined = asked[name];
      return callback === undefined ? [] : [[name, guard(callback, (thrown) => fail(name, thrown))]];
    }),
  );
}

/** An async function goes for one that returns nothing; then what it rejects with is what it throws. */
function guard<Args extends readonly unknown[]>(
  callback: (...args: Args) => unknown,
  fail: (thrown: unknown) => void,
): (...args: Args) => void {
  return (...args) => {
    try {
      const returned = callback(...args);
      if (returned instanceof Promise) void returned.catch(fail);
    } catch (thrown) {
      fail(thrown);
    }
  };
}
