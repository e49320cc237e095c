/** How far a replica is behind, as a reason to slow down. */

import { randomBytes } from 'node:crypto';
import { Beats } from '../engine/beats.ts';
import { LagForecast } from '../engine/lag-forecast.ts';
import type { Clock, ThrottleSample, ThrottleSignal } from '../engine/ports.ts';
import { FENCE_TABLE } from './binlog-fences.ts';
import { bookkeepingSchema } from './bookkeeping.ts';
import type { ConnectionDefaults } from './connection-config.ts';
import { openServerAt, type Server } from './server.ts';
import { describeServer, type OwnedSession, type Row, type SessionPool } from './session.ts';
import { quoteTable } from './statements.ts';

/** A signal that has a connection of its own. */
export interface ReplicaLag extends ThrottleSignal, AsyncDisposable {}

/** Where the replica is, where its pulse is written, and how far behind it may be. */
export interface ReplicaLagOptions {
  readonly url: string;
  readonly login: ConnectionDefaults;
  readonly source: SessionPool;
  readonly lagMaxMs: number;
  readonly clock: Clock;
}

/**
 * Pressure by the lag of a replica. A number in a row of ours is raised on the source at each sample; the lag is the age of the
 * first number that the replica does not have yet, by our clock alone, so clocks need not agree and there is no rounding to
 * seconds. The pressure is that of the lag which the newest commit will have: a replica that is four times slower than the copy
 * shows a second of lag when it needs four to get over it. A replica that has none of it (it may leave our schema out) is asked how many seconds it is behind. One that does not
 * replicate, or cannot be asked, counts as a stop. Connects when it is first asked.
 */
export function replicaLag(options: ReplicaLagOptions): ReplicaLag {
  return new PulsedReplica(options);
}

const fences = quoteTable({ schema: bookkeepingSchema, table: FENCE_TABLE });

class PulsedReplica implements ReplicaLag {
  readonly name: string;
  readonly #options: ReplicaLagOptions;
  readonly #pulse: Pulse;
  readonly #forecast = new LagForecast();
  #server: Server | null = null;
  #session: OwnedSession | null = null;

  constructor(options: ReplicaLagOptions) {
    this.name = `replica ${new URL(options.url).host}`;
    this.#options = options;
    this.#pulse = new Pulse(options.source, options.clock);
  }

  async sample(signal: AbortSignal): Promise<ThrottleSample> {
    await this.#pulse.beat(signal);
    try {
      const { url, login, lagMaxMs } = this.#options;
      this.#server ??= await openServerAt(url, login, signal);
      this.#session ??= await this.#server.openSession({}, signal);
      const seconds = slowestChannel(await this.#session.query(statusStatement(this.#server), signal));
      if (seconds === null) return { pressure: 1, detail: 'it does not replicate at the moment' };
      const lagMs = this.#pulse.age(await this.#pulseSeen(this.#session, signal)) ?? seconds * 1000;
      const expectedMs = this.#forecast.observe(lagMs, this.#options.clock.now());
      const detail = [
        `it is ${(lagMs / 1000).toFixed(1)} s behind`,
        ...(expectedMs > 2 * lagMs ? [`and will be ${(expectedMs / 1000).toFixed(1)} s`] : []),
      ].join(' ');
      return { pressure: expectedMs / lagMaxMs, detail: `${detail}, the limit is ${lagMaxMs / 1000} s` };
    } catch (error) {
      const where = this.#server === null ? this.name : describeServer(this.#server.config);
      await this.#disconnect().catch(() => undefined);
      signal.throwIfAborted();
      return { pressure: 1, detail: `${where} cannot be asked: ${error instanceof Error ? error.message : String(error)}` };
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#disconnect();
    await this.#pulse.remove();
  }

  /** The number that the replica has; null where it has none, or our table is not there. */
  async #pulseSeen(session: OwnedSession, signal: AbortSignal): Promise<number | null> {
    const there = await session.query(
      `SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA = '${bookkeepingSchema}' AND TABLE_NAME = '${FENCE_TABLE}'`,
      signal,
    );
    if (there.length === 0) return null;
    const [row] = await session.query(`SELECT number FROM ${fences} WHERE run = ${this.#pulse.run}`, signal);
    return row === undefined ? null : Number(row['number']);
  }

  async #disconnect(): Promise<void> {
    const [session, server] = [this.#session, this.#server];
    [this.#session, this.#server] = [null, null];
    await session?.[Symbol.asyncDispose]();
    await server?.[Symbol.asyncDispose]();
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
    const number = this.#number + 1;
    await this.#source.withSession(async (session) => {
      const updated = await session.execute(`UPDATE ${fences} SET number = ${number} WHERE run = ${this.run}`, signal);
      if (updated.affectedRows > 0) return;
      await session.execute(`INSERT INTO ${fences} (run, number) VALUES (${this.run}, ${number})`, signal);
    }, signal);
    this.#number = number;
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

function statusStatement({ flavour }: Server): string {
  if (flavour.isMariaDb) return 'SHOW ALL SLAVES STATUS';
  return flavour.versionNumber >= 8_00_22 ? 'SHOW REPLICA STATUS' : 'SHOW SLAVE STATUS';
}

/** Seconds behind, by the slowest of the channels; null where one does not run, or there is none. */
function slowestChannel(rows: readonly Row[]): number | null {
  const lags = rows.map((row) => row['Seconds_Behind_Source'] ?? row['Seconds_Behind_Master'] ?? null);
  return lags.length === 0 || lags.includes(null) ? null : Math.max(...lags.map(Number));
}
