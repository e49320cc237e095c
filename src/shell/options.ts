/**
 * The one table of options. Flags, environment names, types, --help and docs/options.md all derive from it, and nothing else
 * reads the environment. A new option needs a user who needs it, a safe default and a test of another value.
 */

import { DEFAULT_OPTIONS } from '../engine/options.ts';
import { CLEAN_UP_OPTIONS } from './clean-up-options.ts';
import { COPYING_OPTIONS } from './copying-options.ts';
import { STEERING_OPTIONS } from './steering-options.ts';
import { formatDurationMs } from './units.ts';

/** The commands, in the order in which --help lists them. */
export const COMMANDS = ['plan', 'migrate', 'resume', 'list', 'status', 'control', 'cleanup'] as const;
/** One of the commands. */
export type CommandName = (typeof COMMANDS)[number];

/** The headings under which options stand in --help and in the docs. */
export const GROUPS = [
  'Change',
  'Connection',
  'Copying',
  'Verifying',
  'Cutover',
  'Load',
  'Windows',
  'Control',
  'Notifications',
  'Clean-up',
  'Output',
] as const;

/** What the table says of one option. */
export interface OptionRow {
  /** Name on the command line without dashes; null where a value may not stand in a command line. */
  readonly flag: string | null;
  readonly environment: string;
  /** A variable by convention of all tools, not ours: if it is set and not empty, a switch is off. */
  readonly offWhenSet?: string;
  readonly kind: 'text' | 'choice' | 'switch' | 'count' | 'ratio' | 'duration' | 'size';
  /** The flag may be given several times, and its values are joined with commas. */
  readonly isList?: true;
  /** The flag may be given several times, for several tables; its values stay apart. A file may have a list, a variable gives one. */
  readonly isRepeated?: true;
  readonly choices?: readonly string[];
  readonly min?: number;
  readonly max?: number;
  /** As one would write it; null: none. `isRequired` rows have none. */
  readonly default: string | null;
  readonly isRequired?: true;
  /** Commands that can do without what is required. */
  readonly optionalFor?: readonly CommandName[];
  readonly placeholder: string;
  /** One or two sentences. */
  readonly help: string;
  readonly group: (typeof GROUPS)[number];
  readonly commands: readonly CommandName[];
}

const CHANGE = ['plan', 'migrate'] as const;
const RUN = ['migrate', 'resume'] as const;
/** Those that log in to a server; `control` talks to a run. */
const ON_SERVER = ['plan', 'migrate', 'resume', 'list', 'status', 'cleanup'] as const;

