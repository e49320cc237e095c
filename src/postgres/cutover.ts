/** The cutover of a table on PostgreSQL: its swap (swap.ts), what is known of it afterwards, and what it has left. */

import { MigrationError } from '../engine/errors.ts';
import type { Plan, TableName } from '../engine/model.ts';
import type { Cutover, CutoverOptions, CutoverOutcome, Drain } from '../engine/ports.ts';
import { isSwapRecorded } from './bookkeeping.ts';
import type { Session } from './session.ts';
import { readUnsettled, settle } from './settlement.ts';
import { quoteTable, quoteText } from './statements.ts';
import { type SwapMember, type SwapParts, TableSwap } from './swap.ts';

/** What a cutover works with. */
export interface CutoverParts extends SwapMember, Omit<SwapParts, 'members'> {}

/** Makes the cutover of a claimed table. */
export function createCutover(parts: CutoverParts): Cutover {
  return new TableCutover(parts);
}

class TableCutover implements Cutover {
  readonly #parts: SwapMember;
  readonly #swap: TableSwap;

  constructor(parts: CutoverParts) {
    this.#parts = parts;
    this.#swap = new TableSwap({ flavour: parts.flavour, members: [parts], carryOver: parts.carryOver });
  }

  attempt(options: CutoverOptions, drain: Drain, signal: AbortSignal): Promise<CutoverOutcome> {
    return this.#swap.attempt(options, [drain], signal);
  }

  prepare(signal: AbortSignal): Promise<void> {
    return this.#swap.prepare(signal);
  }

  async hasSwapped(signal: AbortSignal): Promise<boolean> {
    const { claim, plan } = this.#parts;
    await using session = await claim.openSession({}, signal);
    return await hasSwapped(session, plan, signal);
  }

  async unsettled(signal: AbortSignal): Promise<readonly string[]> {
    const { claim, plan } = this.#parts;
    await using session = await claim.openSession({}, signal);
    return await readUnsettled(session, plan.id, signal);
  }

  async settle(onSettled: (what: string) => void, signal: AbortSignal): Promise<void> {
    const { claim, plan } = this.#parts;
    await using session = await claim.openSession({}, signal);
    await settle(session, { id: plan.id, onSettled }, signal);
  }
}

/**
 * As `Cutover.hasSwapped`: the record of the swap says it. Tables that look swapped although no swap is recorded are somebody else's
 * work.
 */
export async function hasSwapped(session: Session, plan: Plan, signal: AbortSignal): Promise<boolean> {
  if (await isSwapRecorded(session, plan.id, signal)) return true;
  const exists = (table: TableName): string => `pg_catalog.to_regclass(${quoteText(quoteTable(table))}) IS NOT NULL`;
  const [row] = await session.query(
    `SELECT ${exists(plan.source)} AND NOT ${exists(plan.shadow)} AND ${exists(plan.retired)} AS looks_swapped`,
    signal,
  );
  if (row?.['looks_swapped'] !== 't') return false;
  throw new MigrationError(
    'SWAP_UNKNOWN',
    `No swap is recorded for migration ${plan.id}, but ${nameOf(plan.shadow)} is missing and ${nameOf(plan.retired)} exists. Look at the tables before doing anything.`,
  );
}

function nameOf({ schema, table }: TableName): string {
  return `${schema}.${table}`;
}
