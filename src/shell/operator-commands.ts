/** What an operator can tell a run while it goes on, from wherever the command comes. */

import { MigrationError } from '../engine/errors.ts';
import type { ChangeableOptions } from '../engine/controls.ts';
import { parseOption } from './option-values.ts';
import { allOptions, type OptionName } from './options.ts';
import { checkCutoverLimits, latencyLimit } from './run-limits.ts';
import { OPERATOR, type Steering } from './steering.ts';
import { parseWindows } from './window.ts';

/** The commands, in the order in which --help lists them. */
export const CONTROL_COMMANDS = ['pause', 'unpause', 'cutover', 'postpone', 'abort', 'set'] as const;
/** One of the commands. */
export type ControlCommand = (typeof CONTROL_COMMANDS)[number];

/** What became of a command. */
export interface ControlAnswer {
  readonly isDone: boolean;
  /** One sentence. */
  readonly message: string;
}

/** What commands act on. */
export interface Controlled {
  readonly steering: Steering;
  /** Ends the run, after which the migration is given up. */
  abort(): void;
  /** Tells the log what no event tells. */
  note(sentence: string): void;
}

/** How the options that may change take effect. Values are as the options table parses them. */
const CHANGES = {
  workers: (value) => ({ copyWorkers: Number(value) }),
  applyWorkers: (value) => ({ applyWorkers: Number(value) }),
  chunkTimeMs: (value) => ({ chunkTargetMs: Number(value) }),
  chunkRowsMax: (value) => ({ chunkRowsMax: Number(value) }),
  checkpointIntervalMs: (value) => ({ checkpointIntervalMs: Number(value) }),
  maxLatencyMs: (value) => ({ latency: latencyLimit(Number(value)) }),
  cutoverLockTimeoutMs: (value, { cutover }) => ({ cutover: { ...cutover, lockTimeoutMs: Number(value) } }),
  cutoverHoldTimeoutMs: (value, { cutover }) => ({ cutover: { ...cutover, holdTimeoutMs: Number(value) } }),
  cutoverAttempts: (value, { cutover }) => ({ cutover: checkCutoverLimits({ ...cutover, attemptsMax: Number(value) }) }),
  killBlockersAfter: (value, { cutover }) => ({
    cutover: checkCutoverLimits({ ...cutover, killBlockersAfter: Number(value) }),
  }),
} as const satisfies Partial<Record<OptionName, (value: unknown, now: ChangeableOptions) => Partial<ChangeableOptions>>>;

/** Flags that `set` takes. */
export const SETTABLE: readonly string[] = allOptions()
  .filter(({ name }) => Object.hasOwn(CHANGES, name) || name === 'window' || name === 'cutoverWindow')
  .flatMap(({ flag }) => flag ?? []);

/** Carries a command out. `setting` is what follows `set`: `NAME=VALUE`. */
export function runControlCommand(controlled: Controlled, command: ControlCommand, setting: string | null): ControlAnswer {
  const { controls } = controlled.steering;
  switch (command) {
    case 'pause':
      controls.pause(OPERATOR, 'paused by hand');
      return done('Copying and verifying rest; changes are still applied.');
    case 'unpause':
      controls.unpause(OPERATOR);
      return done(stillHeld('Copying and verifying', controls.pauses));
    case 'cutover':
      controls.releaseCutover(OPERATOR);
      return done(stillHeld('The swap', controls.cutoverHolds));
    case 'postpone':
      controls.holdCutover(OPERATOR, 'postponed by hand');
      return done('No cutover attempt begins until `cutover`; one that has begun goes on.');
    case 'abort':
      controlled.abort();
      return done('The run ends, and the migration is given up: its shadow is dropped. The source was not touched.');
    case 'set':
      return set(controlled, setting ?? '');
  }
}

function set(controlled: Controlled, setting: string): ControlAnswer {
  const [, flag = '', text = ''] = /^\s*(?:--)?([\w-]+)\s*=\s*(.*?)\s*$/s.exec(setting) ?? [];
  const option = allOptions().find((option) => option.flag === flag && SETTABLE.includes(flag));
  if (option === undefined) return refused(`What can be set is NAME=VALUE with one of ${SETTABLE.join(', ')}.`);
  try {
    const value = parseOption(option, text, flag);
    if (option.name === 'window' || option.name === 'cutoverWindow') {
      setWindow(controlled.steering, option.name, text);
      controlled.note(`${flag} is ${text} now.`);
    } else {
      const { controls } = controlled.steering;
      const change: (value: unknown, now: ChangeableOptions) => Partial<ChangeableOptions> =
        CHANGES[option.name as keyof typeof CHANGES];
      controls.change(change(value, controls.options));
    }
    return done(`${flag} is ${text} now.`);
  } catch (error) {
    if (error instanceof MigrationError && error.code === 'BAD_USAGE') return refused(error.message);
    throw error;
  }
}

function setWindow(steering: Steering, name: 'window' | 'cutoverWindow', text: string): void {
  const windows = parseWindows(text, steering.timeZone, name === 'window' ? 'window' : 'cutover-window');
  if (name === 'cutoverWindow') steering.windows.setCutover(windows);
  else steering.windows.setCopy(windows);
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
