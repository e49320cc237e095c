/** What the live view shows, as lines that fit the terminal. Pure: the terminal itself is in terminal.ts. */

import type { Progress } from '../engine/events.ts';
import { PHASES, type Phase } from '../engine/model.ts';
import { activityText, shareDone, slowText } from './log.ts';
import type { RunFigures } from './run-figures.ts';
import { OPERATOR } from './steering-options.ts';
import { readableCount, readableDuration } from './units.ts';

/** Size and abilities of a terminal. */
export interface ScreenSize {
  readonly columns: number;
  readonly rows: number;
  readonly hasColours: boolean;
}

/** What stands above the figures. */
export interface Heading {
  readonly id: string;
  readonly table: string;
  readonly clauses: string;
  /** The phase in which a run has ended that is not done. */
  readonly endedIn?: Phase | null;
}

type Style = 'plain' | 'bold' | 'dim' | 'green' | 'yellow' | 'cyan';
interface Piece {
  readonly text: string;
  readonly style: Style;
}
/** A line in the making. */
export type Line = readonly Piece[];

/** `done` is no phase that takes time. */
const SHOWN_PHASES: readonly Phase[] = PHASES.filter((phase) => phase !== 'done');
const LABEL_COLUMNS = 10;
const BAR_COLUMNS_MAX = 50;

/** Lines of at most `columns - 1` columns, at most `rows - 1` of them, from the top. */
export function renderFrame(heading: Heading, figures: RunFigures, nowMs: number, size: ScreenSize): readonly string[] {
  const head: readonly Line[] = [
    [piece(heading.table, 'bold'), piece(`  ${heading.clauses}`)],
    [piece(`migration ${heading.id}, ${readableDuration(nowMs - figures.startedAtMs)} so far`, 'dim')],
  ];
  const tail = figureLines(figures, heading.id);
  const list = SHOWN_PHASES.map((phase) => phaseLine(phase, { heading, figures, nowMs, columns: size.columns }));
  const present = list.filter((_, index) => SHOWN_PHASES[index] === figures.phase);
  const whole: readonly Line[] = [...head, [], ...list, [], ...tail];
  return fitLines(whole.length < size.rows ? whole : [...head.slice(0, 1), ...present, ...tail], size);
}

/** As many of the lines as there is room for, none of which can wrap. */
export function fitLines(lines: readonly Line[], size: ScreenSize): readonly string[] {
  return lines.slice(0, Math.max(size.rows - 1, 1)).map((line) => paint(fit(line, size.columns - 1), size.hasColours));
}

/** Columns that a text takes in a terminal, at most: everything from Hangul on counts double. Control characters count none. */
export function columnsOf(text: string): number {
  let columns = 0;
  for (const character of text.replaceAll(PAINT, '')) {
    columns += (character.codePointAt(0) ?? 0) >= 0x1100 ? 2 : 1;
  }
  return columns;
}

/** A text without line ends and other control characters, which could move the cursor. */
export function oneLine(text: string): string {
  return text.replaceAll(/[\p{Cc}\s]+/gu, ' ').trim();
}

interface Shown {
  readonly heading: Heading;
  readonly figures: RunFigures;
  readonly nowMs: number;
  readonly columns: number;
}

function phaseLine(phase: Phase, { heading, figures, nowMs, columns }: Shown): Line {
  const name = phase.padEnd(15);
  const spentMs = figures.phasesMs[phase];
  if (phase !== figures.phase) {
    if (spentMs === undefined) return [piece(`    ${name}`, 'dim')];
    if (phase === heading.endedIn) return [piece(`  x ${name}`, 'yellow'), piece(`ended after ${readableDuration(spentMs)}`)];
    return [piece(`  + ${name}`, 'green'), piece(readableDuration(spentMs), 'dim')];
  }
  return [piece(`  > ${name}`, 'cyan'), ...presentPieces(phase, figures, nowMs, columns - 22)];
}

/** How far the phase at hand has come: a bar, or since when it goes on. `columns` are for both the bar and its figures. */
export function presentPieces(phase: Phase, figures: RunFigures, nowMs: number, columns: number): Line {
  const done = figures.progress?.phase === phase ? shareDone(figures.progress) : null;
  if (done === null) {
    const sinceMs = (figures.phasesMs[phase] ?? 0) + nowMs - figures.phaseEnteredAtMs;
    return [piece(`${readableDuration(sinceMs)}  ${activityText(phase, figures.progress)}`)];
  }
  const eta = figures.progress?.etaMs ?? null;
  const figuresText = `${String(Math.floor(done * 100)).padStart(4)} %${eta === null ? '' : `  ETA ${readableDuration(eta)}`}`;
  const barColumns = Math.min(columns - figuresText.length, BAR_COLUMNS_MAX);
  return [...(barColumns < 5 ? [] : [piece(bar(done, barColumns), 'cyan')]), piece(figuresText)];
}

