/** What a table of a family or one with partitions may have besides: columns that the server fills, and indexes of all kinds over them. */
import type { Draw } from './draw.ts';
import type { Family } from './family-table.ts';

/** Drawn by a chance of its own, so that the rest of a seed is what it is without it. */
export interface Extras {
  /** Definitions; no INSERT names them. */
  readonly columns: readonly string[];
  /** Of a table by its name, made with its columns. */
  readonly indexes: (table: string) => readonly string[];
  /** What an UPDATE may set, such that rows of different owners have nothing to do with each other. */
  readonly changes: readonly ((draw: Draw, owner: number) => string)[];
}

const none: Extras = { columns: [], indexes: () => [], changes: [] };

/** One of those that may be drawn, with the probability in which it is. */
export type DrawnExtra = readonly [probability: number, extra: Partial<Extras>];

export function drawExtras(draw: Draw, candidates: readonly DrawnExtra[]): Extras {
  if (draw.happens(0.35)) return none;
  const drawn = candidates.filter(([probability]) => draw.happens(probability)).map(([, extra]) => ({ ...none, ...extra }));
  return {
    columns: drawn.flatMap(({ columns }) => columns),
    indexes: (table) => drawn.flatMap(({ indexes }) => indexes(table)),
    changes: drawn.flatMap(({ changes }) => changes),
  };
}

/** The same family, whose traffic changes what is besides, too. */
export function withExtras(family: Family, extras: ReadonlyMap<string, Extras>): Family {
  const tables = family.tables.map((table) => ({ ...table, changes: extras.get(table.name)?.changes ?? [] }));
  return { ...family, tables };
}
