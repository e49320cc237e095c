/** What a table of a family of PostgreSQL, or one with partitions, may have besides. */
import type { Draw } from './draw.ts';
import { drawExtras, type Extras } from './family-extras.ts';
import { PLAIN } from './family-table.ts';

/** Partitions are unique by their keys alone. */
export function postgresExtras(
  draw: Draw,
  { isPartitioned, isVirtual }: { isPartitioned: boolean; isVirtual: boolean },
): Extras {
  const { code, owner, text, value } = PLAIN;
  const on =
    (using: string) =>
    (table: string): readonly string[] => [`CREATE INDEX ON ${table} ${using}`];
  const spanIndex = draw.of(['USING gist (span)', 'USING spgist (span)', 'USING gist (span, owner)']);
  const apart = (table: string): readonly string[] => [
    `ALTER TABLE ${table} ADD CONSTRAINT ${table}_apart EXCLUDE USING gist (span WITH &&)`,
  ];
  return drawExtras(draw, [
    [
      0.3,
      {
        columns: ["listed integer[] DEFAULT '{1}'"],
        indexes: on('USING gin (listed)'),
        changes: [(more) => `listed = ARRAY[${more.below(5)}, ${value}]`, (more) => `listed = listed || ${more.below(9)}`],
      },
    ],
    [
      0.35,
      {
        columns: ["span int4range NOT NULL DEFAULT 'empty'"],
        indexes: !isPartitioned && draw.happens(0.4) ? apart : on(spanIndex),
        changes: [
          (more, of) => {
            const from = (of + 1) * 1000 + more.below(40);
            return `span = int4range(${from}, ${from + more.between(0, 5)})`;
          },
        ],
      },
    ],
    [
      0.25,
      {
        columns: ["doc jsonb DEFAULT '{}'"],
        indexes: on(draw.of(['USING gin (doc)', 'USING gin (doc jsonb_path_ops)', "((doc -> 'a'))"])),
        changes: [(more) => `doc = '{"a": [${more.below(5)}, "x"], "b": ${more.below(3)}}'`],
      },
    ],
    [
      0.2,
      {
        columns: ["spot point DEFAULT '(0,0)'"],
        indexes: on(draw.of(['USING gist (spot)', 'USING spgist (spot)'])),
        changes: [(more) => `spot = point(${more.below(20)}, ${value})`],
      },
    ],
    [
      0.25,
      {
        columns: [`long integer GENERATED ALWAYS AS (length(${code})) STORED`],
        indexes: on(draw.of(['USING hash (long)', '(long)', `(${owner}, long DESC)`])),
      },
    ],
    [isVirtual ? 0.2 : 0, { columns: [`loud text GENERATED ALWAYS AS (upper(${code})) VIRTUAL`] }],
    [
      0.2,
      {
        columns: ["state mood DEFAULT 'ok'", 'few posint DEFAULT 3'],
        indexes: on("(state, few) WHERE state <> 'ok'"),
        changes: [(more) => `state = '${more.of(['sad', 'ok', 'happy'])}'`],
      },
    ],
    [0.25, { indexes: on(`USING brin (${value}) WITH (pages_per_range = 1)`) }],
    [0.25, { indexes: on(`USING hash (${code})`) }],
    [0.25, { indexes: on(`USING gin (to_tsvector('simple', ${text}))`) }],
    [0.2, { indexes: on(`USING gin (${code} gin_trgm_ops)`) }],
    [0.25, { indexes: on(`((${value} % 7), ${owner})`) }],
    [0.25, { indexes: on(`(${owner}) WHERE ${value} > 10`) }],
    [0.2, { indexes: on(`(lower(${code}), ${value} DESC NULLS LAST) INCLUDE (${text}) WHERE length(${text}) < 100`) }],
  ]);
}

export const POSTGRES_EXTRAS_MADE: readonly string[] = [
  ...['CREATE EXTENSION IF NOT EXISTS btree_gist', 'CREATE EXTENSION IF NOT EXISTS pg_trgm'],
  "CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy')",
  'CREATE DOMAIN posint AS integer CHECK (VALUE >= 0)',
];
