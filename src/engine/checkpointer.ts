/** Saves what a resume may trust, and only then lets the server forget the log up to there (rule 5). */

import type { ChangeReceiver } from './change-receiver.ts';
import type { Checkpoint, Position } from './model.ts';
import type { CheckpointStore } from './ports.ts';
import { retry, type RetryContext } from './retry.ts';
import { Turnstile } from './tasks.ts';

/** A checkpoint and the position whose token it carries, read in one tick. */
export interface Snapshot {
  readonly checkpoint: Checkpoint;
  readonly position: Position;
}

export class Checkpointer {
  readonly #store: CheckpointStore;
  readonly #receiver: ChangeReceiver;
  readonly #snapshot: () => Snapshot;
  readonly #context: RetryContext;
  readonly #turnstile = new Turnstile();

  /** `snapshot` is called in one tick, when a checkpoint is about to be saved. */
  constructor(store: CheckpointStore, receiver: ChangeReceiver, snapshot: () => Snapshot, context: RetryContext) {
    this.#store = store;
    this.#receiver = receiver;
    this.#snapshot = snapshot;
    this.#context = context;
  }

  /**
   * Saves now; durable when it resolves. One that is under way is waited for, but not by who is aborted: the saving at an interval, which
   * may wait for a lock for hours, goes on until the work that it serves has ended.
   */
  async save(signal: AbortSignal): Promise<void> {
    await this.#turnstile.run(async () => {
      const { checkpoint, position } = this.#snapshot();
      await retry('saving a checkpoint', () => this.#store.save(checkpoint, signal), this.#context, signal);
      await retry('acknowledging', () => this.#receiver.stream.acknowledge(position, signal), this.#context, signal);
      this.#context.observer({ kind: 'checkpoint-saved', phase: checkpoint.phase });
    }, signal);
  }

  /** Saves at an interval until the signal aborts. */
  async saveContinuously(intervalMs: () => number, signal: AbortSignal): Promise<void> {
    for (;;) {
      await this.#context.clock.sleep(intervalMs(), signal);
      await this.save(signal);
    }
  }
}
