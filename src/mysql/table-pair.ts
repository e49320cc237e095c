/** The source and its shadow on MySQL and MariaDB: rows are moved and compared by the server, only keys and checksums come here. */

import { randomBytes } from 'node:crypto';
import { MigrationError } from '../engine/errors.ts';
import type { Plan } from '../engine/model.ts';
import type { CopyResult, KeySpan, RowWriter, TablePair } from '../engine/ports.ts';
import { readTable, type TableDescription } from './catalog.ts';
import { isUnknownTable } from './errors.ts';
import { insertSessions, type WithInsertSession } from './insert-turns.ts';
import { describeKey, keyFromRow } from './key-parts.ts';
import { layoutOf, type PairLayout } from './pair-layout.ts';
import { compareRange, findDifferences, RecentDifferences } from './row-comparison.ts';
import { compareKeysFor } from './row-key-order.ts';
import { rowKey, type KeyColumn } from './row-key.ts';
import * as statements from './row-statements.ts';
import { createRowWriter, insertChecked, type InsertResult, keysPerStatement, type WriterParts } from './row-writer.ts';
import type { Session, SessionPool } from './session.ts';
import { type FinisherOptions, namingBlockers, ShadowFinisher } from './shadow-finisher.ts';
import { checkShadow } from './shadow-watch.ts';
import type { IndexChanges } from './source-indexes.ts';
import { checkSource } from './source-watch.ts';
import { createShadow, isFinished } from './shadow.ts';

/** What a pair is made of. */
export interface PairOptions extends FinisherOptions {
  /** Of the source: see keyColumns in catalog.ts. */
  readonly keyColumns: readonly KeyColumn[];
}

/** A pair whose rows can also be written through a session that holds LOCK TABLES … WRITE on both tables. */
export interface LockablePair extends TablePair {
  /**
   * A writer through this one session, which must be at autocommit = 1 and keeps its locks. All that has to be read beforehand
   * is read when this resolves; its statements name only the two tables, once each and without aliases, and temporary ones.
   */
  prepareWriter(session: Session, signal: AbortSignal): Promise<RowWriter>;
  /** As `checkShadow` of shadow-watch.ts, since this pair first looked. */
  checkShadow(session: Session, changes: IndexChanges, signal: AbortSignal): Promise<boolean>;
  /** Once the shadow is finished: makes it follow what has changed of the source's indexes since. */
  followIndexes(signal: AbortSignal): Promise<void>;
}

/** Reads the source's definition. Rejects with SOURCE_CHANGED if the table is gone. The shadow need not exist yet. */
export async function openTablePair(options: PairOptions, signal: AbortSignal): Promise<LockablePair> {
  const { plan, keyColumns, sessions } = options;
  const source = await sessions.withSession((session) => readTable(session, plan.source, signal), signal);
  if (source === null) throw sourceGone(plan);
  const insertSession = await insertSessions(sessions, signal);
  const withInsertSession: WithInsertSession = (pair, insert, signal) =>
    orSourceGone(plan, () => insertSession(pair, insert, signal));
  const shadow = new ShadowLayout(options, source);
  const withSession: SessionPool['withSession'] = (work, signal) =>
    orSourceGone(plan, () => sessions.withSession(work, signal));
  const finisher = new ShadowFinisher(options);
  const writing: WriterSessions = {
    withSession: (work, signal) => finisher.write(() => withSession(work, signal), signal),
    withInsertSession: (pair, insert, signal) => finisher.write(() => withInsertSession(pair, insert, signal), signal),
  };
  const layout = (signal: AbortSignal): Promise<PairLayout> => shadow.layout(signal);
  const isOneNumber = keyColumns.length === 1 && keyColumns[0]?.kind === 'integer';
  const size = keysPerStatement(
    source,
    keyColumns,
    await sessions.withSession((session) => packetBytes(session, signal), signal),
  );
  const inPlace = isOneNumber ? { isDenied: false } : null;
  const compareKeys = plan.key.isOrderKnown ? compareKeysFor(keyColumns) : undefined;
  return {
    ...createRowWriter({ layout, ...writing, keysPerStatement: size, inPlace }),
    ...rangeMembers(layout, withSession, withInsertSession),
    ...(compareKeys === undefined ? {} : { compareKeys }),
    ...(isOneNumber
      ? { readKeySpan: (signal) => withSession(async (session) => readKeySpan(session, await layout(signal), signal), signal) }
      : {}),
    describeKey: (key) => describeKey(keyColumns, key),
    async prepareWriter(session, signal) {
      const pair = await layout(signal);
      return createRowWriter({
        layout: () => Promise.resolve(pair),
        withSession: (work) => work(session),
        withInsertSession: (_pair, insert) => insert(session),
        keysPerStatement: size,
        inPlace,
      });
    },
    async checkShadow(session, changes, signal) {
      const { shadow: before } = await layout(signal);
      return await checkShadow(session, { plan, before, changes, made: finisher.made }, signal);
    },
    async followIndexes(signal) {
      const hasFollowed = await sessions.withSession(async (session) => {
        const changes = await checkSource(session, plan, signal);
        const now = await readTable(session, plan.shadow, signal);
        return now === null || isFinished(plan, { shadow: now, changes, made: finisher.made });
      }, signal);
      if (!hasFollowed) await finisher.finish(signal);
    },
    async createShadow(signal) {
      shadow.forget();
      await namingBlockers(options, (session) => createShadow(session, plan, signal), signal);
    },
    isFinishedWhileCompared: true,
    async finishShadow(signal) {
      // While indexes are built the server does not tell what the shadow looks like, and those who write have to know.
      await layout(signal);
      await finisher.finish(signal);
    },
  };
}

