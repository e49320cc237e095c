/** Writing rows into the shadow by key, and judging them: through the pool while copying, through the locked session at the cutover. */

import { MigrationError } from '../engine/errors.ts';
import type { RowKey } from '../engine/model.ts';
import type { RowWriter } from '../engine/ports.ts';
import { explainCollision } from './collision.ts';
import { OWN_SETTINGS } from './conversion-settings.ts';
import type { PairLayout } from './pair-layout.ts';
import { differencesStatement } from './row-comparison.ts';
import { keysFromRows } from './row-key.ts';
import { deleteStatement, insertStatement, keysCondition, upsertStatement } from './row-statements.ts';
import type { Session } from './session.ts';
import { unconvertibleRow } from './unconvertible.ts';

/** Runs work on a session: `SessionPool.withSession`, or on the one session whose transaction holds the locks. */
export type WithSession = <Result>(work: (session: Session) => Promise<Result>, signal: AbortSignal) => Promise<Result>;

/** Where a writer works. Inside the cutover's transaction, what may fail runs behind a savepoint. */
export interface WriterPlace {
  readonly withSession: WithSession;
  readonly isInTransaction: boolean;
  /** Whether the migration key is one whole number. */
  readonly isKeyOneNumber: boolean;
}

/** Statements of this size plan and parse in a few milliseconds. */
const keysPerStatement = 1000;

/** A writer whose every call runs on one session of the place. */
export function createRowWriter(layout: (signal: AbortSignal) => Promise<PairLayout>, place: WriterPlace): RowWriter {
  const writer = createPlainWriter(layout, place);
  if (!place.isKeyOneNumber) return writer;
  return {
    ...writer,
    async upsertRows(keys, signal) {
      if (keys.length === 0) return 'upserted';
      const pair = await layout(signal);
      if (!pair.isUpsertable) {
        await writer.deleteRows(keys, signal);
        return (await writer.insertRows(keys, signal)) === 'collided' ? 'collided' : 'upserted';
      }
      const statement = upsertStatement(pair, keysCondition(pair.key, keys));
      const outcome = await place.withSession((session) => tryInsert(session, pair, { statement, place }, signal), signal);
      return outcome.kind === 'inserted' ? 'upserted' : 'collided';
    },
  };
}

function createPlainWriter(layout: (signal: AbortSignal) => Promise<PairLayout>, place: WriterPlace): RowWriter {
  const { withSession } = place;
  return {
    keysPerStatement,
    async deleteRows(keys, signal) {
      if (keys.length === 0) return;
      const pair = await layout(signal);
      await withSession((session) => session.execute(deleteStatement(pair, keys), signal), signal);
    },
    async insertRows(keys, signal) {
      if (keys.length === 0) return 'inserted';
      const pair = await layout(signal);
      const statement = insertStatement(pair, keysCondition(pair.key, keys), 'collide');
      const result = await withSession((session) => insertChecked(session, pair, { statement, keys, place }, signal), signal);
      return result === 'collided' ? 'collided' : 'inserted';
    },
    async explainCollision(keys, signal) {
      const pair = await layout(signal);
      return await withSession(
        (session) => undone(session, place, () => explainCollision(session, pair, keys, signal)),
        signal,
      );
    },
    async findDifferingRows(keys, signal) {
      if (keys.length === 0) return [];
      const pair = await layout(signal);
      const conditions = { source: keysCondition(pair.key, keys), shadow: keysCondition(pair.shadowKey, keys) };
      const statement = differencesStatement(pair, conditions, 2 * keys.length);
      const compare = (session: Session): ReturnType<Session['query']> => session.query(statement, signal);
      return keysFromRows(
        pair.key,
        await withSession(
          (session) => (place.isInTransaction ? undone(session, place, () => compare(session)) : compare(session)),
          signal,
        ),
      );
    },
  };
}

/** An `INSERT … SELECT`, and the keys that it reads or a way to find them. */
export interface CheckedInsert {
  readonly statement: string;
  readonly keys: readonly RowKey[] | ((signal: AbortSignal) => Promise<readonly RowKey[]>);
  readonly place: Pick<WriterPlace, 'isInTransaction'>;
}

/** Runs it as `tryInsert` does. Rejects with ROW_NOT_CONVERTIBLE, naming the row. */
export async function insertChecked(
  session: Session,
  layout: PairLayout,
  insert: CheckedInsert,
  signal: AbortSignal,
): Promise<{ readonly rows: number } | 'collided'> {
  const outcome = await tryInsert(session, layout, insert, signal);
  if (outcome.kind === 'inserted') return outcome;
  if (outcome.kind === 'collided') return 'collided';
  const keys = typeof insert.keys === 'function' ? await insert.keys(signal) : insert.keys;
  const { cause } = outcome;
  throw await undone(session, insert.place, () => unconvertibleRow(session, layout, { keys, cause }, signal));
}

type InsertOutcome =
  | { readonly kind: 'inserted'; readonly rows: number }
  | { readonly kind: 'collided' }
  /** A value does not fit. */
  | { readonly kind: 'refused'; readonly cause: MigrationError };

/** All of it happens or nothing. Locks the new rows of the shadow. */
async function tryInsert(
  session: Session,
  layout: PairLayout,
  insert: Pick<CheckedInsert, 'statement' | 'place'>,
  signal: AbortSignal,
): Promise<InsertOutcome> {
  try {
    const { statement, place } = insert;
    const { affectedRows } = place.isInTransaction
      ? await executeBehindSavepoint(session, layout, statement, signal)
      : await session.execute(statement, signal);
    return { kind: 'inserted', rows: affectedRows };
  } catch (error) {
    if (!(error instanceof MigrationError)) throw error;
    if (error.code === 'DUPLICATE_KEY') return { kind: 'collided' };
    if (error.code !== 'ROW_NOT_CONVERTIBLE') throw error;
    return { kind: 'refused', cause: error };
  }
}

/**
 * In a transaction a failing statement would end it; behind a savepoint it only undoes itself. One message, for writers wait for this
 * transaction.
 */
async function executeBehindSavepoint(
  session: Session,
  { userSettings }: PairLayout,
  statement: string,
  signal: AbortSignal,
): ReturnType<Session['execute']> {
  const takenBack = userSettings === '' ? [] : [OWN_SETTINGS];
  const statements = ['SAVEPOINT tableshift', statement, 'RELEASE SAVEPOINT tableshift', ...takenBack];
  try {
    return await session.execute(statements.join('; '), signal);
  } catch (error) {
    signal.throwIfAborted();
    await session.execute('ROLLBACK TO SAVEPOINT tableshift', new AbortController().signal);
    throw error;
  }
}

/** Runs work whose writes (temporary tables, tries) are undone afterwards. */
async function undone<Result>(
  session: Session,
  place: Pick<WriterPlace, 'isInTransaction'>,
  work: () => Promise<Result>,
): Promise<Result> {
  const { signal } = new AbortController();
  await session.execute(place.isInTransaction ? 'SAVEPOINT tableshift' : 'BEGIN', signal);
  try {
    return await work();
  } finally {
    await session.execute(place.isInTransaction ? 'ROLLBACK TO SAVEPOINT tableshift' : 'ROLLBACK', signal);
  }
}
