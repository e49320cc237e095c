/** How far a replica is behind, as a reason to slow down. */

import { randomBytes } from 'node:crypto';
import { Beats } from '../engine/beats.ts';
import type { Clock } from '../engine/ports.ts';
import { bookkeepingSchema } from '../sessions/bookkeeping.ts';
import { createReplicaLag, type LagAnswer, type ReplicaConnection, type ReplicaLag } from '../sessions/replica-lag.ts';
import { FENCE_TABLE } from './binlog-fences.ts';
import { connectionConfig, type ConnectionDefaults } from './connection-config.ts';
import { connectTo, type ReplicaSession } from './replica-session.ts';
import type { Row, SessionPool } from './session.ts';
import { quoteTable } from './statements.ts';

/** What a replica is followed by, and how far behind it may be. */
interface LagOptions {
  /** Where its pulse is written. */
  readonly source: SessionPool;
  /** Milliseconds, as it is now. */
  readonly lagMaxMs: () => number;
  readonly clock: Clock;
}

/** Where the replica is. */
export interface ReplicaLagOptions extends LagOptions {
  readonly url: string;
  readonly login: ConnectionDefaults;
}

/** How messages call it, and how to get there. */
export interface PulsedLagOptions extends LagOptions {
  readonly host: string;
  readonly connect: (signal: AbortSignal) => Promise<ReplicaSession>;
}

/**
 * Pressure by the lag of a replica. A number in a row of ours is raised on the source at each sample; the lag is the age of the
 * first number that the replica does not have yet, by our clock alone, so clocks need not agree and there is no rounding to
 * seconds. A replica that has none of it (it may leave our schema out) is asked how many seconds it is behind. One that does
 * not replicate, or cannot be asked, counts as a stop.
 */
export function replicaLag({ url, login, ...options }: ReplicaLagOptions): ReplicaLag {
  const connect = async (signal: AbortSignal): Promise<ReplicaSession> =>
    await connectTo(await connectionConfig(url, login), signal);
  return pulsedLag({ ...options, host: new URL(url).host, connect });
}

/** The same by whatever way to the replica. */
export function pulsedLag({ source, clock, connect, ...options }: PulsedLagOptions): ReplicaLag {
  const pulse = new Pulse(source, clock);
  return createReplicaLag({
    ...options,
    clock,
    beat: (signal) => pulse.beat(signal),
    connect: async (signal) => new PulsedReplica(await connect(signal), pulse),
    stopBeating: () => pulse.remove(),
  });
}

const fences = quoteTable({ schema: bookkeepingSchema, table: FENCE_TABLE });

class PulsedReplica implements ReplicaConnection {
  readonly where: string;
  readonly #session: ReplicaSession;
  readonly #pulse: Pulse;
  #hasFences = false;

  constructor(session: ReplicaSession, pulse: Pulse) {
    this.where = session.where;
    this.#session = session;
    this.#pulse = pulse;
  }

  async ask(signal: AbortSignal): Promise<LagAnswer> {
    const seconds = slowestChannel(await this.#session.status(signal));
    if (seconds === null) return { kind: 'unknown', why: 'it does not replicate at the moment' };
    return { kind: 'lag', lagMs: this.#pulse.age(await this.#pulseSeen(signal)) ?? seconds * 1000 };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#session[Symbol.asyncDispose]();
  }

  /** The number that the replica has; null where it has none, or our table is not there. */
  async #pulseSeen(signal: AbortSignal): Promise<number | null> {
    this.#hasFences ||= await this.#findFences(signal);
    if (!this.#hasFences) return null;
    const [row] = await this.#session.query(`SELECT number FROM ${fences} WHERE run = ${this.#pulse.run}`, signal);
    return row === undefined ? null : Number(row['number']);
  }

  async #findFences(signal: AbortSignal): Promise<boolean> {
    const tables = await this.#session.query(
      `SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA = '${bookkeepingSchema}' AND TABLE_NAME = '${FENCE_TABLE}'`,
      signal,
    );
    return tables.length > 0;
  }
}

/** Removing the row must not hold up the end of a run. */
const removeLimitMs = 2_000;

/** A row on the source whose number is raised again and again. */
class Pulse {
  readonly run = `X'${randomBytes(16).toString('hex').toUpperCase()}'`;
  readonly #source: SessionPool;
  readonly #clock: Clock;
  readonly #beats = new Beats();
  #number = 0;

  constructor(source: SessionPool, clock: Clock) {
    this.#source = source;
    this.#clock = clock;
  }

  async beat(signal: AbortSignal): Promise<void> {
    // Each number is used once, for a write whose answer was lost may have happened.
    this.#number += 1;
    const number = this.#number;
    await this.#source.withSession(async (session) => {
      const updated = await session.execute(`UPDATE ${fences} SET number = ${number} WHERE run = ${this.run}`, signal);
      if (updated.affectedRows > 0) return;
      await session.execute(`INSERT INTO ${fences} (run, number) VALUES (${this.run}, ${number})`, signal);
    }, signal);
    this.#beats.sent(BigInt(number), this.#clock.now());
  }

  /** Milliseconds since the first beat after `seen` was committed; null where nothing was ever seen. */
  age(seen: number | null): number | null {
    return seen === null ? null : this.#beats.age(BigInt(seen), this.#clock.now());
  }

  /** Best effort: a row that is left behind is removed by a later stream. */
  async remove(): Promise<void> {
    const limit = AbortSignal.timeout(removeLimitMs);
    const remove = this.#source.withSession(
      (session) => session.execute(`DELETE FROM ${fences} WHERE run = ${this.run}`, limit),
      limit,
    );
    await remove.catch(() => undefined);
  }
}

/** Seconds behind, by the slowest of the channels; null where one does not run, or there is none. */
function slowestChannel(rows: readonly Row[]): number | null {
  const lags = rows.map((row) => row['Seconds_Behind_Source'] ?? row['Seconds_Behind_Master'] ?? null);
  return lags.length === 0 || lags.includes(null) ? null : Math.max(...lags.map(Number));
}
