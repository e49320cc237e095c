/**
 * How values are converted: as in a session of the user, for that is what the server's own ALTER would do. Our sessions are set
 * otherwise, so that keys are always written alike and no name means what others made of it; a statement that converts rows sets
 * these for itself.
 */

import type { ConversionSettings } from '../engine/model.ts';
import { quoteName, quoteText } from './statements.ts';

/** Those that only a statement that converts rows has. */
export type RowSettings = Pick<ConversionSettings, 'searchPath' | 'intervalStyle' | 'lcMonetary'>;

/** As our sessions have them (session.ts). */
export const OURS: RowSettings = { searchPath: [], intervalStyle: 'postgres', lcMonetary: 'C' };

/** The others, as assignments for SET. */
export function sessionSettings({ timeZone, dateOrder }: ConversionSettings): readonly string[] {
  return [`timezone = ${quoteText(timeZone)}`, `datestyle = ${quoteText(`ISO, ${dateOrder}`)}`];
}

/**
 * Sets those that differ for the rest of the transaction: in front of a statement, in the same message, only for that. A setting by which a
 * key of one of these types would be written otherwise stays as it is. Empty where nothing differs.
 */
export function userSettings({ searchPath, intervalStyle, lcMonetary }: RowSettings, keyTypes: readonly string[]): string {
  const hasKeyOf = (type: RegExp): boolean => keyTypes.some((name) => type.test(name));
  const found: string[] = [];
  // The server looks into pg_catalog first in any case; a temporary table must not stand in for what is meant.
  const schemas = ['pg_catalog', ...searchPath.filter((schema) => schema !== 'pg_catalog'), 'pg_temp'];
  if (searchPath.length > 0 && !hasKeyOf(/\breg[a-z]+/))
    found.push(`SET LOCAL search_path = ${schemas.map(quoteName).join(', ')}; `);
  if (intervalStyle !== OURS.intervalStyle && !hasKeyOf(/interval/))
    found.push(`SET LOCAL intervalstyle = ${quoteText(intervalStyle)}; `);
  if (lcMonetary !== OURS.lcMonetary && !hasKeyOf(/money/)) found.push(`SET LOCAL lc_monetary = ${quoteText(lcMonetary)}; `);
  return found.join('');
}

/** Takes them back, where the transaction goes on. */
export const OWN_SETTINGS = `SET LOCAL search_path = pg_catalog, pg_temp; SET LOCAL intervalstyle = ${quoteText(OURS.intervalStyle)}; SET LOCAL lc_monetary = ${quoteText(OURS.lcMonetary)}`;
