/** Names of a migration and of the schemas that it makes. */

import type { MigrationId, TableName } from '../engine/model.ts';

const idLengthMax = 24;
const chanceLength = 8;
const letters = 'abcdefghijklmnopqrstuvwxyz0123456789';

/** A new id from the table's name, which makes it readable, and from chance (uniform numbers in [0, 1)), which makes it unique. */
export function migrationId(table: TableName, random: () => number): MigrationId {
  const readable = table.table
    .toLowerCase()
    .replaceAll(/[^a-z0-9]/g, '')
    .slice(0, idLengthMax - chanceLength);
  const chance = Array.from({ length: chanceLength }, () => letters.charAt(Math.floor(random() * letters.length)));
  return `${readable}${chance.join('')}` as MigrationId;
}

/** Shadow and retired table keep the source's name, each in a schema of its own; these names have at most 39 of 63 bytes. */
export function tableNames(source: TableName, id: MigrationId): { readonly shadow: TableName; readonly retired: TableName } {
  return {
    shadow: { schema: `tableshift_${id}`, table: source.table },
    retired: { schema: `tableshift_old_${id}`, table: source.table },
  };
}
