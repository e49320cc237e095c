/** A table of MySQL or MariaDB, rows of it, a change and writes beside the change, all drawn from a seed. */
import type { Case } from '../support/case-folder.ts';
import { Draw, times } from './draw.ts';
import { drawKey, drawValue, type GeneratedColumn } from './generated-column.ts';
import { COUNTED, drawRelated, drawWhatIsBeside, LINK, LINK_COLUMN, parentStatements } from './beside.ts';
import { drawBehind, drawParentKey, drawTableOptions } from './mysql-beside.ts';
import { drawMysqlMore, type MysqlMore } from './mysql-more.ts';
import { drawMysqlChange } from './mysql-change.ts';
import { drawFullText, drawIndexParts, type MysqlTable, quoteColumn } from './mysql-table.ts';
import { drawCollation, drawMysqlType, type MysqlFlavour } from './mysql-value-types.ts';
import { drawDisturbance, drawPace, type GeneratedAs, statements } from './generated-run.ts';

const strict = "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO'";

export function generateMysqlCase(seed: number, flavour: MysqlFlavour, as: GeneratedAs): Case {
  const draw = new Draw(seed, flavour);
  const keys = times(draw.of([1, 1, 1, 2, 3]), (place) => drawKey(() => drawMysqlType(draw, flavour), place));
  const others = times(draw.between(1, 6), (place) => drawColumn(draw, flavour, place));
  const beside = drawWhatIsBeside(draw);
  const asked = { flavour, keys, others, ...beside };
  const more = drawMysqlMore(new Draw(seed, flavour, 'more'), asked);
  const { table, created } = drawTable(draw, asked, more);
  const plain = table.others.filter(({ isComputed }) => isComputed !== true);
  const written = [...table.keys, ...plain, ...(beside.hasParent ? [LINK_COLUMN] : [])];
  const rows = draw.of([0, 5, 60, 300, 1000]);
  const filled = times(Math.ceil(rows / 50), () => insert(draw, written, Math.min(50, rows)));
  const writes = drawWrites(draw, table, written);
  return {
    name: `${flavour} ${seed}`,
    before: statements([strict, ...parentStatements(table), created, ...filled, ...drawBehind(draw, table), ...more.behind]),
    clauses: withClause(drawMysqlChange(draw, table, seed), more.clause),
    writes: writes.length === 0 ? '' : statements([strict, ...writes]),
    writesMayFail: true,
    chunkRows: draw.of([3, 17, 100]),
    pace: drawPace(draw),
    options: { deferIndexes: draw.of(['auto', 'always', 'never'] as const) },
    differs: { why: 'CHECK constraints get other names.', checkNames: true },
    ...drawDisturbance(draw, as),
  };
}

/** Before them, as there may be partitions behind them; a conversion is alone. */
function withClause(clauses: string, more: string): string {
  return more === '' || clauses.startsWith('CONVERT') ? clauses : `${more}, ${clauses}`;
}

function drawColumn(draw: Draw, flavour: MysqlFlavour, place: number): GeneratedColumn {
  const type = drawMysqlType(draw, flavour);
  const name = `${draw.of(['c', 'C', 'a b', 'é', 'select'])}${place}`;
  return { name, type, isNullable: type.kind === 'point' || draw.happens(0.6) };
}

