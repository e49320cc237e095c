/** Options from a file, under the names of their flags: for scheduled runs, and for what is the same in all of them. */

import { readFile } from 'node:fs/promises';
import { MigrationError } from '../engine/errors.ts';
import { allOptions } from './options.ts';

/** Values by the name of the flag, as text. */
export type ConfigValues = Readonly<Record<string, string>>;

/** Reads a JSON object such as `{"workers": 4, "window": ["22:00-06:00"], "verify": true}`. Rejects with BAD_USAGE. */
export async function readConfig(path: string | null): Promise<ConfigValues> {
  if (path === null) return {};
  const fields = await readObject(path);
  const flags = allOptions().flatMap(({ flag }) => (flag === null || flag === 'config' ? [] : [flag]));
  const values: Record<string, string> = {};
  for (const [name, value] of Object.entries(fields)) {
    if (!flags.includes(name)) {
      throw badConfig(
        path,
        `has "${name}", which is no option that can stand there (passwords and tokens have files of their own)`,
      );
    }
    const text = textOf(value);
    if (text === null) throw badConfig(path, `has a value for "${name}" that is neither text, number, true or false`);
    values[name] = text;
  }
  return values;
}

function textOf(value: unknown): string | null {
  if (Array.isArray(value)) {
    const texts = value.map(textOf);
    return texts.some((text) => text === null) ? null : texts.join(',');
  }
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? String(value) : null;
}

async function readObject(path: string): Promise<object> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    throw new MigrationError('BAD_USAGE', `The configuration file ${path} cannot be read.`, { cause });
  }
  try {
    const fields: unknown = JSON.parse(text);
    if (typeof fields === 'object' && fields !== null && !Array.isArray(fields)) return fields;
  } catch {
    // What the parser says would repeat the text.
  }
  throw badConfig(path, 'is not a JSON object');
}

function badConfig(path: string, what: string): MigrationError {
  return new MigrationError('BAD_USAGE', `The configuration file ${path} ${what}.`);
}
