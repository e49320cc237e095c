/** What a generated table of PostgreSQL is. */
import type { PostgresVersion } from '../support/postgres-software.ts';
import type { Beside } from './beside.ts';
import type { GeneratedColumn } from './generated-column.ts';

/** What a change can be made of. */
export interface PostgresTable extends Beside {
  readonly version: PostgresVersion;
  readonly keys: readonly GeneratedColumn[];
  readonly others: readonly GeneratedColumn[];
  readonly numbered: 'no' | 'identity' | 'serial';
  readonly keyName: 'pk' | 'uk';
}

export function quoteColumn({ name }: Pick<GeneratedColumn, 'name'>): string {
  return `"${name}"`;
}