function drawTable(
  draw: Draw,
  asked: Pick<MysqlTable, 'flavour' | 'hasChild' | 'hasCounter' | 'hasParent' | 'keys' | 'others'>,
  more: Pick<MysqlMore, 'columns' | 'indexes'>,
): { readonly table: MysqlTable; readonly created: string } {
  const { flavour, keys, others } = asked;
  const isNumbered = keys.length === 1 && keys[0]?.type.kind === 'integer' && draw.happens(0.4);
  const columns = [...keys, ...others];
  const definitions = columns.map((column, place) => {
    const { isNullable, type } = column;
    const isPlain = !['text', 'point', 'json', 'binary'].includes(type.kind);
    const usual = isPlain && draw.happens(0.3) ? ` DEFAULT ${draw.of(type.values.slice(0, 3))}` : '';
    const behind = isNumbered && place === 0 ? ' AUTO_INCREMENT' : usual;
    return `${quoteColumn(column)} ${type.ddl} ${isNullable ? 'NULL' : 'NOT NULL'}${behind}`;
  });
  const counted = columns.find(({ type }) => type.kind === 'integer');
  const computed: GeneratedColumn[] = [];
  if (counted !== undefined && draw.happens(0.25)) {
    computed.push({ name: 'g', type: { ...counted.type, ddl: 'BIGINT' }, isNullable: true, isComputed: true });
    definitions.push(`g BIGINT AS (${quoteColumn(counted)} DIV 2 + 1) ${draw.of(['VIRTUAL', 'STORED'])}`);
  }
  if (asked.hasParent) definitions.push(`${LINK} INT${draw.text(0.2, ' INVISIBLE')}`);
  if (asked.hasCounter) definitions.push(`${COUNTED} INT NOT NULL DEFAULT 0${draw.text(0.2, ` COMMENT 'it''s'`)}`);
  definitions.push(...more.columns);
  if (draw.happens(0.3)) definitions.reverse();
  const keyKind = draw.happens(0.12) ? 'UNIQUE KEY uk' : 'PRIMARY KEY';
  const direction = draw.text(0.1, ' DESC');
  definitions.push(`${keyKind} (${keys.map((key) => `${quoteColumn(key)}${direction}`).join(', ')})`);
  const indexes = times(draw.below(4), (place) => {
    const parts = drawIndexParts(draw, [...columns, ...computed]);
    const hidden = draw.text(0.1, flavour === 'mysql' ? ' INVISIBLE' : ' IGNORED');
    const sql = `${draw.text(0.15, 'UNIQUE ')}KEY i${place} (${parts})${draw.text(0.1, " COMMENT 'x'")}${hidden}`;
    return parts === null ? null : { name: `i${place}`, sql };
  }).filter((index) => index !== null);
  const found = draw.happens(0.12) ? drawFullText(draw, others, 'ft') : null;
  if (found !== null) indexes.push({ name: 'ft', sql: found });
  definitions.push(...indexes.map(({ sql }) => sql), ...drawParentKey(draw, asked));
  if (draw.happens(0.1)) definitions.push(`CHECK (${quoteColumn(draw.of(keys))} IS NOT NULL)`);
  const canPart =
    keys[0]?.type.kind === 'integer' &&
    indexes.length === 0 &&
    keyKind === 'PRIMARY KEY' &&
    !asked.hasChild &&
    !asked.hasParent;
  const isPartitioned = canPart && draw.happens(0.12);
  const format =
    draw.text(0.2, ` ROW_FORMAT=${draw.of(['COMPACT', 'DYNAMIC', 'REDUNDANT'])}`) + drawTableOptions(draw, flavour);
  if (!isPartitioned) definitions.push(...more.indexes);
  const partitions = isPartitioned ? ' PARTITION BY HASH(`k0`) PARTITIONS 3' : '';
  const created = `CREATE TABLE t (\n  ${definitions.join(',\n  ')}\n) DEFAULT ${drawCollation(draw, flavour)}${format}${partitions}`;
  const names = indexes.map(({ name }) => name);
  const all = [...others, ...computed];
  const table = { ...asked, others: all, isNumbered, keyKind, indexes: names, isPartitioned } as const;
  return { table, created };
}

function insert(draw: Draw, columns: readonly GeneratedColumn[], rows: number): string {
  const values = times(rows, () => `(${columns.map((column) => drawValue(draw, column)).join(', ')})`);
  return `INSERT IGNORE INTO t (${columns.map(quoteColumn).join(', ')}) VALUES ${values.join(', ')}`;
}

/** Those of one session; the order in which rows are met is that of the key, so that they do the same in any copy of the table. */
function drawWrites(draw: Draw, table: MysqlTable, columns: readonly GeneratedColumn[]): readonly string[] {
  const { keys } = table;
  const isRelated = table.hasChild || table.hasParent;
  const order = keys.map(quoteColumn).join(', ');
  const some = (): string => {
    const key = draw.of(keys);
    const operator = draw.of(['=', '>', '<', '>=', '<=>']);
    return `WHERE ${quoteColumn(key)} ${operator} ${draw.of(key.type.values)} ORDER BY ${order} LIMIT ${draw.between(1, 4)}`;
  };
  const set = (column: GeneratedColumn): string => `${quoteColumn(column)} = ${drawValue(draw, column)}`;
  let isOpen = false;
  const write = (): string => {
    if (isRelated && draw.happens(0.15)) return drawRelated(draw, table, order).replace(/^(INSERT|UPDATE|DELETE)/, '$1 IGNORE');
    const share = draw.below(100);
    if (share < 30) return insert(draw, columns, draw.between(1, 3));
    if (share < 50) return `UPDATE IGNORE t SET ${set(draw.of(columns))} ${some()}`;
    if (share < 65) return `UPDATE IGNORE t SET ${set(draw.of(keys))} ${some()}`;
    if (share < 75) return `DELETE IGNORE FROM t ${some()}`;
    // There is no REPLACE that leaves out what a foreign key bars.
    if (share < 85 && !isRelated) return insert(draw, columns, 1).replace('INSERT IGNORE', 'REPLACE');
    if (share < 90) return `${insert(draw, columns, 1)} ON DUPLICATE KEY UPDATE ${set(draw.of(columns))}`;
    isOpen = !isOpen;
    return isOpen ? 'BEGIN' : draw.of(['COMMIT', 'COMMIT', 'ROLLBACK']);
  };
  const writes = times(draw.of([0, 10, 60, 150]), write);
  return isOpen ? [...writes, 'COMMIT'] : writes;
}
