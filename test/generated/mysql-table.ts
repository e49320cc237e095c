/** What a generated table of MySQL or MariaDB is. */
import type { Beside } from './beside.ts';
import type { Draw } from './draw.ts';
import type { GeneratedColumn } from './generated-column.ts';
import type { MysqlFlavour } from './mysql-value-types.ts';

/** What a change can be made of. */
export interface MysqlTable extends Beside {
  readonly flavour: MysqlFlavour;
  readonly keys: readonly GeneratedColumn[];
  readonly others: readonly GeneratedColumn[];
  /** The first key is numbered by the server. */
  readonly isNumbered: boolean;
  readonly keyKind: 'PRIMARY KEY' | 'UNIQUE KEY uk';
  readonly indexes: readonly string[];
  readonly isPartitioned: boolean;
}

export function quoteColumn({ name }: Pick<GeneratedColumn, 'name'>): string {
  return `\`${name}\``;
}

/** Parts of an index over some of the columns, or null. */
export function drawIndexParts(draw: Draw, columns: readonly GeneratedColumn[]): string | null {
  const parts = new Map<string, string>();
  for (let more = draw.between(1, 3); more > 0; more -= 1) {
    const { name, type } = draw.of(columns);
    if (['json', 'point'].includes(type.kind)) continue;
    const isLong = !type.isKeyable && ['text', 'binary'].includes(type.kind);
    const length = isLong || (type.kind === 'text' && !type.ddl.includes('(10)') && draw.happens(0.3)) ? '(4)' : '';
    parts.set(name, `${quoteColumn({ name })}${length}${draw.text(0.1, ' DESC')}`);
  }
  return parts.size === 0 ? null : [...parts.values()].join(', ');
}

/**
 * A full-text index over one of the columns, or null where none is of a text that it takes. None whose case counts: the server writes words
 * small when it builds such an index, and as they are when rows come.
 */
export function drawFullText(draw: Draw, columns: readonly GeneratedColumn[], name: string): string | null {
  const texts = columns.filter(({ type }) => type.kind === 'text' && type.ddl.endsWith('_ci') && !type.ddl.includes(' utf16 '));
  const column = draw.ofAny(texts);
  return column === null ? null : `FULLTEXT INDEX ${name} (${quoteColumn(column)})`;
}
