/** The command line: which command, which flags, or a page of help. */

import { Argument, Command, CommanderError, Option as CommanderOption } from 'commander';
import { MigrationError } from '../engine/errors.ts';
import { breakText } from './line-breaks.ts';
import { CONTROL_COMMANDS, SETTABLE } from './operator-commands.ts';
import type { GivenFlags } from './option-values.ts';
import { COMMANDS, type CommandName, flagOf, GROUPS, type Option, optionsOf } from './options.ts';

/** What the operator typed. */
export type CommandLine =
  | {
      readonly kind: 'command';
      readonly command: Exclude<CommandName, 'control'>;
      readonly id: string | null;
      readonly flags: GivenFlags;
    }
  | { readonly kind: 'control'; readonly words: readonly string[]; readonly flags: GivenFlags }
  | { readonly kind: 'config'; readonly flags: GivenFlags }
  | { readonly kind: 'page'; readonly text: string };

interface CommandText {
  readonly summary: string;
  /** How the argument is called, where there is one. */
  readonly id?: string;
  readonly description: string;
  readonly examples: readonly string[];
}

const TEXTS: Readonly<Record<CommandName, CommandText>> = {
  plan: {
    summary: 'show what would be done and what is in the way; changes nothing',
    description:
      'Shows how the change would be carried out (key, columns, indexes, space) and every obstacle at once. Changes nothing.\nSeveral tables, each with its --table and --alter, are planned as ones that are swapped together.\nExit code 0: it can be migrated. 2: it is refused, or the command line is wrong.',
    examples: [
      "tableshift plan --url mysql://root@db1/shop --alter 'ALTER TABLE orders ADD COLUMN note varchar(200)'",
      "tableshift plan --url mysql://root@db1 --table shop.orders --alter 'DROP COLUMN note' --output json",
      "tableshift plan --url postgres://ts@db1/shop --alter 'ALTER TABLE orders ALTER id TYPE bigint'",
    ],
  },
  migrate: {
    summary: 'change the table while applications go on reading and writing it',
    description:
      'Plans, builds a shadow table, copies the rows, follows the changes, compares both tables and swaps them. Ctrl-C ends it with a checkpoint; `tableshift resume` goes on from there. The old table is kept: see `tableshift cleanup`.\nA change that the server makes cheaply by itself is left to it: no old table is kept then, and what it drops is gone (--strategy).\nSeveral tables, each with its --table and --alter, are copied one after another and swapped in one step, all or none.',
    examples: [
      "tableshift migrate --url mysql://root@db1/shop --ask-pass --alter 'ALTER TABLE orders MODIFY id bigint unsigned NOT NULL AUTO_INCREMENT'",
      "tableshift migrate --url postgres://ts@db1/shop --alter 'ALTER TABLE public.orders ALTER id TYPE bigint'",
      "tableshift migrate --url postgres://ts@db1/shop --table customers --alter 'ALTER id TYPE bigint' --table orders --alter 'ALTER customer_id TYPE bigint'",
      "TABLESHIFT_URL=mysql://ts@db1/shop TABLESHIFT_PASSWORD=… tableshift migrate --table orders --alter 'ADD INDEX (customer_id)' --output json",
    ],
  },
  resume: {
    summary: 'go on with a migration whose process ended',
    id: '[ID]',
    description:
      'Goes on from the last checkpoint, from any host. Without an ID, with the only unfinished migration there is.\nThe options of the copy and of the cutover may differ from the first run; the change may not.\nTables that are swapped together go on together, whichever of them the ID names.',
    examples: [
      'tableshift resume --url mysql://root@db1 orders8f3kq2zd',
      'tableshift resume --url mysql://root@db1 --workers 1',
    ],
  },
  list: {
    summary: 'list the migrations that are known on the server',
    description: 'Lists the migrations that are recorded in the database, newest first, with their state.',
    examples: ['tableshift list --url mysql://root@db1'],
  },
  status: {
    summary: 'show one migration: phase, progress, what ended it',
    id: '[ID]',
    description:
      'Asks the run itself, which knows it to the second, if it runs on this machine: the one that is named by an ID or by --socket, or without --url the only one of this user.\nOtherwise, with --url, shows what the database knows, as of the last checkpoint; without an ID, of the newest migration.\nExit code 0: it is known. 2: it is not.',
    examples: ['tableshift status orders8f3kq2zd', 'tableshift status --url mysql://root@db1 orders8f3kq2zd --output json'],
  },
  control: {
    summary: 'tell a run on this machine to pause, swap, give up, or change its pace',
    id: '[ID] COMMAND',
    description: [
      'Talks to a run on this machine, over its socket. The run is named by its ID, or by --socket; with both, another run refuses. With neither it is the only run of this user, which the answer names; abort wants it named.',
      '  pause, unpause    copying and verifying rest, or go on; changes are always applied',
      '  verify            compare all rows before the next attempt of the swap, once more where they were already',
      '  cutover           let the swap begin that --cutover manual or postpone holds',
      '  postpone          let no further attempt of the swap begin',
      '  abort             end the run and give the migration up: its shadow is dropped, exit code 4',
      `  set NAME=VALUE    ${SETTABLE.join(', ')}`,
      '  set NAME=none     take it away: a file, an address, a query, figures',
      '  set NAME=default  as where nothing is said',
      'Tables that are swapped together are one run: it answers to the ID of any, and does what it is told for all.',
      'For another machine there is --http. Exit code 0: the run has taken the command. 2: it has not, or nobody listens.',
    ].join('\n'),
    examples: [
      'tableshift control pause',
      'tableshift control orders8f3kq2zd set workers=4',
      'tableshift control --socket /run/ts.sock abort',
    ],
  },
  cleanup: {
    summary: 'drop the old table of a finished migration, or give an unfinished one up',
    id: '[ID]',
    description:
      'Without an ID: lists what finished migrations left (the old tables), and with --yes drops those whose soak is over.\nWith an ID: drops what that migration left. An old table is refused before its soak is over, and while it is used, unless with --now.\nAn unfinished migration is given up by this: its shadow is dropped, the source is not touched; those of tables that were to be swapped with it are given up as well. One that is running is refused: end it first.',
    examples: [
      'tableshift cleanup --url mysql://root@db1',
      'tableshift cleanup --url mysql://root@db1 --soak 3d --yes',
      'tableshift cleanup --url mysql://root@db1 orders8f3kq2zd --now',
    ],
  },
};

