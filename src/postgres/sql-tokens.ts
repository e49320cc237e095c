/**
 * Splits SQL text of PostgreSQL into tokens: just enough to find clauses, names and parentheses, never the meaning of an
 * expression. As the server reads it with standard_conforming_strings on.
 */

/**
 * `word`: a bare name or keyword. `name`: in double quotes. `string`: in single quotes or between dollar tags, whatever its
 * prefix. `number`: digits first. `symbol`: any other single character.
 */
export type TokenKind = 'word' | 'name' | 'string' | 'number' | 'symbol';

export interface Token {
  readonly kind: TokenKind;
  /** What it says: a word in lower case, as the server folds it; a name without its quotes; others as written. */
  readonly value: string;
  /** Place of the first character, and of the one behind the last. */
  readonly start: number;
  readonly end: number;
  /** Parentheses and brackets around it; an opening or closing one has the depth outside. */
  readonly depth: number;
}

/** The text ends inside a quotation or a comment, or its parentheses do not match. */
export class UnreadableSqlError extends Error {
  constructor(what: string) {
    super(what);
    this.name = 'UnreadableSqlError';
  }
}

const space = /\s/;
const digit = /[0-9]/;
const wordStart = /[A-Za-z_\u0080-\uffff]/;
const wordRest = /[A-Za-z0-9_$\u0080-\uffff]/;
/** `$$` or `$tag$`. */
const dollarTag = /\$(?:[A-Za-z_\u0080-\uffff][A-Za-z0-9_\u0080-\uffff]*)?\$/y;

/** All tokens of the text, comments left out. Throws UnreadableSqlError. */
export function tokenise(sql: string): readonly Token[] {
  const tokens: Token[] = [];
  let depth = 0;
  for (let at = 0; at < sql.length; ) {
    const character = sql.charAt(at);
    if (space.test(character)) at += 1;
    else if (sql.startsWith('--', at)) at = endOfLine(sql, at);
    else if (sql.startsWith('/*', at)) at = endOfComment(sql, at);
    else {
      const token = tokenAt(sql, at);
      const isClosing = token.kind === 'symbol' && (character === ')' || character === ']');
      if (isClosing) depth -= 1;
      if (depth < 0) throw new UnreadableSqlError('a parenthesis closes that was not opened');
      tokens.push({ ...token, depth });
      if (token.kind === 'symbol' && (character === '(' || character === '[')) depth += 1;
      at = token.end;
    }
  }
  if (depth > 0) throw new UnreadableSqlError('a parenthesis is not closed');
  return tokens;
}

function endOfLine(sql: string, at: number): number {
  const end = sql.slice(at).search(/[\r\n]/);
  return end === -1 ? sql.length : at + end + 1;
}

/** Comments nest. */
function endOfComment(sql: string, start: number): number {
  let nesting = 0;
  for (let at = start; at < sql.length; ) {
    if (sql.startsWith('/*', at)) {
      nesting += 1;
      at += 2;
    } else if (sql.startsWith('*/', at)) {
      nesting -= 1;
      at += 2;
      if (nesting === 0) return at;
    } else at += 1;
  }
  throw new UnreadableSqlError('the text ends inside a comment');
}

function tokenAt(sql: string, start: number): Omit<Token, 'depth'> {
  const character = sql.charAt(start);
  const rest = sql.slice(start, start + 3);
  if (character === "'") return stringAt(sql, start, start, false);
  if (/^[eE]'/.test(rest)) return stringAt(sql, start, start + 1, true);
  if (/^[bBxXnN]'/.test(rest)) return stringAt(sql, start, start + 1, false);
  if (/^[uU]&'/.test(rest)) return stringAt(sql, start, start + 2, false);
  if (/^[uU]&"/.test(rest)) throw new UnreadableSqlError('names with Unicode escapes are not supported');
  if (character === '"') {
    const end = endOfQuoted(sql, start, false);
    return { kind: 'name', value: sql.slice(start + 1, end - 1).replaceAll('""', '"'), start, end };
  }
  if (character === '$') {
    dollarTag.lastIndex = start;
    const tag = dollarTag.exec(sql)?.[0];
    if (tag !== undefined) {
      const end = sql.indexOf(tag, start + tag.length);
      if (end === -1) throw new UnreadableSqlError('the text ends inside a string');
      return { kind: 'string', value: sql.slice(start, end + tag.length), start, end: end + tag.length };
    }
  }
  const kind = wordStart.test(character) ? 'word' : digit.test(character) ? 'number' : 'symbol';
  let end = start + 1;
  if (kind !== 'symbol') while (end < sql.length && wordRest.test(sql.charAt(end))) end += 1;
  const text = sql.slice(start, end);
  // The server folds the letters of ASCII only, in a multi-byte encoding.
  const value = kind === 'word' ? text.replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase()) : text;
  return { kind, value, start, end };
}

function stringAt(sql: string, start: number, quoteAt: number, hasEscapes: boolean): Omit<Token, 'depth'> {
  const end = endOfQuoted(sql, quoteAt, hasEscapes);
  return { kind: 'string', value: sql.slice(start, end), start, end };
}

/** A doubled quote is the quote itself; in E'' a backslash escapes. */
function endOfQuoted(sql: string, quoteAt: number, hasEscapes: boolean): number {
  const quote = sql.charAt(quoteAt);
  for (let at = quoteAt + 1; at < sql.length; at += 1) {
    const character = sql.charAt(at);
    if (character === '\\' && hasEscapes) at += 1;
    else if (character === quote && sql.charAt(at + 1) === quote) at += 1;
    else if (character === quote) return at + 1;
  }
  throw new UnreadableSqlError(quote === '"' ? 'the text ends inside a quoted name' : 'the text ends inside a string');
}
