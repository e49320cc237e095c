/** Settings by their path, such as `cutover.lockTimeoutMs`: which values a run can keep to, and what a change of them changes. */

import { MigrationError } from './errors.ts';
import type { SettingChange, SettingValue } from './events.ts';
import { DEFAULT_OPTIONS, type MigrationOptions } from './options.ts';

type Settings = ReadonlyMap<string, SettingValue>;

/** Counts of something without which nothing would ever be done. */
const COUNTS: ReadonlySet<string> = new Set([
  'copyWorkers',
  'applyWorkers',
  'chunkRowsMax',
  'chunkRowsFirst',
  'pendingKeysMax',
  'load.runningThreadsMax',
  'cutover.attemptsMax',
]);

/**
 * To a server a time limit of 0 may be none: an attempt of the cutover would keep writers waiting for as long as it takes. A lag of 0 is
 * never measured, and a figure is never below 0: catching up and resting would have no end.
 */
const LIMITS: ReadonlySet<string> = new Set([
  'fenceTimeoutMs',
  'cutover.lockTimeoutMs',
  'cutover.holdTimeoutMs',
  'cutover.lagMaxMs',
]);
const isFigure = (name: string): boolean => /^load\.(?:max|critical)\./.test(name);

/** What is to wait longer, some 24 days, a timer of the host ends at once. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/** Numbers that may be null. */
const OPTIONAL: ReadonlySet<string> = new Set(['niceRatio', 'load.retainedLogBytesMax']);

/**
 * Throws BAD_USAGE for a number that no run could keep to, and for a name that no setting has. The command line has narrower bounds,
 * which its help tells.
 */
export function checkSettings(options: MigrationOptions): void {
  const unknown = Object.keys(options).find((name) => !Object.hasOwn(DEFAULT_OPTIONS, name));
  if (unknown !== undefined) throw new MigrationError('BAD_USAGE', `There is no setting ${unknown}.`);
  const settings = flatten(options);
  const figures = [...settings].filter(([name]) => isFigure(name)).map(([name]) => [name, 0] as const);
  for (const [name, usual] of [...flatten(DEFAULT_OPTIONS), ...figures]) {
    const value = settings.get(name) ?? null;
    const isOptional = OPTIONAL.has(name) || (options.latency === null && name.startsWith('latency.'));
    if (isOptional ? value === null : typeof usual !== 'number') continue;
    const [is, must] = boundOf(name, value);
    if (typeof value === 'number' && is(value)) continue;
    throw new MigrationError('BAD_USAGE', `The setting ${name} must be ${must}; it is ${String(value)}.`);
  }
}

/** What differs. */
export function changesOf(before: MigrationOptions, after: MigrationOptions): readonly SettingChange[] {
  const [old, present] = [flatten(before), flatten(after)];
  return [...new Set([...old.keys(), ...present.keys()])]
    .map((name) => ({ name, before: old.get(name) ?? null, after: present.get(name) ?? null }))
    .filter((change) => change.before !== change.after);
}

function boundOf(name: string, asked: SettingValue): readonly [(value: number) => boolean, string] {
  if (name.endsWith('Ms') && Number(asked) > TIMER_MS_MAX) return [() => false, `${TIMER_MS_MAX} at most`];
  if (COUNTS.has(name)) return [(value) => Number.isInteger(value) && value >= 1, 'a whole number, 1 or more'];
  if (LIMITS.has(name) || isFigure(name)) return [(value) => Number.isFinite(value) && value > 0, 'a number above 0'];
  return [(value) => Number.isFinite(value) && value >= 0, 'a number, 0 or more'];
}

function flatten(options: object, path = ''): Settings {
  return new Map(
    Object.entries(options).flatMap(([key, value]: [string, unknown]): (readonly [string, SettingValue])[] => {
      if (typeof value === 'object' && value !== null) return [...flatten(value, `${path}${key}.`)];
      const isPlain = typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
      return [[`${path}${key}`, isPlain ? value : null]];
    }),
  );
}