/** How long a statement may be. Of sessions that are opened from now on, too: their limit is the global one. */
async function packetBytes(session: Session, signal: AbortSignal): Promise<number> {
  const rows = await session.query('SELECT LEAST(@@max_allowed_packet, @@GLOBAL.max_allowed_packet) AS bytes', signal);
  return Number(rows[0]?.['bytes']);
}

function sourceGone({ source }: Plan, cause?: unknown): MigrationError {
  const message = `The table ${source.schema}.${source.table} does not exist any more; give this migration up.`;
  return new MigrationError('SOURCE_CHANGED', message, cause === undefined ? undefined : { cause });
}

/** The statements of a pair name no tables but the source, and the shadow, which has a code of its own. */
async function orSourceGone<Result>(plan: Plan, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    const isOther = error instanceof MigrationError && error.code === 'SHADOW_CHANGED';
    throw isUnknownTable(error) && !isOther ? sourceGone(plan, error) : error;
  }
}

async function readKeySpan(session: Session, layout: PairLayout, signal: AbortSignal): Promise<KeySpan | null> {
  const [row] = await session.query(statements.keyEnds(layout), signal);
  if (row?.['first'] == null || row['last'] == null) return null;
  return {
    first: BigInt(row['first']),
    last: BigInt(row['last']),
    valueOf: BigInt,
    keyAt: (value) => rowKey([String(value)]),
  };
}

type RangeMembers = Pick<
  TablePair,
  'greatestShadowKey' | 'findChunkEnd' | 'copyRange' | 'findSourceKeys' | 'compareRange' | 'findDifferences'
>;

function rangeMembers(
  layout: (signal: AbortSignal) => Promise<PairLayout>,
  withSession: SessionPool['withSession'],
  withInsertSession: WithInsertSession,
): RangeMembers {
  const on = async <Result>(
    work: (session: Session, pair: PairLayout) => Promise<Result>,
    signal: AbortSignal,
  ): Promise<Result> => {
    const pair = await layout(signal);
    return await withSession((session) => work(session, pair), signal);
  };
  const lately = new RecentDifferences();
  return {
    greatestShadowKey: (signal) =>
      on(async (session, pair) => {
        const [row] = await session.query(statements.greatestShadowKey(pair), signal);
        return row === undefined ? null : keyFromRow(pair.key, row);
      }, signal),
    findChunkEnd: (after, limitRows, signal) =>
      on(async (session, pair) => {
        const [row] = await session.query(statements.findChunkEnd(pair, after, limitRows), signal);
        return row === undefined ? null : keyFromRow(pair.key, row);
      }, signal),
    copyRange: async (range, existing, signal): Promise<CopyResult> => {
      const pair = await layout(signal);
      const sql = existing === 'skip' ? statements.copyMissing(pair, range) : statements.copyRange(pair, range);
      const insert = (session: Session): Promise<InsertResult> =>
        insertChecked(session, pair, { sql, listed: { range } }, signal);
      const result = await withInsertSession(pair, insert, signal);
      return result === 'collided' ? { kind: 'collided' } : { kind: 'copied', rows: result.rows };
    },
    findSourceKeys: (range, signal) =>
      on(async (session, pair) => {
        const rows = await session.query(statements.findSourceKeys(pair, range), signal);
        return rows.map((row) => keyFromRow(pair.key, row));
      }, signal),
    compareRange: (range, signal) =>
      on(async (session, pair) => {
        const { isLikely } = lately;
        const comparison = await compareRange(session, pair, { range, isDifferenceLikely: isLikely }, signal);
        lately.observe(comparison);
        return comparison;
      }, signal),
    findDifferences: (range, limitRows, signal) =>
      on((session, pair) => findDifferences(session, pair, { range, limitRows }, signal), signal),
  };
}

type WriterSessions = Pick<WriterParts, 'withSession' | 'withInsertSession'>;

/** The layout of the pair, read when it is first needed: the shadow may have to be created first. */
class ShadowLayout {
  readonly #options: PairOptions;
  readonly #source: TableDescription;
  #layout: PairLayout | null = null;

  constructor(options: PairOptions, source: TableDescription) {
    this.#options = options;
    this.#source = source;
  }

  /** Several callers at once read it several times, which is cheaper than sharing a promise that one of them aborts. */
  async layout(signal: AbortSignal): Promise<PairLayout> {
    if (this.#layout !== null) return this.#layout;
    const { plan, sessions } = this.#options;
    const shadow = await sessions.withSession((session) => readTable(session, plan.shadow, signal), signal);
    if (shadow === null) {
      throw new MigrationError(
        'SHADOW_CHANGED',
        `The shadow ${plan.shadow.schema}.${plan.shadow.table} does not exist; give this migration up and start anew.`,
      );
    }
    this.#layout = layoutOf({ ...this.#options, source: this.#source, shadow, mark: randomBytes(8).toString('hex') });
    return this.#layout;
  }

  /** The shadow is about to be made anew. */
  forget(): void {
    this.#layout = null;
  }
}
