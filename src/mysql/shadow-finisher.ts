/** What the definition of a shadow waits for: writes that outgrow the build of its indexes, and locks of others such as a backup's. */

import { inTheWay, MigrationError } from '../engine/errors.ts';
import type { Plan } from '../engine/model.ts';
import { Condition } from '../engine/tasks.ts';
import type { Flavour } from './flavour.ts';
import { findForeignHolders } from './lock-holders.ts';
import type { Session, SessionPool } from './session.ts';
import { finishShadow, type MadeIndexes, withBuildSettings } from './shadow.ts';

export interface FinisherOptions {
  readonly plan: Plan;
  readonly sessions: SessionPool;
  readonly flavour: Flavour;
  /** Whether indexes are built by one thread of the server. */
  readonly isGentle?: () => boolean;
}

/**
 * Finishes the shadow. An index build keeps what is written meanwhile in a log of the server, which has a limit; where that was
 * reached, the next build has the shadow to itself, and whoever writes to it waits.
 */
export class ShadowFinisher {
  readonly made: MadeIndexes = new Map();
  readonly #options: FinisherOptions;
  readonly #finished = new Condition();
  #isLogTooSmall = false;
  #isUnwritten = false;

  constructor(options: FinisherOptions) {
    this.#options = options;
  }

  /** Writes to the shadow, when that may be. */
  async write<Result>(work: () => Promise<Result>, signal: AbortSignal): Promise<Result> {
    const mayWrite = (): boolean => !this.#isUnwritten;
    while (!mayWrite()) await this.#finished.becomes(mayWrite, signal);
    return await work();
  }

  /** Rejects with SERVER_BUSY, for another attempt, where the log is too small. */
  async finish(signal: AbortSignal): Promise<void> {
    this.#isUnwritten = this.#isLogTooSmall;
    try {
      await namingBlockers(this.#options, (session) => this.#finishOn(session, signal), signal);
    } catch (error) {
      if (!(error instanceof MigrationError) || error.code !== 'ONLINE_LOG_FULL' || this.#isLogTooSmall) throw error;
      this.#isLogTooSmall = true;
      throw new MigrationError(
        'SERVER_BUSY',
        `More was written to the shadow than the server keeps for an index build (innodb_online_alter_log_max_size); the indexes are built anew, and changes wait meanwhile: ${error.message}`,
        { cause: error },
      );
    } finally {
      this.#isUnwritten = false;
      this.#finished.notify();
    }
  }

  async #finishOn(session: Session, signal: AbortSignal): Promise<void> {
    const { plan, isGentle } = this.#options;
    const finishing = { plan, isUnwritten: this.#isUnwritten, made: this.made };
    const work = (): Promise<void> => finishShadow(session, finishing, signal);
    await withBuildSettings(session, { isGentle: isGentle?.() === true, work }, signal);
  }
}

/** Runs what changes the definition of the shadow, and says who has the lock where it is not had in time: a backup, for example. */
export async function namingBlockers(
  { plan, sessions, flavour }: FinisherOptions,
  work: (session: Session) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  try {
    await sessions.withSession(work, signal);
  } catch (error) {
    if (!(error instanceof MigrationError) || error.code !== 'LOCK_WAIT') throw error;
    const find = (session: Session): Promise<readonly string[]> =>
      findForeignHolders(session, plan.shadow, { flavour, except: session.connectionId }, signal);
    const blockers = await sessions.withSession(find, signal);
    throw new MigrationError('LOCK_WAIT', `${error.message}${inTheWay(blockers)}`, { cause: error });
  }
}
