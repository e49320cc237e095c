/**
 * Reads the clauses of an ALTER TABLE of MySQL or MariaDB, just far enough to know which column becomes which. What the clauses
 * do to the definition is the server's to say (alter-probe.ts); what is not understood here is an obstacle, never a guess.
 */

import { MigrationError } from '../engine/errors.ts';
import type { Obstacle } from '../engine/obstacles.ts';
import { isSymbol, isWord, splitAtCommas } from './create-statement.ts';
import { partitioningPlace } from './partitions.ts';
import { readTableOptions } from './table-options.ts';
import { UnfinishedSqlError, tokenise, type Token } from './sql-tokens.ts';

/** One clause. `text` is as written, and valid by itself behind `ALTER TABLE name`. */
export type AlterClause = { readonly text: string } & (
  | { readonly kind: 'add-column'; readonly column: string }
  | { readonly kind: 'modify-column'; readonly column: string }
  | { readonly kind: 'rename-column'; readonly from: string; readonly to: string }
  | { readonly kind: 'drop-column'; readonly column: string }
  | { readonly kind: 'add-fulltext' }
  | { readonly kind: 'rename-index'; readonly from: string; readonly to: string }
  | { readonly kind: 'change-index'; readonly index: string }
  | { readonly kind: 'change-constraint'; readonly constraint: string }
  | { readonly kind: 'table-option'; readonly option: string; readonly value: string }
  /** PARTITION BY or REMOVE PARTITIONING: the last clause, and without a comma before it. */
  | { readonly kind: 'partitioning' }
  /** Of single partitions, which no table without rows has the like of; the only clause. */
  | { readonly kind: 'partitions'; readonly action: 'add' | 'drop' }
  | { readonly kind: 'other' }
);

/** What the clauses say. With problems there is nothing to plan. */
export interface AlterReading {
  /** The clauses without leading and trailing comments and semicolon. */
  readonly text: string;
  readonly clauses: readonly AlterClause[];
  readonly problems: readonly Obstacle[];
}

/** Reads clauses: what stands behind `ALTER TABLE name`. Never throws. */
export function readAlterClauses(sql: string): AlterReading {
  let tokens: readonly Token[];
  try {
    tokens = withoutSemicolon(tokenise(sql));
  } catch (error) {
    if (!(error instanceof UnfinishedSqlError)) throw error;
    return { text: sql.trim(), clauses: [], problems: [unsupported(`The ALTER cannot be read: ${error.message}.`)] };
  }
  const text = textOf(sql, tokens);
  const problem = problemOfWhole(tokens);
  if (problem !== null) return { text, clauses: [], problems: [problem] };
  const clauses: AlterClause[] = [];
  const problems: Obstacle[] = [];
  if (isOfPartitions(tokens)) {
    const result = readPartitions(tokens, text);
    return result.kind === 'problem' ? { text, clauses, problems: [result.obstacle] } : { text, clauses: [result], problems };
  }
  const place = partitioningPlace(tokens);
  const listed = place === -1 ? tokens : tokens.slice(0, place);
  for (const run of listed.length === 0 ? [] : splitAtCommas(listed)) {
    for (const result of readRun(sql, run)) {
      if (result.kind === 'problem') problems.push(result.obstacle);
      else clauses.push(result);
    }
    // What follows a comma in this belongs to it and not to another clause.
    if (isWord(run[0], 'ORDER')) break;
  }
  if (place !== -1) clauses.push({ kind: 'partitioning', text: textOf(sql, tokens.slice(place)) });
  return { text, clauses, problems };
}

/** The clauses behind an ALGORITHM. No comma stands before a clause about the partitioning. */
export function withAlgorithm(algorithm: string, clauses: string): string {
  return partitioningPlace(tokenise(clauses)) === 0 ? `${algorithm} ${clauses}` : `${algorithm}, ${clauses}`;
}

/**
 * Takes a whole `ALTER TABLE …` statement apart; `clauses` goes to `readAlterClauses`. Rejects with BAD_USAGE what is no ALTER
 * TABLE, is more than one statement, or says IGNORE (rows would be lost).
 */
