/** How far a standby is behind, as a reason to slow down. */

import { Beats } from '../engine/beats.ts';
import type { Clock } from '../engine/ports.ts';
import { disposeBefore, disposingOnFailure } from '../sessions/disposal.ts';
import { createReplicaLag, type LagAnswer, type ReplicaConnection, type ReplicaLag } from '../sessions/replica-lag.ts';
import type { ConnectionDefaults } from './connection-config.ts';
import { type Lsn, parseLsn } from './position.ts';
import { openServerAt, type Server } from './server.ts';
import { describeServer, type OwnedSession, type SessionPool } from './session.ts';

/** Where the standby and its primary are, and how far behind it may be. */
export interface ReplicaLagOptions {
  readonly url: string;
  readonly login: ConnectionDefaults;
  readonly source: SessionPool;
  /** Milliseconds, as it is now. */
  readonly lagMaxMs: () => number;
  readonly clock: Clock;
}

/**
 * Pressure by how far a standby replays behind: the age of the first place in the log that the primary had reached and the
 * standby has not, by our clock alone, and for one that was behind before, the age of its last commit by its clock. A server
 * that is no standby, or cannot be asked, counts as a stop.
 */
export function replicaLag({ url, login, source, lagMaxMs, clock }: ReplicaLagOptions): ReplicaLag {
  const log = new PrimaryLog(source, clock);
  return createReplicaLag({
    host: new URL(url).host,
    lagMaxMs,
    clock,
    beat: (signal) => log.look(signal),
    connect: (signal) => connectStandby(url, { login, log }, signal),
  });
}

/** How far the primary had got, and when. */
class PrimaryLog {
  readonly #source: SessionPool;
  readonly #clock: Clock;
  readonly #beats = new Beats();
  /** Where the primary was when we first looked: what a standby lacks of the log before that is older than any beat. */
  #first: Lsn | null = null;

  constructor(source: SessionPool, clock: Clock) {
    this.#source = source;
    this.#clock = clock;
  }

  async look(signal: AbortSignal): Promise<void> {
    const logged = await this.#source.withSession(
      (session) => session.query('SELECT pg_catalog.pg_current_wal_lsn() AS lsn', signal),
      signal,
    );
    const lsn = parseLsn(logged[0]?.['lsn'] ?? '');
    this.#first ??= lsn;
    this.#beats.sent(lsn, this.#clock.now());
  }

  /** Milliseconds since the primary went beyond `replayed`, and whether it had before we first looked. */
  age(replayed: Lsn): { readonly ageMs: number; readonly isBehindFirst: boolean } {
    return {
      ageMs: this.#beats.age(replayed, this.#clock.now()),
      isBehindFirst: this.#first !== null && replayed < this.#first,
    };
  }
}

interface LogFollower {
  readonly login: ConnectionDefaults;
  readonly log: PrimaryLog;
}

async function connectStandby(url: string, { login, log }: LogFollower, signal: AbortSignal): Promise<ReplicaConnection> {
  const server = await openServerAt(url, login, signal);
  return await disposingOnFailure(server, async () => {
    return new Standby(server, await server.openSession({}, signal), log);
  });
}

class Standby implements ReplicaConnection {
  readonly where: string;
  readonly #server: Server;
  readonly #session: OwnedSession;
  readonly #log: PrimaryLog;

  constructor(server: Server, session: OwnedSession, log: PrimaryLog) {
    this.where = describeServer(server.config);
    this.#server = server;
    this.#session = session;
    this.#log = log;
  }

  async ask(signal: AbortSignal): Promise<LagAnswer> {
    const [row] = await this.#session.query(
      `SELECT pg_catalog.pg_is_in_recovery() AS is_standby, pg_catalog.pg_last_wal_replay_lsn() AS replayed,
        extract(epoch FROM clock_timestamp() - pg_catalog.pg_last_xact_replay_timestamp()) * 1000 AS since_commit`,
      signal,
    );
    if (row?.['is_standby'] !== 't') return { kind: 'unknown', why: 'it is no standby' };
    const { ageMs, isBehindFirst } = this.#log.age(parseLsn(row['replayed'] ?? '0/0'));
    if (!isBehindFirst) return { kind: 'lag', lagMs: ageMs };
    const sinceCommit = row['since_commit'] ?? null;
    return sinceCommit === null
      ? { kind: 'unknown', why: 'it is behind and has replayed nothing since it started' }
      : { kind: 'lag', lagMs: Math.max(ageMs, Number(sinceCommit)) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await disposeBefore(this.#server, [this.#session]);
  }
}
