/** Lines that are broken at blanks, so that a terminal breaks none of them in a word. */

import { columnsOf } from './live-frame.ts';

/** What follows a break stands under the text behind the first `hang` columns. A word that is too long for a line stays whole. */
export function breakLine(line: string, columnsMax: number, hang: number): readonly string[] {
  if (columnsOf(line) <= columnsMax) return [line];
  const fitting = line.lastIndexOf(' ', columnsMax);
  const at = fitting > hang ? fitting : line.indexOf(' ', Math.max(hang, columnsMax));
  if (at === -1) return [line];
  return [line.slice(0, at).trimEnd(), ...breakLine(`${' '.repeat(hang)}${line.slice(at + 1)}`, columnsMax, hang)];
}

/** A text of several lines, those that begin with a term and blanks among them: `  pause    copying rests`. */
export function breakText(text: string, columnsMax: number): string {
  return text
    .split('\n')
    .flatMap((line) => breakLine(line, columnsMax, /^ {2}\S.*? {2,}/.exec(line)?.[0].length ?? 0))
    .join('\n');
}
