/** The end of what migrations have left on a server. */

import { DEFAULT_SOAK_MS, dropPatiently, type DropParts, reasonToKeep } from './engine/clean-up.ts';
import { MigrationError } from './engine/errors.ts';
import type { Observer } from './engine/events.ts';
import { giveUp } from './engine/give-up.ts';
import type { MigrationId, Plan } from './engine/model.ts';
import type { StepOutcome } from './engine/native-change.ts';
import { giveUpNative } from './engine/native-migration.ts';
import { DEFAULT_OPTIONS } from './engine/options.ts';
import type { ClaimToGiveUp, Database, MigrationRecord, RetiredTable } from './engine/ports.ts';
import { inCall } from './caller.ts';
import { open as openDatabase, type ServerOptions } from './library-call.ts';
import { nativeOf } from './native-runs.ts';
import { patiently } from './patience.ts';
import { findRecord, openOnes, readRecords } from './records.ts';
import { systemClock } from './sessions/system-clock.ts';

/** What to clean up, and whether it may go already. */
export interface CleanUpOptions extends ServerOptions {
  readonly id: string;
  /** How long an old table is kept after the swap, milliseconds; DEFAULT_SOAK_MS when it is not given. */
  readonly soakMs?: number;
  /** Drops an old table also before its soak is over, and one that is still used. */
  readonly isNow?: boolean;
  /** Called with each event, synchronously. What it throws, or rejects with, interrupts the clean-up as `signal` does. */
  readonly observer?: Observer;
}

/** What `cleanUp` did. */
export interface CleanUpResult {
  readonly id: MigrationId;
  /** By which way the migration went. */
  readonly strategy: 'native' | 'shadow';
  /**
   * `dropped`: the old table of a finished migration is gone. `given-up`: it was unfinished, and its shadow is gone.
   * `found-done`: it counted as unfinished but had swapped; nothing was dropped. `nothing-left`: there was nothing to drop.
   */
  readonly outcome: 'dropped' | 'given-up' | 'found-done' | 'nothing-left';
  /** The old table that was dropped. */
  readonly dropped: RetiredTable | null;
  /** Migrations that were unfinished and have been ended by this: of a family all its members that were. */
  readonly ended: readonly MigrationId[];
}

/**
 * Drops what the migration left: the old table of a finished one; the shadow of an unfinished one, which is given up by this, and
 * with it its whole family; of an unfinished native change what nothing can use. Rejects with TABLE_CLAIMED while it runs, with
 * RETIRED_TABLE_KEPT while its old table is to be kept, and with DROP_NOT_LOCKED. An unfinished one that turns out to have
 * swapped is marked done and keeps its old table.
 */
export async function cleanUp(options: CleanUpOptions): Promise<CleanUpResult> {
  return await inCall(options, cleanedUp, ['id']);
}

async function cleanedUp(options: CleanUpOptions, signal: AbortSignal): Promise<CleanUpResult> {
  const { soakMs = DEFAULT_SOAK_MS, isNow = false, observer = (): void => undefined } = options;
  const parts = { limits: DEFAULT_OPTIONS.cutover, context: { clock: systemClock, observer } };
  await using database = await openDatabase(options, signal);
  const insist = <Result>(work: () => Promise<Result>): Promise<Result> => patiently('cleaning up', work, signal);
  const records = await insist(() => readRecords(database, options.id, signal));
  const record = findRecord(records, options.id);
  const open = record.state === 'done' ? [] : openOnes(records, record);
  if (open.length > 0) {
    const { plan } = record;
    if (plan.strategy === 'native') {
      const state = await insist(async () => {
        await using claim = await nativeOf(database).claim(plan, 'resume', signal);
        return await giveUpNative({ plan, claim }, parts, signal);
      });
      const outcome = state === 'done' ? 'found-done' : 'given-up';
      return { id: record.id, strategy: 'native', outcome, dropped: null, ended: [record.id] };
    }
    const states = await insist(() => giveUpAll({ database, plans: shadowsOf(open), claims: [] }, parts, signal));
    const outcome = states.includes('done') ? 'found-done' : 'given-up';
    return { id: record.id, strategy: 'shadow', outcome, dropped: null, ended: open.map(({ id }) => id) };
  }
  const found = await insist(() => database.retiredTables.find(signal));
  const retired = found.find(({ id }) => id === record.id) ?? null;
  if (retired === null)
    return { id: record.id, strategy: record.plan.strategy, outcome: 'nothing-left', dropped: null, ended: [] };
  const reason = isNow ? null : reasonToKeep(retired, soakMs);
  if (reason !== null) {
    const { schema, table } = retired.table;
    throw new MigrationError(
      'RETIRED_TABLE_KEPT',
      `${schema}.${table}, the old table of migration ${record.id}, is kept: ${reason}.`,
    );
  }
  const drop = (lockTimeoutMs: number): Promise<StepOutcome> => database.retiredTables.drop(retired, lockTimeoutMs, signal);
  await insist(() => dropPatiently(retired.table, drop, parts, signal));
  return { id: record.id, strategy: 'shadow', outcome: 'dropped', dropped: retired, ended: [] };
}

/** Families are of shadows. */
function shadowsOf(records: readonly MigrationRecord[]): readonly Plan[] {
  return records.flatMap(({ plan }) => (plan.strategy !== 'native' ? [plan] : []));
}

/** Claimed so far, and still to be claimed. */
interface GivenUp {
  readonly database: Database;
  readonly plans: readonly Plan[];
  readonly claims: readonly { readonly plan: Plan; readonly claim: ClaimToGiveUp }[];
}

/** Claims all before it touches one: a family that still runs is left as it is. */
async function giveUpAll(
  { database, plans, claims }: GivenUp,
  parts: DropParts,
  signal: AbortSignal,
): Promise<readonly ('aborted' | 'done')[]> {
  const [plan, ...others] = plans;
  if (plan !== undefined) {
    await using claim = await database.claimToGiveUp(plan, signal);
    return await giveUpAll({ database, plans: others, claims: [...claims, { plan, claim }] }, parts, signal);
  }
  const states: ('aborted' | 'done')[] = [];
  for (const { plan, claim } of claims) states.push(await giveUp(plan, claim, parts, signal));
  return states;
}
