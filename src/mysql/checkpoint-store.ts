/** The checkpoint of one migration, in the bookkeeping on the server. */

import { failureText } from '../engine/errors.ts';
import type { Checkpoint, MigrationId } from '../engine/model.ts';
import type { NativePlace } from '../engine/native-change.ts';
import type { CheckpointStore } from '../engine/ports.ts';
import { readCheckpoint, recordState, writeCheckpoint } from './bookkeeping.ts';
import type { SessionPool } from './session.ts';

/**
 * Durable as far as the server makes commits durable: with innodb_flush_log_at_trx_commit other than 1 a crash may lose the
 * last checkpoints, but then with them, not before them, whatever was written to the shadow after them: one log has both.
 */
export function createCheckpointStore<Saved extends Checkpoint | NativePlace = Checkpoint>(
  pool: SessionPool,
  id: MigrationId,
): CheckpointStore<Saved> {
  return {
    load: (signal) => pool.withSession((session) => readCheckpoint<Saved>(session, id, signal), signal),
    save: (saved, signal) => pool.withSession((session) => writeCheckpoint(session, id, saved, signal), signal),
    conclude: (state, failure, signal) =>
      pool.withSession((session) => recordState(session, id, { state, failure: failureText(failure) }, signal), signal),
  };
}