export function parseAlterStatement(sql: string): {
  readonly table: { readonly schema: string | null; readonly table: string };
  readonly clauses: string;
} {
  let tokens: readonly Token[];
  try {
    tokens = withoutSemicolon(tokenise(sql));
  } catch (error) {
    throw new MigrationError('BAD_USAGE', `The statement cannot be read: ${String(error)}.`, { cause: error });
  }
  const cursor = new Cursor(tokens);
  if (!cursor.takeWords('ALTER')) throw new MigrationError('BAD_USAGE', 'The statement is no ALTER TABLE.');
  cursor.takeWords('ONLINE');
  if (cursor.takeWords('IGNORE')) {
    throw new MigrationError('BAD_USAGE', 'ALTER IGNORE TABLE loses rows; correct the duplicates and leave IGNORE out.');
  }
  if (!cursor.takeWords('TABLE')) throw new MigrationError('BAD_USAGE', 'The statement is no ALTER TABLE.');
  cursor.takeWords('IF', 'EXISTS');
  const first = cursor.takeName();
  const second = cursor.takeSymbol('.') ? cursor.takeName() : null;
  if (first === null || (second === null && isSymbol(cursor.before, '.'))) {
    throw new MigrationError('BAD_USAGE', 'The name of the table cannot be read.');
  }
  if (cursor.takeWords('WAIT')) cursor.take();
  else cursor.takeWords('NOWAIT');
  if (tokens.some((token) => isSymbol(token, ';'))) {
    throw new MigrationError('BAD_USAGE', 'Give one ALTER TABLE statement at a time.');
  }
  const table = second === null ? { schema: null, table: first } : { schema: first, table: second };
  return { table, clauses: textOf(sql, cursor.rest) };
}

/** Steps through tokens. */
class Cursor {
  readonly #tokens: readonly Token[];
  #at = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  /** The token that was taken last. */
  get before(): Token | undefined {
    return this.#tokens[this.#at - 1];
  }

  get next(): Token | undefined {
    return this.#tokens[this.#at];
  }

  get rest(): readonly Token[] {
    return this.#tokens.slice(this.#at);
  }

  take(): Token | undefined {
    const token = this.next;
    this.#at += 1;
    return token;
  }

