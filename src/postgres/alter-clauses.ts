/**
 * Reads the clauses of an ALTER TABLE of PostgreSQL, just far enough to refuse what cannot be done on a shadow and to find the
 * USING expressions. What the clauses do to the definition is the server's to say (alter-probe.ts).
 */

import { MigrationError, messageOf } from '../engine/errors.ts';
import type { Obstacle } from '../engine/obstacles.ts';
import { type Token, tokenise, UnreadableSqlError } from './sql-tokens.ts';

/** What the clauses say. With problems there is nothing to plan. */
export interface AlterReading {
  /** The clauses without comments around them and without a semicolon at the end. */
  readonly text: string;
  /** Those that the server's own ALTER TABLE has; empty where there is none beside PARTITION BY. */
  readonly ownClauses: string;
  /** Null where the table is not partitioned. */
  readonly partitioning: Partitioning | null;
  readonly usings: readonly UsingExpression[];
  readonly problems: readonly Obstacle[];
}

/** `ALTER column TYPE … USING expression`. */
export interface UsingExpression {
  /** As the source has it. */
  readonly column: string;
  /** As it was written. */
  readonly expression: string;
  /** A string or NULL alone, which has no type of its own and takes that of the column. */
  readonly isUntyped: boolean;
}

/** The clause PARTITION BY, which is ours: the server has it in CREATE TABLE alone. */
export interface Partitioning {
  /** Behind PARTITION BY: `RANGE (created_at)`. */
  readonly method: string;
  readonly partitions: readonly Partition[];
}

export interface Partition {
  readonly name: string;
  /** `FOR VALUES IN (1, 2)`, `DEFAULT`. */
  readonly bound: string;
}

/** Reads clauses: what stands behind `ALTER TABLE name`. Never throws. */
export function readAlterClauses(sql: string): AlterReading {
  try {
    const tokens = withoutSemicolon(tokenise(sql));
    const text = textOf(sql, tokens);
    if (tokens.length === 0) return unread(text, 'The ALTER has no clause.');
    if (tokens.some((token) => isSymbol(token, ';'))) {
      return unread(text, 'Give the clauses of one ALTER TABLE, without a semicolon.');
    }
    const clauses = splitAtCommas(tokens);
    const partitionings = clauses.filter(isPartitionBy);
    const own = clauses.filter((clause) => !isPartitionBy(clause));
    return {
      text,
      ownClauses: partitionings.length === 0 ? text : own.map((clause) => textOf(sql, clause)).join(', '),
      partitioning: partitionings.map((clause) => partitioningOf(sql, clause))[0] ?? null,
      usings: clauses.flatMap((clause) => usingOf(sql, clause) ?? []),
      problems: [
        ...clauses.flatMap((clause) => problemOf(clause) ?? []),
        ...renamingProblem(own),
        ...foreignKeyProblem(tokens),
        ...(partitionings.length === 0 ? [] : partitioningProblems(sql, partitionings, own)),
      ],
    };
  } catch (error) {
    if (!(error instanceof UnreadableSqlError)) throw error;
    return unread(sql.trim(), `The ALTER cannot be read: ${error.message}.`);
  }
}

function unread(text: string, problem: string): AlterReading {
  return { text, ownClauses: text, partitioning: null, usings: [], problems: [unsupported(problem)] };
}

/** Takes a whole `ALTER TABLE …` statement apart; `clauses` goes to `readAlterClauses`. Rejects with BAD_USAGE. */
export function parseAlterStatement(sql: string): {
  readonly table: { readonly schema: string | null; readonly table: string };
  readonly clauses: string;
} {
  const usage = (message: string, cause?: unknown): MigrationError => new MigrationError('BAD_USAGE', message, { cause });
  let tokens: readonly Token[];
  try {
    tokens = withoutSemicolon(tokenise(sql));
  } catch (error) {
    throw usage(`The statement cannot be read: ${messageOf(error)}.`, error);
  }
  if (!isWords(tokens, 'alter', 'table')) throw usage('The statement is no ALTER TABLE.');
  if (tokens.some((token) => isSymbol(token, ';'))) throw usage('Give one ALTER TABLE statement at a time.');
  let rest = tokens.slice(2);
  if (isWords(rest, 'if', 'exists')) rest = rest.slice(2);
  if (isWords(rest, 'only')) rest = rest.slice(1);
  const first = nameOf(rest[0]);
  const second = isSymbol(rest[1], '.') ? nameOf(rest[2]) : null;
  if (first === null || (isSymbol(rest[1], '.') && second === null)) throw usage('The name of the table cannot be read.');
  rest = rest.slice(second === null ? 1 : 3);
  if (isSymbol(rest[0], '*')) rest = rest.slice(1);
  const table = second === null ? { schema: null, table: first } : { schema: first, table: second };
  return { table, clauses: textOf(sql, rest) };
}

