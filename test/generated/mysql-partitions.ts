/** A table of MySQL or MariaDB with partitions, or one that gets them, or loses them, or gets others. */
import { type Draw, times } from './draw.ts';
import type { DrawnFamily } from './family-case.ts';
import { withExtras } from './family-extras.ts';
import { fillings, loneTable, PLAIN } from './family-table.ts';
import { COUNTS, drawTraffic, SEEN } from './family-traffic.ts';
import { mysqlExtras } from './mysql-extras.ts';
import type { MysqlFlavour } from './mysql-value-types.ts';

/** Keys of an owner are between thousands, and `k1` changes with the number. */
function drawPartitions(draw: Draw, owners: number): string {
  // The last owner is sometimes left out: then rows are in none.
  const ranges = (bound: (limit: string) => string): string =>
    times(
      owners,
      (owner) => `PARTITION p${owner} VALUES LESS THAN ${bound(String((owner + 2) * 1000 - draw.of([0, 0, 0, 995, 500])))}`,
    ).join(', ');
  const rest = (bound: string): string => draw.text(0.9, `, PARTITION rest VALUES LESS THAN ${bound}`);
  return draw.of([
    () => `PARTITION BY HASH (k0) PARTITIONS ${draw.between(1, 5)}`,
    () => `PARTITION BY LINEAR KEY (k1) PARTITIONS ${draw.between(2, 4)}`,
    () => 'PARTITION BY KEY () PARTITIONS 3',
    () => `PARTITION BY RANGE (k0) (${ranges((limit) => `(${limit})`)}${rest('MAXVALUE')})`,
    () =>
      `PARTITION BY RANGE (k0) SUBPARTITION BY HASH (k0) SUBPARTITIONS 2 (${ranges((limit) => `(${limit})`)}${rest('MAXVALUE')})`,
    () => `PARTITION BY RANGE COLUMNS (k0, k1) (${ranges((limit) => `(${limit}, 'p1')`)}${rest('(MAXVALUE, MAXVALUE)')})`,
    () =>
      `PARTITION BY LIST COLUMNS (k1) (PARTITION even VALUES IN ('p0')${draw.text(0.9, ", PARTITION odd VALUES IN ('p1')")})`,
  ])();
}

export function drawMysqlPartitions(draw: Draw, more: Draw, flavour: MysqlFlavour): DrawnFamily {
  const extras = mysqlExtras(more, { flavour, hasFullText: false, isPartitioned: true });
  const family = withExtras(loneTable('t'), new Map([['t', extras]]));
  const sessions = draw.of([1, 2, 3]);
  const isGated = draw.happens(0.1);
  const partitions = draw.text(0.8, ` ${drawPartitions(draw, sessions)}`);
  const columns = [
    ...[`k0 INT NOT NULL`, 'k1 VARCHAR(20) CHARACTER SET ascii NOT NULL', `${PLAIN.owner} INT NOT NULL`],
    ...[
      `${PLAIN.value} INT NOT NULL DEFAULT 0`,
      `${PLAIN.text} TEXT`,
      `${PLAIN.code} VARCHAR(30)`,
      `${PLAIN.spare} INT NOT NULL DEFAULT 4`,
    ],
  ];
  const key = draw.of(['PRIMARY KEY (k0, k1)', 'PRIMARY KEY (k1, k0)', 'UNIQUE KEY uk (k0, k1)']);
  const indexes = [key, `KEY by_owner (${PLAIN.owner})`, `KEY by_code (${PLAIN.code})`];
  const changes = times(draw.of([0, 1, 1, 2]), (place) => drawClause(draw, `n${place}`));
  const others = draw.of(['', ` ${drawPartitions(draw, sessions)}`, ' REMOVE PARTITIONING']);
  const clauses = `${(changes.length === 0 ? ['FORCE'] : changes).join(', ')}${others}`;
  return {
    before: [
      "SET SESSION sql_mode = 'STRICT_ALL_TABLES'",
      `CREATE TABLE t (${[...columns, ...extras.columns, ...indexes, ...extras.indexes('t')].join(', ')})${partitions}`,
      ...fillings(draw, family, { owners: sessions, cold: draw.of([0, 20, 150]) }),
      `CREATE TABLE ${COUNTS} (${PLAIN.owner} INT PRIMARY KEY, n INT NOT NULL)`,
      `INSERT INTO ${COUNTS} VALUES ${times(sessions, (owner) => `(${owner}, 0)`).join(', ')}`,
      `CREATE TABLE ${SEEN} (${PLAIN.owner} INT, place INT, n INT, v INT, c INT, KEY (${PLAIN.owner}))`,
    ],
    changes: [{ table: 't', clauses }],
    native: {},
    sessions: drawTraffic(draw, { dialect: flavour, family, sessions, isGated }),
    gate: isGated ? 't' : null,
  };
}

function drawClause(draw: Draw, name: string): string {
  return draw.of([
    `ADD COLUMN ${name} INT NOT NULL DEFAULT 7`,
    'MODIFY k0 BIGINT NOT NULL',
    'MODIFY k1 VARCHAR(60) CHARACTER SET ascii NOT NULL',
    `MODIFY ${PLAIN.value} BIGINT NOT NULL DEFAULT 0`,
    `DROP COLUMN ${PLAIN.spare}`,
    `ADD INDEX ${name} (${PLAIN.value}, ${PLAIN.owner})`,
    'DROP INDEX by_code',
  ]);
}
