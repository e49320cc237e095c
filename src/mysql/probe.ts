/**
 * A probe: a temporary table with the shadow's columns, checks and indexed expressions but no unique key, into which rows of
 * the source are put to see what becomes of them. It is exact where no expression is, because the server converts as it does
 * for the shadow. It is seen by its session only, is not in the log, and can be made and used while the session holds LOCK
 * TABLES. MySQL lets a statement name it once only.
 */

import { type Column, type Index, isOverExpression } from './catalog.ts';
import { readCreateStatement } from './create-statement.ts';
import { plainSourceHash, shadowHash, type PairLayout } from './pair-layout.ts';
import { keyTextExpression } from './row-key.ts';
import { insertInto, rowsCondition, type Listed } from './row-statements.ts';
import type { Session } from './session.ts';
import { tokenise } from './sql-tokens.ts';
import { quoteName, quoteTable } from './statements.ts';

export interface Probe {
  /** Quoted, with its schema. */
  readonly name: string;
  /** Quoted name of the column that numbers the rows. */
  readonly row: string;
  /** The rows' keys as further selected columns key_0, key_1, …: see keyFromRow. `prefix` qualifies the probe's columns. */
  keySelection(prefix: string): string;
  /** Lists its rows in the columns of listRows: `hash` of what the shadow would hold, `plain_hash` of what the source had. */
  readonly listing: string;
  /**
   * Puts rows of the source in, in one snapshot of it, and says how many warnings the server had. A value that does not fit
   * rejects with ROW_NOT_CONVERTIBLE, and nothing is put in. For a session with the settings `computing` of the layout.
   */
  load(listed: Listed, signal: AbortSignal): Promise<number>;
  clear(signal: AbortSignal): Promise<void>;
}

/**
 * Makes an empty probe in this session, in place of an earlier one. Whoever is done with it may leave it: it takes only what
 * space its rows need, and ends with the session.
 */
export async function createProbe(session: Session, layout: PairLayout, signal: AbortSignal): Promise<Probe> {
  const prefix = layout.freePrefix;
  const name = quoteTable({ schema: layout.plan.shadow.schema, table: '_tableshift_rows' });
  const row = quoteName(`${prefix}_row`);
  const plain = quoteName(`${prefix}_plain`);
  const keys = layout.key.map((_, place) => quoteName(`${prefix}_key_${place}`));
  const filled = new Set(layout.columns.map(({ shadow }) => shadow.name));
  // Without their names, which are unique in a schema.
  const { checks } = readCreateStatement(layout.shadow.createStatement);
  const elements = [
    `${row} INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY`,
    `${plain} TEXT CHARACTER SET ascii`,
    ...keys.map((key) => `${key} TEXT CHARACTER SET ascii`),
    ...layout.shadow.columns.map((column) => `${quoteName(column.name)} ${definitionOf(column, filled.has(column.name))}`),
    ...checks.map(({ definition }) => definition),
    ...layout.shadow.indexes.filter(isOverExpression).map(plainIndex),
  ];
  await session.execute(`DROP TEMPORARY TABLE IF EXISTS ${name}`, signal);
  await session.execute(
    `CREATE TEMPORARY TABLE ${name} (${elements.join(', ')}) ENGINE=InnoDB DEFAULT COLLATE=${layout.shadow.collation}`,
    signal,
  );
  const keySelection = (prefix: string): string => keys.map((key, place) => `${prefix}${key} AS key_${place}`).join(', ');
  return {
    name,
    row,
    keySelection,
    listing:
      `SELECT 'probe' AS side, ${keySelection('')}, ${keys.map((_, place) => `NULL AS same_${place}`).join(', ')},` +
      ` ${shadowHash(layout)} AS hash, ${plain} AS plain_hash FROM ${name}`,
    async load(listed, signal) {
      const extra = [
        [plain, plainSourceHash(layout)] as const,
        ...layout.key.map((part, place) => [keys[place] ?? '', keyTextExpression(part.column, '')] as const),
      ];
      const sql = `${insertInto(layout, name, extra)} WHERE ${rowsCondition(layout, 'source', listed)}`;
      return (await session.execute(sql, signal)).warnings;
    },
    async clear(signal) {
      await session.execute(`DELETE FROM ${name}`, signal);
    },
  };
}

/**
 * The definition of a column without AUTO_INCREMENT, which would need a key; without INVISIBLE, which MariaDB refuses for a column
 * that has no value of its own; and without NOT NULL where the source has no value for it. Two such rows never collide: NULL is
 * what the server's own numbers may be taken for.
 */
function definitionOf(column: Column, isFilled: boolean): string {
  if (!column.isAutoIncrement) return column.definition;
  const leftOut = isFilled ? ['AUTO_INCREMENT', 'INVISIBLE'] : ['AUTO_INCREMENT', 'INVISIBLE', 'NOT', 'NULL'];
  return tokenise(column.definition)
    .filter(({ kind, value }) => kind === 'word' && leftOut.includes(value))
    .toReversed()
    .reduce((rest, { start, end }) => rest.slice(0, start) + rest.slice(end), column.definition);
}

/** Computing an index's expression may fail where all columns are well, so the probe computes it too. */
function plainIndex(index: Index): string {
  const parts = index.parts.map((part) => {
    if (part.expression !== null) return `(${expressionText(part.expression)})`;
    return quoteName(part.column ?? '') + (part.prefixLength === null ? '' : `(${part.prefixLength})`);
  });
  return `KEY (${parts.join(', ')})`;
}

/** The expression of an index as SHOW INDEX prints it, without the escapes that it prints. */
export function expressionText(shown: string): string {
  return shown.replaceAll(/\\(.)/gs, '$1');
}
