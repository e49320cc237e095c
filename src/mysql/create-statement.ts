/** What the text of SHOW CREATE TABLE says beyond the catalog's own columns: whole definitions, table options, partitions. */

import { assert } from '../engine/errors.ts';
import { tokenise, type Token } from './sql-tokens.ts';
import { quoteName } from './statements.ts';

/** SHOW CREATE TABLE, taken apart. */
export interface CreateStatement {
  /** Definition of each column as written, from behind its name. */
  readonly columns: ReadonlyMap<string, string>;
  /** Definitions of keys, CHECK and FOREIGN KEY constraints and periods, as written. */
  readonly otherElements: readonly string[];
  /** The indexes among them by name, without the primary key. */
  readonly indexes: ReadonlyMap<string, string>;
  /** The CHECK constraints among them. */
  readonly checks: readonly CheckConstraint[];
  /** Everything behind the elements' parenthesis, with AUTO_INCREMENT left out. */
  readonly options: string;
  readonly engine: string;
  /** AUTO_INCREMENT option, or null where none is written (the table has no such column, or its next value is 1). */
  readonly autoIncrement: bigint | null;
  readonly isPartitioned: boolean;
  readonly isSystemVersioned: boolean;
  readonly hasForeignKeys: boolean;
  /** Also those in the definition of a column (MariaDB). */
  readonly hasChecks: boolean;
}

/** A CHECK constraint of the table, which MariaDB tells from those of a column. */
export interface CheckConstraint {
  readonly name: string | null;
  /** From CHECK on, as written. */
  readonly definition: string;
}

/** Names of the indexes with a virtual column; perhaps of one more, where an expression or a comment looks like that. */
export function indexesOverVirtual({ columns, indexes }: CreateStatement): readonly string[] {
  const virtual = [...columns].filter(([, definition]) => /\bGENERATED ALWAYS AS\b.*\bVIRTUAL\b/is.test(definition));
  const isOver = (text: string): boolean => virtual.some(([column]) => text.includes(quoteName(column)));
  return [...indexes].filter(([, text]) => isOver(text)).map(([name]) => name);
}

/** Takes the text of SHOW CREATE TABLE apart. The session's sql_mode must not have ANSI_QUOTES or NO_BACKSLASH_ESCAPES. */
export function readCreateStatement(shown: string): CreateStatement {
  const sql = shown.replaceAll(foreignKeyLine, withDoubledQuotes);
  const tokens = tokenise(sql);
  const open = tokens.findIndex((token) => isSymbol(token, '('));
  const close = closingParenthesis(tokens, open);
  const elements = splitAtCommas(tokens.slice(open + 1, close));
  const columns = new Map<string, string>();
  const otherElements: string[] = [];
  const checks: CheckConstraint[] = [];
  for (const element of elements) {
    const [first, second, third] = element;
    const last = element.at(-1);
    assert(first !== undefined && last !== undefined, 'SHOW CREATE TABLE has an empty element');
    // A comment that closes behind the last token belongs to it.
    if (first.kind !== 'name') otherElements.push(textThrough(sql, first.start, last));
    else columns.set(first.value, second === undefined ? '' : textThrough(sql, second.start, last));
    const name = isWord(first, 'CONSTRAINT') && second?.kind === 'name' ? second.value : null;
    const begin = name === null ? first : third;
    if (begin !== undefined && isWord(begin, 'CHECK')) checks.push({ name, definition: textThrough(sql, begin.start, last) });
  }
  const options = tokens.slice(close + 1);
  return {
    columns,
    otherElements,
    indexes: new Map(otherElements.flatMap(namedIndex)),
    checks,
    options: optionsText(sql, options),
    engine: optionValue(options, 'ENGINE') ?? '',
    autoIncrement: parseAutoIncrement(optionValue(options, 'AUTO_INCREMENT')),
    isPartitioned: hasWords(options, 'PARTITION', 'BY'),
    isSystemVersioned: hasWords(options, 'SYSTEM', 'VERSIONING'),
    hasForeignKeys: elements.some((element) => hasWords(element, 'FOREIGN', 'KEY')),
    hasChecks: elements.some((element) => hasWords(element, 'CHECK')),
  };
}

function namedIndex(element: string): [name: string, text: string][] {
  const name = /^(?:UNIQUE |FULLTEXT |SPATIAL )?KEY `((?:[^`]|``)+)`/.exec(element)?.[1];
  return name === undefined ? [] : [[name.replaceAll('``', '`'), element]];
}

