/** What running a case folder has in common on all servers: the sentence, the ending, the migration with the writes beside it. */
import { asMigrationError, assert, MigrationError } from '../../src/engine/errors.ts';
import {
  DEFAULT_OPTIONS,
  migrate,
  migrateFamily,
  type MigrationEvent,
  type MigrationOptions,
  type Plan,
  PlanRefusedError,
  resumeMigration,
  type RunOptions,
  type ServerOptions,
  type TableChange,
} from '../../src/index.ts';
import type { Case } from './case-folder.ts';
import { Cuts } from './cuts.ts';

/** A case that takes longer is stuck: the slowest takes a few seconds. */
export const caseTimeoutMs = 240_000;

/** What a text like `CaseMigration.ending` must have, in any order. */
export function endingOf({ refused, fails }: Case): RegExp {
  if (refused !== undefined) return allOf([`refused: `, `${refused.obstacle}: `, ...(refused.says ?? [])]);
  if (fails !== undefined) return allOf([`failed: ${fails.code}: `, ...(fails.says ?? [])]);
  return /^swapped$/;
}

/** The case as a sentence. */
export function sentenceOf({ name, refused, fails }: Case): string {
  if (refused !== undefined) return `${name} is refused as ${refused.obstacle} and changes nothing`;
  if (fails !== undefined) return `${name} ends with ${fails.code} and leaves the source as it was`;
  return `${name} gives the table that the native ALTER gives`;
}

/** What is compared does not depend on the pace, and the other tests load the machine: no rest for their sake. */
const withoutRests: Partial<MigrationOptions> = {
  latency: null,
  cutover: { ...DEFAULT_OPTIONS.cutover, attemptsMax: 100, pauseFirstMs: 50, pauseMaxMs: 500 },
};

/** How a migration came out. */
export interface CaseMigration {
  /** `swapped`, or the code and the message, of each obstacle if it was refused. */
  readonly ending: string;
  /** Of each table that is changed; none where nothing was started, so that there is nothing to clean up. */
  readonly plans: readonly Plan[];
  /** Whether the writes of the case were made. */
  readonly hasWritten: boolean;
  /** How many times it was ended by the case, and resumed, or lost connections by it. */
  readonly interrupted: number;
}

/** How a migration came out, and what there is in the end. */
export interface MigratedTo<Outcome> extends Pick<CaseMigration, 'ending' | 'hasWritten' | 'interrupted'> {
  readonly outcome: Outcome;
}

/** Where to migrate, and what happens beside. */
export interface CaseMigrating {
  readonly url: string;
  readonly item: Pick<Case, 'chunkRows' | 'cuts' | 'interruptedAt' | 'isAtUsualPace' | 'options' | 'pace' | 'writesAt'>;
  /** One statement, or those of several tables that are swapped together. */
  readonly changes: readonly TableChange[];
  /** Called once, at the event that the case names. */
  readonly write: () => Promise<void>;
  /** Called with the name of each event, and with `ended` when the run is over. */
  readonly onEvent?: (name: string) => void;
}

