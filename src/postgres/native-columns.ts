/**
 * Columns that are added together with something that the server would do to all rows at once: a constraint over the new column.
 * The clause is spelled out as two: the column, which is free, and what is to hold for it, for which there are recipes. Pure.
 */

import { isSymbol, isWord, nameOf, textOf } from './alter-clauses.ts';
import { type NativeClause, readNativeClauses } from './native-clauses.ts';
import { type Token, tokenise } from './sql-tokens.ts';
import { quoteName } from './statements.ts';

/** The clauses with each ADD COLUMN spelled out. None of them need differ from what was written. */
export function spellOut(clauses: readonly NativeClause[]): readonly NativeClause[] {
  return clauses.flatMap((clause) => (clause.adds === null ? [clause] : spellOutOne(clause)));
}

/**
 * The same, and columns that are NOT NULL with a default are to be filled later: added without a value, but with the default for
 * new rows. Only NOT NULL allows for that: where NULL is a value, one that the application writes could not be told from none.
 */
export function spellOutUnfilled(clauses: readonly NativeClause[]): readonly NativeClause[] {
  return spellOut(clauses).flatMap((clause) => (clause.adds === null ? [clause] : (unfilled(clause) ?? [clause])));
}

/** Null where the column is not NOT NULL with a default. */
function unfilled(clause: NativeClause): readonly NativeClause[] | null {
  const { text, adds } = clause;
  const parts = partsOf(tokenise(text));
  const isDefault = ([first]: readonly Token[]): boolean => isWord(first, 'default');
  const isNotNull = ([first, second]: readonly Token[]): boolean => isWord(first, 'not') && isWord(second, 'null');
  const value = parts.find(isDefault);
  if (adds === null || value === undefined || !parts.some(isNotNull)) return null;
  const column = quoteName(adds);
  const kept = parts.filter((part) => !isDefault(part) && !isNotNull(part)).map((part) => textOf(text, part));
  const set = `ALTER COLUMN ${column} SET NOT NULL`;
  const [last] = readNativeClauses(set) ?? [];
  if (last === undefined) return null;
  const first = { ...clause, text: `${kept.join(' ')}, ALTER COLUMN ${column} SET ${textOf(text, value)}` };
  return [first, { ...last, isUnfilled: true }];
}

function spellOutOne(clause: NativeClause): readonly NativeClause[] {
  const { text } = clause;
  const tokens = tokenise(text);
  const parts = partsOf(tokens);
  const [head, ...rest] = parts;
  const name = head?.find((token) => nameOf(token) === clause.adds && !isLead(token));
  if (head === undefined || name === undefined) return [clause];
  const column = textOf(text, [name]);
  const kept = [head, ...rest.filter((part) => constraintOf(part) === null)];
  const added = rest.flatMap((part) => addition(text, part, column));
  return readNativeClauses([kept.map((part) => textOf(text, part)).join(' '), ...added].join(', ')) ?? [clause];
}

function isLead(token: Token): boolean {
  return ['add', 'column', 'if', 'not', 'exists'].some((word) => isWord(token, word));
}

/** The column with its type, and each thing that is said about it; a name of a constraint is with what it names. */
function partsOf(tokens: readonly Token[]): readonly (readonly Token[])[] {
  const parts: Token[][] = [[]];
  for (const [index, token] of tokens.entries()) {
    const before = tokens[index - 1];
    const isNamed = isWord(tokens[index - 2], 'constraint');
    if (token.depth === 0 && !isNamed && isBegin(token, before, tokens[index + 1])) parts.push([]);
    parts.at(-1)?.push(token);
  }
  return parts;
}

const begins = [
  'constraint',
  'default',
  'check',
  'unique',
  'primary',
  'references',
  'generated',
  'collate',
  'storage',
  'compression',
];

/** ON DELETE SET NULL and SET DEFAULT begin nothing; nor does a name behind CONSTRAINT, whatever it is. */
function isBegin(token: Token, before: Token | undefined, after: Token | undefined): boolean {
  if (isWord(before, 'set') || isWord(before, 'constraint') || isSymbol(before, '.')) return false;
  if (isWord(token, 'not')) return isWord(after, 'null');
  if (isWord(token, 'null')) return !isWord(before, 'not') && !isWord(before, 'default');
  return begins.some((word) => isWord(token, word));
}

/** What it is, of a constraint that the table can have as well. */
function constraintOf(part: readonly Token[]): 'check' | 'unique' | 'primary' | 'references' | null {
  const first = isWord(part[0], 'constraint') ? part[2] : part[0];
  return (['check', 'unique', 'primary', 'references'] as const).find((word) => isWord(first, word)) ?? null;
}

function addition(sql: string, part: readonly Token[], column: string): readonly string[] {
  const kind = constraintOf(part);
  if (kind === null) return [];
  const nameTokens = isWord(part[0], 'constraint') ? part.slice(0, 2) : [];
  const body = part.slice(nameTokens.length);
  const start = nameTokens.length === 0 ? 'ADD' : `ADD ${textOf(sql, nameTokens)}`;
  if (kind === 'check') return [`${start} ${textOf(sql, body)}`];
  if (kind === 'references') return [`${start} FOREIGN KEY (${column}) ${textOf(sql, body)}`];
  const nulls = body.findIndex((token) => isWord(token, 'distinct'));
  const words = kind === 'primary' ? 2 : nulls === -1 ? 1 : nulls + 1;
  const tail = body.length === words ? '' : ` ${textOf(sql, body.slice(words))}`;
  return [`${start} ${textOf(sql, body.slice(0, words))} (${column})${tail}`];
}
