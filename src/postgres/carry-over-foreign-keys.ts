/**
 * Foreign keys in the swap's transaction: taken off the old tables, where they would go on to refuse and to cascade, and made
 * again on the new ones.
 */

import { keptColumns } from './alter-probe.ts';
import type { CarriedTables } from './carry-over-statements.ts';
import { columnNames, endName, type ForeignKey, keyClause } from './foreign-keys.ts';
import { settlementRecord } from './settlement.ts';
import { quoteName, quoteText } from './statements.ts';

/**
 * Of each key but those that go away with a dropped column, as on the server's own ALTER. They take locks that are held already, and
 * read no rows. What is left to be validated is recorded with the migration of the table that refers, or else of the other one.
 */
export function foreignKeyStatements(
  tables: readonly CarriedTables[],
  keys: readonly ForeignKey[],
): { readonly beforeSwap: readonly string[]; readonly afterSwap: readonly string[] } {
  const names = new Map(tables.map(({ source, shadow }) => [source.oid, columnNames(keptColumns(source, shadow))]));
  const plans = new Map(tables.map(({ source, plan }) => [source.oid, plan]));
  return {
    beforeSwap: keys.map((key) => `ALTER TABLE ${endName(key.child)} DROP CONSTRAINT ${quoteName(key.name)}`),
    afterSwap: keys.flatMap((key) => {
      // By its name each end is then the new table where it was an old one.
      const clause = keyClause(key, { names, parent: endName(key.parent) });
      const child = endName(key.child);
      const plan = plans.get(key.child.oid) ?? plans.get(key.parent.oid);
      if (clause === null || plan === undefined) return [];
      const comment = `COMMENT ON CONSTRAINT ${quoteName(key.name)} ON ${child} IS ${quoteText(key.comment ?? '')}`;
      return [
        `ALTER TABLE ${child} ADD ${clause}`,
        ...(key.comment === null ? [] : [comment]),
        ...(key.isValid && key.isEnforced ? [settlementRecord(plan.id, { table: child, constraint: key.name })] : []),
      ];
    }),
  };
}
