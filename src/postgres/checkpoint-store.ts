/** The checkpoint of one migration, in the bookkeeping in its database. */

import type { Checkpoint, MigrationId } from '../engine/model.ts';
import type { CheckpointStore } from '../engine/ports.ts';
import { readCheckpoint, recordState, writeCheckpoint } from './bookkeeping.ts';
import type { SessionPool } from './session.ts';

/**
 * Durable on this server (synchronous_commit = local), unless it runs with fsync off. A crash, or a failover to a standby, then
 * loses what was written last and nothing before it: one log has the checkpoints and the rows of the shadow.
 */
export function createCheckpointStore(pool: SessionPool, id: MigrationId): CheckpointStore {
  return {
    load: (signal) => pool.withSession((session) => readCheckpoint(session, id, signal), signal),
    save: (checkpoint: Checkpoint, signal) =>
      pool.withSession((session) => writeCheckpoint(session, id, checkpoint, signal), signal),
    conclude: (state, failure, signal) =>
      pool.withSession((session) => recordState(session, id, { state, failure }, signal), signal),
  };
}
