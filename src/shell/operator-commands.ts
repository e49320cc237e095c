/** What an operator can tell a run while it goes on, from wherever the command comes. */

import { messageOf, MigrationError } from '../engine/errors.ts';
import type { ChangeableOptions } from '../engine/controls.ts';
import type { LoadLimits } from '../engine/load.ts';
import { withinTime } from '../engine/tasks.ts';
import { systemClock } from '../sessions/system-clock.ts';
import { parseOption } from './option-values.ts';
import { allOptions, type Option, type OptionName } from './options.ts';
import { checkCutoverLimits, checkSelect, latencyLimit, parseFigures } from './run-limits.ts';
import { type Steering, STEERING_SETTINGS, type SteeringSetting } from './steering.ts';
import { OPERATOR } from './steering-options.ts';

/** The commands, in the order in which --help lists them. */
export const CONTROL_COMMANDS = ['pause', 'unpause', 'verify', 'cutover', 'postpone', 'abort', 'set'] as const;
/** One of the commands. */
export type ControlCommand = (typeof CONTROL_COMMANDS)[number];

/** A command as it came. */
export interface AskedCommand {
  readonly command: ControlCommand;
  /** What follows `set`: `NAME=VALUE`. */
  readonly setting: string | null;
  /** By whom, as far as that is known: for events and reasons. */
  readonly who: string;
}

/** What became of a command. */
export interface ControlAnswer {
  readonly isDone: boolean;
  /** One sentence. */
  readonly message: string;
}

/** What commands act on. */
export interface Controlled {
  readonly steering: Steering;
  readonly strategy: 'native' | 'shadow';
  /** Ends the run, after which the migration is given up. */
  abort(who: string): void;
}

/** The server has so long to say whether it knows a limit: less than the client of the socket waits. */
const CHECK_MS_MAX = 5_000;
/** What takes away a limit, a file or an address. */
const NONE = 'none';
/** What gives an option the value back that it has without flag, variable and file. */
const DEFAULT = 'default';

/** Null: none. */
type Value = ReturnType<typeof parseOption> | null;
type Changes<Target> = Partial<Record<OptionName, (value: Value, now: ChangeableOptions) => Partial<Target>>>;

/** How the options that may change take effect. Values are as the options table parses them. */
const PACE = {
  workers: (value) => ({ copyWorkers: Number(value) }),
  applyWorkers: (value) => ({ applyWorkers: Number(value) }),
  chunkTimeMs: (value) => ({ chunkTargetMs: Number(value) }),
  chunkRowsMax: (value) => ({ chunkRowsMax: Number(value) }),
  niceRatio: (value) => ({ niceRatio: value === null ? null : Number(value) }),
  checkpointIntervalMs: (value) => ({ checkpointIntervalMs: Number(value) }),
  maxLatencyMs: (value) => ({ latency: latencyLimit(value === null ? null : Number(value)) }),
  cutoverLockTimeoutMs: (value, { cutover }) => ({ cutover: { ...cutover, lockTimeoutMs: Number(value) } }),
  cutoverHoldTimeoutMs: (value, { cutover }) => ({ cutover: { ...cutover, holdTimeoutMs: Number(value) } }),
  cutoverAttempts: (value, { cutover }) => ({ cutover: checkCutoverLimits({ ...cutover, attemptsMax: Number(value) }) }),
  killBlockersAfter: (value, { cutover }) => ({
    cutover: checkCutoverLimits({ ...cutover, killBlockersAfter: Number(value) }),
  }),
  oldSnapshots: (value, { cutover }) => ({ cutover: { ...cutover, oldSnapshots: value === 'ignore' ? 'ignore' : 'wait' } }),
} as const satisfies Changes<ChangeableOptions>;

/** The same for what the server is asked about first. Null takes a limit away. */
const LOAD = {
  maxRunningThreads: (value) => ({ runningThreadsMax: Number(value) }),
  maxLagMs: (value) => ({ replicaLagMaxMs: Number(value) }),
  maxLoad: (value) => ({ max: parseFigures(textOf(value), 'max-load') }),
  criticalLoad: (value) => ({ critical: parseFigures(textOf(value), 'critical-load') }),
  throttleQuery: (value) => ({ query: value === null ? null : checkSelect(String(value), 'throttle-query') }),
  maxRetainedLogBytes: (value) => ({ retainedLogBytesMax: value === null ? null : Number(value) }),
} as const satisfies Changes<LoadLimits>;

/** Those that can be taken away. */
const REMOVABLE: ReadonlySet<OptionName> = new Set<OptionName>([
  'maxLoad',
  'criticalLoad',
  'throttleQuery',
  'throttleFile',
  'throttleHttp',
  'cutoverFile',
]);

/** Flags that `set` takes. */
export const SETTABLE: readonly string[] = allOptions()
  .filter(({ name }) => name in PACE || name in LOAD || isSteering(name))
  .flatMap(({ flag }) => flag ?? []);

