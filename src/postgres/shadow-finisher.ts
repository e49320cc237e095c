/**
 * The indexes of a shadow that are made after rows are in it: the migration key as soon as anything but copying needs it, the others
 * when everything is copied. What each is, the schema's comment says (shadow.ts).
 */

import { MigrationError } from '../engine/errors.ts';
import type { Plan } from '../engine/model.ts';
import { followSignal, runTogether, Turnstile } from '../engine/tasks.ts';
import { type Index, readTable } from './catalog.ts';
import { indexMarks, indexProperties, indexStatement } from './create-statement.ts';
import { type IndexFollower, isSurplus } from './followed-indexes.ts';
import { buildPartitionedIndex, indexState } from './partitioned-shadow.ts';
import { type Session, type SessionPool, usualLockTimeoutMs, withSettings } from './session.ts';
import { type LateKey, readUnfinished, type Unfinished } from './shadow.ts';
import { noteFinished } from './shadow-watch.ts';
import { quoteName, quoteTable, quoteText } from './statements.ts';
import { inTransaction } from './transaction.ts';

export interface FinisherOptions {
  readonly plan: Plan;
  readonly sessions: Pick<SessionPool, 'withSession'>;
  /** Whether each is built by one process of the server. */
  readonly isGentle: () => boolean;
  /** ROWS_WITHOUT_KEY_MAX when it is not given. */
  readonly rowsWithoutKeyMax?: number;
  /** The shadow has got an index, by which collisions are judged from here on. */
  readonly onMade: () => void;
  /** Where it is given, the shadow gets what the source's indexes have become. */
  readonly follower?: Pick<IndexFollower, 'follow'> | undefined;
}

/** The key of so many rows is made in ten seconds or so. Changes that come in meanwhile have to wait for it. */
const ROWS_WITHOUT_KEY_MAX = 20_000_000;

/**
 * While nobody writes the source, nobody writes the shadow but the copy, whose ranges do not meet: rows go in without the key at half
 * of the price, and with half of the log that the server decodes for us. An index, too, is then built in one pass, which keeps
 * writers waiting; the first of them ends that, and what is missing is built beside writes. The key and another are built side by side.
 */
export class ShadowFinisher {
  readonly #options: FinisherOptions;
  /** Of those who want the key. */
  readonly #turn = new Turnstile();
  /** `unknown`: the shadow says. */
  #key: 'there' | 'left out' | 'unknown' = 'unknown';
  #rowsWithoutKey = 0;
  /** Ends the builds that keep writers waiting. */
  #build: AbortController | null = null;

  constructor(options: FinisherOptions) {
    this.#options = options;
  }

  /** Of a shadow that was just made. */
  begin({ hasKey }: { readonly hasKey: boolean }): void {
    this.#key = hasKey ? 'there' : 'left out';
  }

  /** Copies a range, without the key where no row of it can be there already. */
  async copy<Result extends { readonly rows: number } | 'collided'>(
    { existing, work }: { readonly existing: 'collide' | 'skip'; readonly work: () => Promise<Result> },
    signal: AbortSignal,
  ): Promise<Result> {
    const { rowsWithoutKeyMax = ROWS_WITHOUT_KEY_MAX } = this.#options;
    const isFew = this.#rowsWithoutKey < rowsWithoutKeyMax;
    const mayGoWithout = existing === 'collide' && this.#key === 'left out' && isFew;
    if (!mayGoWithout) await this.makeKey(signal);
    const result = await work();
    if (mayGoWithout && result !== 'collided') this.#rowsWithoutKey += result.rows;
    return result;
  }

  /** The key is there when this resolves. Waits for chunks that are being copied, and lets others wait. Safe to repeat. */
  async makeKey(signal: AbortSignal): Promise<void> {
    if (this.#key === 'there') return;
    await this.#turn.run(async () => {
      if (this.#key === 'there') return;
      this.#key = 'unknown';
      await this.#withBuildSettings((session) => makeKey(session, this.#options.plan, signal), signal);
      this.#options.onMade();
      this.#key = 'there';
    }, signal);
  }

