/**
 * Indexes that somebody adds to the source, or drops from it, while a migration runs: the new table gets the same before the swap. Only
 * plain ones, on which no row depends; whatever else has changed ends the run.
 *
 *   the source has other plain indexes         seen by who watches it: tried on an empty copy, told, nothing is changed
 *   before the shadow is finished, and before each attempt of the cutover:
 *     written down what it is to have          the comment of its schema, in one statement; it counts as unfinished from here on
 *     dropped, built, beside writes            by what is written down, so that another process can go on with it
 *     written down that it is finished         as it is then
 *   under the locks                            the source is compared with what was written down: where it is not that, the swap waits
 */

import type { Plan, TableName } from '../engine/model.ts';
import { sourceChanged } from '../engine/plan-decisions.ts';
import { readAlterClauses } from './alter-clauses.ts';
import { type Index, readTable, type TableDescription } from './catalog.ts';
import { definitionChanges, indexChanges } from './definition-changes.ts';
import { refusalIn, sqlState } from './errors.ts';
import type { Session } from './session.ts';
import {
  bareFingerprint,
  fingerprintOf,
  type Following,
  followingOf,
  indexesOf,
  isMadeFrom,
  isMadeFromBut,
  isPlain,
  makeAltered,
  readUnfinished,
  type Unfinished,
  writeUnfinished,
} from './shadow.ts';
import { quoteName } from './statements.ts';
import { beginTrial } from './transaction.ts';

/** Of a source that somebody alters again and again. */
const READS_MAX = 10;
/** internal_error: what was found in the catalog was gone when it was looked up. */
const goneMeanwhile = 'XX000';

export interface FollowerOptions {
  readonly plan: Plan;
  /** The source as it was when this run began; null where it was another than its shadow was made from. */
  readonly known: () => TableDescription | null;
}

/** What the ALTER makes of a source, as far as it concerns its indexes. */
interface Trial {
  readonly following: Following;
  /** Of all indexes. */
  readonly made: string;
}

/** Follows the plain indexes of one source. */
export class IndexFollower {
  readonly #options: FollowerOptions;
  readonly #told = new Set<string>();
  #listener: (message: string) => void = () => undefined;
  /** Of the source with this fingerprint; null where it cannot be followed. */
  #tried: { readonly fingerprint: string; readonly trial: Trial | null } | null = null;

  constructor(options: FollowerOptions) {
    this.#options = options;
  }

  /** From now on `told` hears what is followed, once, also what was before this call. */
  listen(told: (message: string) => void): void {
    this.#listener = told;
    for (const message of this.#told) told(message);
  }

  /** Whether the source is what the shadow was made from but for what can be followed. The shadow is there; nothing is changed. */
  async canFollow(session: Session, signal: AbortSignal): Promise<boolean> {
    return (await this.#read(session, signal)).followed !== null;
  }

  /**
   * Writes down what the shadow is to have, where the source has got other plain indexes, and gives what is written down. Rejects with
   * SOURCE_CHANGED where it has become anything else. Takes ACCESS SHARE on the source. Safe to repeat.
   */
  async follow(session: Session, signal: AbortSignal): Promise<Unfinished> {
    const { plan, known } = this.#options;
    const { source, unfinished, followed } = await this.#read(session, signal);
    if (followed === null) {
      const changes = source === null ? '' : definitionChanges(known(), source);
      throw sourceChanged(plan, source !== null, 'its shadow was made', changes);
    }
    if (followed !== unfinished) await writeUnfinished(session, plan, followed, signal);
    return followed;
  }

  /**
   * What is written down, how the source is now, which was read behind that, and what is then to be written down. A description that is
   * read while somebody drops an index may be one of no moment at all, so that only one that stays says that it cannot be followed.
   */
  async #read(session: Session, signal: AbortSignal) {
    const { plan } = this.#options;
    const unfinished = await readUnfinished(session, plan, signal);
    let before: string | null = null;
    for (let reads = 1; ; reads++) {
      const source = await readUnlocked(session, plan.source, signal);
      if (source === null) return { source, unfinished, followed: null };
      const followed = await this.#followed(session, { source, unfinished }, signal);
      const fingerprint = fingerprintOf(source);
      if (followed !== null || fingerprint === before || reads === READS_MAX) return { source, unfinished, followed };
      before = fingerprint;
    }
  }

  /** What is to be written down; null where it cannot be followed. */
  async #followed(
    session: Session,
    { source, unfinished }: { readonly source: TableDescription; readonly unfinished: Unfinished },
    signal: AbortSignal,
  ): Promise<Unfinished | null> {
    const { plan, known } = this.#options;
    const before = known();
    if (before !== null && bareFingerprint(before) !== bareFingerprint(source)) return null;
    if (isMadeFrom(unfinished, source)) return unfinished;
    const { following, made } = unfinished;
    if (before === null || following === undefined || made === undefined || !isMadeFromBut(unfinished, source)) return null;
    const trial = await this.#try(session, source, signal);
    if (trial === null || trial.following.copy !== following.copy) return null;
    const { indexes } = trial.following;
    this.#tell(plan, indexChanges(following.indexes, indexes));
    const surplus = [...following.surplus, ...following.indexes].filter((one) => !includes(indexes, one));
    return {
      ...unfinished,
      fingerprint: fingerprintOf(source),
      indexes: [...unfinished.indexes.filter((index) => !isPlain(index)), ...indexes],
      made: { ...made, indexes: trial.made },
      finished: null,
      following: { ...following, indexes, surplus },
    };
  }