/** Carries a command out. Never rejects. */
export async function runControlCommand(
  controlled: Controlled,
  { command, setting, who }: AskedCommand,
): Promise<ControlAnswer> {
  const { controls } = controlled.steering;
  const isNative = controlled.strategy === 'native';
  switch (command) {
    case 'pause':
      if (isNative) return refused('A native change copies nothing that could rest: `postpone` holds its next attempt.');
      controls.pause(OPERATOR, `asked for by ${who}`);
      return done('Copying and verifying rest; changes are still applied.');
    case 'unpause':
      controls.unpause(OPERATOR, who);
      return done(stillHeld('Copying and verifying', controls.pauses));
    case 'verify':
      if (isNative) return refused('A native change has no second table that rows could be compared with.');
      controls.verifyAgain(who);
      return done('All rows are compared before the next attempt of the swap, once more where they were already.');
    case 'cutover':
      controls.releaseCutover(OPERATOR, who);
      return done(stillHeld(isNative ? 'The next attempt' : 'The swap', controls.cutoverHolds));
    case 'postpone':
      controls.holdCutover(OPERATOR, `asked for by ${who}`);
      return done('No cutover attempt begins until `cutover`; one that has begun goes on.');
    case 'abort':
      controlled.abort(who);
      return done(
        isNative
          ? 'The run ends, and the migration is given up: steps that are done stay, and what only they could use goes.'
          : 'The run ends, and the migration is given up: its shadow is dropped. The source was not touched.',
      );
    case 'set':
      return await set(controlled.steering, setting ?? '', who);
  }
}

async function set(steering: Steering, setting: string, who: string): Promise<ControlAnswer> {
  const [, flag = '', text = ''] = /^\s*(?:--)?([\w-]+)\s*=\s*(.*?)\s*$/s.exec(setting) ?? [];
  const option = allOptions().find((option) => option.flag === flag && SETTABLE.includes(flag));
  if (option === undefined) return refused(`What can be set is NAME=VALUE with one of ${SETTABLE.join(', ')}.`);
  try {
    await change(steering, { option, value: readValue(option, text, flag), flag }, who);
    const shown = option.name === 'throttleHttp' ? (steering.settings.throttleHttp ?? text) : text;
    return done(text === DEFAULT ? `${flag} has its default again.` : `${flag} is ${shown} now.`);
  } catch (error) {
    // Whatever it is: a setting that cannot be checked must not end the run.
    const isMisused = error instanceof MigrationError && error.code === 'BAD_USAGE';
    return refused(isMisused ? error.message : notChecked(flag, messageOf(error)));
  }
}

function readValue(option: Option, text: string, flag: string): Value {
  if (text === NONE && REMOVABLE.has(option.name)) return null;
  if (text === NONE && option.min === 0) throw new MigrationError('BAD_USAGE', `${flag} takes no ${NONE}: 0 does it.`);
  const wanted = text === DEFAULT ? option.default : text;
  return wanted === null ? null : parseOption(option, wanted, flag);
}

interface Setting {
  readonly option: Option;
  readonly value: Value;
  readonly flag: string;
}

async function change(steering: Steering, { option, value, flag }: Setting, who: string): Promise<void> {
  const { controls } = steering;
  const { name } = option;
  const pace: Changes<ChangeableOptions> = PACE;
  const load: Changes<LoadLimits> = LOAD;
  if (isSteering(name)) return await steering.change(name, textOf(value), { who, origin: flag });
  const loadChange = load[name]?.(value, controls.options);
  if (loadChange !== undefined) {
    const limit = { ms: CHECK_MS_MAX, clock: systemClock, lateMessage: `it gave no answer within ${CHECK_MS_MAX / 1000} s` };
    return await withinTime(limit, (signal) => controls.changeLoad(loadChange, who, signal), new AbortController().signal);
  }
  const paceChange = pace[name]?.(value, controls.options);
  if (paceChange !== undefined) controls.change(paceChange, who);
}

function isSteering(name: OptionName): name is SteeringSetting {
  return STEERING_SETTINGS.some((setting) => setting === name);
}

function textOf(value: Value): string | null {
  return value === null ? null : String(value);
}

function notChecked(flag: string, message: string): string {
  return `${flag} is as it was, for the server could not be asked about it: ${message}`;
}

function stillHeld(what: string, holds: readonly { readonly by: string; readonly reason: string }[]): string {
  if (holds.length === 0) return `${what} may go on.`;
  return `${what} may go on as far as you are concerned, but: ${holds.map(({ by, reason }) => `held by ${by} (${reason})`).join('; ')}.`;
}

function done(message: string): ControlAnswer {
  return { isDone: true, message };
}

function refused(message: string): ControlAnswer {
  return { isDone: false, message };
}