/** Of a clause by its first words: what is no change of the table's own definition, or moves the table away. */
const refused: readonly (readonly [words: readonly string[], reason: string])[] = [
  [['rename', 'to'], 'renames the table'],
  [['set', 'schema'], 'moves the table to another schema'],
  [['set', 'logged'], 'makes the table logged'],
  [['set', 'unlogged'], 'makes the table unlogged, so that its changes cannot be followed'],
  [['inherit'], 'makes the table inherit'],
  [['no', 'inherit'], 'ends an inheritance'],
  [['of'], 'makes the table a typed one'],
  [['not', 'of'], 'makes the table an untyped one'],
  [['attach'], 'attaches a partition'],
  [['detach'], 'detaches a partition'],
  [['owner', 'to'], 'changes the owner, which needs no copy'],
  [['enable'], 'switches triggers, rules or row security, which needs no copy'],
  [['disable'], 'switches triggers, rules or row security, which needs no copy'],
  [['force'], 'switches row security, which needs no copy'],
  [['no', 'force'], 'switches row security, which needs no copy'],
  [['options'], 'sets options of a foreign table'],
];

function problemOf(clause: readonly Token[]): Obstacle | null {
  for (const [words, reason] of refused) {
    if (!isWords(clause, ...words)) continue;
    return unsupported(`The clause ${words.join(' ').toUpperCase()} ${reason}; run it by itself.`);
  }
  // `ALTER id RESTART`, also behind other changes of the identity.
  if (
    isWords(clause, 'alter') &&
    clause.slice(2).some((token) => token.depth === clause[0]?.depth && isWord(token, 'restart'))
  ) {
    return unsupported('The clause RESTART sets the next number of an identity column, which needs no copy; run it by itself.');
  }
  return null;
}

/** The server only says that there is a syntax error at the comma. */
function renamingProblem(clauses: readonly (readonly Token[])[]): readonly Obstacle[] {
  if (clauses.length < 2 || !clauses.some((clause) => isWords(clause, 'rename'))) return [];
  return [
    unsupported('RENAME stands alone in an ALTER TABLE of PostgreSQL. Rename by itself, before or after; that needs no copy.'),
  ];
}

/** Even trying it on an empty table would lock the other one. */
function foreignKeyProblem(tokens: readonly Token[]): readonly Obstacle[] {
  const adds = tokens.some(
    (token, index) => isWord(token, 'references') || (isWord(token, 'foreign') && isWord(tokens[index + 1], 'key')),
  );
  return adds ? [{ code: 'FOREIGN_KEYS', message: 'The ALTER adds a foreign key; add it by itself, first NOT VALID.' }] : [];
}

function isPartitionBy(clause: readonly Token[]): boolean {
  return isWords(clause, 'partition', 'by');
}

/** `PARTITION BY method (columns) (PARTITION name bound, …)`; null where it is not written so. */
function partitioningOf(sql: string, clause: readonly Token[]): Partitioning | null {
  const depth = clause[0]?.depth ?? 0;
  const opened = clause.flatMap((token, place) => (token.depth === depth && isSymbol(token, '(') ? [place] : []));
  const [columns, list] = opened;
  const method = clause.slice(2, list);
  const inner = list === undefined ? [] : clause.slice(list + 1, -1);
  const isWhole = opened.length === 2 && columns === 3 && isSymbol(method.at(-1), ')') && isSymbol(clause.at(-1), ')');
  const partitions = splitAtCommas(inner, depth + 1).flatMap((tokens) => partitionOf(sql, tokens) ?? []);
  const isRead = isWhole && inner.length > 0 && partitions.length === splitAtCommas(inner, depth + 1).length;
  return isRead ? { method: textOf(sql, method), partitions } : null;
}