/** The name of a foreign key, its columns, and those that it refers to, each with what stands before and behind it. */
const foreignKeyLine =
  /(\n {2}CONSTRAINT `)((?:(?!\n {2}CONSTRAINT `)[^])+?)(` FOREIGN KEY \(`)([^]+?)(`\) REFERENCES (?:`(?:[^`]|``)+`\.)?`(?:[^`]|``)+` \(`)([^]+?)(`\))/g;
/** Between the columns. */
const nextName = '`, `';

/**
 * MariaDB prints these names with the backquotes in them as they are, not doubled, and the text cannot be read, or not as it is meant. A
 * line in which all are doubled stays.
 */
function withDoubledQuotes(line: string, ...parts: readonly string[]): string {
  const [before = '', name = '', to = '', columns = '', from = '', parents = '', behind = ''] = parts;
  const lists = [[name], columns.split(nextName), parents.split(nextName)];
  if (lists.flat().every((text) => /^(?:[^`]|``)+$/.test(text))) return line;
  const doubled = lists.map((names) => names.map((text) => text.replaceAll('`', '``')).join(nextName));
  return [before, doubled[0], to, doubled[1], from, doubled[2], behind].join('');
}

/** Names of the CHECK constraints that have one. */
export function checkNames({ checks }: CreateStatement): readonly string[] {
  return checks.flatMap(({ name }) => name ?? []);
}

/** Place of the parenthesis that closes the one at `open`. */
export function closingParenthesis(tokens: readonly Token[], open: number): number {
  let depth = 0;
  for (const [place, token] of tokens.entries()) {
    if (place < open) continue;
    if (isSymbol(token, '(')) depth += 1;
    if (isSymbol(token, ')')) depth -= 1;
    if (depth === 0) return place;
  }
  return tokens.length;
}

/** The runs of tokens between commas that stand in no parenthesis. */
export function splitAtCommas(tokens: readonly Token[]): readonly (readonly Token[])[] {
  const parts: Token[][] = [[]];
  let depth = 0;
  for (const token of tokens) {
    if (isSymbol(token, '(')) depth += 1;
    if (isSymbol(token, ')')) depth -= 1;
    if (depth === 0 && isSymbol(token, ',')) parts.push([]);
    else parts.at(-1)?.push(token);
  }
  return parts;
}

/** Whether the token is this character outside of quotes. */
export function isSymbol(token: Token | undefined, symbol: string): boolean {
  return token !== undefined && token.kind === 'symbol' && token.text === symbol;
}

/** Whether these bare words follow each other somewhere, outside of parentheses. */
function hasWords(tokens: readonly Token[], ...words: readonly string[]): boolean {
  let depth = 0;
  return tokens.some((token, place) => {
    if (isSymbol(token, '(')) depth += 1;
    if (isSymbol(token, ')')) depth -= 1;
    return depth === 0 && words.every((word, step) => isWord(tokens[place + step], word));
  });
}

/** Whether the token is this bare word, which is given in upper case. */
export function isWord(token: Token | undefined, word: string): boolean {
  return token !== undefined && token.kind === 'word' && token.value === word;
}

function optionValue(options: readonly Token[], name: string): string | null {
  const place = options.findIndex((token, at) => isWord(token, name) && isSymbol(options[at + 1], '='));
  return place === -1 ? null : (options[place + 2]?.text ?? null);
}

function parseAutoIncrement(text: string | null): bigint | null {
  return text === null ? null : BigInt(text);
}

function textThrough(sql: string, start: number, last: Token): string {
  const closing = last.isConditional ? /^\s*\*\//.exec(sql.slice(last.end)) : null;
  return sql.slice(start, last.end + (closing?.[0].length ?? 0));
}

function optionsText(sql: string, options: readonly Token[]): string {
  const [first] = options;
  const last = options.at(-1);
  if (first === undefined || last === undefined) return '';
  const place = options.findIndex((token) => isWord(token, 'AUTO_INCREMENT'));
  const name = options[place];
  const value = options[place + 2];
  if (name === undefined || value === undefined) return textThrough(sql, first.start, last);
  return `${sql.slice(first.start, name.start)}${textThrough(sql, value.end, last).trimStart()}`;
}