/** All options by name. Durations are milliseconds in code, sizes bytes. */
export const OPTIONS = {
  alter: {
    flag: 'alter',
    environment: 'TABLESHIFT_ALTER',
    kind: 'text',
    default: null,
    isRequired: true,
    isRepeated: true,
    placeholder: 'SQL',
    help: 'The change: a whole ALTER TABLE statement, or only its clauses together with --table. Given several times: several tables that are swapped together.',
    group: 'Change',
    commands: CHANGE,
  },
  table: {
    flag: 'table',
    environment: 'TABLESHIFT_TABLE',
    kind: 'text',
    default: null,
    isRepeated: true,
    placeholder: '[SCHEMA.]NAME',
    help: 'The table to change, where --alter has only clauses. Without a schema, it is in the database of --url, on PostgreSQL where the search path finds it. PostgreSQL folds the name to lower case as in SQL: double quotes keep capitals. With several, the first --alter is for the first --table, and so on.',
    group: 'Change',
    commands: CHANGE,
  },
  strategy: {
    flag: 'strategy',
    environment: 'TABLESHIFT_STRATEGY',
    kind: 'choice',
    choices: ['auto', 'native', 'shadow'],
    default: 'auto',
    placeholder: 'WAY',
    help: 'native: the server’s own ALTER, where it neither copies rows nor makes writers wait. shadow: copy and swap. auto: natively where every clause is cheap that way, else by a shadow.',
    group: 'Change',
    commands: CHANGE,
  },
  key: {
    flag: 'key',
    environment: 'TABLESHIFT_KEY',
    kind: 'text',
    default: null,
    placeholder: 'INDEX',
    help: 'The unique index to walk the table by, instead of the one that is chosen (the primary key where that is possible).',
    group: 'Change',
    commands: CHANGE,
  },
  deferIndexes: {
    flag: 'defer-indexes',
    environment: 'TABLESHIFT_DEFER_INDEXES',
    kind: 'choice',
    choices: ['auto', 'always', 'never'],
    default: 'auto',
    placeholder: 'WHEN',
    help: 'always: secondary indexes are built after the copy, which is faster. never: the shadow has them from the beginning. auto: on PostgreSQL as always, the migration key included; on MySQL and MariaDB, where a build replicates as one long statement, only if no replica is attached, nor on a MySQL whose applications keep their sessions busy, as nothing can slow a build down.',
    group: 'Change',
    commands: CHANGE,
  },
  materializedViews: {
    flag: 'materialized-views',
    environment: 'TABLESHIFT_MATERIALIZED_VIEWS',
    kind: 'choice',
    choices: ['refuse', 'recreate'],
    default: 'refuse',
    placeholder: 'WAY',
    help: 'What becomes of materialised views over the table itself on PostgreSQL. recreate: each is made again, filled from the new table before the cutover, and takes its place in the swap. refuse: one is an obstacle.',
    group: 'Change',
    commands: CHANGE,
  },

  url: {
    flag: 'url',
    environment: 'TABLESHIFT_URL',
    kind: 'text',
    default: null,
    isRequired: true,
    optionalFor: ['status'],
    placeholder: 'URL',
    help: 'The server that holds the table: mysql://user@host:3306/database, mariadb://… or postgres://user@host:5432/database. Never a proxy or a pooler, never a replica. What postgres:// leaves open comes from the PG* variables.',
    group: 'Connection',
    commands: ON_SERVER,
  },
  askPassword: {
    flag: 'ask-pass',
    environment: 'TABLESHIFT_ASK_PASS',
    kind: 'switch',
    default: 'off',
    placeholder: '',
    help: 'Ask for the password on the terminal.',
    group: 'Connection',
    commands: ON_SERVER,
  },
  passwordFile: {
    flag: 'password-file',
    environment: 'TABLESHIFT_PASSWORD_FILE',
    kind: 'text',
    default: null,
    placeholder: 'FILE',
    help: 'Read the password from the first line of a file, and read it again once the server refuses it.',
    group: 'Connection',
    commands: ON_SERVER,
  },
  passwordCommand: {
    flag: 'password-command',
    environment: 'TABLESHIFT_PASSWORD_COMMAND',
    kind: 'text',
    default: null,
    placeholder: 'COMMAND',
    help: 'Run this by the shell and take the first line that it writes for the password; run it again once the server refuses that, as with tokens that last for minutes.',
    group: 'Connection',
    commands: ON_SERVER,
  },
  password: {
    flag: null,
    environment: 'TABLESHIFT_PASSWORD',
    kind: 'text',
    default: null,
    placeholder: 'PASSWORD',
    help: 'The password. There is no flag for it, because every user of the machine can read command lines. PostgreSQL’s own PGPASSWORD comes after it.',
    group: 'Connection',
    commands: ON_SERVER,
  },
  defaultsFile: {
    flag: 'defaults-file',
    environment: 'TABLESHIFT_DEFAULTS_FILE',
    kind: 'text',
    default: null,
    placeholder: 'FILE',
    help: 'A client option file to read instead of ~/.my.cnf: what --url leaves out comes from its [client] group. MySQL and MariaDB only; PostgreSQL has ~/.pgpass and PGPASSFILE.',
    group: 'Connection',
    commands: ON_SERVER,
  },
  sslMode: {
    flag: 'ssl-mode',
    environment: 'TABLESHIFT_SSL_MODE',
    kind: 'choice',
    choices: ['disabled', 'preferred', 'required', 'verify-ca', 'verify-identity'],
    default: null,
    placeholder: 'MODE',
    help: 'TLS: disabled, preferred (the default: encrypted if the server can), required, verify-ca, verify-identity (which PostgreSQL’s clients call verify-full).',
    group: 'Connection',
    commands: ON_SERVER,
  },
  sslCa: {
    flag: 'ssl-ca',
    environment: 'TABLESHIFT_SSL_CA',
    kind: 'text',
    default: null,
    placeholder: 'FILE',
    help: 'Certificates of the authorities to trust, PEM.',
    group: 'Connection',
    commands: ON_SERVER,
  },
  sslCert: {
    flag: 'ssl-cert',
    environment: 'TABLESHIFT_SSL_CERT',
    kind: 'text',
    default: null,
    placeholder: 'FILE',
    help: 'Our certificate, PEM, where the server asks for one. It is read again for each connection, so a run outlives it.',
    group: 'Connection',
    commands: ON_SERVER,
  },
  sslKey: {
    flag: 'ssl-key',
    environment: 'TABLESHIFT_SSL_KEY',
    kind: 'text',
    default: null,
    placeholder: 'FILE',
    help: 'The private key of --ssl-cert, PEM.',
    group: 'Connection',
    commands: ON_SERVER,
  },

  ...COPYING_OPTIONS,

  verify: {
    flag: 'verify',
    environment: 'TABLESHIFT_VERIFY',
    kind: 'switch',
    default: 'on',
    placeholder: '',
    help: 'Swap without comparing the two tables first. Nothing then proves that no row was lost. A resume without it compares before it swaps; a comparison that has begun is finished.',
    group: 'Verifying',
    commands: RUN,
  },

  cutoverLockTimeoutMs: {
    flag: 'cutover-lock-timeout',
    environment: 'TABLESHIFT_CUTOVER_LOCK_TIMEOUT',
    kind: 'duration',
    min: 1_000,
    max: 60_000,
    default: formatDurationMs(DEFAULT_OPTIONS.cutover.lockTimeoutMs),
    placeholder: 'TIME',
    help: 'How long one attempt waits for its lock; writers queue behind it meanwhile.',
    group: 'Cutover',
    commands: RUN,
  },
  cutoverHoldTimeoutMs: {
    flag: 'cutover-hold-timeout',
    environment: 'TABLESHIFT_CUTOVER_HOLD_TIMEOUT',
    kind: 'duration',
    min: 1_000,
    max: 120_000,
    default: formatDurationMs(DEFAULT_OPTIONS.cutover.holdTimeoutMs),
    placeholder: 'TIME',
    help: 'The longest time for which the lock may be held; after that writers go on in the old table and the attempt has failed.',
    group: 'Cutover',
    commands: RUN,
  },
  cutoverAttempts: {
    flag: 'cutover-attempts',
    environment: 'TABLESHIFT_CUTOVER_ATTEMPTS',
    kind: 'count',
    min: 1,
    max: 10_000,
    default: String(DEFAULT_OPTIONS.cutover.attemptsMax),
    placeholder: 'N',
    help: 'Attempts before the run ends with exit code 5, resumable. The pauses between them grow.',
    group: 'Cutover',
    commands: RUN,
  },
  killBlockersAfter: {
    flag: 'kill-blockers-after',
    environment: 'TABLESHIFT_KILL_BLOCKERS_AFTER',
    kind: 'count',
    min: 0,
    max: 9_999,
    default: String(DEFAULT_OPTIONS.cutover.killBlockersAfter),
    placeholder: 'N',
    help: 'When this many attempts have failed, the next ones end the sessions that hold a lock in the way, which their applications see as an error. Spared are backups, replication, the server’s own sessions, prepared transactions and whoever has changed over 100,000 rows. 0 is never.',
    group: 'Cutover',
    commands: ['plan', ...RUN],
  },
  oldSnapshots: {
    flag: 'old-snapshots',
    environment: 'TABLESHIFT_OLD_SNAPSHOTS',
    kind: 'choice',
    choices: ['wait', 'ignore'],
    default: DEFAULT_OPTIONS.cutover.oldSnapshots,
    placeholder: 'WHAT',
    help: 'Transactions of others that keep a view of the rows from before the cutover (a dump, a report) find rows of the new table missing, without an error. wait: an attempt gives up, naming them, while they are open. ignore: it swaps nevertheless.',
    group: 'Cutover',
    commands: RUN,
  },

  maxLatencyMs: {
    flag: 'max-latency',
    environment: 'TABLESHIFT_MAX_LATENCY',
    kind: 'duration',
    min: 0,
    max: 60_000,
    default: null,
    placeholder: 'TIME',
    help: 'Copying and verifying rest while a small write of ours takes longer than this. The default is twice what it takes while next to nothing is copied, at least 10ms; 0 is no limit. With a limit the transactions of others are watched too, where performance_schema counts them or on PostgreSQL they may be seen.',
    group: 'Load',
    commands: RUN,
  },
  maxRunningThreads: {
    flag: 'max-running-threads',
    environment: 'TABLESHIFT_MAX_RUNNING_THREADS',
    kind: 'count',
    min: 1,
    max: 100_000,
    default: String(DEFAULT_OPTIONS.load.runningThreadsMax),
    placeholder: 'N',
    help: 'Copying and verifying rest while the server has this many running threads (PostgreSQL: active sessions). Applying changes goes on.',
    group: 'Load',
    commands: RUN,
  },
  replicas: {
    flag: 'replicas',
    environment: 'TABLESHIFT_REPLICAS',
    kind: 'text',
    default: null,
    placeholder: 'URL,…',
    help: 'Replicas to wait for: copying and verifying rest while one of them is further behind than --max-lag. User, password and TLS are those of --url where a URL has none.',
    group: 'Load',
    commands: RUN,
  },
  maxLagMs: {
    flag: 'max-lag',
    environment: 'TABLESHIFT_MAX_LAG',
    kind: 'duration',
    min: 1_000,
    max: 86_400_000,
    default: formatDurationMs(DEFAULT_OPTIONS.load.replicaLagMaxMs),
    placeholder: 'TIME',
    help: 'How far a replica may be behind: one of --replicas, one that the server tells of (--no-replica-discovery), on PostgreSQL any standby that the server itself sees.',
    group: 'Load',
    commands: RUN,
  },
  replicaDiscovery: {
    flag: 'replica-discovery',
    environment: 'TABLESHIFT_REPLICA_DISCOVERY',
    kind: 'switch',
    default: 'on',
    placeholder: '',
    help: 'On MySQL and MariaDB, do not log in to the replicas that the server tells of, nor wait for them: only for those of --replicas.',
    group: 'Load',
    commands: RUN,
  },

  ...STEERING_OPTIONS,

  ...CLEAN_UP_OPTIONS,

  output: {
    flag: 'output',
    environment: 'TABLESHIFT_OUTPUT',
    kind: 'choice',
    choices: ['text', 'json'],
    default: 'text',
    placeholder: 'FORM',
    help: 'text: for people; a run has a live view on a terminal, otherwise a line for each phase and decision, and figures each 10 s. json: for programs; of a run one object a line, the last one the summary.',
    group: 'Output',
    commands: COMMANDS,
  },
  logLevel: {
    flag: 'log-level',
    environment: 'TABLESHIFT_LOG_LEVEL',
    kind: 'choice',
    choices: ['warn', 'info', 'debug'],
    default: 'info',
    placeholder: 'LEVEL',
    help: 'warn: only what needs a look. info: phases and decisions. debug: also each chunk, flush and checkpoint.',
    group: 'Output',
    commands: RUN,
  },
  color: {
    flag: 'color',
    environment: 'TABLESHIFT_COLOR',
    offWhenSet: 'NO_COLOR',
    kind: 'switch',
    default: 'on',
    placeholder: '',
    help: 'No colours on a terminal.',
    group: 'Output',
    commands: COMMANDS,
  },
} as const satisfies Readonly<Record<string, OptionRow>>;

