/** The schemas of docs/schemas, and a validator that knows nothing else of the program. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';

const folder = join(import.meta.dirname, '..', '..', 'docs', 'schemas');
const validator = new Ajv2020({ allErrors: true, strict: true, allowUnionTypes: true });
for (const name of readdirSync(folder)) {
  validator.addSchema(JSON.parse(readFileSync(join(folder, name), 'utf8')) as object);
}

/** What is wrong with the value, a line each. `schema`: a name, or one with the place of a part of it. */
export function schemaFaults(schema: string, value: unknown): readonly string[] {
  const [name = '', part = ''] = schema.split('#');
  const validate = validator.getSchema(`${name}.schema.json${part === '' ? '' : `#${part}`}`);
  if (validate === undefined) throw new Error(`There is no schema ${schema}.`);
  void validate(value);
  return (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message ?? ''}`);
}

/** Schemas of what stands on a line, by its kind; what is not here is an event of a run. */
const SCHEMAS: Readonly<Record<string, string>> = {
  ...{ plan: 'plan', 'family-plan': 'plan', summary: 'summary', 'family-summary': 'summary', error: 'error' },
  ...{ status: 'status', 'native-status': 'status', 'family-status': 'status', migration: 'status', migrations: 'list' },
  ...{ leftovers: 'cleanup', cleanup: 'cleanup', control: 'control', config: 'config' },
};

/** What is wrong with a line of --output json; nothing with one of another output. */
export function lineFaults(line: string): readonly string[] {
  if (!line.startsWith('{"time":')) return [];
  const value = JSON.parse(line) as { readonly kind: string };
  return schemaFaults(SCHEMAS[value.kind] ?? 'event', value).map((fault) => `${fault} in ${line}`);
}
