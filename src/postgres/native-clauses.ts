/** Tells the clauses of an ALTER TABLE apart by how the server could carry each out on the live table. Pure. */

import { isSymbol, isWord, isWords, nameOf, splitAtCommas, textOf, withoutSemicolon } from './alter-clauses.ts';
import { quoteName } from './statements.ts';
import { type Token, tokenise, UnreadableSqlError } from './sql-tokens.ts';

/**
 * `plain`: as it stands, if the empty clone shows that it is cheap. `unseen`: touches only the catalog, and something that the
 * clone does not have. `constraint`: a CHECK, FOREIGN KEY or NOT NULL that can be added first and proven later. `unique`: a
 * unique or primary key over an index to build first. `not-null`, `validate`: what they say. `impossible`: never here.
 */
export type ClauseKind = 'plain' | 'unseen' | 'constraint' | 'unique' | 'not-null' | 'validate' | 'impossible';

export interface NativeClause {
  readonly kind: ClauseKind;
  readonly text: string;
  /** Of the constraint, where the clause gives one; of the column of `not-null`. */
  readonly name: string | null;
  /** Of an added constraint: what comes behind its name. */
  readonly body: string;
  /** The column whose type changes, where that is the clause. */
  readonly retyped: string | null;
  /** The column that it adds, where it does. */
  readonly adds: string | null;
  /** Of `not-null`: the rows that are there have no value yet. */
  readonly isUnfilled: boolean;
  /** Whether it drops a constraint, which the server does before it adds any. */
  readonly isDrop: boolean;
  /** Why not, of an impossible one. */
  readonly reason: string;
}

/** Null where the text cannot be read. */
export function readNativeClauses(sql: string): readonly NativeClause[] | null {
  try {
    const tokens = withoutSemicolon(tokenise(sql));
    if (tokens.length === 0 || tokens.some((token) => isSymbol(token, ';'))) return null;
    return splitAtCommas(tokens).map((clause) => readClause(sql, clause));
  } catch (error) {
    if (error instanceof UnreadableSqlError) return null;
    throw error;
  }
}

/** A table that a clause refers to: where its name stands in the text, and its parts. */
export interface Reference {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** Tables behind REFERENCES. */
export function readReferences(sql: string): readonly Reference[] {
  const tokens = tokenise(sql);
  return tokens.flatMap((token, index) => {
    if (!isWord(token, 'references')) return [];
    const name = isSymbol(tokens[index + 2], '.') ? tokens.slice(index + 1, index + 4) : tokens.slice(index + 1, index + 2);
    const [first, last] = [name[0], name.at(-1)];
    if (first === undefined || last === undefined || nameOf(last) === null) return [];
    return [{ start: first.start, end: last.end, text: textOf(sql, name) }];
  });
}

/** The clause that adds the constraint under a name. */
export function namedConstraint({ body }: NativeClause, name: string): string {
  return `ADD CONSTRAINT ${quoteName(name)} ${body}`;
}

const impossible: readonly (readonly [words: readonly string[], reason: string])[] = [
  [['rename', 'to'], 'it renames the table'],
  [['set', 'schema'], 'it moves the table to another schema'],
  [['set', 'logged'], 'the server writes the whole table again'],
  [['set', 'unlogged'], 'the server writes the whole table again'],
  [['inherit'], 'it is about another table, too'],
  [['no', 'inherit'], 'it is about another table, too'],
  [['of'], 'it ties the table to a type'],
  [['not', 'of'], 'it unties the table from its type'],
  [['attach'], 'it is about another table, too'],
  [['detach'], 'it is about another table, too'],
  [['options'], 'it is for foreign tables'],
  [['partition', 'by'], 'the server partitions no table that is there already'],
];

/** Triggers, rules, policies and grants are not on the clone; nor may the new owner use its schema. */
const unseen: readonly (readonly string[])[] = [['owner', 'to'], ['enable'], ['disable'], ['force'], ['no', 'force']];

function readClause(sql: string, clause: readonly Token[]): NativeClause {
  const base = {
    kind: 'plain',
    text: textOf(sql, clause),
    name: null,
    body: '',
    retyped: null,
    adds: null,
    isUnfilled: false,
    isDrop: false,
    reason: '',
  } as const;
  const refusal = impossible.find(([words]) => isWords(clause, ...words));
  if (refusal !== undefined) return { ...base, kind: 'impossible', reason: refusal[1] };
  if (unseen.some((words) => isWords(clause, ...words))) return { ...base, kind: 'unseen' };
  if (isWords(clause, 'validate', 'constraint')) return { ...base, kind: 'validate', name: nameOf(clause[2]) };
  if (isWords(clause, 'drop', 'constraint')) return { ...base, isDrop: true };
  if (isWords(clause, 'alter')) return { ...base, ...readColumnChange(clause) };
  if (isWords(clause, 'add')) return { ...base, ...readAddition(sql, clause) };
  return base;
}

function readColumnChange(clause: readonly Token[]): Partial<NativeClause> {
  const at = isWord(clause[1], 'column') && nameOf(clause[2]) !== null && !isWord(clause[2], 'type') ? 2 : 1;
  const rest = clause.slice(at + 1);
  const name = nameOf(clause[at]);
  if (rest.length === 3 && isWords(rest, 'set', 'not', 'null')) return { kind: 'not-null', name };
  return isWords(rest, 'type') || isWords(rest, 'set', 'data', 'type') ? { retyped: name } : {};
}

/** What is to hold for new rows only, or stands on an index that is there, is plain. */
function readAddition(sql: string, clause: readonly Token[]): Partial<NativeClause> {
  const isNamed = isWord(clause[1], 'constraint');
  const name = isNamed ? nameOf(clause[2]) : null;
  const body = clause.slice(isNamed ? 3 : 1);
  const at = (...words: readonly string[]): number =>
    body.findIndex((token, index) => token.depth === clause[0]?.depth && isWords(body.slice(index), ...words));
  if (at('not', 'valid') !== -1 || at('not', 'enforced') !== -1) return {};
  const index = at('using', 'index');
  if (index !== -1 && !isWord(body[index + 2], 'tablespace')) return {};
  const found = { name, body: textOf(sql, body) };
  if (isWords(body, 'check') || isWords(body, 'foreign', 'key') || isWords(body, 'not', 'null')) {
    return { ...found, kind: 'constraint' };
  }
  if (isWords(body, 'unique') || isWords(body, 'primary', 'key')) return { ...found, kind: 'unique' };
  return isNamed || isWords(body, 'exclude') ? {} : { adds: addedColumn(body) };
}

function addedColumn(body: readonly Token[]): string | null {
  const column = isWord(body[0], 'column') ? body.slice(1) : body;
  return nameOf(column[isWords(column, 'if', 'not', 'exists') ? 3 : 0]);
}