  /** Once for each state of the source. */
  async #try(session: Session, source: TableDescription, signal: AbortSignal): Promise<Trial | null> {
    const fingerprint = fingerprintOf(source);
    if (this.#tried?.fingerprint === fingerprint) return this.#tried.trial;
    const trial = await tryAlter(session, this.#options.plan, source, signal);
    this.#tried = { fingerprint, trial };
    return trial;
  }

  #tell({ source }: Plan, changes: string): void {
    const message = `Somebody has changed indexes of ${source.schema}.${source.table}: ${changes}. The new table gets the same before the swap.`;
    if (changes === '' || this.#told.has(message)) return;
    this.#told.add(message);
    this.#listener(message);
  }
}

/** Whether an index of the shadow is one that it is to have no more. */
export function isSurplus(index: Index, following: Following | undefined): boolean {
  if (following === undefined || !isPlain(index) || includes(following.indexes, index)) return false;
  return following.surplus.some(({ name, rest }) => name === index.name && rest === index.rest);
}

/** Whether one is this very index, finished or not. */
function includes(indexes: readonly Index[], index: Index): boolean {
  const text = (one: Index): string => JSON.stringify({ ...one, isValid: true });
  return indexes.some((one) => text(one) === text(index));
}

/** Reads a table that nobody keeps others from altering: the server fails to describe an index that is dropped in this very moment. */
export async function readUnlocked(session: Session, table: TableName, signal: AbortSignal): Promise<TableDescription | null> {
  for (let reads = 1; ; reads++) {
    try {
      return await readTable(session, table, signal);
    } catch (error) {
      if (sqlState(error) !== goneMeanwhile || reads === READS_MAX) throw error;
    }
  }
}

/** Runs the clauses on an empty copy of the source as it is, of which nothing stays; null where the server refuses that. */
async function tryAlter(session: Session, plan: Plan, source: TableDescription, signal: AbortSignal): Promise<Trial | null> {
  const schema = `${plan.shadow.schema}_trial_${session.pid}`;
  const reading = readAlterClauses(plan.clauses);
  await using _ = await beginTrial(session, signal);
  try {
    await session.execute(`CREATE SCHEMA ${quoteName(schema)}`, signal);
    const { definition } = await makeAltered(session, source, { schema, reading }, signal);
    const following = followingOf(source, definition);
    // Its own place in a definition would be another one in the shadow.
    if (following === undefined || JSON.stringify(following.indexes).includes(schema)) return null;
    return { following, made: indexesOf(definition) };
  } catch (error) {
    signal.throwIfAborted();
    if (refusalIn(error) === null) throw error;
    return null;
  }
}

/**
 * What of the source's indexes keeps its new table away, a clause for each thing: one that may be valid in a moment, or those that the new
 * table is to get before the next attempt. None where indexes are not followed.
 */
export function unreadyIndexes(source: TableDescription, unfinished: Unfinished): readonly string[] {
  if (unfinished.following === undefined) return [];
  const name = `${source.schema}.${source.table}`;
  const built = source.indexes.filter(({ isValid }) => !isValid);
  const isReady = unfinished.finished !== null && (isMadeFrom(unfinished, source) || !isMadeFromBut(unfinished, source));
  return [
    ...built.map((index) => `The index ${index.name} of ${name} is being built or was left invalid: wait for it, or drop it`),
    ...(isReady
      ? []
      : [`Indexes of ${name} were added or dropped meanwhile: its new table gets the same before the next attempt`]),
  ];
}
