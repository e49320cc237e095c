/** What a generated table of PostgreSQL is. */
import type { PostgresVersion } from '../support/postgres-software.ts';
import type { GeneratedColumn } from './generated-column.ts';

/** What a change can be made of. */
export interface PostgresTable {
  readonly version: PostgresVersion;
  readonly keys: readonly GeneratedColumn[];
  readonly others: readonly GeneratedColumn[];
  readonly numbered: 'no' | 'identity' | 'serial';
  readonly keyName: 'pk' | 'uk';
  /** A column refers to another table; another table refers to the key; a column is counted in by a trigger. */
  readonly hasParent: boolean;
  readonly hasChild: boolean;
  readonly hasCounter: boolean;
}

export function quoteColumn({ name }: Pick<GeneratedColumn, 'name'>): string {
  return `"${name}"`;
}
