/** What a caller of the library says, and the database that it is said to. */

import { Controls } from './engine/controls.ts';
import { assert, MigrationError } from './engine/errors.ts';
import type { MigrationEvent } from './engine/events.ts';
import type { MigrationRequest, Plan, PlanOptions } from './engine/model.ts';
import type { NativeMigration, Strategy } from './engine/native-change.ts';
import { DEFAULT_OPTIONS, type MigrationOptions } from './engine/options.ts';
import type { ThrottleSignal } from './engine/ports.ts';
import { loadAdapter, type OpenDatabase } from './adapters.ts';
import { checkAsked } from './caller.ts';
import { homeOfUser } from './home-folder.ts';
import { parseServerUrl } from './server-url.ts';
import type { ReadPassword } from './sessions/password.ts';

/** Which server, and how to log in. */
export interface ServerOptions {
  /** `mysql://user@host:3306/database`, `mariadb://…` or `postgres://…`; the scheme picks the adapter. May hold the password. */
  readonly url: string;
  /**
   * Wins over the one in the URL. Without any, the clients' own files may have one (~/.my.cnf, ~/.pgpass). A function is called before the
   * first session, and again whenever the server refuses what it gave last: for tokens, and secrets that are rotated.
   */
  readonly password?: string | ReadPassword | null;
  /** Client option file to read instead of the usual ones (~/.my.cnf); MySQL and MariaDB only. */
  readonly defaultsFile?: string | null;
  /** The PG* variables of PostgreSQL's own clients: the environment of the process, if it is to count. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** Ends what is going on: statements are ended on the server, a checkpoint is saved, the promise rejects with its reason. */
  readonly signal?: AbortSignal;
}

/** What to change in one table. */
export interface TableChange extends Partial<PlanOptions> {
  /** A whole ALTER TABLE statement, or only its clauses together with `table`. */
  readonly alter: string;
  /** `[schema.]name`. */
  readonly table?: string | null;
}

/** What to change. */
export interface ChangeOptions extends ServerOptions, TableChange {
  /** `auto` when it is not given. */
  readonly strategy?: Strategy;
}

/** What to change in several tables that are swapped together. */
export interface FamilyOptions extends ServerOptions {
  /** At least two, each of another table. */
  readonly changes: readonly TableChange[];
}

/**
 * Called with each event, synchronously. `plan`: whose event it is; null for a native change. What it throws, or rejects with, interrupts
 * the run as `signal` does.
 */
export type RunObserver = (event: MigrationEvent, plan: Plan | null) => void;

/** How to run it. */
export interface RunOptions {
  /** Of a family, events of `controls` are told for its first member. */
  readonly observer?: RunObserver;
  /**
   * Called once, when the claim is held: from here on the migration is recorded and can be resumed. `members`: of a family those that
   * this run carries out (to resume, the unfinished ones), `plan` the first of them; else just the one. What it throws interrupts the
   * run before anything is changed.
   */
  readonly onStart?: (plan: Plan, members: readonly Plan[]) => void;
  /** Called once, before the first step of a native change, when the claim is held: as `onStart`. */
  readonly onNativeStart?: (plan: NativeMigration) => void;
  /** What differs from DEFAULT_OPTIONS. Rejects with BAD_USAGE where the server does not know a figure that `load` limits. */
  readonly pace?: Partial<MigrationOptions>;
  /** To steer the run while it goes on: made by the caller, with its own options, which then win over `pace`. */
  readonly controls?: Controls;
  /** More reasons to slow down. */
  readonly signals?: readonly ThrottleSignal[];
  /** URLs of replicas: copying and verifying rest while one is further behind than `load.replicaLagMaxMs`, or cannot be asked. */
  readonly replicas?: readonly string[];
  /**
   * Whether the replicas that MySQL or MariaDB tells of are waited for too, as far as the same login can ask them. True when it
   * is not given.
   */
  readonly isFindingReplicas?: boolean;
}

/** With the controls that its database was opened with. */
export type ControlledRun = RunOptions & { readonly controls: Controls };

/** Connects. */
export async function open(options: ServerOptions & RunOptions, signal: AbortSignal): Promise<OpenDatabase> {
  const server = parseServerUrl(options.url);
  const adapter = await loadAdapter(server.adapter);
  const controls = controlsOf(options);
  return await adapter.open(
    server.shown,
    {
      password: checkedPassword(options.password ?? server.password),
      defaultsFile: options.defaultsFile ?? null,
      home: homeOfUser(),
      environment: options.environment ?? {},
      replicas: { urls: options.replicas ?? [], isFinding: options.isFindingReplicas ?? true },
      load: () => controls.options.load,
      isGentle: () => controls.options.latency !== null,
      isKillingBlockers: controls.options.cutover.killBlockersAfter > 0,
    },
    signal,
  );
}

/** What a function of the caller's gives is looked at when it comes. */
function checkedPassword(password: string | ReadPassword | null): string | ReadPassword | null {
  if (typeof password !== 'function') return password;
  return async () => {
    const given: unknown = await password();
    if (given === null || typeof given === 'string') return given;
    throw new MigrationError('BAD_USAGE', `The function password must give a text or null; it gave ${typeof given}.`);
  };
}

/** Those that the caller made, or new ones at the pace that was asked for. */
export function controlsOf({ controls, pace }: RunOptions): Controls {
  const said = Object.entries(pace ?? {}).filter(([, value]) => value !== undefined);
  return controls ?? new Controls({ ...DEFAULT_OPTIONS, ...Object.fromEntries(said) });
}

/** A request whose table may still want its schema. */
export interface AskedRequest extends Omit<MigrationRequest, 'table'> {
  readonly table: { readonly schema: string | null; readonly table: string };
}

/** Before anything is connected to, so that what is wrong is known at once. Rejects with BAD_USAGE, also where no compiler has looked. */
export async function readAsked(change: Pick<ChangeOptions, 'url' | 'strategy'> & TableChange): Promise<AskedRequest> {
  const { url, alter, table, key, deferIndexes, materializedViews } = change;
  checkAsked(change, ['alter']);
  for (const [name, allowed] of CHOICES) checkChoice(name, change[name], allowed);
  const server = parseServerUrl(url);
  const adapter = await loadAdapter(server.adapter);
  const read = adapter.readChange({ alter, table: table ?? null, database: server.database });
  const recreating = materializedViews === 'recreate' ? { materializedViews } : {};
  return { ...read, options: { key: key ?? null, deferIndexes: deferIndexes ?? 'auto', ...recreating } };
}

const CHOICES = [
  ['strategy', ['auto', 'native', 'shadow']],
  ['deferIndexes', ['auto', 'always', 'never']],
  ['materializedViews', ['refuse', 'recreate']],
] as const satisfies readonly (readonly [keyof ChangeOptions, readonly string[]])[];

function checkChoice(name: string, value: string | boolean | undefined, allowed: readonly string[]): void {
  if (value === undefined || allowed.some((one) => one === value)) return;
  throw new MigrationError('BAD_USAGE', `The setting ${name} must be one of ${allowed.join(', ')}; it is ${String(value)}.`);
}

/** With the schema of its table. */
export async function requestOf(database: OpenDatabase, asked: AskedRequest, signal: AbortSignal): Promise<MigrationRequest> {
  const { table } = asked.table;
  const schema = asked.table.schema ?? (await database.findSchema?.(table, signal));
  assert(schema !== undefined, `the schema of ${table} is known`);
  return { ...asked, table: { schema, table } };
}
