/** The live view on a terminal: a block at the bottom that is drawn again in place, and lines that stay above it. */

import type { MigrationEvent } from '../engine/events.ts';
import type { Phase } from '../engine/model.ts';
import { renderFamilyFrame } from './family-frame.ts';
import type { RunMembers } from './family-figures.ts';
import { columnsOf, type Heading, oneLine, renderFrame, type ScreenSize } from './live-frame.ts';
import { describeEvent, isShown, type Level, levelOf } from './log.ts';
import { addEvent, endPhase, noFigures, type RunFigures } from './run-figures.ts';

/** The terminal, as far as the view needs it. */
export interface Screen {
  readonly columns?: number | undefined;
  readonly rows?: number | undefined;
  /** True while it has not yet taken what was written before; absent where who writes waits for it. */
  readonly isBehind?: boolean;
  write(text: string): unknown;
  on(event: 'resize', listener: () => void): unknown;
  off(event: 'resize', listener: () => void): unknown;
}

/** How the view looks. */
export interface LiveViewOptions {
  readonly heading: Heading;
  readonly level: Level;
  readonly hasColours: boolean;
  /** Several tables: they are shown instead of the heading. */
  readonly family?: () => RunMembers;
  /** Milliseconds of any clock. */
  readonly now: () => number;
}

const ERASE_BELOW = '\u001B[J';
const DEFAULT_COLUMNS = 80;
const DEFAULT_ROWS = 24;

/**
 * Draws when events come, about once a second. Before each drawing the cursor goes up by as many rows as the last block takes
 * at the present width, so a resize between two drawings leaves nothing behind. The cursor stays visible: a run that is
 * killed leaves a usable terminal.
 */
export class LiveView {
  readonly #screen: Screen;
  readonly #options: LiveViewOptions;
  #figures: RunFigures;
  #endedIn: Phase | null = null;
  #drawn: readonly string[] = [];
  readonly #redraw = (): void => {
    if (this.#screen.isBehind !== true) this.#draw();
  };

  constructor(screen: Screen, options: LiveViewOptions) {
    this.#screen = screen;
    this.#options = options;
    this.#figures = noFigures(options.now());
    screen.on('resize', this.#redraw);
  }

  /** Takes in what happened and shows it. `prefix` stands before the line of an event: the table that it is about, among several. */
  observe(event: MigrationEvent, prefix = ''): void {
    this.#figures = addEvent(this.#figures, event, this.#options.now());
    // The block itself shows phases and figures: only what needs a look stays, unless more was asked for.
    const isLine = levelOf(event) === 'warn' || (this.#options.level === 'debug' && event.kind !== 'progress');
    if (isLine && isShown(levelOf(event), this.#options.level)) this.printAbove(`${prefix}${describeEvent(event)}`);
    else if (event.kind === 'progress' || levelOf(event) !== 'debug') this.#redraw();
  }

  /** Writes a line that stays, above the block. */
  printAbove(line: string): void {
    if (this.#screen.isBehind !== true) return this.#draw(`${oneLine(line)}\n`);
    this.#screen.write(`${this.#eraseBlock()}${oneLine(line)}\n`);
    this.#drawn = [];
  }

  /** Leaves the block as it is at the end, with the cursor below it. */
  close(): void {
    this.#screen.off('resize', this.#redraw);
    const nowMs = this.#options.now();
    const { phase } = this.#figures;
    this.#endedIn = phase === 'done' ? null : phase;
    this.#figures = { ...endPhase(this.#figures, nowMs), phase: null };
    this.#draw();
    this.#drawn = [];
  }

  #draw(above = ''): void {
    const { heading, family, now } = this.#options;
    const lines =
      family === undefined
        ? renderFrame({ ...heading, endedIn: this.#endedIn }, this.#figures, now(), this.#size())
        : renderFamilyFrame(family(), now(), this.#size());
    this.#screen.write(`${this.#eraseBlock()}${above}${lines.map((line) => `${line}\n`).join('')}`);
    this.#drawn = lines;
  }

  #eraseBlock(): string {
    const { columns } = this.#size();
    const rows = this.#drawn.reduce((sum, line) => sum + Math.max(Math.ceil(columnsOf(line) / columns), 1), 0);
    return `\r${rows === 0 ? '' : `\u001B[${rows}A`}${ERASE_BELOW}`;
  }

  #size(): ScreenSize {
    const { columns, rows } = this.#screen;
    // A terminal that does not know its size says 0.
    return { columns: columns || DEFAULT_COLUMNS, rows: rows || DEFAULT_ROWS, hasColours: this.#options.hasColours };
  }
}
