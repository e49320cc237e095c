/** Foreign keys in the swap's transaction: taken off the old table, where they would go on to refuse and to cascade, and made again on the new one. */

import type { Plan } from '../engine/model.ts';
import { type ColumnNames, endName, type ForeignKey, keyClause } from './foreign-keys.ts';
import { settlementRecord } from './settlement.ts';
import { quoteName, quoteTable, quoteText } from './statements.ts';

/** What the statements are made from. */
export interface CarriedKeys {
  readonly plan: Plan;
  /** As they are under the locks. */
  readonly keys: readonly ForeignKey[];
  /** The source's. */
  readonly oid: number;
  /** Of the columns of source and shadow. */
  readonly names: ColumnNames;
}

/** Of each key but those that go away with a dropped column, as on the server's own ALTER. They take locks that are held already, and read no rows. */
export function foreignKeyStatements({ plan, keys, oid, names }: CarriedKeys): {
  readonly beforeSwap: readonly string[];
  readonly afterSwap: readonly string[];
} {
  const table = quoteTable(plan.source);
  return {
    beforeSwap: keys.map((key) => `ALTER TABLE ${endName(key.child)} DROP CONSTRAINT ${quoteName(key.name)}`),
    afterSwap: keys.flatMap((key) => {
      const parent = key.parent.oid === oid ? table : endName(key.parent);
      const clause = keyClause(key, { oid, names, parent });
      // By its name the child is the new table where it was the old one.
      const child = endName(key.child);
      if (clause === null) return [];
      const comment = `COMMENT ON CONSTRAINT ${quoteName(key.name)} ON ${child} IS ${quoteText(key.comment ?? '')}`;
      return [
        `ALTER TABLE ${child} ADD ${clause}`,
        ...(key.comment === null ? [] : [comment]),
        ...(key.isValid && key.isEnforced ? [settlementRecord(plan.id, { table: child, constraint: key.name })] : []),
      ];
    }),
  };
}