/** Stays as it is in any terminal, to be copied. */
const PROGRAM_EXAMPLES = `
Examples:
  What would happen?   tableshift plan --url mysql://root@db1/shop --alter 'ALTER TABLE orders ADD COLUMN note varchar(200)'
  Do it:               tableshift migrate --url mysql://root@db1/shop --alter 'ALTER TABLE orders ADD COLUMN note varchar(200)'
  It was interrupted:  tableshift resume --url mysql://root@db1/shop
  How is it going?     tableshift status orders8f3kq2zd
  Let it rest:         tableshift control orders8f3kq2zd pause
  Drop old tables:     tableshift cleanup --url mysql://root@db1/shop --yes
`;

const PROGRAM_HELP = [
  'Times have a unit, such as 250ms, 10s, 5m, 2h or 7d, and so have sizes: 512MB, 20GB.',
  'Every option of a command can come from the environment: --chunk-time is TABLESHIFT_CHUNK_TIME. Passwords come from --ask-pass, --password-file, --password-command, TABLESHIFT_PASSWORD, or ~/.my.cnf; for PostgreSQL also from PGPASSWORD or ~/.pgpass.',
  'Exit codes: 0 done, 1 failed or interrupted (resumable), 2 refused with nothing changed, 3 the tables differ, 4 given up by the operator, 5 no lock for the cutover (resumable), 6 critical load (resumable), 7 the outcome of the swap is unknown, 8 it cannot go on and is to be given up.',
].join('\n\n');

