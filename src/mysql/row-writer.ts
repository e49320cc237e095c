/** Writing rows into the shadow by key, and judging them: through the pool while copying, through the locked session at the cutover. */

import { MigrationError, unlessDenied } from '../engine/errors.ts';
import type { RowWriter } from '../engine/ports.ts';
import type { TableDescription } from './catalog.ts';
import { withSettings } from './client-settings.ts';
import { explainCollision } from './collision.ts';
import type { WithInsertSession } from './insert-turns.ts';
import type { PairLayout } from './pair-layout.ts';
import { differingRows } from './row-comparison.ts';
import type { KeyColumn } from './row-key.ts';
import { deleteRows, insertRows, type Listed, upsertRows } from './row-statements.ts';
import { restoreSession } from './session-restore.ts';
import type { Session } from './session.ts';
import { serverMessage, unconvertibleRow, valueWarning } from './unconvertible.ts';

/** Runs work on a session: `SessionPool.withSession`, or on the one session that holds the locks. */
export type WithSession = <Result>(work: (session: Session) => Promise<Result>, signal: AbortSignal) => Promise<Result>;

/** Measured: 1000 keys come within 20 % of the rate of 5000, and hold their locks for a fifth of the time. */
const KEYS_PER_STATEMENT_MAX = 1000;
/** Of keys, however much more the server takes. */
const KEY_BYTES_MAX = 2 * 1024 * 1024;
/** Of max_allowed_packet, as a comparison has the keys twice, and half of it is for the other text (obstacles-packet.ts). */
export const SHARE_OF_KEYS = 1 / 4;

/** How many keys of this width one statement takes, of `packetBytes` at most. */
export function keysPerStatement(source: TableDescription, key: readonly KeyColumn[], packetBytes: number): number {
  const fitting = Math.floor(Math.min(KEY_BYTES_MAX, packetBytes * SHARE_OF_KEYS) / keyBytesMax(source, key));
  return Math.max(1, Math.min(KEYS_PER_STATEMENT_MAX, fitting));
}

/** How long a key may be in a statement. */
export function keyBytesMax(source: TableDescription, key: readonly KeyColumn[]): number {
  const bytes = key.map((column) => {
    const octets = source.columns.find(({ name }) => name === column.name)?.octetLength ?? 0;
    // Text and binary are written in hexadecimal, and the text of a recollated key twice; all others in at most 90 characters.
    if (octets === 0) return 90;
    return column.kind === 'text' ? 4 * octets + 90 : 2 * octets + 20;
  });
  return bytes.reduce((sum, one) => sum + one, 0);
}

/** What a writer works with. */
export interface WriterParts {
  readonly layout: (signal: AbortSignal) => Promise<PairLayout>;
  readonly withSession: WithSession;
  readonly withInsertSession: WithInsertSession;
  readonly keysPerStatement: number;
  /** Null where the migration key is not one whole number. */
  readonly inPlace: InPlace | null;
}

/** What is known about changing rows in place. One for all writers of a pair. */
export interface InPlace {
  /** Whether it was denied: it takes the privilege UPDATE, which the user need not have. */
  isDenied: boolean;
}

/**
 * A writer whose every call runs on one session of `withSession`. The session must be at autocommit = 1; table locks that it
 * holds are kept.
 */
export function createRowWriter(parts: WriterParts): RowWriter {
  const writer = createPlainWriter(parts);
  const { inPlace, layout, withInsertSession } = parts;
  if (inPlace === null) return writer;
  return {
    ...writer,
    async upsertRows(keys, signal) {
      if (keys.length === 0) return 'upserted';
      const pair = await layout(signal);
      if (pair.isUpsertable && !inPlace.isDenied) {
        const upsert = (session: Session): Promise<InsertOutcome | null> =>
          unlessDenied(() => tryInsert(session, pair, upsertRows(pair, keys), signal), null);
        const outcome = await withInsertSession(pair, upsert, signal);
        if (outcome !== null) return outcome.kind === 'inserted' ? 'upserted' : 'collided';
        inPlace.isDenied = true;
      }
      await writer.deleteRows(keys, signal);
      return (await writer.insertRows(keys, signal)) === 'collided' ? 'collided' : 'upserted';
    },
  };
}

