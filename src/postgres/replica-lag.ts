/** How far a standby is behind, as a reason to slow down. */

import { Beats } from '../engine/beats.ts';
import { LagForecast } from '../engine/lag-forecast.ts';
import type { Clock, ThrottleSample, ThrottleSignal } from '../engine/ports.ts';
import type { ConnectionDefaults } from './connection-config.ts';
import { type Lsn, parseLsn } from './position.ts';
import { openServerAt, type Server } from './server.ts';
import { describeServer, type OwnedSession, type SessionPool } from './session.ts';

/** A signal that has a connection of its own. */
export interface ReplicaLag extends ThrottleSignal, AsyncDisposable {}

/** Where the standby and its primary are, and how far behind it may be. */
export interface ReplicaLagOptions {
  readonly url: string;
  readonly login: ConnectionDefaults;
  readonly source: SessionPool;
  readonly lagMaxMs: number;
  readonly clock: Clock;
}

/**
 * Pressure by how far a standby replays behind: the age of the first place in the log that the primary had reached and the
 * standby has not, by our clock alone, and for one that was behind before, the age of its last commit by its clock. The pressure is that of the lag which the newest commit will have. A server that is no
 * standby, or cannot be asked, counts as a stop. Connects when it is first asked.
 */
export function replicaLag(options: ReplicaLagOptions): ReplicaLag {
  return new Standby(options);
}

class Standby implements ReplicaLag {
  readonly name: string;
  readonly #options: ReplicaLagOptions;
  readonly #beats = new Beats();
  readonly #forecast = new LagForecast();
  /** Where the primary was when we first looked: what a standby lacks of the log before that is older than any beat. */
  #first: Lsn | null = null;
  #server: Server | null = null;
  #session: OwnedSession | null = null;

  constructor(options: ReplicaLagOptions) {
    this.name = `replica ${new URL(options.url).host}`;
    this.#options = options;
  }

  async sample(signal: AbortSignal): Promise<ThrottleSample> {
    const { source, clock, url, login, lagMaxMs } = this.#options;
    const logged = await source.withSession(
      (session) => session.query('SELECT pg_catalog.pg_current_wal_lsn() AS lsn', signal),
      signal,
    );
    const lsn = parseLsn(logged[0]?.['lsn'] ?? '');
    this.#first ??= lsn;
    this.#beats.sent(lsn, clock.now());
    try {
      this.#server ??= await openServerAt(url, login, signal);
      this.#session ??= await this.#server.openSession({}, signal);
      const [row] = await this.#session.query(
        `SELECT pg_catalog.pg_is_in_recovery() AS is_standby, pg_catalog.pg_last_wal_replay_lsn() AS replayed,
          extract(epoch FROM clock_timestamp() - pg_catalog.pg_last_xact_replay_timestamp()) * 1000 AS since_commit`,
        signal,
      );
      if (row?.['is_standby'] !== 't') return { pressure: 1, detail: 'it is no standby' };
      const replayed = parseLsn(row['replayed'] ?? '0/0');
      const age = this.#beats.age(replayed, clock.now());
      const isBehindFirst = replayed < this.#first;
      const sinceCommit = row['since_commit'] ?? null;
      if (isBehindFirst && sinceCommit === null)
        return { pressure: 1, detail: 'it is behind and has replayed nothing since it started' };
      const lagMs = isBehindFirst ? Math.max(age, Number(sinceCommit)) : age;
      const expectedMs = this.#forecast.observe(lagMs, clock.now());
      const expected = expectedMs > 2 * lagMs ? ` and will be ${(expectedMs / 1000).toFixed(1)} s` : '';
      const detail = `it is ${(lagMs / 1000).toFixed(1)} s behind${expected}, the limit is ${lagMaxMs / 1000} s`;
      return { pressure: expectedMs / lagMaxMs, detail };
    } catch (error) {
      const where = this.#server === null ? this.name : describeServer(this.#server.config);
      await this[Symbol.asyncDispose]().catch(() => undefined);
      signal.throwIfAborted();
      return { pressure: 1, detail: `${where} cannot be asked: ${error instanceof Error ? error.message : String(error)}` };
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const [session, server] = [this.#session, this.#server];
    [this.#session, this.#server] = [null, null];
    await session?.[Symbol.asyncDispose]();
    await server?.[Symbol.asyncDispose]();
  }
}
