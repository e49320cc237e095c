/**
 * Searches for the steps of a native change in the ways that there are for columns that are added: in the last step, before the
 * constraints over them, or empty, to be filled later; and for what is left of it, where a run has died.
 */

import type { NoNativeWay } from '../engine/native-change.ts';
import { PlanRefusedError } from '../engine/obstacles.ts';
import { refusalOf } from './alter-probe.ts';
import { backfillHindrance } from './native-backfill.ts';
import type { NativeClause } from './native-clauses.ts';
import { spellOut, spellOutUnfilled } from './native-columns.ts';
import { type FinderParts, type Found, NativeFinder } from './native-finder.ts';
import { quoteName, quoteTable } from './statements.ts';

/**
 * The steps, or why there are none: with columns that are added in the last step, then with such columns first. Where the server
 * refuses the ALTER because a run that died has added them already, the steps that are left. Rejects with a PlanRefusedError where
 * it refuses it for any other reason.
 */
export async function findSteps(
  parts: Omit<FinderParts, 'asked' | 'isColumnsFirst' | 'isRest'>,
  signal: AbortSignal,
): Promise<Found | NoNativeWay> {
  const { clauses } = parts;
  const spelled = spellOut(clauses);
  const unfilled = spellOutUnfilled(clauses);
  try {
    const whole = { ...parts, asked: clauses, isColumnsFirst: false, isRest: false };
    const found = await new NativeFinder(whole).find(signal);
    if ('steps' in found || !hasRecipe(unfilled) || clauses.every(({ adds }) => adds === null)) return found;
    const early = await new NativeFinder({ ...whole, clauses: spelled, isColumnsFirst: true }).find(signal);
    if ('steps' in early) return early;
    if (!unfilled.some(({ isUnfilled }) => isUnfilled)) return found;
    const late = await new NativeFinder({ ...whole, clauses: unfilled, isColumnsFirst: true }).find(signal);
    if ('reason' in late) return found;
    const hindrance = await backfillHindrance(parts.session, parts.source, signal);
    return hindrance === null ? late : { clause: found.clause, reason: hindrance };
  } catch (error) {
    if (!(error instanceof PlanRefusedError) || !hasRecipe(unfilled)) throw error;
    const rest = (await withoutAdded(parts, spelled, signal)) ?? (await withoutAdded(parts, unfilled, signal));
    if (rest === null) throw error;
    const left = { ...parts, asked: rest, clauses: rest, isColumnsFirst: false, isRest: true };
    const found = await new NativeFinder(left).find(signal).catch((refusal: unknown) => {
      if (refusal instanceof PlanRefusedError) throw error;
      throw refusal;
    });
    if ('reason' in found || found.steps.length === 0) throw error;
    return found;
  }
}

/** Whether something is to be made ready over columns that come first. */
function hasRecipe(clauses: readonly NativeClause[]): boolean {
  return clauses.some(({ kind }) => kind === 'constraint' || kind === 'unique' || kind === 'not-null');
}

/** The clauses but those that add columns, where the table has all of these as they would be added; else null. */
async function withoutAdded(
  { clone, source, session }: Pick<FinderParts, 'clone' | 'source' | 'session'>,
  clauses: readonly NativeClause[],
  signal: AbortSignal,
): Promise<readonly NativeClause[] | null> {
  const added = clauses.filter(({ adds }) => adds !== null);
  if (added.length === 0 || !added.every(({ adds }) => source.columns.some(({ name }) => name === adds))) return null;
  const table = `ALTER TABLE ${quoteTable(clone.table)}`;
  try {
    return await clone.undone(async () => {
      for (const { adds, text } of added) {
        const isLate = source.constraints.some(
          ({ type, isValid, definition }) =>
            type === 'n' && !isValid && definition.replaceAll('"', '') === `NOT NULL ${adds} NOT VALID`,
        );
        const isUnfilled = clauses.some((clause) => clause.isUnfilled && clause.name === adds);
        if (isLate && !isUnfilled) return null;
        await session.execute(`${table} RENAME COLUMN ${quoteName(adds ?? '')} TO tableshift_there`, signal);
        await clone.watch([`${table} ${text}`], signal);
        const columns = (await clone.read(signal))?.columns ?? [];
        const [there, fresh] = ['tableshift_there', adds].map((wanted) => columns.find(({ name }) => name === wanted));
        if (there === undefined || fresh === undefined) return null;
        const known = { ...there, name: fresh.name, attnum: fresh.attnum, ...(isLate ? { isNotNull: fresh.isNotNull } : {}) };
        if (JSON.stringify(known) !== JSON.stringify(fresh)) return null;
        await session.execute(`${table} DROP COLUMN tableshift_there`, signal);
      }
      const rest = clauses.filter(({ adds }) => adds === null);
      return hasRecipe(rest) ? rest : null;
    }, signal);
  } catch (error) {
    refusalOf(error, source, 'alter');
    return null;
  }
}