function createPlainWriter({ layout, withSession, withInsertSession, keysPerStatement }: WriterParts): RowWriter {
  return {
    keysPerStatement,
    async deleteRows(keys, signal) {
      if (keys.length === 0) return;
      const pair = await layout(signal);
      const run = (session: Session): Promise<unknown> => session.execute(deleteRows(pair, keys), signal);
      const { computing, isComputingOnDelete } = pair;
      await withSession(
        (session) => (isComputingOnDelete ? withSettings(session, computing, () => run(session), signal) : run(session)),
        signal,
      );
    },
    async insertRows(keys, signal) {
      if (keys.length === 0) return 'inserted';
      const pair = await layout(signal);
      const insert = (session: Session): Promise<InsertResult> =>
        insertChecked(session, pair, { sql: insertRows(pair, keys), listed: { keys } }, signal);
      return (await withInsertSession(pair, insert, signal)) === 'collided' ? 'collided' : 'inserted';
    },
    async explainCollision(keys, signal) {
      const pair = await layout(signal);
      return await withSession((session) => explainCollision(session, pair, keys, signal), signal);
    },
    async findDifferingRows(keys, signal) {
      if (keys.length === 0) return [];
      const pair = await layout(signal);
      return await withSession((session) => differingRows(session, pair, keys, signal), signal);
    },
  };
}

export type InsertResult = { readonly rows: number } | 'collided';

/** An `INSERT … SELECT` and the rows of the source that it reads. */
export interface CheckedInsert {
  readonly sql: string;
  readonly listed: Listed;
}

/** Runs an `INSERT … SELECT` as `tryInsert` does. Rejects with ROW_NOT_CONVERTIBLE, naming the row. */
export async function insertChecked(
  session: Session,
  layout: PairLayout,
  { sql, listed }: CheckedInsert,
  signal: AbortSignal,
): Promise<InsertResult> {
  const outcome = await tryInsert(session, layout, sql, signal);
  if (outcome.kind === 'inserted') return outcome;
  if (outcome.kind === 'collided') return 'collided';
  throw await unconvertibleRow(session, layout, { listed, ...outcome }, signal);
}

type InsertOutcome =
  | { readonly kind: 'inserted'; readonly rows: number }
  | { readonly kind: 'collided' }
  /** What the server said of a value, as an error or as a warning. */
  | { readonly kind: 'refused'; readonly said: string; readonly cause?: unknown };

/**
 * Runs an `INSERT … SELECT` and commits it only when the server had nothing to say about the values. All of it happens or nothing.
 *
 * Locks the new rows of the shadow until the end. Where the server could have something to say of a value that it takes, or
 * computes some, `SET autocommit = 0` begins a transaction and `= 1` commits it, because START TRANSACTION would let go of LOCK
 * TABLES; the settings for computing come and go with it.
 */
async function tryInsert(session: Session, layout: PairLayout, sql: string, signal: AbortSignal): Promise<InsertOutcome> {
  const isAtOnce = layout.isWithoutNotes;
  const { begin, end } = layout.computing;
  const commit = `SET ${end}, autocommit = 1`;
  try {
    if (!isAtOnce) await session.execute(`SET ${begin}, autocommit = 0`, signal);
    const { affectedRows, warnings } = await session.execute(sql, signal);
    const said = await valueWarning(session, warnings, signal);
    if (said === null) {
      if (!isAtOnce) await session.execute(commit, signal);
      return { kind: 'inserted', rows: affectedRows };
    }
    if (!isAtOnce) await restoreSession(session, ['ROLLBACK', commit]);
    return { kind: 'refused', said };
  } catch (error) {
    if (!isAtOnce) await restoreSession(session, ['ROLLBACK', commit]);
    if (!(error instanceof MigrationError)) throw error;
    if (error.code === 'DUPLICATE_KEY') return { kind: 'collided' };
    if (error.code !== 'ROW_NOT_CONVERTIBLE') throw error;
    return { kind: 'refused', said: serverMessage(error), cause: error };
  }
}
