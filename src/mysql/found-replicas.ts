/** The replicas that the server tells of, as a reason to slow down: nobody had to name them. */

import { MigrationError } from '../engine/errors.ts';
import type { Clock, ThrottleSample, ThrottleSignal } from '../engine/ports.ts';
import { disposingOnFailure } from '../sessions/disposal.ts';
import type { ReplicaLag } from '../sessions/replica-lag.ts';
import { type AttachedReplica, findAttachedReplicas, unnamedReplicas } from './attached-replicas.ts';
import { pulsedLag } from './replica-lag.ts';
import { channelsFrom, connectAttached, type ReplicaSession } from './replica-session.ts';
import type { Server } from './server.ts';
import type { SessionPool } from './session.ts';

/** Which server, and how far behind what follows it may be. */
export interface FoundReplicasOptions {
  readonly server: Server;
  readonly source: SessionPool;
  /** Milliseconds, as it is now. */
  readonly lagMaxMs: () => number;
  readonly clock: Clock;
  /** Host and port of those that are named: they have signals of their own. */
  readonly named: readonly string[];
}

/** A signal that has connections of its own. */
export interface FoundReplicas extends ThrottleSignal, AsyncDisposable {}

/** The server is asked for its replicas again after so long, milliseconds. */
const lookEachMs = 30_000;

/**
 * Pressure by the slowest of the replicas that the server tells of, that the login of the run can ask, and that follow this server
 * by their own word and are not delayed on purpose. One that cannot be asked is no reason to stop, for nobody has asked for it:
 * it is a warning, and it is asked again at the next look. Connects when it is first asked.
 */
export function foundReplicas(options: FoundReplicasOptions): FoundReplicas {
  return new Followers(options);
}

interface Follower {
  readonly replica: AttachedReplica;
  readonly lag: ReplicaLag;
  /** Why it is not waited for; as it was first found, for the same trouble has several messages. */
  aside: string | null;
}

class Followers implements FoundReplicas {
  readonly name = 'found replicas';
  readonly #options: FoundReplicasOptions;
  readonly #followers = new Map<string, Follower>();
  readonly #leaving: Promise<void>[] = [];
  #lookedAtMs: number | null = null;

  constructor(options: FoundReplicasOptions) {
    this.#options = options;
  }

  async sample(signal: AbortSignal): Promise<ThrottleSample> {
    const { clock } = this.#options;
    const isLooking = this.#lookedAtMs === null || clock.now() - this.#lookedAtMs >= lookEachMs;
    if (isLooking) await this.#look(signal);
    const all = [...this.#followers.values()];
    const asked = all.filter(({ aside }) => aside === null || isLooking);
    const samples = await Promise.all(asked.map((follower) => this.#ask(follower, signal)));
    const slowest = samples.filter((sample) => sample !== null).sort((a, b) => b.pressure - a.pressure)[0];
    return { ...(slowest ?? { pressure: 0, detail: 'there is none to wait for' }), ...this.#tell(all) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const all = [...this.#followers.values()].map(({ lag }) => endOf(lag));
    this.#followers.clear();
    await Promise.allSettled([...this.#leaving, ...all]);
  }

  async #look(signal: AbortSignal): Promise<void> {
    const { server, source, clock, named } = this.#options;
    const found = await source.withSession((session) => findAttachedReplicas(session, server, signal), signal);
    this.#lookedAtMs = clock.now();
    const unnamed = unnamedReplicas(found, named);
    const labels = new Set(unnamed.map(({ label }) => label));
    for (const [label, { lag }] of this.#followers) {
      if (labels.has(label)) continue;
      this.#followers.delete(label);
      this.#leaving.push(endOf(lag));
    }
    for (const replica of unnamed) {
      if (!this.#followers.has(replica.label))
        this.#followers.set(replica.label, { replica, lag: this.#lagOf(replica), aside: null });
    }
  }

  #lagOf(replica: AttachedReplica): ReplicaLag {
    const { server, source, lagMaxMs, clock } = this.#options;
    const connect = (signal: AbortSignal): Promise<ReplicaSession> => connectPrompt(server, replica, signal);
    return pulsedLag({ host: replica.label, source, lagMaxMs, clock, connect });
  }

  /** Null for one that does not answer: that is put aside until the next look. */
  async #ask(follower: Follower, signal: AbortSignal): Promise<ThrottleSample | null> {
    const { lag } = follower;
    const sample = await lag.sample(signal);
    if (!lag.hasAnswered) {
      follower.aside ??= sample.detail;
      return null;
    }
    follower.aside = null;
    return { ...sample, detail: `${lag.name}: ${sample.detail}` };
  }

  #tell(all: readonly Follower[]): Pick<ThrottleSample, 'notice' | 'warning'> {
    const used = all.filter(({ aside }) => aside === null).map(({ replica }) => replica.label);
    const aside = all.flatMap(({ aside }) => (aside === null ? [] : [aside]));
    const limit = `${this.#options.lagMaxMs() / 1000} s`;
    return {
      ...(used.length === 0
        ? {}
        : { notice: `copying waits for ${used.join(', ')}, which follow this server, to be less than ${limit} behind` }),
      ...(aside.length === 0
        ? {}
        : {
            warning: `${aside.join('; ')}. It is not waited for: name it with --replicas and a login that it takes, or switch this off with --no-replica-discovery.`,
          }),
    };
  }
}

async function endOf(lag: ReplicaLag): Promise<void> {
  await lag[Symbol.asyncDispose]();
}

/** Rejects where the replica is delayed on purpose. */
async function connectPrompt(source: Server, attached: AttachedReplica, signal: AbortSignal): Promise<ReplicaSession> {
  const replica = await connectAttached(source, attached, signal);
  return await disposingOnFailure(replica, async () => {
    const [channel] = await channelsFrom(source, await replica.status(signal), signal);
    const delay = Number(channel?.['SQL_Delay'] ?? 0);
    if (delay > 0) throw new MigrationError('UNREACHABLE', `it is delayed on purpose, by ${delay} s`);
    return replica;
  });
}