/** Migrates, and begins the writes at the event that the case names; comes back when both are done. */
export async function migrateDuringWrites(asked: CaseMigrating): Promise<CaseMigration> {
  const { url, item, write, onEvent = (): void => undefined } = asked;
  const { chunkRows, isAtUsualPace = false, writesAt = 'phase-entered:copy' } = item;
  const writing: Promise<void>[] = [];
  const plans: Plan[] = [];
  const interruptions = new Interruptions(item.interruptedAt ?? []);
  await using cuts = await Cuts.between(url, item.cuts ?? []);
  const observer = (event: MigrationEvent): void => {
    interruptions.count();
    const name = event.kind === 'phase-entered' ? `${event.kind}:${event.phase}` : event.kind;
    onEvent(name);
    // A run that was interrupted does not go through all events once more.
    const isLast = (item.interruptedAt ?? item.cuts) !== undefined && name === 'cutover-attempt';
    if (writing.length > 0 || !(name === writesAt || isLast)) return;
    const started = write();
    // It is awaited below, but may fail before.
    started.catch(() => undefined);
    writing.push(started);
  };
  const pace = {
    ...(isAtUsualPace ? {} : withoutRests),
    ...item.pace,
    ...(chunkRows === undefined ? {} : { chunkRowsFirst: chunkRows, chunkRowsMax: chunkRows }),
  };
  const onStart = (_: Plan, members: readonly Plan[]): void => void plans.push(...members);
  const timeout = AbortSignal.timeout(caseTimeoutMs - 20_000);
  const runOnce = async (): Promise<{ readonly rowsRepaired: number }> => {
    const [plan] = plans;
    const how = { url: cuts.url, pace, observer, signal: AbortSignal.any([timeout, interruptions.begin()]) };
    if (plan === undefined) return await startMigration(asked, { ...how, onStart });
    const resumed = await resumeMigration({ ...how, id: plan.id });
    assert(resumed.strategy === 'shadow', 'a case goes by a shadow');
    return { rowsRepaired: sumOfRepaired(resumed.members) };
  };
  const error = await cuts
    .outlast(() => interruptions.outlast(runOnce))
    .then(
      // Verification makes good what the change stream missed, which it must not.
      ({ rowsRepaired }) => (rowsRepaired === 0 ? null : new Error(`${rowsRepaired} rows were repaired`)),
      (thrown: unknown) => thrown,
    );
  onEvent('ended');
  await Promise.all(writing);
  const hasWritten = writing.length > 0;
  const interrupted = interruptions.passed + cuts.passed;
  return { ending: endingText(error), plans, hasWritten, interrupted };
}

async function startMigration(
  { changes, item }: Pick<CaseMigrating, 'changes' | 'item'>,
  how: ServerOptions & RunOptions,
): Promise<{ readonly rowsRepaired: number }> {
  const [first] = changes;
  assert(first !== undefined, 'a case changes a table');
  const asked = changes.map((change) => ({ ...change, ...item.options }));
  if (changes.length > 1) return { rowsRepaired: sumOfRepaired(await migrateFamily({ ...how, changes: asked })) };
  return await migrate({ ...how, strategy: 'shadow', ...first, ...item.options });
}

function sumOfRepaired(results: readonly { readonly rowsRepaired: number }[]): number {
  return results.reduce((sum, { rowsRepaired }) => sum + rowsRepaired, 0);
}

/** Ends the run at its n-th event, for each n of a list, and lets it be resumed. */
class Interruptions {
  readonly #at: number[];
  passed = 0;
  #events = 0;
  #stop = new AbortController();

  constructor(at: readonly number[]) {
    this.#at = [...at];
  }

  /** A new run: its signal. */
  begin(): AbortSignal {
    this.#events = 0;
    this.#stop = new AbortController();
    return this.#stop.signal;
  }

  count(): void {
    this.#events += 1;
    if (this.#events === this.#at[0]) this.#stop.abort(new MigrationError('INTERRUPTED', 'The case ends this run here.'));
  }

  /** Runs it again for as long as it is ended here. */
  async outlast<Result>(run: () => Promise<Result>): Promise<Result> {
    for (;;) {
      try {
        return await run();
      } catch (error) {
        if (!this.#stop.signal.aborted || asMigrationError(error).code !== 'INTERRUPTED') throw error;
        this.#at.shift();
        this.passed += 1;
      }
    }
  }
}

/** Replaces the values of these columns in a row shown as `column='value' …`. */
export function withoutValues(row: string, columns: readonly string[]): string {
  return columns.reduce((text, column) => text.replace(new RegExp(`\\b${column}='[^']*'`), `${column}=…`), row);
}

function endingText(error: unknown): string {
  if (error === null) return 'swapped';
  if (error instanceof PlanRefusedError) {
    return `refused: ${error.obstacles.map(({ code, message }) => `${code}: ${message}`).join(' ')}`;
  }
  const { code, message } = asMigrationError(error);
  return `failed: ${code}: ${message}`;
}

/** Matches a text that has all of these, in any order. */
function allOf(texts: readonly string[]): RegExp {
  return new RegExp(texts.map((text) => `(?=[^]*${text.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)})`).join(''));
}
