/** A table of PostgreSQL, rows of it, a change and writes beside the change, all drawn from a seed. */
import type { Case } from '../support/case-folder.ts';
import type { PostgresVersion } from '../support/postgres-software.ts';
import { Draw, times } from './draw.ts';
import { drawKey, drawValue, type GeneratedColumn } from './generated-column.ts';
import { drawDisturbance, drawPace, type GeneratedAs, statements } from './generated-run.ts';
import { COUNTED, drawRelated, drawWhatIsBeside, LINK, LINK_COLUMN, parentStatements } from './beside.ts';
import { drawBehind, drawBeside } from './postgres-beside.ts';
import { drawPostgresChange } from './postgres-change.ts';
import { drawPostgresMore } from './postgres-more.ts';
import { type PostgresTable, quoteColumn } from './postgres-table.ts';
import { drawPostgresType, POSTGRES_TYPES_MADE } from './postgres-value-types.ts';

export function generatePostgresCase(seed: number, version: PostgresVersion, as: GeneratedAs): Case {
  const draw = new Draw(seed, 'postgres', version);
  const keys = times(draw.of([1, 1, 1, 2, 3]), (place) => drawKey(() => drawPostgresType(draw), place));
  const plain = times(draw.between(1, 6), (place) => drawColumn(draw, place));
  const isCounted = keys.length === 1 && keys[0]?.type.kind === 'integer';
  const numbered = isCounted ? draw.of(['no', 'identity', 'serial'] as const) : 'no';
  const keyName = draw.happens(0.15) ? 'uk' : 'pk';
  const beside = drawWhatIsBeside(draw);
  const asked = { version, keys, others: plain, numbered, keyName, ...beside } as const;
  const more = drawPostgresMore(new Draw(seed, 'postgres', version, 'hung'), asked);
  const { table, created } = drawTable(draw, asked, more.columns);
  const written = [...keys, ...plain, ...(beside.hasParent ? [LINK_COLUMN] : [])];
  const rows = draw.of([0, 5, 60, 300]);
  const filled = times(rows / 5, () => tried(insert(draw, written, 5)));
  const writes = drawWrites(draw, table, written);
  return {
    name: `postgres ${version} ${seed}`,
    before: statements([
      ...[...POSTGRES_TYPES_MADE, ...parentStatements(table), ...created, ...drawBeside(draw, table), ...more.made],
      ...[...filled, ...drawHistory(draw), ...drawBehind(draw, table), ...more.behind],
    ]),
    clauses: withClause(drawPostgresChange(draw, table), more.clause),
    writes: writes.length === 0 ? '' : statements(writes),
    // A COMMIT is refused where a deferred key is broken.
    writesMayFail: true,
    chunkRows: draw.of([3, 17, 100]),
    pace: drawPace(draw),
    ...(table.keyName === 'uk' ? { options: { key: 'uk' } } : {}),
    ...drawDisturbance(draw, as),
  };
}

/** The server takes a RENAME by itself only. */
function withClause(clauses: string, more: string): string {
  return more === '' || clauses.startsWith('RENAME') ? clauses : `${clauses}, ${more}`;
}

function drawColumn(draw: Draw, place: number): GeneratedColumn {
  const name = `${draw.of(['c', 'C', 'é', 'select ', 'a.b'])}${place}`;
  return { name, type: drawPostgresType(draw), isNullable: draw.happens(0.65) };
}

