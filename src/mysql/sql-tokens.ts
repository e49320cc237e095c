/**
 * Splits SQL text of MySQL and MariaDB into tokens: just enough to find clauses, names and parentheses, never the meaning of
 * an expression.
 */

/**
 * `word`: a bare name or keyword. `name`: in backquotes. `double`: in double quotes, a string or, under ANSI_QUOTES, a name.
 * `string`: in single quotes. `number`: digits first. `symbol`: any other single character.
 */
export type TokenKind = 'word' | 'name' | 'double' | 'string' | 'number' | 'symbol';

export interface Token {
  readonly kind: TokenKind;
  /** The text as written. */
  readonly text: string;
  /** What it says: quotes and escapes resolved; a word in upper case. */
  readonly value: string;
  /** Place of the first character, and of the one behind the last. */
  readonly start: number;
  readonly end: number;
  /** Inside a comment that only some servers execute, such as one that begins with `/*!80023`. */
  readonly isConditional: boolean;
}

/** The text ends inside a quotation or a comment. */
export class UnfinishedSqlError extends Error {
  constructor(what: string) {
    super(`the text ends inside ${what}`);
    this.name = 'UnfinishedSqlError';
  }
}

const wordStart = /[A-Za-z_$@\u0080-\uffff]/;
const wordRest = /[A-Za-z0-9_$@\u0080-\uffff]/;
const digit = /[0-9]/;
const space = /\s/;
const escapes: Readonly<Record<string, string>> = { '0': '\0', b: '\b', n: '\n', r: '\r', t: '\t', Z: '\u001a' };

/** How the session reads a text. Ours have the default; other sessions' statements are in the log. */
export interface TokenOptions {
  /** sql_mode NO_BACKSLASH_ESCAPES: a backslash in a string is a character like others. */
  readonly hasPlainBackslash: boolean;
}

/** All tokens of the text, comments left out; the content of an executable comment is code. Throws UnfinishedSqlError. */
export function tokenise(sql: string, options: TokenOptions = { hasPlainBackslash: false }): readonly Token[] {
  const tokens: Token[] = [];
  let executable: 'none' | 'always' | 'conditional' = 'none';
  let at = 0;
  while (at < sql.length) {
    const character = sql.charAt(at);
    if (space.test(character)) {
      at += 1;
    } else if (executable !== 'none' && sql.startsWith('*/', at)) {
      executable = 'none';
      at += 2;
    } else if (isLineComment(sql, at)) {
      const end = sql.indexOf('\n', at);
      at = end === -1 ? sql.length : end + 1;
    } else if (sql.startsWith('/*', at)) {
      const opening: RegExpExecArray | null =
        executable === 'none' ? /^\/\*(M)?!([0-9]{5,6})?/.exec(sql.slice(at, at + 10)) : null;
      if (opening === null) {
        at = endOfComment(sql, at);
      } else {
        executable = opening[1] === undefined && opening[2] === undefined ? 'always' : 'conditional';
        at += opening[0].length;
      }
    } else {
      const token = tokenAt(sql, at, { isConditional: executable === 'conditional', ...options });
      tokens.push(token);
      at = token.end;
    }
  }
  if (executable !== 'none') throw new UnfinishedSqlError('an executable comment');
  return tokens;
}

/** `--` begins a comment only before a space or the end. */
function isLineComment(sql: string, at: number): boolean {
  if (sql.charAt(at) === '#') return true;
  return sql.startsWith('--', at) && (at + 2 === sql.length || sql.charAt(at + 2) <= ' ');
}

function endOfComment(sql: string, at: number): number {
  const end = sql.indexOf('*/', at + 2);
  if (end === -1) throw new UnfinishedSqlError('a comment');
  return end + 2;
}

function tokenAt(sql: string, start: number, options: TokenOptions & { readonly isConditional: boolean }): Token {
  const { isConditional } = options;
  const character = sql.charAt(start);
  const quoted = { '`': 'name', '"': 'double', "'": 'string' }[character] as TokenKind | undefined;
  if (quoted !== undefined) {
    const { value, end } = readQuoted(sql, start, options);
    return { kind: quoted, text: sql.slice(start, end), value, start, end, isConditional };
  }
  let end = start + 1;
  if (wordStart.test(character) || digit.test(character)) {
    while (end < sql.length && wordRest.test(sql.charAt(end))) end += 1;
  }
  const text = sql.slice(start, end);
  // A bare name may begin with a digit, as long as it is not digits only.
  const kind = wordStart.test(character) ? 'word' : !digit.test(character) ? 'symbol' : isNumber(text) ? 'number' : 'word';
  return { kind, text, value: kind === 'word' ? text.toUpperCase() : text, start, end, isConditional };
}

function isNumber(text: string): boolean {
  return /^[0-9]+$/.test(text) || /^0[xX][0-9a-fA-F]+$/.test(text) || /^0b[01]+$/.test(text) || /^[0-9]+[eE][0-9]+$/.test(text);
}

/** A doubled quote is the quote itself; a backslash escapes in strings, not in backquoted names. */
function readQuoted(sql: string, start: number, options: TokenOptions): { readonly value: string; readonly end: number } {
  const quote = sql.charAt(start);
  const hasEscapes = quote !== '`' && !options.hasPlainBackslash;
  let value = '';
  let at = start + 1;
  while (at < sql.length) {
    const character = sql.charAt(at);
    if (character === quote && sql.charAt(at + 1) === quote) {
      value += quote;
      at += 2;
    } else if (character === quote) {
      return { value, end: at + 1 };
    } else if (character === '\\' && hasEscapes && at + 1 < sql.length) {
      const escaped = sql.charAt(at + 1);
      value += escapes[escaped] ?? escaped;
      at += 2;
    } else {
      value += character;
      at += 1;
    }
  }
  throw new UnfinishedSqlError(quote === '`' ? 'a quoted name' : 'a string');
}
