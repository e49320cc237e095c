/** What the command lines of the benches have in common, read with errors that say what to type instead. */
import type { ParseArgsConfig } from 'node:util';
import type { Flavour } from '../test/support/servers.ts';
import { UsageError } from './errors.ts';
import { postgresVersions, type PostgresVersion } from '../test/support/postgres-software.ts';

/** Every server there is, in the order of `--flavour all`. */
const flavours: readonly Flavour[] = ['mysql', 'mariadb', 'postgres'];

/** Options of every bench that starts servers. */
export const commonOptions = {
  flavour: { type: 'string', default: 'mysql' },
  version: { type: 'string', default: '18' },
  json: { type: 'string' },
  help: { type: 'boolean', default: false },
} as const satisfies ParseArgsConfig['options'];

/** Their part of the help. */
export const commonUsage = `  --flavour NAME,…    which servers to start: mysql, mariadb, postgres, or all (mysql)
  --version N         of PostgreSQL: 15, 16, 17 or 18 (18)
  --json FILE         write the figures there too, for \`npm run bench -- report\``;

/** `mysql`, `mysql,postgres`, `all`. */
export function readFlavours(text: string): readonly Flavour[] {
  if (text === 'all') return flavours;
  return text.split(',').map((name) => {
    const flavour = flavours.find((known) => known === name);
    if (flavour === undefined)
      throw new UsageError(`--flavour: there is no ${name}; there are ${flavours.join(', ')} and all.`);
    return flavour;
  });
}

export function readVersion(text: string): PostgresVersion {
  const version = postgresVersions.find((known) => String(known) === text);
  if (version === undefined)
    throw new UsageError(`--version: there is no PostgreSQL ${text}; there are ${postgresVersions.join(', ')}.`);
  return version;
}

/** A whole number, also written as `2_000_000` or `2,000,000`. */
export function readCount(option: string, text: string, { min, max }: { readonly min: number; readonly max: number }): number {
  const count = /^\d[\d_,]*$/.test(text) ? Number(text.replaceAll(/[_,]/g, '')) : Number.NaN;
  if (!(count >= min && count <= max)) {
    throw new UsageError(`--${option}: ${text} is not a whole number from ${min} to ${max}.`);
  }
  return count;
}

/** Several, with commas between them. */
export function readCounts(
  option: string,
  text: string,
  range: { readonly min: number; readonly max: number },
): readonly number[] {
  return text.split(',').map((part) => readCount(option, part, range));
}

/** `NAME=TEXT`. */
export function readNamed(option: string, text: string): { readonly name: string; readonly text: string } {
  const place = text.indexOf('=');
  if (place < 1) throw new UsageError(`--${option}: ${text} has to be NAME=TEXT.`);
  return { name: text.slice(0, place), text: text.slice(place + 1) };
}

/** The words of a command line without quotes in it. */
export function wordsOf(text: string): readonly string[] {
  return text.split(' ').filter((word) => word !== '');
}
