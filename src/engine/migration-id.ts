/** Names of migrations. */

import type { MigrationId, TableName } from './model.ts';

const ID_LENGTH_MAX = 24;
const CHANCE_LENGTH = 8;
const LETTERS = 'abcdefghijklmnopqrstuvwxyz0123456789';

/** A new id from the table's name, which makes it readable, and from chance (uniform numbers in [0, 1)), which makes it unique. */
export function migrationId(table: TableName, random: () => number): MigrationId {
  const readable = table.table
    .toLowerCase()
    .replaceAll(/[^a-z0-9]/g, '')
    .slice(0, ID_LENGTH_MAX - CHANCE_LENGTH);
  const chance = Array.from({ length: CHANCE_LENGTH }, () => LETTERS.charAt(Math.floor(random() * LETTERS.length)));
  return `${readable}${chance.join('')}` as MigrationId;
}

/** The letters of chance in an id, for names that have to be unique as well. */
export function chanceOf(id: MigrationId): string {
  return id.slice(-CHANCE_LENGTH);
}
