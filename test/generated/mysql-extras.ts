/** What a table of a family of MySQL or MariaDB, or one with partitions, may have besides. */
import type { Draw } from './draw.ts';
import { drawExtras, type Extras } from './family-extras.ts';
import { PLAIN } from './family-table.ts';
import type { MysqlFlavour } from './mysql-value-types.ts';

interface Wanted {
  readonly flavour: MysqlFlavour;
  /** Not where applications write after the swap: see `mysqlIndexFaults`. */
  readonly hasFullText: boolean;
  /** These have neither full-text nor spatial indexes, and are unique by their keys alone. */
  readonly isPartitioned: boolean;
}

/** Indexes are made with the columns: they are parts of a CREATE TABLE. */
export function mysqlExtras(draw: Draw, { flavour, hasFullText, isPartitioned }: Wanted): Extras {
  const { code, owner, text, value } = PLAIN;
  const isMysql = flavour === 'mysql';
  const whole = isPartitioned ? 0 : 1;
  const words = (more: Draw): string =>
    `${more.of(['alpha', 'beta', 'gamma'])} ${more.of(['alpha', 'delta', 'omega'])} w${more.below(9)}x`;
  const way = draw.of(['VIRTUAL', 'VIRTUAL', isMysql ? 'STORED' : 'PERSISTENT']);
  return drawExtras(draw, [
    [
      0.3 * whole,
      {
        columns: [`geo POINT NOT NULL${isMysql ? ' SRID 0' : ''} DEFAULT (POINT(0, 0))`],
        indexes: () => ['SPATIAL INDEX by_geo (geo)'],
        changes: [(more) => `geo = POINT(${more.below(20)}, ${value})`],
      },
    ],
    [
      hasFullText ? 0.5 : 0,
      {
        columns: ["txt VARCHAR(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci DEFAULT 'some omega words'"],
        indexes: () => ['FULLTEXT INDEX by_txt (txt)'],
        changes: [(more) => `txt = '${words(more)}'`, (more) => `txt = CONCAT(COALESCE(txt, ''), ' ${words(more)}')`],
      },
    ],
    [hasFullText ? 0.5 : 0, { indexes: () => [`FULLTEXT INDEX by_text (${text})`] }],
    [
      0.3,
      {
        columns: [`kind INT AS (${owner} * 10 + ${value} % 7) ${way}`],
        indexes: () => [draw.of(['KEY by_kind (kind)', `KEY by_kind (kind DESC, ${code})`])],
      },
    ],
    [
      0.3,
      {
        columns: [`loud VARCHAR(40) AS (UPPER(${code})) ${draw.of(['VIRTUAL', 'VIRTUAL INVISIBLE'])}`],
        indexes: () => ['KEY by_loud (loud)'],
      },
    ],
    [isMysql ? 0.3 : 0, { indexes: () => [`KEY by_sum ((${value} + ${owner}))`] }],
    [isMysql ? 0.3 : 0, { indexes: () => [`KEY by_part ((SUBSTR(${text}, 1, 9)), ${owner})`] }],
    [isMysql ? 0.2 * whole : 0, { indexes: () => [`UNIQUE KEY by_turned ((REVERSE(${code})))`] }],
    [
      // Among cascades the server says at times that such a value is none (3903).
      isMysql && isPartitioned ? 0.4 : 0,
      {
        columns: ["doc JSON DEFAULT ('[1]')"],
        indexes: () => ['KEY by_doc ((CAST(doc AS UNSIGNED ARRAY)))'],
        changes: [
          (more) => `doc = '[${more.below(5)}, ${10 + more.below(4)}]'`,
          () => `doc = JSON_ARRAY(${value})`,
          () => 'doc = NULL',
        ],
      },
    ],
    [
      isMysql ? 0 : 0.04 * whole,
      {
        columns: ['tag TEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci'],
        indexes: () => ['UNIQUE KEY by_tag (tag)'],
        changes: [(more, of) => `tag = '${of}:${more.of(['a', 'A', 'b', 'c', 'd'])}${more.below(9)}'`, () => 'tag = NULL'],
      },
    ],
    [
      0.2,
      {
        columns: [
          `said VARCHAR(20) ${isMysql ? '' : 'INVISIBLE '}DEFAULT (CONCAT('o', ${owner}))${isMysql ? ' INVISIBLE' : ''}`,
        ],
        indexes: () => [
          `KEY by_said (said${isPartitioned ? '' : '(2)'}) COMMENT 'it''s'${isMysql ? ' INVISIBLE' : ' IGNORED'}`,
        ],
      },
    ],
  ]);
}
