/** The checkpoint of one migration, in the bookkeeping in its database. */

import { failureText } from '../engine/errors.ts';
import type { Checkpoint, MigrationId } from '../engine/model.ts';
import type { NativePlace } from '../engine/native-change.ts';
import type { CheckpointStore } from '../engine/ports.ts';
import { readCheckpoint, recordState, writeCheckpoint } from './bookkeeping.ts';
import type { SessionPool } from './session.ts';

/**
 * Durable on this server (synchronous_commit = local), unless it runs with fsync off. A crash, or a failover to a standby, then
 * loses what was written last and nothing before it: one log has the checkpoints and the rows of the shadow.
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
