/** Reads the values of a command's options: the command line first, then the environment, the configuration file, the default. */

import { MigrationError } from '../engine/errors.ts';
import type { ConfigValues } from './config-file.ts';
import { allOptions, flagOf, type CommandName, type Option, type OptionName, type OptionsOf, optionsOf } from './options.ts';
import { formatBytes, formatDurationMs, parseBytes, parseCount, parseRatio, parseDurationMs } from './units.ts';

/** Environment variables by name. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** What the command line says: text, each text of a flag that may be repeated, or for switches whether they are on. */
export type GivenFlags = Readonly<Partial<Record<OptionName, string | readonly string[] | boolean>>>;

/** What an option has been read as; null: none. A list where it may be repeated, empty for none. */
export type OptionValue = string | number | boolean | readonly string[] | null;

/** A command's values, and who said them. */
export interface ReadOptions<Command extends CommandName> {
  readonly values: OptionsOf<Command>;
  /** What stood on the command line, for the resume command. */
  readonly given: readonly Option[];
  /** What the configuration file says, and neither flag nor environment. */
  readonly inFile: ReadonlySet<OptionName>;
}

/** Rejects with BAD_USAGE, naming the flag or the variable, where a value is missing or cannot be read. */
export function readOptions<Command extends CommandName>(
  command: Command,
  flags: GivenFlags,
  environment: Environment,
  config: ConfigValues = {},
): ReadOptions<Command> {
  const options = optionsOf(command);
  const sources = { flags, environment, config };
  const values = Object.fromEntries(options.map((option) => [option.name, readOption(option, sources)]));
  if (command === 'plan') checkMigrateOptions(sources);
  return {
    // The type and the values are made from the same table.
    values: values as unknown as OptionsOf<Command>,
    given: options.filter((option) => flags[option.name] !== undefined),
    inFile: new Set(options.filter((option) => findOption(option, sources).origin === 'file').map(({ name }) => name)),
  };
}

/** A plan that is made says that `migrate` would start, which has options besides, from the same file and environment. */
function checkMigrateOptions({ environment, config }: Sources): void {
  const others = optionsOf('migrate').filter(({ commands }) => !commands.includes('plan'));
  for (const option of others) findOption(option, { flags: {}, environment, config });
}

/** One option by itself, for what is looked at before a command is known to have all of its own. */
export function readText(
  name: OptionName,
  flags: GivenFlags,
  environment: Environment,
  config: ConfigValues = {},
): string | null {
  const option = allOptions().find((option) => option.name === name);
  const value = option === undefined ? null : readOption(option, { flags, environment, config });
  return value === null ? null : String(value);
}

interface Sources {
  readonly flags: GivenFlags;
  readonly environment: Environment;
  readonly config: ConfigValues;
}

/** Who says what an option is. */
export type OptionOrigin = 'flag' | 'environment' | 'file' | 'default';

function readOption(option: Option, sources: Sources): OptionValue {
  const { value: found, origin } = findOption(option, sources);
  const value = listIfRepeated(option, found);
  if (found !== null || origin !== 'default' || !option.isRequired) return value;
  throw new MigrationError('BAD_USAGE', `${flagOf(option)} is missing (or ${option.environment}).`);
}

/** What may be repeated is a list, empty for none. */
export function listIfRepeated(option: Option, value: OptionValue): OptionValue {
  if (option.isRepeated !== true) return value;
  if (value === null) return [];
  return typeof value === 'object' ? value : [String(value)];
}

/** The value by the first who says one, also null for what is required. Throws BAD_USAGE where it cannot be read. */
export function findOption(
  option: Option,
  { flags, environment, config }: Sources,
): { readonly value: OptionValue; readonly origin: OptionOrigin } {
  const flag = flags[option.name];
  if (typeof flag === 'boolean') return { value: flag, origin: 'flag' };
  if (flag !== undefined) return { value: parseGiven(option, flag, `--${option.flag}`), origin: 'flag' };
  const variable = environment[option.environment];
  if (variable !== undefined && variable !== '')
    return { value: parseOption(option, variable, option.environment), origin: 'environment' };
  const configured = option.flag === null ? undefined : config[option.flag];
  if (configured !== undefined)
    return { value: parseGiven(option, configured, `"${option.flag}" of the configuration file`), origin: 'file' };
  if (option.offWhenSet !== undefined && (environment[option.offWhenSet] ?? '') !== '')
    return { value: false, origin: 'environment' };
  return { value: option.default === null ? null : parseOption(option, option.default, option.name), origin: 'default' };
}

/** A text, or each text of what may be repeated. */
function parseGiven(option: Option, given: string | readonly string[], origin: string): OptionValue {
  if (typeof given === 'string') return parseOption(option, given, origin);
  if (given.length === 0) throw new MigrationError('BAD_USAGE', `${origin} is empty.`);
  return given.map((text) => String(parseOption(option, text, origin)));
}

/** `origin` is what the operator wrote it after. Values are not repeated in messages where they might hold a password. */
export function parseOption(option: Option, text: string, origin: string): string | number | boolean {
  if (text === '') throw new MigrationError('BAD_USAGE', `${origin} is empty.`);
  switch (option.kind) {
    case 'text':
      return text;
    case 'choice':
      return parseChoice(option, text, origin);
    case 'switch':
      return parseSwitch(text, origin);
    case 'count':
      return parseFigure(option, { text, origin, parse: parseCount, format: String, example: 'a whole number' });
    case 'ratio':
      return parseFigure(option, { text, origin, parse: parseRatio, format: String, example: 'a number such as 0.5' });
    case 'duration':
      return parseFigure(option, {
        text,
        origin,
        parse: parseDurationMs,
        format: formatDurationMs,
        example: 'a time with its unit, such as 250ms, 10s or 5m',
      });
    case 'size':
      return parseFigure(option, {
        text,
        origin,
        parse: parseBytes,
        format: formatBytes,
        example: 'a size with its unit, such as 512MB or 10GB',
      });
  }
}

function parseChoice(option: Option, text: string, origin: string): string {
  const choices = option.choices ?? [];
  // The servers' own clients write these in capitals and with underscores.
  const choice = text.toLowerCase().replaceAll('_', '-');
  if (choices.includes(choice)) return choice;
  throw new MigrationError('BAD_USAGE', `${origin} must be one of ${choices.join(', ')}, not "${text}".`);
}

function parseSwitch(text: string, origin: string): boolean {
  if (['1', 'true', 'on', 'yes'].includes(text.toLowerCase())) return true;
  if (['0', 'false', 'off', 'no'].includes(text.toLowerCase())) return false;
  throw new MigrationError('BAD_USAGE', `${origin} must be on or off, not "${text}".`);
}

interface Figure {
  readonly text: string;
  readonly origin: string;
  readonly parse: (text: string) => number | null;
  readonly format: (value: number) => string;
  readonly example: string;
}

function parseFigure(option: Option, figure: Figure): number {
  const value = figure.parse(figure.text);
  if (value === null)
    throw new MigrationError('BAD_USAGE', `${figure.origin} must be ${figure.example}, not "${figure.text}".`);
  const { min = 0, max = Number.MAX_SAFE_INTEGER } = option;
  if (value >= min && value <= max) return value;
  throw new MigrationError(
    'BAD_USAGE',
    `${figure.origin} must be from ${figure.format(min)} to ${figure.format(max)}, not "${figure.text}".`,
  );
}
