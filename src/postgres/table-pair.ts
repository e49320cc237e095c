/** The source and its shadow: walking, copying and comparing ranges, each in one statement without a lock on the source. */

import { MigrationError, type ErrorCode } from '../engine/errors.ts';
import type { KeyRange, Plan, RowKey, TableName } from '../engine/model.ts';
import type { KeySpan, RowWriter, TablePair } from '../engine/ports.ts';
import type { RowSettings } from './conversion-settings.ts';
import { sqlState } from './errors.ts';
import type { IndexFollower } from './followed-indexes.ts';
import { type PairLayout, readPairLayout } from './pair-layout.ts';
import { compareRange, findDifferences } from './row-comparison.ts';
import { describeKey, type KeyColumn, keysFromRows, rowKey } from './row-key.ts';
import { compareKeysFor, isWholeNumber } from './row-key-order.ts';
import {
  chunkEndStatement,
  greatestShadowKeyStatement,
  keyEndsStatement,
  insertStatement,
  rangeCondition,
  sourceKeysStatement,
} from './row-statements.ts';
import { createRowWriter, insertChecked, type WriterPlace } from './row-writer.ts';
import type { Row, Session, SessionPool } from './session.ts';
import { ShadowFinisher } from './shadow-finisher.ts';
import { createShadow, readUnfinished } from './shadow.ts';
import { checkShadow } from './shadow-watch.ts';

export interface TablePairOptions {
  readonly plan: Plan;
  /** The key columns of the source. */
  readonly keyColumns: readonly KeyColumn[];
  readonly sessions: PairSessions;
  readonly conversionSettings: RowSettings;
  /** Whether indexes are built by one process of the server. */
  readonly isGentle?: () => boolean;
  /** So many rows are copied before the shadow has its key; some millions when it is not given. */
  readonly rowsWithoutKeyMax?: number;
  /** Where it is given, the shadow gets what the source's indexes have become. */
  readonly follower?: IndexFollower;
}

type PairSessions = Pick<SessionPool, 'withSession'>;

/** A pair with the writer that the cutover needs: the same statements through the session whose transaction holds the locks. */
export interface PostgresTablePair extends TablePair {
  lockedWriter(session: Session): RowWriter;
  /** As `finishShadow`, once more, where indexes of the source have come or gone since. Nobody who writes waits for it. Safe to repeat. */
  finishAnew(signal: AbortSignal): Promise<void>;
}

/** Opens the pair. The shadow need not exist yet. */
export function openTablePair(options: TablePairOptions): PostgresTablePair {
  const { plan, keyColumns, isGentle = () => false } = options;
  const bare = namingSource(options.sessions, plan.source);
  const sessions = askingAfterShadow(bare, plan);
  const layout = layoutOnce({ ...options, sessions });
  const finisher = new ShadowFinisher({ ...options, sessions, isGentle, onMade: layout.forget });
  const isKeyOneNumber = isWholeNumber(keyColumns);
  const place: WriterPlace = {
    withSession: (work, signal) => sessions.withSession(work, signal),
    isInTransaction: false,
    isKeyOneNumber,
  };
  const query = (statement: string, signal: AbortSignal) =>
    sessions.withSession((session) => session.query(statement, signal), signal);
  const readKeySpan = async (signal: AbortSignal): Promise<KeySpan | null> =>
    spanOf((await query(keyEndsStatement(await layout.read(signal)), signal))[0]);
  const findSourceKeys = async (range: KeyRange, signal: AbortSignal): Promise<readonly RowKey[]> => {
    const pair = await layout.read(signal);
    return keysFromRows(pair.key, await query(sourceKeysStatement(pair, range), signal));
  };
  /** For what goes by the key of the shadow. */
  const readWithKey = async (signal: AbortSignal): Promise<PairLayout> => {
    await finisher.makeKey(signal);
    return await layout.read(signal);
  };
  const compareKeys = plan.key.isOrderKnown ? compareKeysFor(keyColumns) : undefined;
  return {
    ...announced(createRowWriter(readWithKey, place), finisher),
    ...(compareKeys === undefined ? {} : { compareKeys }),
    ...(isKeyOneNumber ? { readKeySpan } : {}),
    lockedWriter(session) {
      // Another session would wait for the locks that this one holds.
      const read = (signal: AbortSignal): Promise<PairLayout> => layout.readBy((work) => work(session), signal);
      return createRowWriter(read, { withSession: (work) => work(session), isInTransaction: true, isKeyOneNumber });
    },
    async createShadow(signal) {
      layout.forget();
      finisher.begin(await bare.withSession((session) => createShadow(session, plan, signal), signal));
    },
    // Before the VACUUM each row of the shadow costs more to read, which takes what is gained.
    isFinishedWhileCompared: false,
    finishShadow: (signal) => finisher.finish(signal),
    finishAnew: (signal) => finisher.finishAnew(signal),
    async greatestShadowKey(signal) {
      const pair = await readWithKey(signal);
      return keysFromRows(pair.shadowKey, await query(greatestShadowKeyStatement(pair), signal))[0] ?? null;
    },
    async findChunkEnd(after, limitRows, signal) {
      const pair = await layout.read(signal);
      return keysFromRows(pair.key, await query(chunkEndStatement(pair, after, limitRows), signal))[0] ?? null;
    },
    async copyRange(range, existing, signal) {
      const copy = async (): Promise<{ readonly rows: number } | 'collided'> => {
        const pair = await layout.read(signal);
        const statement = insertStatement(pair, rangeCondition(pair.key, range), existing);
        const insert = { statement, keys: (inner: AbortSignal) => findSourceKeys(range, inner), place };
        return await sessions.withSession((session) => insertChecked(session, pair, insert, signal), signal);
      };
      const result = await finisher.copy({ existing, work: copy }, signal);
      return result === 'collided' ? { kind: 'collided' } : { kind: 'copied', rows: result.rows };
    },
    findSourceKeys,
    async compareRange(range, signal) {
      const pair = await readWithKey(signal);
      return await sessions.withSession((session) => compareRange(session, pair, range, signal), signal);
    },
    async findDifferences(range, limitRows, signal) {
      const pair = await readWithKey(signal);
      return await sessions.withSession((session) => findDifferences(session, pair, { range, limitRows }, signal), signal);
    },
    describeKey: (key) => describeKey(keyColumns, key),
  };
}