  /** Whether these bare words come next. */
  sees(...words: readonly string[]): boolean {
    return words.every((word, step) => isWord(this.#tokens[this.#at + step], word));
  }

  /** Takes these bare words if they come next, all of them or none. */
  takeWords(...words: readonly string[]): boolean {
    if (!this.sees(...words)) return false;
    this.#at += words.length;
    return true;
  }

  /** Takes one of these bare words if it comes next. */
  takeOneOf(...words: readonly string[]): string | null {
    return words.find((word) => this.takeWords(word)) ?? null;
  }

  takeSymbol(symbol: string): boolean {
    if (!isSymbol(this.next, symbol)) return false;
    this.#at += 1;
    return true;
  }

  /** Takes a name, bare or quoted; null where none comes or where it is qualified by another. */
  takeName(): string | null {
    const token = this.next;
    if (token === undefined || !['word', 'name', 'double'].includes(token.kind)) return null;
    this.#at += 1;
    return token.kind === 'word' ? token.text : token.value;
  }
}

type Problem = { readonly kind: 'problem'; readonly obstacle: Obstacle };
type Result = AlterClause | Problem;

function unsupported(message: string): Obstacle {
  return { code: 'UNSUPPORTED_CLAUSE', message };
}

function withoutSemicolon(tokens: readonly Token[]): readonly Token[] {
  return isSymbol(tokens.at(-1), ';') ? tokens.slice(0, -1) : tokens;
}

function textOf(sql: string, tokens: readonly Token[]): string {
  const first = tokens[0];
  const last = tokens.at(-1);
  return first === undefined || last === undefined ? '' : sql.slice(first.start, last.end);
}

/** What stands in the way of reading clauses at all. */
function problemOfWhole(tokens: readonly Token[]): Obstacle | null {
  if (tokens.length === 0) return unsupported('The ALTER has no clauses; write FORCE to rebuild the table as it is.');
  if (tokens.some((token) => token.isConditional)) {
    return unsupported('The ALTER has a comment that only some servers execute; write out what shall be done.');
  }
  if (tokens.some((token) => isSymbol(token, ';'))) {
    return unsupported('The ALTER has a semicolon inside; give the clauses of one statement.');
  }
  let depth = 0;
  for (const token of tokens) {
    if (isSymbol(token, '(')) depth += 1;
    if (isSymbol(token, ')')) depth -= 1;
    if (depth < 0) break;
  }
  return depth === 0 ? null : unsupported('The ALTER has parentheses that do not match.');
}

/** Clauses of one run of tokens between commas: one, or several where it is a list in parentheses or a row of options. */
function readRun(sql: string, run: readonly Token[]): readonly Result[] {
  const text = textOf(sql, run);
  if (run.length === 0)
    return [{ kind: 'problem', obstacle: unsupported('A comma has no clause behind it, of which PARTITION BY is none.') }];
  const refused = refusalOf(run, text);
  if (refused !== null) return [{ kind: 'problem', obstacle: refused }];
  const cursor = new Cursor(run);
  switch (cursor.takeOneOf('ADD', 'CHANGE', 'MODIFY', 'ALTER', 'DROP', 'RENAME', 'CONVERT', 'FORCE')) {
    case 'ADD':
      return readAdd(sql, cursor);
    case 'CHANGE':
      return [hasReference(run) ? foreignKey(text) : readChange(cursor, text)];
    case 'MODIFY':
      cursor.takeWords('COLUMN');
      cursor.takeWords('IF', 'EXISTS');
      return [hasReference(run) ? foreignKey(text) : withColumn(cursor, text, 'modify-column')];
    case 'ALTER':
      return [readAlter(cursor, text)];
    case 'DROP':
      return [readDrop(cursor, text)];
    case 'RENAME':
      return [readRename(cursor, text)];
    case 'CONVERT':
      return [cursor.takeWords('TO') && cursor.takeOneOf('CHARACTER', 'CHARSET') ? { kind: 'other', text } : unknown(text)];
    case 'FORCE':
      return [cursor.next === undefined ? { kind: 'other', text } : unknown(text)];
    case null:
    default: {
      const options = readTableOptions(run);
      if (options === null) return [unknown(text)];
      return options.map(({ option, value, tokens }) => ({
        kind: 'table-option',
        text: textOf(sql, tokens),
        option,
        value,
      }));
    }
  }
}

/** Clauses that are no change of one table's definition, and those that this tool does not do. */
const refusals: readonly (readonly [readonly string[], string])[] = [
  [['ALGORITHM'], 'The way the table is built is decided here; leave ALGORITHM out.'],
  [['LOCK'], 'No lock is taken; leave LOCK out.'],
  [['ORDER', 'BY'], 'ORDER BY sorts rows and changes no definition; leave it out.'],
  [['ENABLE', 'KEYS'], 'ENABLE KEYS changes no definition; leave it out.'],
  [['DISABLE', 'KEYS'], 'DISABLE KEYS changes no definition; leave it out.'],
  [['DISCARD'], 'DISCARD TABLESPACE must be run by itself.'],
  [['IMPORT'], 'IMPORT TABLESPACE must be run by itself.'],
  [['WITH', 'VALIDATION'], 'Every row is validated here; leave WITH VALIDATION out.'],
  [['WITHOUT', 'VALIDATION'], 'Every row is validated here; leave WITHOUT VALIDATION out.'],
  [['SECONDARY_LOAD'], 'SECONDARY_LOAD must be run by itself.'],
  [['SECONDARY_UNLOAD'], 'SECONDARY_UNLOAD must be run by itself.'],
  [['ADD', 'SYSTEM', 'VERSIONING'], 'System versioning cannot be added this way.'],
  [['DROP', 'SYSTEM', 'VERSIONING'], 'System versioning cannot be dropped this way.'],
  [['ADD', 'PERIOD', 'FOR'], 'Periods cannot be added this way.'],
  [['DROP', 'PERIOD', 'FOR'], 'Periods cannot be dropped this way.'],
  [['UPGRADE', 'PARTITIONING'], 'UPGRADE PARTITIONING must be run by itself.'],
];

/** What is done to single partitions, but for adding and dropping them: what copies rows, and what is the server's own affair. */
const copyingVerbs: readonly string[] = ['COALESCE', 'OPTIMIZE', 'REBUILD', 'REORGANIZE', 'REPAIR'];
const otherVerbs: readonly string[] = ['ANALYZE', 'CHECK', 'CONVERT', 'DISCARD', 'EXCHANGE', 'IMPORT', 'TRUNCATE'];

function isOfPartitions([first, second]: readonly Token[]): boolean {
  if (isWord(first, 'CONVERT') && isWord(second, 'TABLE')) return true;
  const verbs = ['ADD', 'DROP', ...copyingVerbs, ...otherVerbs];
  return isWord(second, 'PARTITION') && first?.kind === 'word' && verbs.includes(first.value);
}

function readPartitions([first]: readonly Token[], text: string): Result {
  if (isWord(first, 'ADD')) return { kind: 'partitions', text, action: 'add' };
  if (isWord(first, 'DROP')) return { kind: 'partitions', text, action: 'drop' };
  const why = copyingVerbs.includes(first?.value ?? '')
    ? 'copies rows while writers wait. Write the whole partitioning as it shall be, PARTITION BY …, or FORCE to rebuild the table'
    : 'must be run by itself, while no migration of the table runs';
  return { kind: 'problem', obstacle: { code: 'PARTITIONS', message: `${quoteClause(text)} ${why}.` } };
}

function refusalOf(run: readonly Token[], text: string): Obstacle | null {
  if (isOfPartitions(run)) return unsupported(`This must be an ALTER of its own: ${quoteClause(text)}.`);
  const cursor = new Cursor(run);
  const refusal = refusals.find(([words]) => cursor.sees(...words));
  return refusal === undefined ? null : unsupported(refusal[1]);
}

function unknown(text: string): Problem {
  return { kind: 'problem', obstacle: unsupported(`The clause is not understood: ${quoteClause(text)}.`) };
}

function foreignKey(text: string): Problem {
  const message = `Foreign keys cannot be added or dropped this way yet: ${quoteClause(text)}.`;
  return { kind: 'problem', obstacle: { code: 'FOREIGN_KEYS', message } };
}

function quoteClause(text: string): string {
  const short = text.length > 60 ? `${text.slice(0, 59)}…` : text;
  return `“${short.replaceAll(/\s+/g, ' ')}”`;
}

function withColumn(cursor: Cursor, text: string, kind: 'add-column' | 'modify-column' | 'drop-column'): Result {
  const column = cursor.takeName();
  if (column === null || isSymbol(cursor.next, '.')) return unknown(text);
  return { kind, text, column };
}

function readAdd(sql: string, cursor: Cursor): readonly Result[] {
  const elements = cursor.rest;
  const hasColumnWord = cursor.takeWords('COLUMN');
  cursor.takeWords('IF', 'NOT', 'EXISTS');
  if (!cursor.takeSymbol('(')) return [readAddedElement(sql, elements)];
  const last = cursor.rest.at(-1);
  if (!isSymbol(last, ')')) return [unknown(`ADD ${textOf(sql, elements)}`)];
  const word = hasColumnWord
    ? textOf(
        sql,
        elements.slice(
          0,
          elements.findIndex((token) => isSymbol(token, '(')),
        ),
      )
    : '';
  return splitAtCommas(cursor.rest.slice(0, -1)).map((element) => readAddedElement(sql, element, word));
}

/** One column, index or constraint behind ADD. `words` stood before the list's parenthesis: COLUMN, IF NOT EXISTS. */
function readAddedElement(sql: string, element: readonly Token[], words = ''): Result {
  const text = textOf(sql, element);
  const cursor = new Cursor(element);
  const other: Result = { kind: 'other', text: `ADD ${text}` };
  if (cursor.takeOneOf('INDEX', 'KEY', 'SPATIAL', 'PRIMARY', 'UNIQUE', 'CHECK') !== null) return other;
  if (cursor.takeWords('FULLTEXT')) return { kind: 'add-fulltext', text: `ADD ${text}` };
  if (cursor.sees('VECTOR', 'INDEX') || cursor.sees('VECTOR', 'KEY')) return other;
  if (cursor.takeWords('FOREIGN', 'KEY')) return foreignKey(`ADD ${text}`);
  if (cursor.takeWords('CONSTRAINT')) {
    cursor.takeWords('IF', 'NOT', 'EXISTS');
    if (!['PRIMARY', 'UNIQUE', 'CHECK', 'FOREIGN'].some((word) => cursor.sees(word))) cursor.takeName();
    if (cursor.takeWords('FOREIGN', 'KEY')) return foreignKey(`ADD ${text}`);
    return cursor.takeOneOf('PRIMARY', 'UNIQUE', 'CHECK') === null ? unknown(`ADD ${text}`) : other;
  }
  // The definition of a column may name another table, which makes a foreign key on some servers.
  if (hasReference(element)) return foreignKey(`ADD ${text}`);
  cursor.takeWords('COLUMN');
  cursor.takeWords('IF', 'NOT', 'EXISTS');
  return withColumn(cursor, `ADD ${words === '' ? '' : `${words} `}${text}`, 'add-column');
}

function hasReference(element: readonly Token[]): boolean {
  let depth = 0;
  return element.some((token) => {
    if (isSymbol(token, '(')) depth += 1;
    if (isSymbol(token, ')')) depth -= 1;
    return depth === 0 && isWord(token, 'REFERENCES');
  });
}

function readChange(cursor: Cursor, text: string): Result {
  cursor.takeWords('COLUMN');
  cursor.takeWords('IF', 'EXISTS');
  const from = cursor.takeName();
  const to = cursor.takeName();
  if (from === null || to === null || isSymbol(cursor.next, '.')) return unknown(text);
  return { kind: 'rename-column', text, from, to };
}

function readAlter(cursor: Cursor, text: string): Result {
  if (cursor.takeOneOf('INDEX', 'KEY') !== null) {
    cursor.takeWords('IF', 'EXISTS');
    const index = cursor.takeName();
    return index === null ? unknown(text) : { kind: 'change-index', text, index };
  }
  if (cursor.takeOneOf('CHECK', 'CONSTRAINT') !== null) return readConstraint(cursor, text);
  cursor.takeWords('COLUMN');
  cursor.takeWords('IF', 'EXISTS');
  return withColumn(cursor, text, 'modify-column');
}

function readDrop(cursor: Cursor, text: string): Result {
  if (cursor.takeWords('PRIMARY', 'KEY')) return { kind: 'other', text };
  if (cursor.takeWords('FOREIGN', 'KEY')) return foreignKey(text);
  if (cursor.takeOneOf('INDEX', 'KEY') !== null) {
    cursor.takeWords('IF', 'EXISTS');
    const index = cursor.takeName();
    return index === null ? unknown(text) : { kind: 'change-index', text, index };
  }
  if (cursor.takeOneOf('CHECK', 'CONSTRAINT') !== null) return readConstraint(cursor, text);
  cursor.takeWords('COLUMN');
  cursor.takeWords('IF', 'EXISTS');
  const result = withColumn(cursor, text, 'drop-column');
  cursor.takeOneOf('RESTRICT', 'CASCADE');
  return cursor.next === undefined ? result : unknown(text);
}

/** A constraint that is dropped or altered. */
function readConstraint(cursor: Cursor, text: string): Result {
  cursor.takeWords('IF', 'EXISTS');
  const constraint = cursor.takeName();
  return constraint === null ? unknown(text) : { kind: 'change-constraint', text, constraint };
}

function readRename(cursor: Cursor, text: string): Result {
  const what = cursor.takeOneOf('COLUMN', 'INDEX', 'KEY');
  if (what === null) {
    return { kind: 'problem', obstacle: unsupported('A migration keeps the table’s name; run RENAME TO by itself.') };
  }
  cursor.takeWords('IF', 'EXISTS');
  const from = cursor.takeName();
  const isTo = cursor.takeWords('TO');
  const to = cursor.takeName();
  if (from === null || !isTo || to === null || cursor.next !== undefined) return unknown(text);
  return { kind: what === 'COLUMN' ? 'rename-column' : 'rename-index', text, from, to };
}