/** Without parameters and partitions of its own. */
function partitionOf(sql: string, tokens: readonly Token[]): Partition | null {
  const [, named, ...bound] = tokens;
  const name = nameOf(named);
  const depth = tokens[0]?.depth;
  const isDefault = bound.length === 1 && isWords(bound, 'default');
  const words = bound.filter((token) => token.depth === depth && token.kind === 'word');
  const isBound =
    isWords(bound, 'for', 'values') && isSymbol(bound.at(-1), ')') && words.every(({ value }) => boundWords.has(value));
  return isWords(tokens, 'partition') && name !== null && (isDefault || isBound) ? { name, bound: textOf(sql, bound) } : null;
}

const boundWords: ReadonlySet<string> = new Set(['for', 'values', 'in', 'from', 'to', 'with']);

function partitioningProblems(
  sql: string,
  [first = [], ...others]: readonly (readonly Token[])[],
  own: readonly (readonly Token[])[],
): readonly Obstacle[] {
  const how =
    'PARTITION BY RANGE (created_at) (PARTITION orders_2025 FOR VALUES FROM (…) TO (…), PARTITION orders_rest DEFAULT)';
  const isDrop = (clause: readonly Token[]): boolean => isWords(clause, 'drop') && !isWords(clause, 'drop', 'constraint');
  return [
    ...(others.length === 0 && partitioningOf(sql, first) !== null
      ? []
      : [unsupported(`The clause PARTITION BY cannot be read; write it once, as in ${how}.`)]),
    ...(own.some(isDrop) ? [unsupported('Drop columns before the ALTER with PARTITION BY, which needs no copy.')] : []),
  ];
}

function usingOf(sql: string, clause: readonly Token[]): UsingExpression | null {
  if (!isWords(clause, 'alter')) return null;
  const named = isWord(clause[1], 'column') && nameOf(clause[2]) !== null && !isWord(clause[2], 'type') ? 2 : 1;
  const column = nameOf(clause[named]);
  const rest = clause.slice(named + 1);
  const isType = isWords(rest, 'type') || isWords(rest, 'set', 'data', 'type');
  const depth = clause[0]?.depth;
  const at = rest.findIndex((token) => token.depth === depth && isWord(token, 'using'));
  if (column === null || !isType || at === -1) return null;
  const expression = rest.slice(at + 1);
  const inner = expression.filter((token) => !isSymbol(token, '(') && !isSymbol(token, ')'));
  const [only] = inner;
  const isUntyped =
    inner.length === 1 && (isWord(only, 'null') || (only?.kind === 'string' && /^(?:[eE]?'|\$)/.test(only.value)));
  return { column, expression: textOf(sql, expression), isUntyped };
}

/** The clauses, each without its comma; those inside of `depth` parentheses. */
export function splitAtCommas(tokens: readonly Token[], depth = 0): readonly (readonly Token[])[] {
  const clauses: Token[][] = [[]];
  for (const token of tokens) {
    if (token.depth === depth && isSymbol(token, ',')) clauses.push([]);
    else clauses.at(-1)?.push(token);
  }
  return clauses;
}

/** Without one at the end. */
export function withoutSemicolon(tokens: readonly Token[]): readonly Token[] {
  return isSymbol(tokens.at(-1), ';') ? tokens.slice(0, -1) : tokens;
}

/** From the first token to the last, as written. */
export function textOf(sql: string, tokens: readonly Token[]): string {
  return sql.slice(tokens[0]?.start ?? 0, tokens.at(-1)?.end ?? 0);
}

/** Whether these bare words come first. */
export function isWords(tokens: readonly Token[], ...words: readonly string[]): boolean {
  return words.every((word, step) => isWord(tokens[step], word));
}

/** A bare word in lower case; a name in double quotes is none. */
export function isWord(token: Token | undefined, word: string): boolean {
  return token?.kind === 'word' && token.value === word;
}

/** Any single character that is no part of a name, number or string. */
export function isSymbol(token: Token | undefined, symbol: string): boolean {
  return token?.kind === 'symbol' && token.value === symbol;
}

/** The name that a token may be; null for any other. */
export function nameOf(token: Token | undefined): string | null {
  return token?.kind === 'word' || token?.kind === 'name' ? token.value : null;
}

function unsupported(message: string): Obstacle {
  return { code: 'UNSUPPORTED_CLAUSE', message };
}
