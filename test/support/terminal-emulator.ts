/** A terminal in memory that knows what the live view writes: lines, colours, cursor up, erase below, and wrapping. */

/** Shows what a real terminal of that size would show. Rows that scroll out at the top are kept. */
export class TerminalEmulator {
  readonly isTTY = true;
  columns: number;
  rows: number;
  /** How often text went on in the next row because the row was full. */
  wraps = 0;
  readonly #lines: string[][] = [[]];
  #row = 0;
  #column = 0;
  readonly #listeners = new Set<() => void>();

  constructor(columns: number, rows: number) {
    this.columns = columns;
    this.rows = rows;
  }

  /** Everything that was written and not erased, without trailing blanks. */
  get text(): string {
    const lines = this.#lines.map((line) =>
      Array.from(line, (character) => character ?? ' ')
        .join('')
        .trimEnd(),
    );
    return lines.join('\n').trimEnd();
  }

  /** Columns of the longest line. */
  get longestLine(): number {
    return Math.max(...this.#lines.map((line) => line.length));
  }

  write(text: string): boolean {
    // oxlint-disable-next-line no-control-regex -- control sequences begin with the escape character
    for (const [part] of text.matchAll(/\u001B\[(\d*)([A-Za-z])|[^]/gu)) this.#take(part);
    return true;
  }

  /** Changes the width as a window manager does: full rows are not joined or split again. */
  resize(columns: number, rows: number): void {
    this.columns = columns;
    this.rows = rows;
    for (const listener of this.#listeners) listener();
  }

  on(_event: 'resize', listener: () => void): void {
    this.#listeners.add(listener);
  }

  off(_event: 'resize', listener: () => void): void {
    this.#listeners.delete(listener);
  }

  get hasListeners(): boolean {
    return this.#listeners.size > 0;
  }

  #take(part: string): void {
    // oxlint-disable-next-line no-control-regex -- control sequences begin with the escape character
    const [, figure, letter] = /^\u001B\[(\d*)([A-Za-z])$/.exec(part) ?? [];
    if (letter === 'm') return;
    if (letter === 'A') this.#row = Math.max(this.#row - Number(figure), Math.max(this.#lines.length - this.rows, 0));
    else if (letter === 'J') this.#eraseBelow();
    else if (part === '\r') this.#column = 0;
    else if (part === '\n') this.#newLine();
    else this.#put(part);
  }

  #eraseBelow(): void {
    this.#lines.length = this.#row + 1;
    this.#line().length = this.#column;
  }

  #newLine(): void {
    this.#row += 1;
    this.#column = 0;
    this.#line();
  }

  #put(character: string): void {
    if (!/[\u0020-\u{10ffff}]/u.test(character)) throw new Error(`The emulator does not know ${JSON.stringify(character)}.`);
    const width = (character.codePointAt(0) ?? 0) >= 0x1100 ? 2 : 1;
    if (this.#column + width > this.columns) {
      this.wraps += 1;
      this.#newLine();
    }
    this.#line()[this.#column] = character;
    if (width === 2) this.#line()[this.#column + 1] = '';
    this.#column += width;
  }

  #line(): string[] {
    return (this.#lines[this.#row] ??= []);
  }
}
