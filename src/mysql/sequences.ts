/**
 * Sequences of MariaDB that defaults take numbers from. Whoever has locked tables can only put rows in where he has locked these, too,
 * also where each column is given a value.
 */

import type { Plan, TableName } from '../engine/model.ts';
import type { Session } from './session.ts';
import { tokenise } from './sql-tokens.ts';
import { quoteText } from './statements.ts';

/** Those that an expression of the server's own spelling uses, each as often as it does. */
export function sequencesOf(expression: string): readonly TableName[] {
  const tokens = tokenise(expression);
  return tokens.flatMap(({ kind, value }, at): readonly TableName[] => {
    if (kind !== 'word' || !functions.includes(value)) return [];
    const [opening, schema, dot, name] = tokens.slice(at + 1, at + 5);
    const isName = opening?.text === '(' && schema?.kind === 'name' && dot?.text === '.' && name?.kind === 'name';
    return isName ? [{ schema: schema.value, table: name.value }] : [];
  });
}

const functions: readonly string[] = ['NEXTVAL', 'LASTVAL', 'SETVAL'];

/** Those of the shadows, each once. Takes no lock beyond a short metadata lock. */
export async function readSequences(
  session: Session,
  plans: readonly Plan[],
  signal: AbortSignal,
): Promise<readonly TableName[]> {
  const used = new Map<string, TableName>();
  for (const { shadow } of plans) {
    const rows = await session.query(
      `SELECT COLUMN_DEFAULT AS expression FROM information_schema.COLUMNS
       WHERE TABLE_SCHEMA = ${quoteText(shadow.schema)} AND TABLE_NAME = ${quoteText(shadow.table)} AND COLUMN_DEFAULT LIKE '%val(%'`,
      signal,
    );
    for (const row of rows)
      for (const name of sequencesOf(row['expression'] ?? '')) used.set(`${name.schema}\0${name.table}`, name);
  }
  return [...used.values()];
}