/** What `keyEndsStatement` gives; null where the table is empty. */
function spanOf(ends: Row | undefined): KeySpan | null {
  if (ends?.['first'] == null || ends['last'] == null) return null;
  return {
    first: BigInt(ends['first']),
    last: BigInt(ends['last']),
    valueOf: (key) => BigInt(key.slice(1, -1)),
    keyAt: (value) => rowKey([String(value)]),
  };
}

/** A writer whose writes are known to what builds indexes. */
function announced(writer: RowWriter, finisher: ShadowFinisher): RowWriter {
  const upsertRows = writer.upsertRows?.bind(writer);
  return {
    ...writer,
    deleteRows: (keys, signal) => finisher.write(() => writer.deleteRows(keys, signal), signal),
    insertRows: (keys, signal) => finisher.write(() => writer.insertRows(keys, signal), signal),
    ...(upsertRows === undefined
      ? {}
      : { upsertRows: (keys, signal) => finisher.write(() => upsertRows(keys, signal), signal) }),
  };
}

/** What the server says is gone, a column for instance, it says without its table. */
function namingSource(sessions: PairSessions, { schema, table }: TableName): PairSessions {
  return {
    async withSession(work, signal) {
      try {
        return await sessions.withSession(work, signal);
      } catch (error) {
        const isByServer = error instanceof MigrationError && error.code === 'SOURCE_CHANGED' && error.cause !== undefined;
        // Looking for the row at fault may work on a session within another one.
        if (!isByServer || error.cause instanceof MigrationError) throw error;
        throw new MigrationError('SOURCE_CHANGED', `The table ${schema}.${table} has changed. ${error.message}`, {
          cause: error,
        });
      }
    },
  };
}

/**
 * What the server cannot do with the shadow, or with a row of the source in it, it says in many ways where somebody has made another table
 * of the shadow. So that is asked then.
 */
function askingAfterShadow(sessions: PairSessions, plan: Plan): PairSessions {
  return {
    async withSession(work, signal) {
      try {
        return await sessions.withSession(work, signal);
      } catch (error) {
        if (!(error instanceof MigrationError) || !toldOfShadow.has(error.code) || sqlState(error) === null) throw error;
        const look = async (session: Session): Promise<void> =>
          await checkShadow(session, plan, await readUnfinished(session, plan, signal), signal);
        const fault: unknown = await sessions.withSession(look, signal).catch((cause: unknown) => cause);
        if (!(fault instanceof MigrationError) || fault.code !== 'SHADOW_CHANGED') throw error;
        throw new MigrationError('SHADOW_CHANGED', fault.message, { cause: error });
      }
    },
  };
}

const toldOfShadow: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'INTERNAL',
  'SOURCE_CHANGED',
  'ROW_NOT_CONVERTIBLE',
  'OBJECT_NEEDED',
]);

/** The layout is read when it is first needed, and again after the shadow was made anew or has got an index. */
function layoutOnce(pair: Pick<TablePairOptions, 'plan' | 'conversionSettings' | 'sessions'>) {
  let known: PairLayout | null = null;
  let version = 0;
  const readBy = async (withSession: WriterPlace['withSession'], signal: AbortSignal): Promise<PairLayout> => {
    if (known !== null) return known;
    const asked = version;
    const layout = await withSession((session) => readPairLayout(session, pair, signal), signal);
    if (asked === version) known = layout;
    return layout;
  };
  return {
    readBy,
    read: (signal: AbortSignal) => readBy((work) => pair.sessions.withSession(work, signal), signal),
    forget: (): void => {
      known = null;
      version += 1;
    },
  };
}
