/** A table under traffic on a server, migrated by the program as a child process that may die and be resumed, and its judges. */
import { listMigrations, type MigrationRecord } from '../../src/index.ts';
import { compareWithLedger, compareWithTwin } from './ledger.ts';
import { findLeftovers } from './live-leftovers.ts';
import { readDeadlocks } from './server-deadlocks.ts';
import type { Server } from './servers.ts';
import { runTool, type ToolOptions, type ToolRun } from './tableshift-process.ts';
import { prepareTraffic, startTraffic, type Traffic, type TrafficOptions } from './traffic.ts';

/** A migration that needs more runs than this does not get on. */
const runsMax = 60;

/** A run on such a table takes seconds, on a busy machine a minute or two. */
const runHangsAfterMs = 300_000;

/** Exit codes after which `resume` is right: failed and resumable, no cutover lock. */
const resumableCodes: readonly (number | null)[] = [null, 1, 5];

/** What the judges say when the traffic has ended: all of it empty when no write was lost. */
export interface Verdict {
  readonly ledger: readonly string[];
  readonly twin: readonly string[];
  readonly wrongReads: readonly string[];
  /** Errors that the application saw, by code. */
  readonly errors: Readonly<Record<string, number>>;
  /** Deadlocks in which the application met the program, and one line if it saw more than the server's log explains. */
  readonly deadlocks: readonly string[];
  /** What the migrations left on the server. */
  readonly leftovers: readonly string[];
}

/** The verdict when nothing was lost and the application saw no error. */
export const blameless: Verdict = {
  ledger: [],
  twin: [],
  wrongReads: [],
  errors: {},
  deadlocks: [],
  leftovers: [],
};

/** How to carry out one change. */
export interface LiveChange {
  readonly alter: string;
  /** The server's URL as the program shall use it, if not the table's own: by way of a proxy. */
  readonly url?: string;
  /** Further arguments. */
  readonly args?: readonly string[];
  /** Options of the next run; called before each. */
  readonly next?: () => ToolOptions;
  /** Called after each run that ended without being done, before it is resumed. */
  readonly afterRun?: (run: ToolRun) => Promise<void>;
}

/** What differs from the usual traffic. */
export type LiveTraffic = Partial<Omit<TrafficOptions, 'url'>>;

const usualTraffic: Omit<TrafficOptions, 'url'> = {
  schema: 'chaos',
  seed: 1,
  rows: 20_000,
  writesPerSecond: 60,
  readsPerSecond: 30,
  writers: 3,
  hasTwin: true,
};

/** The table with its traffic. Disposing ends the traffic. */
export class LiveTable implements AsyncDisposable {
  readonly traffic: Traffic;
  readonly #server: Server;
  readonly #hasTwin: boolean;

  private constructor(server: Server, options: TrafficOptions) {
    this.#server = server;
    this.#hasTwin = options.hasTwin;
    this.traffic = startTraffic(options);
  }

  /** Makes the table on a server that was started with `deadlockFlags`, and begins the traffic. */
  static async start(server: Server, traffic: LiveTraffic = {}): Promise<LiveTable> {
    const options = { ...usualTraffic, ...traffic, url: server.url };
    await prepareTraffic(options);
    return new LiveTable(server, options);
  }

  /** Migrates, and resumes whenever the process died or gave up, until the change is done. */
  async change({
    alter,
    url = this.#server.url,
    args = [],
    next = () => ({}),
    afterRun,
  }: LiveChange): Promise<readonly ToolRun[]> {
    const doneBefore = (await this.#records('done')).length;
    const runs: ToolRun[] = [];
    while (runs.length < runsMax) {
      const [open] = await this.#records('open');
      const { schema, table } = this.traffic.tables;
      const what = open === undefined ? ['migrate', '--table', `${schema}.${table}`, '--alter', alter] : ['resume', open.id];
      const run = await runTool([...what, '--url', url, ...args], { hangsAfterMs: runHangsAfterMs, ...next() });
      runs.push(run);
      if (run.exitCode === 0) return runs;
      if (!resumableCodes.includes(run.exitCode)) throw new Error(`A run ended with ${run.exitCode}: ${endOf(run)}`);
      await afterRun?.(run);
      if ((await this.#records('done')).length > doneBefore) return runs;
    }
    throw new Error(`Not done after ${runsMax} runs: ${runs.slice(-3).map(endOf).join('\n')}`);
  }

  /** Gives up the migration that is unfinished. */
  async giveUp(): Promise<void> {
    for (const { id } of await this.#records('open')) {
      const run = await runTool(['cleanup', id, '--yes', '--url', this.#server.url]);
      if (run.exitCode !== 0) throw new Error(`Giving up ended with ${run.exitCode}: ${endOf(run)}`);
    }
  }

  /** What is left on the server now. */
  leftovers(): Promise<readonly string[]> {
    return findLeftovers(this.#server.url, this.traffic.tables);
  }

  /** Ends the traffic and compares. */
  async judge(): Promise<Verdict> {
    const { wrongReads, errors, deadlocks: seen } = await this.traffic.stop();
    const { tables, ledger } = this.traffic;
    const { url } = this.#server;
    const { differences } = await compareWithLedger(url, tables, ledger);
    const twin = this.#hasTwin ? await compareWithTwin(url, tables) : [];
    const { application, mixed } = readDeadlocks(this.#server);
    const unexplained = seen > application.length ? [`the application saw ${seen}, the log has ${application.length}`] : [];
    const leftovers = await this.leftovers();
    return { ledger: differences, twin, wrongReads, errors, deadlocks: [...mixed, ...unexplained], leftovers };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.traffic[Symbol.asyncDispose]();
  }

  async #records(state: MigrationRecord['state']): Promise<readonly MigrationRecord[]> {
    const { schema } = this.traffic.tables;
    const records = await listMigrations({ url: this.#server.url });
    return records.filter((record) => record.state === state && record.plan.source.schema === schema);
  }
}

/** How many of the runs were killed. */
export function killedRuns(runs: readonly ToolRun[]): number {
  return runs.filter((run) => run.exitCode === null).length;
}

function endOf(run: ToolRun): string {
  return `${JSON.stringify(run.lines.at(-1) ?? null)} ${run.stderr}`;
}
