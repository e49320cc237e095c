/** The schemas of docs/schemas, and a validator that knows nothing else of the program. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';

const folder = join(import.meta.dirname, '..', '..', 'docs', 'schemas');
const validator = new Ajv2020({ allErrors: true, strict: true, allowUnionTypes: true });
for (const name of readdirSync(folder)) {
  validator.addSchema(JSON.parse(readFileSync(join(folder, name), 'utf8')) as object);
}

/** What is wrong with the value, a line each. */
export function schemaFaults(schema: string, value: unknown): readonly string[] {
  const validate = validator.getSchema(`${schema}.schema.json`);
  if (validate === undefined) throw new Error(`There is no schema ${schema}.`);
  void validate(value);
  return (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message ?? ''}`);
}
