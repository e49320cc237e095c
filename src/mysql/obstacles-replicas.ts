/** Replicas whose filters would tear the swap apart. */

import type { Plan } from '../engine/model.ts';
import type { Obstacle } from '../engine/obstacles.ts';
import { bookkeepingSchema } from '../sessions/bookkeeping.ts';
import { timeLimit } from '../sessions/pause.ts';
import { addressText } from '../sessions/server-address.ts';
import { findAttachedReplicas, unnamedReplicas } from './attached-replicas.ts';
import { connectionConfig } from './connection-config.ts';
import type { ClaimContext } from './claimed-table.ts';
import { FENCE_TABLE } from './binlog-fences.ts';
import { judgeFilters, readFilters } from './replica-filters.ts';
import { channelsFrom, connectAttached, connectTo, type ReplicaSession } from './replica-session.ts';

/** A replica that hangs does not hold up a plan for longer, milliseconds. */
const answerLimitMs = 5_000;

/**
 * Replicas, of those that are named and those that the server tells of, that would apply the statements of the swap otherwise than this
 * server. One that cannot be asked is none: a run warns of it, or waits for it. Changes nothing.
 */
export async function replicaFilterObstacles(
  { server, options }: ClaimContext,
  plans: readonly Plan[],
  signal: AbortSignal,
): Promise<readonly Obstacle[]> {
  const { urls = [], isFinding = false } = options.replicas ?? {};
  const named = await Promise.all(urls.map((url) => connectionConfig(url, options)));
  const labels = named.map((config) => addressText(config));
  const attached = isFinding ? await findAttached({ server, options }, labels, signal) : [];
  const replicas = [
    ...named.map((config) => ({ label: addressText(config), connect: (limit: AbortSignal) => connectTo(config, limit) })),
    ...attached.map((replica) => ({
      label: replica.label,
      connect: (limit: AbortSignal) => connectAttached(server, replica, limit),
    })),
  ];
  const asked = await Promise.all(replicas.map((replica) => askReplica({ server, plans, ...replica }, signal)));
  return asked.flat();
}

async function findAttached(
  { server }: ClaimContext,
  named: readonly string[],
  signal: AbortSignal,
): ReturnType<typeof findAttachedReplicas> {
  await using session = await server.openSession({}, signal);
  return unnamedReplicas(await findAttachedReplicas(session, server, signal), named);
}

interface AskedReplica extends Pick<ClaimContext, 'server'> {
  readonly plans: readonly Plan[];
  readonly label: string;
  readonly connect: (signal: AbortSignal) => Promise<ReplicaSession>;
}

async function askReplica({ server, plans, label, connect }: AskedReplica, signal: AbortSignal): Promise<readonly Obstacle[]> {
  const limit = AbortSignal.any([signal, timeLimit(answerLimitMs, 'The replica did not answer.')]);
  try {
    await using replica = await connect(limit);
    const all = await replica.status(limit);
    const direct = await channelsFrom(server, all, limit);
    // A replica of a replica passes on what that one has applied.
    const channels = direct.length > 0 ? direct : all;
    const groups = [
      plans.flatMap(({ source, shadow, retired }) => [source, shadow, retired]),
      [{ schema: bookkeepingSchema, table: FENCE_TABLE }],
    ];
    return channels.map(readFilters).flatMap((filters) =>
      groups.flatMap((tables): readonly Obstacle[] => {
        const why = judgeFilters(filters, tables, server.ignoresNameCase);
        return why === null ? [] : [{ code: 'REPLICA_FILTERED', message: `The replica ${label} ${why}.` }];
      }),
    );
  } catch {
    signal.throwIfAborted();
    return [];
  }
}