/** Reads the arguments behind the program's name. Throws BAD_USAGE. */
export function parseCommandLine(args: readonly string[], version: string, columns: number): CommandLine {
  const output: string[] = [];
  let line: CommandLine | null = null;
  const program = new Command('tableshift')
    .description('Changes the schema of live MySQL, MariaDB and PostgreSQL tables.')
    .version(version, '--version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .helpCommand('help [command]', 'print the help of a command')
    .configureHelp({ subcommandTerm: (command) => `${command.name()} ${command.usage()}`, boxWrap: breakText })
    .addHelpText('after', `${PROGRAM_EXAMPLES}\n${breakText(PROGRAM_HELP, columns)}`);
  for (const name of COMMANDS) {
    const command = program.command(name);
    describe(command, name);
    command.action((...parameters: readonly unknown[]) => {
      if (name === 'control') {
        line = { kind: 'control', words: command.args, flags: givenFlags(command, name) };
        return;
      }
      const id = TEXTS[name].id === undefined ? undefined : parameters[0];
      line = { kind: 'command', command: name, id: typeof id === 'string' ? id : null, flags: givenFlags(command, name) };
    });
  }
  const config = program.command('config');
  describeConfig(config);
  config.action(() => {
    line = { kind: 'config', flags: givenFlags(config, 'migrate') };
  });
  for (const command of [program, ...program.commands]) {
    command.exitOverride();
    command.configureOutput({
      writeOut: (text) => output.push(text),
      writeErr: () => undefined,
      getOutHelpWidth: () => columns,
    });
  }
  try {
    program.parse([...args], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return { kind: 'page', text: output.join('') };
    throw new MigrationError('BAD_USAGE', usageMessage(error, args));
  }
  return line ?? { kind: 'page', text: output.join('') };
}

function describe(command: Command, name: CommandName): void {
  const { summary, id, description, examples } = TEXTS[name];
  command.summary(summary).description(description).helpOption('-h, --help', 'print this').allowExcessArguments(false);
  if (name === 'control') {
    command.argument('<words...>').usage(`[options] ${id}`);
  } else if (id !== undefined) command.argument(id, 'name of the migration, as `tableshift list` shows it');
  addOptions(command, optionsOf(name), (option) => option.isRequired === true && option.optionalFor?.includes(name) !== true);
  command.addHelpText('after', `\nExamples:\n${examples.map((example) => `  ${example}`).join('\n')}`);
}

/** It has the options of `migrate`, none of which it needs. */
function describeConfig(command: Command): void {
  command
    .summary('check a configuration file, the environment and flags, without a server')
    .description(
      'Reads the options as `migrate` would, and shows each with where it comes from, and all problems at once. Passwords are not shown.\nExit code 0: nothing is wrong. 2: a run would be refused.',
    )
    .helpOption('-h, --help', 'print this')
    .allowExcessArguments(false)
    .addArgument(new Argument('<what>').choices(['check']))
    .usage('check [options]');
  addOptions(command, optionsOf('migrate'), () => false);
  command.addHelpText('after', '\nExamples:\n  tableshift config check --config orders.yaml');
}

/** `isMissed`: of what the command cannot do without. */
function addOptions(command: Command, options: readonly Option[], isMissed: (option: Option) => boolean): void {
  // The order of the groups in --help is the order in which they first occur.
  for (const group of GROUPS) {
    for (const option of options.filter((option) => option.group === group)) {
      const flag = flagOf(option);
      if (flag !== null) command.addOption(commanderOption(option, flag, isMissed(option)));
    }
  }
}

function commanderOption(option: Option, flag: string, isMissed: boolean): CommanderOption {
  const isShownDefault = option.default !== null && option.kind !== 'switch';
  const notes = [...(isMissed ? ['required'] : []), ...(isShownDefault ? [`default: ${option.default}`] : [])];
  const help = notes.length === 0 ? option.help : `${option.help} (${notes.join(', ')})`;
  const flags = option.kind === 'switch' ? flag : `${flag} <${option.placeholder}>`;
  const one = new CommanderOption(flags, help).helpGroup(`${option.group}:`);
  if (option.isRepeated) one.argParser((value: string, before?: readonly string[]) => [...(before ?? []), value]);
  if (option.isList) one.argParser((value: string, before?: string) => (before === undefined ? value : `${before},${value}`));
  return one;
}

function givenFlags(command: Command, name: CommandName): GivenFlags {
  const given: { -readonly [Name in keyof GivenFlags]: GivenFlags[Name] } = {};
  const byAttribute = new Map(command.options.map((option) => [option.long, option.attributeName()]));
  for (const option of optionsOf(name)) {
    const attribute = byAttribute.get(flagOf(option) ?? undefined);
    if (attribute === undefined || command.getOptionValueSource(attribute) !== 'cli') continue;
    given[option.name] = command.getOptionValue(attribute) as NonNullable<GivenFlags[Option['name']]>;
  }
  return given;
}

/** Commander repeats what it does not know, and that may be a password: what follows an equals sign is left out. */
function usageMessage(error: CommanderError, args: readonly string[]): string {
  if (error.code === 'commander.help') {
    const [, asked] = args;
    const what = asked === undefined ? 'No command was given' : `There is no command ${asked}`;
    return `${what}: plan, migrate, resume, list, status, control, cleanup or config.`;
  }
  // Mostly the words of a change without quotes.
  const [, command] = /^error: too many arguments for '(plan|migrate)'/.exec(error.message) ?? [];
  if (command !== undefined) {
    return `${command} takes only options: the change goes behind --alter, in quotes, the table into it or behind --table.`;
  }
  if (error.code === 'commander.missingArgument' || error.message.includes("argument 'what'"))
    return args[0] === 'config'
      ? 'Say what is to be done: tableshift config check.'
      : `Say what is to be done: tableshift control [ID] COMMAND, which is one of ${CONTROL_COMMANDS.join(', ')}.`;
  const [, flag = ''] = /^error: unknown option '(--[\w-]+)/.exec(error.message) ?? [];
  const others = COMMANDS.filter((name) => optionsOf(name).some((option) => flagOf(option) === flag));
  if (others.length > 0) {
    const [first = ''] = args;
    // A switch that has a value is unknown to commander, too.
    if (others.some((name) => name === (first === 'config' ? 'migrate' : first))) return `${flag} takes no value.`;
    return first.startsWith('-')
      ? `${flag} stands behind the command: ${others.join(', ')}.`
      : `${first} takes no ${flag}, which is for ${others.join(', ')}.`;
  }
  const message = error.message.replace(/^error: /, '').replace(/=[^']*'/, "'");
  const [first = '', ...rest] = message.split('\n');
  const sentence = `${first.charAt(0).toUpperCase()}${first.slice(1)}`.replace(/\.?$/, '.');
  return [sentence, ...rest].join(' ');
}
