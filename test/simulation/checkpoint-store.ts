/** Progress kept on the simulated server. */

import { failureText, MigrationError, type RunFailure } from '../../src/engine/errors.ts';
import type { Checkpoint } from '../../src/engine/model.ts';
import type { CheckpointStore, MigrationState } from '../../src/engine/ports.ts';
import type { Client } from './client.ts';
import type { SimulatedRecord } from './server.ts';

export class SimulatedCheckpointStore implements CheckpointStore {
  readonly #client: Client;

  constructor(client: Client) {
    this.#client = client;
  }

  async load(signal: AbortSignal): Promise<Checkpoint | null> {
    const begin = () => () => this.#record().checkpoint;
    return await this.#client.call({ name: 'load checkpoint', isWrite: false, usesTables: false, begin }, signal);
  }

  async save(checkpoint: Checkpoint, signal: AbortSignal): Promise<void> {
    // What is stored is JSON; a later change of the object by the engine must not reach it.
    const stored = JSON.stringify(checkpoint);
    const begin = () => () => {
      this.#record().checkpoint = JSON.parse(stored) as Checkpoint;
      this.#client.server.judge.checkpointSaved(checkpoint);
    };
    await this.#client.call({ name: `save ${stored}`, isWrite: true, usesTables: false, begin }, signal);
  }

  async conclude(state: MigrationState, failure: RunFailure | null, signal: AbortSignal): Promise<void> {
    const begin = () => () => {
      const record = this.#record();
      this.#client.server.judge.concluded(state);
      record.state = state;
      record.failure = failureText(failure);
    };
    await this.#client.call({ name: `conclude ${state}`, isWrite: true, usesTables: false, begin }, signal);
  }

  #record(): SimulatedRecord {
    const { record } = this.#client.server;
    if (record === null) throw new MigrationError('MIGRATION_NOT_FOUND', 'No such migration is recorded here.');
    return record;
  }
}
