/** The partitions of a table, from what SHOW CREATE TABLE prints behind its columns: which rows they take. */

import { closingParenthesis, isSymbol, isWord, splitAtCommas } from './create-statement.ts';
import { tokenise, type Token } from './sql-tokens.ts';
import { quoteName } from './statements.ts';

/** Everything from PARTITION BY on; null where the table is not partitioned. */
export function partitioningOf(tableOptions: string): string | null {
  const tokens = tokenise(tableOptions);
  const from = tokens[partitioningPlace(tokens)];
  return from === undefined ? null : tableOptions.slice(from.start);
}

/** Place of `PARTITION BY` or `REMOVE PARTITIONING` outside of parentheses, which everything behind it belongs to; or -1. */
export function partitioningPlace(tokens: readonly Token[]): number {
  let depth = 0;
  return tokens.findIndex((token, place) => {
    if (isSymbol(token, '(')) depth += 1;
    if (isSymbol(token, ')')) depth -= 1;
    const next = tokens[place + 1];
    return (
      depth === 0 &&
      ((isWord(token, 'PARTITION') && isWord(next, 'BY')) || (isWord(token, 'REMOVE') && isWord(next, 'PARTITIONING')))
    );
  });
}

/**
 * The condition, on the table's own columns, under which a partition takes a row; null where each row has one: always by HASH and
 * KEY, and by RANGE up to MAXVALUE. Subpartitions refuse nothing.
 */
export function partitionCondition(tableOptions: string): string | null {
  const tokens = tokenise(tableOptions);
  const by = partitioningPlace(tokens);
  const kind = tokens[by + 2];
  if (by === -1 || !(isWord(kind, 'RANGE') || isWord(kind, 'LIST'))) return null;
  const hasColumns = isWord(tokens[by + 3], 'COLUMNS');
  const open = by + (hasColumns ? 4 : 3);
  const close = closingParenthesis(tokens, open);
  const textOf = (run: readonly Token[]): string => tableOptions.slice(run[0]?.start ?? 0, run.at(-1)?.end ?? 0);
  const inner = tokens.slice(open + 1, close);
  const compared = hasColumns ? splitAtCommas(inner).map(nameOf) : [`(${textOf(inner)})`];
  const partitions = definitions(tokens, close + 1);
  const parts: Parts = { compared, textOf };
  return isWord(kind, 'RANGE') ? belowLast(parts, partitions.at(-1) ?? []) : amongValues(parts, partitions);
}

/** Whether a partition takes what no other does (MariaDB, by LIST). */
export function hasDefaultPartition(tableOptions: string): boolean {
  const tokens = tokenise(tableOptions);
  const by = partitioningPlace(tokens);
  return by !== -1 && isWord(tokens[by + 2], 'LIST') && partitionCondition(tableOptions) === null;
}

interface Parts {
  /** The columns, or the one expression, that decide. */
  readonly compared: readonly string[];
  readonly textOf: (tokens: readonly Token[]) => string;
}

/** MySQL quotes such names only where it must. */
function nameOf([token]: readonly Token[]): string {
  return quoteName(token?.kind === 'word' ? token.text : (token?.value ?? ''));
}

/** What each partition is, behind the words that say by what rows are told apart. */
function definitions(tokens: readonly Token[], from: number): readonly (readonly Token[])[] {
  const open = tokens.findIndex(
    (token, place) => place >= from && isSymbol(token, '(') && isWord(tokens[place + 1], 'PARTITION'),
  );
  return open === -1 ? [] : splitAtCommas(tokens.slice(open + 1, closingParenthesis(tokens, open)));
}

/** What stands in the parentheses behind VALUES LESS THAN or VALUES IN, at commas; null where one word stands for all values. */
function valuesOf(definition: readonly Token[]): readonly (readonly Token[])[] | null {
  const values = definition.findIndex((token) => isWord(token, 'VALUES'));
  const open = values + (isWord(definition[values + 1], 'LESS') ? 3 : 2);
  if (values === -1 || !isSymbol(definition[open], '(')) return null;
  return splitAtCommas(definition.slice(open + 1, closingParenthesis(definition, open)));
}

/** NULL counts as less than every value. */
function belowLast({ compared, textOf }: Parts, last: readonly Token[]): string | null {
  const limits = valuesOf(last);
  if (limits === null || isWord(limits[0]?.[0], 'MAXVALUE')) return null;
  const alternatives = compared.map((value, place) => {
    const limit = limits[place] ?? [];
    const equal = compared.slice(0, place).map((earlier, at) => `${earlier} = ${textOf(limits[at] ?? [])}`);
    const below = isWord(limit[0], 'MAXVALUE') ? 'TRUE' : `(${value} < ${textOf(limit)} OR ${value} IS NULL)`;
    // What is behind a MAXVALUE decides nothing.
    const isDecided = limits.slice(0, place).some((earlier) => isWord(earlier[0], 'MAXVALUE'));
    return isDecided ? 'FALSE' : [...equal, below].join(' AND ');
  });
  return `(${alternatives.join(' OR ')})`;
}

function amongValues({ compared, textOf }: Parts, partitions: readonly (readonly Token[])[]): string | null {
  const conditions: string[] = [];
  for (const definition of partitions) {
    const values = valuesOf(definition);
    if (values === null || values.some(([first]) => isWord(first, 'DEFAULT'))) return null;
    for (const value of values) {
      const tuple = compared.length === 1 ? [value] : splitAtCommas(value.slice(1, -1));
      conditions.push(`(${compared.map((name, place) => `${name} <=> ${textOf(tuple[place] ?? [])}`).join(' AND ')})`);
    }
  }
  return `(${conditions.join(' OR ')})`;
}
