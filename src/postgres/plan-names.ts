/** Names of the schemas that a migration makes, and of its tables in them. */

import type { MigrationId, TableName } from '../engine/model.ts';

/** Shadow and retired table keep the source's name, each in a schema of its own; these names have at most 39 of 63 bytes. */
export function tableNames(source: TableName, id: MigrationId): { readonly shadow: TableName; readonly retired: TableName } {
  return {
    shadow: { schema: `tableshift_${id}`, table: source.table },
    retired: { schema: `tableshift_old_${id}`, table: source.table },
  };
}