function drawTable(
  draw: Draw,
  asked: PostgresTable,
  more: readonly string[],
): { readonly table: PostgresTable; readonly created: readonly string[] } {
  const { keyName, keys, numbered, others, version } = asked;
  const definitions = [...keys, ...others].map((column, place) => {
    const usual = place > 0 && draw.happens(0.3) ? ` DEFAULT ${draw.of(column.type.values.slice(0, 3))}` : '';
    const identity = ` GENERATED ${draw.of(['ALWAYS', 'BY DEFAULT'])} AS IDENTITY (MINVALUE -9999)`;
    const behind = place === 0 && numbered === 'identity' ? identity : usual;
    return `${quoteColumn(column)} ${column.type.ddl}${column.isNullable ? '' : ' NOT NULL'}${behind}`;
  });
  const counted = [...keys, ...others].find(({ type }) => type.kind === 'integer');
  const computed: GeneratedColumn[] = [];
  if (counted !== undefined && draw.happens(0.25)) {
    const way = version >= 18 && draw.happens(0.5) ? 'VIRTUAL' : 'STORED';
    const type = { ddl: 'numeric', kind: 'numeric', values: ['0'], isKeyable: way === 'STORED' };
    computed.push({ name: 'g', type, isNullable: true, isComputed: true });
    definitions.push(`g numeric GENERATED ALWAYS AS (${quoteColumn(counted)}::numeric / 2) ${way}`);
  }
  if (asked.hasParent) definitions.push(`${LINK} integer`);
  if (asked.hasCounter) definitions.push(`${COUNTED} integer DEFAULT 0`);
  definitions.push(...more);
  if (draw.happens(0.3)) definitions.reverse();
  const parts = keys.map(quoteColumn).join(', ');
  definitions.push(`CONSTRAINT ${keyName} ${keyName === 'pk' ? 'PRIMARY KEY' : 'UNIQUE'} (${parts})`);
  const fill = draw.text(0.2, ` WITH (fillfactor = ${draw.between(50, 99)})`);
  const created = [`CREATE TABLE t (\n  ${definitions.join(',\n  ')}\n)${fill}`];
  if (numbered === 'serial') {
    created.push('CREATE SEQUENCE t_seq OWNED BY t.k0', "ALTER TABLE t ALTER k0 SET DEFAULT nextval('t_seq')");
  }
  const isVirtual = computed.some(({ type }) => !type.isKeyable);
  if (keyName === 'uk') created.push('ALTER TABLE t REPLICA IDENTITY USING INDEX uk');
  else if (!isVirtual && draw.happens(0.15)) created.push('ALTER TABLE t REPLICA IDENTITY FULL');
  return { table: { ...asked, others: [...others, ...computed] }, created };
}

/** A column that was there once. */
function drawHistory(draw: Draw): readonly string[] {
  return draw.happens(0.2) ? ['ALTER TABLE t ADD COLUMN gone integer DEFAULT 7', 'ALTER TABLE t DROP COLUMN gone'] : [];
}

function insert(draw: Draw, columns: readonly GeneratedColumn[], rows: number): string {
  const values = times(rows, () => `(${columns.map((column) => drawValue(draw, column)).join(', ')})`).join(', ');
  const names = columns.map(quoteColumn).join(', ');
  return `INSERT INTO t (${names}) OVERRIDING SYSTEM VALUE VALUES ${values} ON CONFLICT DO NOTHING`;
}

/** What the server refuses is left out. */
function tried(sql: string): string {
  return `DO $do$ BEGIN ${sql}; EXCEPTION WHEN others THEN NULL; END $do$`;
}

/** Those of one session. All rows, or those of one key value: in which order they are met makes no difference. */
function drawWrites(draw: Draw, table: PostgresTable, columns: readonly GeneratedColumn[]): readonly string[] {
  const { keys } = table;
  const set = (column: GeneratedColumn): string => `${quoteColumn(column)} = ${drawValue(draw, column)}`;
  const some = (): string => {
    const key = draw.of(keys);
    return `WHERE ${quoteColumn(key)} = ${draw.of(key.type.values)}`;
  };
  let isOpen = false;
  const write = (): string => {
    if ((table.hasParent || table.hasChild) && draw.happens(0.15))
      return tried(drawRelated(draw, table, keys.map(quoteColumn).join(', ')));
    const share = draw.below(100);
    const column = draw.of(columns);
    if (share < 30) return tried(insert(draw, columns, draw.between(1, 3)));
    if (share < 50) return tried(`UPDATE t SET ${set(column)} ${some()}`);
    if (share < 65) return tried(`UPDATE t SET ${set(draw.of(keys))} ${some()}`);
    if (share < 75) return tried(`DELETE FROM t ${some()}`);
    if (share < 80) return tried(`UPDATE t SET ${set(column)}`);
    if (share < 88) {
      const target = `ON CONFLICT (${keys.map(quoteColumn).join(', ')}) DO UPDATE`;
      const name = quoteColumn(column);
      return tried(insert(draw, columns, 1).replace('ON CONFLICT DO NOTHING', `${target} SET ${name} = EXCLUDED.${name}`));
    }
    isOpen = !isOpen;
    return isOpen ? 'BEGIN' : draw.of(['COMMIT', 'COMMIT', 'ROLLBACK']);
  };
  const writes = times(draw.of([0, 10, 60, 120]), write);
  return isOpen ? [...writes, 'COMMIT'] : writes;
}
