/** Names of the tables that a migration makes. */

import { chanceOf } from '../engine/migration-id.ts';
import type { MigrationId, TableName } from '../engine/model.ts';

/** Longest name on both servers, in characters, all of which are of the Basic Multilingual Plane. */
export const identifierLengthMax = 64;
/**
 * Longest name of a table of ours: MySQL names constraints after their table (`…_chk_1`, `…_ibfk_12`), renames them with it, and refuses a
 * RENAME where one gets too long.
 */
const nameLengthMax = identifierLengthMax - '_ibfk_99'.length;
/** Longest name of a file in bytes, without `.ibd`. */
const fileNameBytesMax = 251;

/**
 * The shadow's and the retired table's names, in the source's schema: `orders_ts_new` and `orders_ts_old_8f3kq2zd`. The retired one
 * carries the migration's chance letters, because it outlives the migration; a name that is too long is cut and carries them too.
 * Both come behind the source in the order of bytes, which is the order in which MariaDB locks the tables of a RENAME: its cutover
 * needs the source to be the first (docs/decisions/mariadb-cutover.md).
 */
export function tableNames(source: TableName, id: MigrationId): { readonly shadow: TableName; readonly retired: TableName } {
  const chance = chanceOf(id);
  const isTooLong = !fits(`${source.table}_ts_new`);
  return {
    shadow: { schema: source.schema, table: nameBehind(source.table, isTooLong ? `_ts_new_${chance}` : '_ts_new') },
    retired: { schema: source.schema, table: nameBehind(source.table, `_ts_old_${chance}`) },
  };
}

/** A longer name comes behind the one that it begins with; one that is cut does if a greater letter follows the cut. */
function nameBehind(table: string, suffix: string): string {
  if (fits(table + suffix)) return table + suffix;
  for (let cut = table.length - 1; ; cut -= 1) {
    const greater = table.charAt(cut) < '~' ? '~' : '\uff5e';
    const name = table.slice(0, cut) + greater + suffix;
    if (fits(name) || cut === 0) return name;
  }
}

/** In a file's name every letter but those of ASCII, digits and _ takes up to five bytes. */
function fits(name: string): boolean {
  return name.length <= nameLengthMax && name.replaceAll(/[^A-Za-z0-9_]/g, '@0000').length <= fileNameBytesMax;
}