  /** Writes rows by their key. */
  async write<Result>(work: () => Promise<Result>, signal: AbortSignal): Promise<Result> {
    this.#build?.abort(writerCame);
    await this.makeKey(signal);
    this.#build?.abort(writerCame);
    return await work();
  }

  /**
   * Builds what was left out, then gathers statistics. One that was left half-built is dropped first. An index that is built beside
   * writes waits for transactions that are older than it, without a limit but the signal. VACUUM takes SHARE UPDATE EXCLUSIVE on
   * the shadow. Safe to repeat.
   */
  async finish(signal: AbortSignal): Promise<void> {
    const { plan, isGentle, onMade } = this.#options;
    await this.#follow(signal);
    const makeKey = (inner: AbortSignal): Promise<void> => this.makeKey(inner);
    const buildOthers = (inner: AbortSignal): Promise<void> => this.#buildUntilWritten(inner);
    if (isGentle()) await makeKey(signal);
    await runTogether([makeKey, buildOthers], signal);
    await this.#withBuildSettings(async (session) => {
      await buildBesideWrites(session, plan, signal);
      onMade();
      await session.execute(`VACUUM (ANALYZE) ${quoteTable(plan.shadow)}`, signal);
      await noteFinished(session, plan, signal);
    }, signal);
  }

  /**
   * Finishes it again where indexes of the source have come or gone since, all of it beside writes. For the planner: what an expression
   * gives is counted by ANALYZE alone. Safe to repeat.
   */
  async finishAnew(signal: AbortSignal): Promise<void> {
    const { plan, onMade } = this.#options;
    const unfinished = await this.#follow(signal);
    if (unfinished?.finished !== null) return;
    await this.#withBuildSettings(async (session) => {
      await buildBesideWrites(session, plan, signal);
      onMade();
      await session.execute(`ANALYZE ${quoteTable(plan.shadow)}`, signal);
      await noteFinished(session, plan, signal);
    }, signal);
  }

  async #follow(signal: AbortSignal): Promise<Unfinished | null> {
    const { sessions, follower } = this.#options;
    if (follower === undefined) return null;
    return await sessions.withSession((session) => follower.follow(session, signal), signal);
  }

  /** All of them, until a writer comes; of the one that is then being built nothing is left. */
  async #buildUntilWritten(signal: AbortSignal): Promise<void> {
    const { plan } = this.#options;
    const build = new AbortController();
    const stop = followSignal(signal, build);
    this.#build = build;
    try {
      await this.#withBuildSettings(async (session) => {
        for (const index of await missingIndexes(session, plan, signal)) {
          await session.execute(tablespaceStatement(index), build.signal);
          await session.execute(indexStatement(index, quoteTable(plan.shadow)), build.signal);
        }
      }, signal);
    } catch (error) {
      if (error !== writerCame) throw error;
    } finally {
      this.#build = null;
      stop();
    }
  }

  async #withBuildSettings(work: (session: Session) => Promise<void>, signal: AbortSignal): Promise<void> {
    const { sessions, isGentle } = this.#options;
    await sessions.withSession(async (session) => {
      const settings = ['SET lock_timeout = 0', ...(isGentle() ? ['SET max_parallel_maintenance_workers = 0'] : [])];
      const restore = `SET lock_timeout = ${usualLockTimeoutMs}; SET default_tablespace = ''; RESET max_parallel_maintenance_workers`;
      await withSettings(session, { set: settings.join('; '), restore }, () => work(session), signal);
    }, signal);
  }
}

const writerCame = new MigrationError('INTERRUPTED', 'The shadow is to be written, so this build of an index was ended.');

