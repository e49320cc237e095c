/** `config check`: what a run would be told by file, environment and flags, and everything that is wrong with it. */

import { asMigrationError } from '../engine/errors.ts';
import { hidePasswords } from '../server-url.ts';
import { faultText, inspectConfig, type InspectedConfig, suggestion } from './config-file.ts';
import { type Surroundings, valueText } from './invocation.ts';
import {
  type Environment,
  findOption,
  type GivenFlags,
  listIfRepeated,
  type OptionOrigin,
  type OptionValue,
  parseOption,
  readText,
} from './option-values.ts';
import { allOptions, type Option, type OptionName, optionsOf } from './options.ts';
import { oneLine } from './live-frame.ts';
import { jsonLine } from './reporter.ts';
import { changeChecks, type Check, runChecks, type Told } from './run-checks.ts';
import { readToken } from './run-control.ts';

/** One option as a run would have it. */
interface Setting {
  readonly name: string;
  /** As one would write it, without passwords; null: none. */
  readonly value: string | null;
  readonly origin: OptionOrigin;
  /** In the file. */
  readonly line: number | null;
}

/** What the check found. Problems are sentences with their place. */
export interface CheckedConfig {
  readonly settings: readonly Setting[];
  readonly problems: readonly string[];
  readonly warnings: readonly string[];
  /** The flags without which no run begins, and that nobody has said: a file may well leave them to the command line. */
  readonly missing: readonly string[];
}

/** Prints what was found. Resolves with the exit code: 0, or 2 where a run would be refused. */
export async function runConfigCheck(flags: GivenFlags, surroundings: Surroundings): Promise<number> {
  const { environment, stdout } = surroundings;
  const checked = await checkConfig(flags, environment);
  const exitCode = checked.problems.length === 0 ? 0 : 2;
  const isJson = readText('output', flags, environment) === 'json';
  stdout.write(isJson ? jsonLine(surroundings.now(), { kind: 'config', ...checked, exitCode }) : checkText(checked));
  return exitCode;
}

/** Reads everything as `migrate` would, but for logging in. */
export async function checkConfig(flags: GivenFlags, environment: Environment): Promise<CheckedConfig> {
  const problems: string[] = [];
  const attempt = async (check: Check): Promise<void> => {
    try {
      await check();
    } catch (thrown) {
      const problem = hidePasswords(asMigrationError(thrown).message);
      if (!problems.includes(problem)) problems.push(problem);
    }
  };
  const path = readText('config', flags, environment);
  let config: InspectedConfig = { values: {}, lines: {}, faults: [] };
  if (path !== null) {
    await attempt(async () => {
      config = await inspectConfig(path);
    });
    problems.push(...config.faults.map((fault) => faultText(path, fault)));
  }
  const { values, lines } = config;
  const sources = { flags, environment, config: values };
  const effective: Record<string, unknown> = {};
  const settings: Setting[] = [];
  const inFile = new Set<OptionName>();
  for (const option of optionsOf('migrate')) {
    effective[option.name] = listIfRepeated(
      option,
      option.default === null ? null : parseOption(option, option.default, option.name),
    );
    try {
      const { value, origin } = findOption(option, sources);
      effective[option.name] = listIfRepeated(option, value);
      const line = origin === 'file' ? (lines[option.flag ?? ''] ?? null) : null;
      if (origin === 'file') inFile.add(option.name);
      settings.push({ name: nameOf(option), value: shownValue(option, value), origin, line });
    } catch (thrown) {
      const line = lines[option.flag ?? ''];
      const { message } = asMigrationError(thrown);
      const place = message.includes('configuration file') && line !== undefined ? ` (${path ?? ''}, line ${line})` : '';
      problems.push(`${message.replace(/\.$/, '')}${place}.`);
    }
  }
  // The names and the values are those of the options table.
  const run = effective as unknown as Told<'migrate'>;
  const checks = [...changeChecks(run, inFile), ...runChecks(run, environment), () => readToken(run)];
  for (const check of checks) await attempt(check);
  const missing = optionsOf('migrate').filter(
    ({ name, isRequired }) => isRequired === true && [effective[name] ?? []].flat().length === 0,
  );
  return { settings, problems, warnings: unknownVariables(environment), missing: missing.map(nameOf) };
}

/** Not an error: other programs may have variables that begin like ours. */
function unknownVariables(environment: Environment): readonly string[] {
  const known = allOptions().map((option) => option.environment);
  return Object.keys(environment)
    .filter((name) => name.startsWith('TABLESHIFT_') && !known.includes(name))
    .map((name) => `The variable ${name} is no option${suggestion(name, known)}.`);
}

function nameOf(option: Option): string {
  return option.flag ?? option.environment;
}

/** What may not stand in a command line is not shown either. */
function shownValue(option: Option, value: OptionValue): string | null {
  if (value === null) return null;
  if (option.flag === null || option.name === 'webhook') return '(set)';
  if (typeof value === 'boolean') return value ? 'on' : 'off';
  try {
    const values: readonly unknown[] = Array.isArray(value) ? value : [value];
    return hidePasswords(values.map((one) => valueText(option, String(one))).join(', '));
  } catch {
    return '(cannot be read)';
  }
}

function checkText({ settings, problems, warnings, missing }: CheckedConfig): string {
  const shown = settings.map(({ name, value, origin, line }) => [
    name,
    value === null ? '-' : oneLine(value),
    line === null ? origin : `${origin}, line ${line}`,
  ]);
  const width = (column: number): number => Math.min(40, Math.max(...shown.map((row) => (row[column] ?? '').length)));
  const [first, second] = [width(0), width(1)];
  const lines = shown.map(
    ([name = '', value = '', origin = '']) => `${name.padEnd(first)}  ${value.padEnd(second)}  ${origin}`,
  );
  const needed = missing.map((name) => `--${name}`).join(' and ');
  const good = `No problem was found.${needed === '' ? '' : ` A run has to be told ${needed}, too.`}`;
  const verdict = problems.length === 0 ? good : `${problems.length} to mend; a run would be refused.`;
  return [
    ...lines,
    '',
    ...warnings.map((warning) => `warning: ${warning}`),
    ...problems.map((problem) => `problem: ${problem}`),
    verdict,
    '',
  ].join('\n');
}
