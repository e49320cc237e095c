/** What the live view shows of several tables that are swapped together: a line for each, and the figures of all. */

import { sumFigures, type RunMember, type RunMembers } from './family-figures.ts';
import { columnsOf, figureLines, fitLines, type Line, piece, presentPieces, type ScreenSize } from './live-frame.ts';
import { familyOf } from './family-text.ts';
import { tableText } from './plan-text.ts';
import { readableDuration } from './units.ts';

/** Columns of the longest phase, and a blank. */
const PHASE_COLUMNS = 14;
const TABLE_COLUMNS_MAX = 40;

/** Lines of at most `columns - 1` columns, at most `rows - 1` of them, from the top. */
export function renderFamilyFrame(members: RunMembers, nowMs: number, size: ScreenSize): readonly string[] {
  const total = sumFigures(members);
  const { id, tables } = familyOf(members);
  const head: readonly Line[] = [
    [piece(tables.join(', '), 'bold')],
    [piece(`migrations of family ${id}, ${readableDuration(nowMs - total.startedAtMs)} so far`, 'dim')],
  ];
  const width = Math.min(Math.max(...tables.map(columnsOf)), TABLE_COLUMNS_MAX) + 1;
  const list = members.map((member) => memberLine(member, { nowMs, width, columns: size.columns }));
  const tail = figureLines(total, id);
  const whole: readonly Line[] = [...head, [], ...list, [], ...tail];
  return fitLines(whole.length < size.rows ? whole : [...head.slice(0, 1), ...list, ...tail], size);
}

function memberLine(
  { plan, record: { figures } }: RunMember,
  { nowMs, width, columns }: { readonly nowMs: number; readonly width: number; readonly columns: number },
): Line {
  const name = tableText(plan.source).padEnd(width);
  const { phase } = figures;
  if (phase === null) return [piece(`    ${name}`, 'dim')];
  if (phase === 'done') return [piece(`  + ${name}`, 'green'), piece('done', 'dim')];
  const present = presentPieces(phase, figures, nowMs, columns - 7 - width - PHASE_COLUMNS);
  return [piece(`  > ${name}`, 'cyan'), piece(phase.padEnd(PHASE_COLUMNS)), ...present];
}