type Table = typeof OPTIONS;
/** The name of a row, which is the name of its value in code. */
export type OptionName = keyof Table;

/** A row as code that goes through all of them sees it. */
export type Option = OptionRow & { readonly name: OptionName };

type PlainValue<Row extends OptionRow> = Row['kind'] extends 'switch'
  ? boolean
  : Row['kind'] extends 'count' | 'ratio' | 'duration' | 'size'
    ? number
    : Row extends { readonly choices: readonly (infer Choice)[] }
      ? Choice
      : string;

type ValueOf<Row extends OptionRow> = Row extends { readonly isRepeated: true }
  ? readonly string[]
  : Row extends { readonly isRequired: true }
    ? string
    : Row['default'] extends null
      ? PlainValue<Row> | null
      : PlainValue<Row>;

/** The values of a command's options. */
export type OptionsOf<Command extends CommandName> = {
  readonly [Name in OptionName as Command extends Table[Name]['commands'][number] ? Name : never]: ValueOf<Table[Name]>;
};

/** The rows of a command's options, in the order of the table. */
export function optionsOf(command: CommandName): readonly Option[] {
  return allOptions().filter((option) => option.commands.includes(command));
}

/** All rows, in order. */
export function allOptions(): readonly Option[] {
  return (Object.entries(OPTIONS) as [OptionName, OptionRow][]).map(([name, row]) => ({ ...row, name }));
}

/** How the option is written on a command line: `--chunk-time TIME`, `--no-verify`; null where it has no flag. */
export function flagOf(option: Option): string | null {
  if (option.flag === null) return null;
  if (option.kind === 'switch') return option.default === 'on' ? `--no-${option.flag}` : `--${option.flag}`;
  return `--${option.flag}`;
}
