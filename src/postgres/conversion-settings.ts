/**
 * How values are converted: as in a session of the user, for that is what the server's own ALTER would do. Our sessions are set
 * otherwise, so that keys are always written alike and no name means what others made of it; a statement that converts rows sets
 * these for itself.
 */

import type { ConversionSettings } from '../engine/model.ts';
import { quoteName, quoteText } from './statements.ts';

/** Those that only a statement that converts rows has. */
export type RowSettings = Pick<ConversionSettings, 'searchPath' | 'intervalStyle' | 'lcMonetary' | 'formats'>;

/** A setting by which values are written as text, or are read. */
interface Format {
  readonly name: string;
  /** As our sessions have it (session.ts). */
  readonly ours: string;
  /** Types that it is about: a key of one of them would be written, or read, otherwise than everywhere else. */
  readonly types: RegExp;
  /** Types of which it leaves something out, so that values that are compared by their texts could differ and would not be told apart. */
  readonly shortened?: RegExp;
}

/** An order of day and month that is set for the session stays. */
const FORMATS: readonly Format[] = [
  { name: 'intervalstyle', ours: 'postgres', types: /interval/ },
  { name: 'lc_monetary', ours: 'C', types: /money/ },
  { name: 'datestyle', ours: 'ISO', types: /date|timestamp|\bts(?:tz)?(?:multi)?range/ },
  { name: 'bytea_output', ours: 'hex', types: /bytea/ },
  {
    ...{ name: 'extra_float_digits', ours: '3', types: /real|double precision/ },
    // Of a type of the user nobody knows what is in it.
    shortened: /real|double precision|point|line|lseg|box|path|polygon|circle|\./,
  },
  { name: 'xmlbinary', ours: 'base64', types: /xml/ },
  { name: 'array_nulls', ours: 'on', types: /\[\]/ },
];

/** Those that a plan has under the server's names, as an expression for JSON. All numbers of digits above 0 write floats alike. */
export const FORMATS_READ = `pg_catalog.json_build_object(${['datestyle', 'bytea_output', 'xmlbinary', 'array_nulls']
  .map((name) => `'${name}', pg_catalog.current_setting('${name}')`)
  .join(', ')}, 'extra_float_digits', CASE WHEN pg_catalog.current_setting('extra_float_digits')::integer > 0 THEN '3'
    ELSE pg_catalog.current_setting('extra_float_digits') END)`;

/** As our sessions have them. */
export const OURS: RowSettings = { searchPath: [], intervalStyle: 'postgres', lcMonetary: 'C' };

/** The others, as assignments for SET. */
export function sessionSettings({ timeZone, dateOrder }: ConversionSettings): readonly string[] {
  return [`timezone = ${quoteText(timeZone)}`, `datestyle = ${quoteText(`ISO, ${dateOrder}`)}`];
}

/** What a statement that converts rows has to do with, as `format_type` writes types. */
export interface ConvertedTypes {
  readonly key: readonly string[];
  /** Of values that are compared by their texts. */
  readonly compared: readonly string[];
}

/**
 * Sets those that differ for the rest of the transaction: in front of a statement, in the same message, only for that. A setting by which a
 * key of one of these types would be written otherwise stays as it is. Empty where nothing differs.
 */
export function userSettings(settings: RowSettings, { key, compared }: ConvertedTypes): string {
  const { searchPath, intervalStyle, lcMonetary, formats = {} } = settings;
  const isAbout = (types: readonly string[], type: RegExp): boolean => types.some((name) => type.test(name));
  const found: string[] = [];
  // The server looks into pg_catalog first in any case; a temporary table must not stand in for what is meant.
  const schemas = ['pg_catalog', ...searchPath.filter((schema) => schema !== 'pg_catalog'), 'pg_temp'];
  if (searchPath.length > 0 && !isAbout(key, /\breg[a-z]+/))
    found.push(`SET LOCAL search_path = ${schemas.map(quoteName).join(', ')}; `);
  const all: Readonly<Record<string, string>> = { ...formats, intervalstyle: intervalStyle, lc_monetary: lcMonetary };
  for (const { name, ours, types, shortened } of FORMATS) {
    const value = all[name] ?? ours;
    const isOurs = name === 'datestyle' ? value.startsWith(ours) : value === ours;
    if (isOurs || isAbout(key, types) || (shortened !== undefined && isAbout(compared, shortened))) continue;
    found.push(`SET LOCAL ${name} = ${quoteText(value)}; `);
  }
  return found.join('');
}

/** For a session that does nothing but what the user has written, as assignments for SET. */
export const USERS_FORMATS: readonly string[] = FORMATS.map(({ name }) => `${name} TO DEFAULT`);

/** Takes them back, where the transaction goes on. */
export const OWN_SETTINGS = [
  'SET LOCAL search_path = pg_catalog, pg_temp',
  ...FORMATS.map(({ name, ours }) => `SET LOCAL ${name} = ${quoteText(ours)}`),
].join('; ');
