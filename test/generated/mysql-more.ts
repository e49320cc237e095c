/**
 * More of what a generated table of MySQL or MariaDB may have: columns that the server fills, and indexes of all kinds. Drawn by a chance of
 * its own, so that the rest of a seed is what it is without it.
 */
import { type Draw, times } from './draw.ts';
import type { GeneratedColumn } from './generated-column.ts';
import { type MysqlTable, quoteColumn } from './mysql-table.ts';

export interface MysqlMore {
  /** Definitions of columns, of which no write tells. */
  readonly columns: readonly string[];
  readonly indexes: readonly string[];
  /** Made behind the rows. */
  readonly behind: readonly string[];
  /** Put before the clauses of the change, perhaps. */
  readonly clause: string;
}

type Asked = Pick<MysqlTable, 'flavour' | 'hasCounter' | 'keys' | 'others'>;

export function drawMysqlMore(draw: Draw, asked: Asked): MysqlMore {
  if (draw.happens(0.35)) return { columns: [], indexes: [], behind: [], clause: '' };
  const { flavour, hasCounter, keys, others } = asked;
  const drawn = [
    ...drawSpatial(draw, flavour, keys),
    ...drawVirtual(draw, [...keys, ...others]),
    ...(flavour === 'mysql' ? drawFunctional(draw, [...keys, ...others]) : drawLongUnique(draw, others)),
  ];
  const names = drawn.flatMap(({ column }) => (column === undefined ? [] : [/^\S+/.exec(column)?.[0] ?? '']));
  const name = draw.ofAny(names);
  return {
    columns: drawn.flatMap(({ column }) => column ?? []),
    indexes: drawn.flatMap(({ index }) => index ?? []),
    behind: drawBehind(draw, hasCounter),
    clause:
      name === null
        ? ''
        : draw.text(0.15, draw.of([`DROP COLUMN ${name}`, `RENAME COLUMN ${name} TO turned`, `ADD INDEX once_more (${name})`])),
  };
}

interface More {
  readonly column?: string;
  readonly index?: string;
}

function drawSpatial(draw: Draw, flavour: MysqlTable['flavour'], keys: readonly GeneratedColumn[]): readonly More[] {
  if (!draw.happens(0.25)) return [];
  const key = quoteColumn(draw.of(keys));
  const srid = flavour === 'mysql' ? ' SRID 0' : '';
  const column = `geo ${draw.of(['POINT', 'GEOMETRY'])} NOT NULL${srid} DEFAULT (POINT(CRC32(${key}) % 50, LENGTH(${key})))`;
  return [{ column, index: 'SPATIAL INDEX by_geo (geo)' }];
}

function drawVirtual(draw: Draw, columns: readonly GeneratedColumn[]): readonly More[] {
  if (!draw.happens(0.35)) return [];
  const { name, type } = draw.of(columns);
  const quoted = quoteColumn({ name });
  const from = type.kind === 'text' ? `VARCHAR(40) AS (SUBSTR(${quoted}, 1, 9))` : `INT AS (LENGTH(${quoted}))`;
  const index = draw.of([
    'INDEX by_virtual (virt)',
    `INDEX by_virtual (virt DESC, ${quoteColumn(draw.of(columns.filter((one) => one.type.isKeyable)))})`,
  ]);
  return [{ column: `virt ${from} VIRTUAL${draw.text(0.2, ' INVISIBLE')}`, index }];
}

function drawFunctional(draw: Draw, columns: readonly GeneratedColumn[]): readonly More[] {
  return times(draw.of([0, 0, 1, 2]), (place) => {
    const { name, type } = draw.of(columns);
    const quoted = quoteColumn({ name });
    const part = draw.of([
      `LENGTH(${quoted})`,
      `CRC32(${quoted})`,
      ...(type.kind === 'text' ? [`SUBSTR(${quoted}, 1, 5)`, `SUBSTR(${quoted}, 1, 5)`] : []),
      ...(type.kind === 'integer' ? [`${quoted} DIV 3`] : []),
      ...(['DATE', 'DATETIME'].includes(type.kind) && !type.ddl.startsWith('TIMESTAMP') ? [`YEAR(${quoted})`] : []),
    ]);
    return { index: `INDEX by_part${place} ((${part})${draw.text(0.2, ' DESC')})` };
  });
}

/** MariaDB keeps it as a hash. */
function drawLongUnique(draw: Draw, columns: readonly GeneratedColumn[]): readonly More[] {
  const long = draw.ofAny(columns.filter(({ type }) => ['text', 'binary'].includes(type.kind) && !type.isKeyable));
  return long === null || !draw.happens(0.25) ? [] : [{ index: `UNIQUE INDEX by_long (${quoteColumn(long)})` }];
}

function drawBehind(draw: Draw, hasCounter: boolean): readonly string[] {
  const trigger = [
    `SET NAMES ${draw.of(['latin1', 'utf8mb4'])}`,
    `SET SESSION sql_mode = '${draw.of(['', 'ANSI_QUOTES', 'PIPES_AS_CONCAT,NO_ZERO_DATE', 'NO_BACKSLASH_ESCAPES'])}'`,
    "CREATE TRIGGER f AFTER UPDATE ON t FOR EACH ROW INSERT INTO l (what) VALUES ('a' || 'b')",
    'SET NAMES utf8mb4',
  ];
  return [
    ...(hasCounter && draw.happens(0.5) ? trigger : []),
    ...(draw.happens(0.1) ? ['CREATE VIEW v AS SELECT * FROM t'] : []),
  ];
}
