/** The cutover of one table on MySQL and MariaDB: an attempt (cutover-attempt.ts), whether it happened, and what it has left. */

import { MigrationError } from '../engine/errors.ts';
import type { Plan, TableName } from '../engine/model.ts';
import type { Cutover, CutoverOptions, CutoverOutcome, Drain } from '../engine/ports.ts';
import { OlderSnapshots } from '../sessions/older-snapshots.ts';
import { settleTriggers } from './carry-over-triggers.ts';
import { attemptSwap, type CutoverParts } from './cutover-attempt.ts';
import { sentryComment } from './cutover-two-sessions.ts';
import { lockAndSettle, settleLimits, shortWaits } from './foreign-key-swap.ts';
import { lowerCase } from './name-case.ts';
import type { Session } from './session.ts';
import { readUnsettled } from './settlement.ts';
import { quoteName, quoteTable, quoteText } from './statements.ts';
import { lockSettings } from './table-lock.ts';

/** What is swapped, and what makes its shadow follow the source's indexes: as long as a build takes, without a lock on the source. */
export interface SwapParts extends CutoverParts {
  readonly followIndexes: (signal: AbortSignal) => Promise<void>;
}

/** Makes the cutover of a claimed table. */
export function createCutover(parts: SwapParts): Cutover {
  return new TableSwap(parts);
}

class TableSwap implements Cutover {
  readonly #parts: SwapParts;
  readonly #olderSnapshots = new OlderSnapshots();

  constructor(parts: SwapParts) {
    this.#parts = parts;
  }

  async prepare(signal: AbortSignal): Promise<void> {
    await this.#parts.followIndexes(signal);
  }

  attempt(options: CutoverOptions, drain: Drain, signal: AbortSignal): Promise<CutoverOutcome> {
    return attemptSwap([this.#parts], { options, drains: [drain], olderSnapshots: this.#olderSnapshots }, signal);
  }

  async hasSwapped(signal: AbortSignal): Promise<boolean> {
    await using session = await this.#parts.claim.openSession({}, signal);
    return await hasSwapped(session, this.#parts, signal);
  }

  async unsettled(signal: AbortSignal): Promise<readonly string[]> {
    await using session = await this.#parts.claim.openSession({}, signal);
    return await readUnsettled(session, this.#parts, signal);
  }

  async settle(onSettled: (what: string) => void, signal: AbortSignal): Promise<void> {
    if (this.#hasForeignKeys) {
      const { claim } = this.#parts;
      const settings = [...shortWaits, ...lockSettings(settleLimits)];
      await using locker = await claim.openSession({ settings, takesSeveral: true }, signal);
      await using observer = await claim.openSession({}, signal);
      await lockAndSettle({ locker, observer }, { swap: this.#parts, onSettled }, signal);
    }
    await settleTriggers(this.#parts, onSettled, signal);
  }

  get #hasForeignKeys(): boolean {
    return (this.#parts.plan.foreignKeys ?? []).length > 0;
  }
}

/** As `Cutover.hasSwapped`. Reads the catalog only. */
export async function hasSwapped(
  session: Session,
  { plan, server }: Pick<CutoverParts, 'plan' | 'server'>,
  signal: AbortSignal,
): Promise<boolean> {
  const { source, shadow, retired } = plan;
  const rows = await session.query(
    `SELECT TABLE_NAME AS name, TABLE_COMMENT AS comment FROM information_schema.TABLES
     WHERE TABLE_SCHEMA = ${quoteText(source.schema)}
       AND TABLE_NAME IN (${[source, shadow, retired].map((name) => quoteText(name.table)).join(', ')})`,
    signal,
  );
  const spelled = (name: string): string => (server.ignoresNameCase ? lowerCase(name) : name);
  const find = (name: string): (typeof rows)[number] | undefined =>
    rows.find((row) => spelled(row['name'] ?? '') === spelled(name));
  const hasSource = find(source.table) !== undefined;
  const hasShadow = find(shadow.table) !== undefined;
  const retiredTable = find(retired.table);
  // A sentry stands under the retired table's name while an attempt is under way, or after one that died.
  const hasRetired = retiredTable !== undefined && retiredTable['comment'] !== sentryComment(plan);
  if (hasSource && hasShadow && !hasRetired) return false;
  if (hasSource && !hasShadow && hasRetired) return true;
  const list = [source, shadow, retired].map(({ table }) => `${table} ${find(table) === undefined ? 'is missing' : 'exists'}`);
  const wayOut = hasSource && !hasShadow && retiredTable === undefined ? whereBothAreGone(plan) : '';
  throw new MigrationError(
    'SWAP_UNKNOWN',
    `Whether the swap happened cannot be told from the tables in ${source.schema}: ${list.join(', ')}. Look at them before doing anything.${wayOut}`,
  );
}

/**
 * Somebody has dropped the old table after the swap, or the shadow before it. Only a person can tell which; saying so takes an empty
 * table of the name that is missing.
 */
function whereBothAreGone({ source, shadow, retired }: Plan): string {
  const stand = (table: TableName): string => `CREATE TABLE ${quoteTable(table)} (${quoteName('gone')} INT PRIMARY KEY)`;
  return ` If ${source.table} has the change, the old table was dropped after the swap: ${stand(retired)}, resume, and the migration is concluded. If it has not, the shadow was dropped before the swap: ${stand(shadow)}, and give the migration up by cleanup.`;
}