function bar(done: number, columns: number): string {
  const full = Math.round(done * columns);
  return `[${'='.repeat(full)}${full < columns ? '>' : ''}${' '.repeat(Math.max(columns - full - 1, 0))}]`;
}

/** Rows, changes, what throttles and who holds the swap of the migration `id`, in neighbouring columns. */
export function figureLines(figures: RunFigures, id: string): readonly Line[] {
  const { progress, throttle } = figures;
  if (progress === null) return holdLines(figures, id);
  const lag =
    progress.lagMs === null
      ? 'lag not known yet'
      : `lag ${readableDuration(progress.lagMs)} (at most ${readableDuration(progress.lagMaxMs)})`;
  const stop = throttle === null ? progress.throttledBy : `${throttle.signal}: ${throttle.detail}`;
  const reason = stop ?? slowText(progress);
  return [
    label('rows', rowsText(figures, progress)),
    label(
      'changes',
      cells(lag, `${readableCount(progress.keysPending)} pending`, `${readableCount(progress.keysApplied)} applied`),
    ),
    reason === null ? label('throttle', 'none') : [piece('throttle'.padEnd(LABEL_COLUMNS), 'dim'), piece(reason, 'yellow')],
    ...holdLines(figures, id),
  ];
}

/** Everybody who holds the swap, and how the operator lets it go; nothing after it, or after the run. */
function holdLines({ cutoverHeldBy, phase, blockedMs }: RunFigures, id: string): readonly Line[] {
  const isOver = phase === null || phase === 'clean-up' || phase === 'done' || blockedMs !== null;
  if (isOver) return [];
  return cutoverHeldBy.flatMap(({ by, reason }, index): readonly Line[] => [
    [piece((index === 0 ? 'swap' : '').padEnd(LABEL_COLUMNS), 'dim'), piece(`held by ${by}: ${reason}`, 'yellow')],
    ...(by === OPERATOR ? [label('', `to let it go: tableshift control ${id} cutover`)] : []),
  ]);
}

function rowsText({ phase, rowsCopied, verification }: RunFigures, progress: Progress): string {
  const copied = readableCount(Math.max(rowsCopied, progress.rowsCopied));
  const compared = readableCount(verification?.rows ?? progress.rowsVerified);
  const speed = `${readableCount(progress.rowsPerSecond)} rows/s`;
  const chunks = `chunks of ${readableCount(progress.chunkRows)}`;
  if (phase === 'copy') return cells(`${copied} of ~${readableCount(progress.rowsEstimated)} copied`, speed, chunks);
  if (phase === 'verify') return cells(`${compared} of ~${readableCount(progress.rowsEstimated)} compared`, speed, '');
  return `${copied} copied, ${compared} compared`;
}

/** The columns of neighbouring lines stand below each other. */
function cells(first: string, second: string, third: string): string {
  return `${first.padEnd(33)} ${second.padEnd(18)} ${third}`.trimEnd();
}

function label(name: string, text: string): Line {
  return [piece(name.padEnd(LABEL_COLUMNS), 'dim'), piece(text)];
}

/** A part of a line in one style. */
export function piece(text: string, style: Style = 'plain'): Piece {
  return { text, style };
}

/** The line, cut so that it cannot wrap. */
function fit(line: Line, columnsMax: number): Line {
  let left = columnsMax;
  return line.map(({ text, style }) => {
    let kept = '';
    for (const character of text.replaceAll(/\p{Cc}+/gu, ' ')) {
      left -= columnsOf(character);
      if (left < 0) break;
      kept += character;
    }
    return { text: kept, style };
  });
}

const CODES: Readonly<Record<Exclude<Style, 'plain'>, number>> = { bold: 1, dim: 2, green: 32, yellow: 33, cyan: 36 };
// oxlint-disable-next-line no-control-regex -- colours begin with the escape character
const PAINT = /\u001B\[\d+m/g;

function paint(line: Line, hasColours: boolean): string {
  return line
    .map(({ text, style }) =>
      style === 'plain' || !hasColours || text === '' ? text : `\u001B[${CODES[style]}m${text}\u001B[0m`,
    )
    .join('')
    .trimEnd();
}
