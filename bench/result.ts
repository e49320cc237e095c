/** What a bench found: one table and its charts, with everything that is needed to judge it. Printed, and kept as JSON. */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Flavour } from '../test/support/servers.ts';
import { hidePasswords } from '../src/server-url.ts';
import type { Machine } from './machine.ts';

/** A column of figures. */
export interface Column {
  readonly title: string;
  /** After the point. */
  readonly digits: number;
}

/** Null: it cannot be told, or does not apply. */
export type Cell = number | string | null;

export interface Line {
  readonly name: string;
  /** One for each column. */
  readonly cells: readonly Cell[];
}

/** Something to draw. Bars lie one below the other; a curve rises over its x values. */
export type Chart = BarChart | CurveChart;

export interface BarChart {
  readonly kind: 'bars';
  /** Part of the file's name: plain words. */
  readonly name: string;
  readonly title: string;
  readonly unit: string;
  readonly bars: readonly { readonly name: string; readonly value: number; readonly isOurs: boolean }[];
}

export interface CurveChart {
  readonly kind: 'curves';
  readonly name: string;
  readonly title: string;
  readonly unit: string;
  readonly xUnit: string;
  readonly curves: readonly { readonly name: string; readonly points: readonly (readonly [number, number])[] }[];
}

/** One bench on one server. */
export interface BenchResult {
  readonly format: 1;
  readonly bench: string;
  readonly flavour: Flavour;
  /** `MySQL 9.7.4` */
  readonly server: string;
  /** What was measured, in a line. */
  readonly title: string;
  /** As it was before the first run. */
  readonly machine: Machine;
  /** Of the working tree; with a plus where it was changed. */
  readonly commit: string;
  /** ISO 8601. */
  readonly madeAt: string;
  /** What to type to measure it again. */
  readonly command: string;
  readonly settings: Readonly<Record<string, string | number>>;
  readonly columns: readonly Column[];
  readonly lines: readonly Line[];
  readonly charts: readonly Chart[];
  readonly notes: readonly string[];
  /** Each run by itself, as the bench keeps it. */
  readonly runs: readonly unknown[];
}

/** What a bench itself has to say; the rest is added by `concluded`. */
export type Findings = Pick<BenchResult, 'title' | 'settings' | 'columns' | 'lines' | 'charts' | 'runs'> & {
  readonly notes?: readonly string[];
};

/** Where findings come from. */
export interface Origin {
  readonly bench: string;
  readonly flavour: Flavour;
  readonly server: string;
  readonly machine: Machine;
}

/** Findings with the circumstances. */
export function concluded(origin: Origin, findings: Findings): BenchResult {
  const asTyped = process.argv.slice(2);
  // Where the figures were written to is nobody's business.
  const words = asTyped.filter((word, place) => !/^--json\b/.test(word) && asTyped[place - 1] !== '--json').map(hidePasswords);
  return {
    format: 1,
    ...origin,
    commit: commitAtHand(),
    madeAt: new Date().toISOString(),
    command: ['npm run bench --', ...words.map((word) => (/^[\w.,:/=-]+$/.test(word) ? word : `'${word}'`))].join(' '),
    notes: [],
    ...findings,
  };
}

/** Prints the table of each result, and writes all of them to the file. */
export function publish(results: readonly BenchResult[], file: string | undefined): void {
  for (const result of results) {
    console.log(`\n${result.bench}: ${result.server}, ${result.title}`);
    console.log(textTable(result.columns, result.lines));
    for (const note of result.notes) console.log(note);
  }
  if (file !== undefined) writeFileSync(file, `${JSON.stringify(results, undefined, 2)}\n`);
}

/** The results of a file that `publish` wrote. Throws for any other file. */
export function readResults(file: string): readonly BenchResult[] {
  const content = JSON.parse(readFileSync(file, 'utf8')) as unknown;
  const isResult = (item: unknown): item is BenchResult =>
    typeof item === 'object' && item !== null && 'format' in item && item.format === 1;
  if (!Array.isArray(content) || !content.every(isResult)) {
    throw new Error(`${file} was not written by a bench's --json: measure again.`);
  }
  return content;
}

/** With aligned columns. */
export function textTable(columns: readonly Column[], lines: readonly Line[]): string {
  const rows = [
    ['', ...columns.map(({ title }) => title)],
    ...lines.map(({ name, cells }) => [name, ...cellTexts(columns, cells)]),
  ];
  const widths = rows[0]?.map((_, place) => Math.max(...rows.map((row) => row[place]?.length ?? 0))) ?? [];
  const pad = (text: string, place: number): string =>
    place === 0 ? text.padEnd(widths[place] ?? 0) : text.padStart(widths[place] ?? 0);
  return rows.map((row) => row.map(pad).join('  ').trimEnd()).join('\n');
}

/** As Markdown. */
export function markdownTable(columns: readonly Column[], lines: readonly Line[]): string {
  const row = (cells: readonly string[]): string => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [
    row(['', ...columns.map(({ title }) => title)]),
    row(['---', ...columns.map(() => '--:')]),
    ...lines.map(({ name, cells }) => row([name, ...cellTexts(columns, cells)])),
  ].join('\n');
}

/** A number with its digits and thousands apart. */
export function numberText(value: number, digits: number): string {
  return value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

function cellTexts(columns: readonly Column[], cells: readonly Cell[]): readonly string[] {
  return columns.map(({ digits }, place) => {
    const cell = cells[place] ?? null;
    return cell === null ? '-' : typeof cell === 'string' ? cell : numberText(cell, digits);
  });
}

function commitAtHand(): string {
  const git = (...args: string[]): string =>
    execFileSync('git', args, { cwd: join(import.meta.dirname, '..'), encoding: 'utf8', stdio: 'pipe' }).trim();
  try {
    const isChanged = git('status', '--porcelain', '--', 'src', 'bench', 'test/support') !== '';
    return `${git('rev-parse', '--short', 'HEAD')}${isChanged ? '+' : ''}`;
  } catch {
    return 'unknown';
  }
}
