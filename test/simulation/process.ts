/** One run of the tool as the server and the world see it: it can die at any step, and its statements may outlive it. */

import { MigrationError } from '../../src/engine/errors.ts';

export class SimulatedProcess {
  readonly number: number;
  /** False once the process has died: nothing reaches it any more. */
  isAlive = true;
  /** True from its claim until it gives that back. */
  hasClaim = false;
  /** True once the server has ended its sessions for a successor: it gets no new ones. */
  isFenced = false;
  /** Port calls that have neither resolved nor rejected. */
  readonly openCalls = new Set<{ readonly name: string }>();
  readonly #lost = new AbortController();

  constructor(number: number) {
    this.number = number;
  }

  /** The signal of the claim. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  loseClaim(): void {
    this.#lost.abort(new MigrationError('CLAIM_LOST', 'The session that held the claim is gone. Resume the migration.'));
  }
}