/** Takes SHARE on the shadow, and ACCESS EXCLUSIVE for a moment in the end. All of it happens or nothing. */
async function makeKey(session: Session, plan: Plan, signal: AbortSignal): Promise<void> {
  const { schema } = plan.shadow;
  if ((await indexState(session, { schema, table: plan.key.shadowIndex }, signal)) !== 'missing') return;
  const { key } = await readUnfinished(session, plan, signal);
  if (key === undefined) return;
  const make = async (): Promise<void> => {
    for (const statement of keyStatements(key, plan)) await session.execute(statement, signal);
  };
  try {
    await inTransaction(session, make, signal);
  } catch (error) {
    if (!(error instanceof MigrationError) || error.code !== 'DUPLICATE_KEY') throw error;
    const message = `Somebody else has written to the shadow ${plan.shadow.schema}.${plan.shadow.table}: ${error.message}`;
    throw new MigrationError('SHADOW_CHANGED', message, { cause: error });
  }
}

/** Those of a shadow without partitions of which there is nothing yet. */
async function missingIndexes(session: Session, plan: Plan, signal: AbortSignal): Promise<readonly Index[]> {
  const table = await readTable(session, plan.shadow, signal);
  if (table?.kind === 'p') return [];
  const { indexes } = await readUnfinished(session, plan, signal);
  return indexes.filter((index) => table?.indexes.every(({ name }) => name !== index.name) === true);
}

/** Drops what is no more to be there, builds what is not there, and gives all of them what they have beside their definition. */
async function buildBesideWrites(session: Session, plan: Plan, signal: AbortSignal): Promise<void> {
  const { shadow } = plan;
  const { indexes, partitionIndexes = [], following } = await readUnfinished(session, plan, signal);
  const table = await readTable(session, shadow, signal);
  const isPartitioned = table?.kind === 'p';
  for (const index of table?.indexes ?? []) {
    if (isSurplus(index, following)) await session.execute(dropStatement(index, plan), signal);
  }
  for (const index of indexes) {
    await session.execute(tablespaceStatement(index), signal);
    if (isPartitioned) {
      await buildPartitionedIndex(session, { shadow, index, parts: partitionIndexes }, signal);
      continue;
    }
    const state = await indexState(session, { schema: shadow.schema, table: index.name }, signal);
    if (state === 'half-built') await session.execute(dropStatement(index, plan), signal);
    if (state !== 'whole') await session.execute(indexStatement(index, quoteTable(shadow), 'CONCURRENTLY '), signal);
    for (const statement of detailStatements(index, plan)) await session.execute(statement, signal);
  }
}

function keyStatements({ index, constraint }: LateKey, plan: Plan): readonly string[] {
  const shadow = quoteTable(plan.shadow);
  const name = quoteName(index.name);
  const kind = index.isPrimary ? 'PRIMARY KEY' : 'UNIQUE';
  return [
    tablespaceStatement(index, 'LOCAL '),
    indexStatement(index, shadow),
    ...(constraint === null ? [] : [`ALTER TABLE ${shadow} ADD CONSTRAINT ${name} ${kind} USING INDEX ${name}`]),
    ...(constraint?.comment == null ? [] : [`COMMENT ON CONSTRAINT ${name} ON ${shadow} IS ${quoteText(constraint.comment)}`]),
    ...detailStatements({ ...index, options: [] }, plan),
  ];
}

/** What an index has beside its definition. */
function detailStatements(index: Index, { shadow }: Plan): readonly string[] {
  return [...indexProperties({ ...index, tablespace: null }, shadow.schema), ...indexMarks(index, quoteTable(shadow))];
}

function dropStatement({ name }: Index, { shadow: { schema } }: Plan): string {
  return `DROP INDEX CONCURRENTLY ${quoteTable({ schema, table: name })}`;
}

/** In a transaction, for as long as that lasts. */
function tablespaceStatement({ tablespace }: Index, how: '' | 'LOCAL ' = ''): string {
  return `SET ${how}default_tablespace = ${quoteText(tablespace ?? '')}`;
}
