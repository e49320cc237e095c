/** Clauses of an ALTER TABLE of MySQL or MariaDB, drawn by chance: some are refused by the server itself. */
import type { Draw } from './draw.ts';
import type { GeneratedColumn, ValueType } from './generated-column.ts';
import { COUNTED, LINK } from './beside.ts';
import { drawFullText, drawIndexParts, type MysqlTable, quoteColumn } from './mysql-table.ts';
import { drawCollation, drawMysqlType } from './mysql-value-types.ts';

export function drawMysqlChange(draw: Draw, table: MysqlTable, seed: number): string {
  const change = new MysqlChange(draw, table, seed);
  return change.clauses();
}

class MysqlChange {
  readonly #draw: Draw;
  readonly #table: MysqlTable;
  readonly #seed: number;
  /** Columns of which a clause tells already. */
  readonly #touched = new Set<GeneratedColumn>();
  readonly #indexes: string[];
  #names = 0;

  constructor(draw: Draw, table: MysqlTable, seed: number) {
    this.#draw = draw;
    this.#table = table;
    this.#seed = seed;
    this.#indexes = [...table.indexes];
  }

  clauses(): string {
    const kinds = [
      () => this.#add(),
      () => this.#add(),
      () => this.#drop(),
      () => this.#modify(this.#table.others),
      () => this.#modify(this.#table.others),
      () => this.#modifyKey(),
      () => this.#change(),
      () => this.#rename(),
      () => this.#addIndex(),
      () => this.#addIndex(),
      () => this.#indexClause((index) => `DROP INDEX ${index}`),
      () => this.#indexClause((index) => `RENAME INDEX ${index} TO ${this.#name('n')}`),
      () => `DEFAULT ${drawCollation(this.#draw, this.#table.flavour)}`,
      () => this.#check(),
      () => this.#default(),
      () => this.#primaryKey(),
      () => `ROW_FORMAT=${this.#draw.of(['DYNAMIC', 'COMPACT'])}`,
      () => String.raw`COMMENT='it''s \\ new'`,
      () => this.#computed(),
      () => this.#beside(),
      () => this.#beside(),
    ];
    if (this.#draw.happens(0.06)) return `CONVERT TO ${drawCollation(this.#draw, this.#table.flavour)}`;
    const drawn: string[] = [];
    for (let more = this.#draw.between(1, 4); more > 0; more -= 1) {
      const clause = this.#draw.of(kinds)();
      if (clause !== null) drawn.push(clause);
    }
    if (drawn.length === 0) drawn.push('ENGINE=InnoDB');
    return `${drawn.join(', ')}${this.#partitions()}`;
  }

  /** Clauses over what hangs on the table or stands behind it, which may not be there. */
  #beside(): string {
    const { flavour, hasCounter, hasParent } = this.#table;
    return this.#draw.of([
      ...(hasParent ? ['DROP FOREIGN KEY up', `MODIFY ${LINK} BIGINT`, `DROP COLUMN ${LINK}`] : []),
      ...(hasCounter ? [`DROP COLUMN ${COUNTED}`, `MODIFY ${COUNTED} BIGINT NOT NULL DEFAULT 5 FIRST`] : []),
      ...['AUTO_INCREMENT=77', 'STATS_PERSISTENT=0', 'MIN_ROWS=3', 'FORCE', 'ENGINE=InnoDB', 'ROW_FORMAT=COMPRESSED'],
      // MariaDB takes it beside a dropped column or not, depending on its algorithm.
      flavour === 'mysql' ? 'ALTER INDEX i0 INVISIBLE' : `ALTER INDEX i0 ${this.#touched.size > 0 ? 'NOT ' : ''}IGNORED`,
      `ADD COLUMN ${this.#name('n')} INT NOT NULL DEFAULT 3 INVISIBLE`,
      `ADD CONSTRAINT ${this.#name('fk')}_${this.#seed} FOREIGN KEY (k0) REFERENCES t (k0)`,
    ]);
  }

  #name(prefix: string): string {
    this.#names += 1;
    return `${prefix}${this.#names}`;
  }

  #free(columns: readonly GeneratedColumn[]): GeneratedColumn | null {
    const column = this.#draw.ofAny(columns.filter((one) => !this.#touched.has(one)));
    if (column !== null) this.#touched.add(column);
    return column;
  }

  get #plain(): readonly GeneratedColumn[] {
    return this.#table.others.filter(({ isComputed }) => isComputed !== true);
  }

  #place(): string {
    const key = this.#draw.of(this.#table.keys);
    return this.#draw.of(['', '', '', ' FIRST', this.#touched.has(key) ? '' : ` AFTER ${quoteColumn(key)}`]);
  }

  /** Near it, if there is such a type. */
  #typeLike({ ddl, kind }: ValueType): ValueType {
    const drawn = Array.from({ length: 40 }, () => drawMysqlType(this.#draw, this.#table.flavour));
    return drawn.find((type) => type.kind === kind && type.ddl !== ddl) ?? this.#draw.of(drawn);
  }

  #add(): string {
    const type = drawMysqlType(this.#draw, this.#table.flavour);
    const isPlain = type.isKeyable || !['json', 'point', 'text', 'binary'].includes(type.kind);
    const isNotNull = type.kind !== 'point' && this.#draw.happens(0.4);
    const usual = isPlain && (isNotNull || this.#draw.happens(0.5)) ? ` DEFAULT ${this.#draw.of(type.values.slice(0, 4))}` : '';
    return `ADD COLUMN ${this.#name('n')} ${type.ddl} ${isNotNull ? 'NOT NULL' : 'NULL'}${usual}${this.#place()}`;
  }

  #drop(): string | null {
    const column = this.#plain.length > 1 ? this.#free(this.#plain) : null;
    return column === null ? null : `DROP COLUMN ${quoteColumn(column)}`;
  }

  #modify(columns: readonly GeneratedColumn[]): string | null {
    const column = this.#free(columns);
    if (column === null) return null;
    const type = this.#draw.happens(0.4) ? drawMysqlType(this.#draw, this.#table.flavour) : this.#typeLike(column.type);
    return `MODIFY ${quoteColumn(column)} ${type.ddl} ${this.#draw.happens(0.8) ? 'NULL' : 'NOT NULL'}${this.#place()}`;
  }

  #modifyKey(): string | null {
    const column = this.#free(this.#table.keys);
    if (column === null) return null;
    const numbered = this.#table.isNumbered ? ' AUTO_INCREMENT' : '';
    return `MODIFY ${quoteColumn(column)} ${this.#typeLike(column.type).ddl} NOT NULL${numbered}`;
  }

  #change(): string | null {
    const column = this.#free(this.#plain);
    if (column === null) return null;
    const { ddl } = this.#typeLike(column.type);
    return `CHANGE ${quoteColumn(column)} ${this.#name('r')} ${ddl} ${column.isNullable ? 'NULL' : 'NOT NULL'}${this.#place()}`;
  }

  #rename(): string | null {
    const column = this.#free([...this.#table.keys, ...this.#plain]);
    return column === null ? null : `RENAME COLUMN ${quoteColumn(column)} TO ${this.#name('r')}`;
  }

  #addIndex(): string | null {
    const columns = [...this.#table.keys, ...this.#table.others].filter((column) => !this.#touched.has(column));
    const found = this.#draw.happens(0.15) ? drawFullText(this.#draw, columns, this.#name('n')) : null;
    if (found !== null) return `ADD ${found}`;
    const parts = columns.length === 0 ? null : drawIndexParts(this.#draw, columns);
    return parts === null ? null : `ADD ${this.#draw.text(0.3, 'UNIQUE ')}INDEX ${this.#name('n')} (${parts})`;
  }

  #indexClause(clause: (index: string) => string): string | null {
    const index = this.#indexes.pop();
    return index === undefined ? null : clause(index);
  }

  #counted(): GeneratedColumn | null {
    return this.#free([...this.#table.keys, ...this.#plain].filter(({ type }) => type.kind === 'integer'));
  }

  #check(): string | null {
    const column = this.#counted();
    if (column === null) return null;
    const condition = this.#draw.of(['> 5', '< 100', 'IS NOT NULL', '<> 7', '>= -9e18', '>= -9e18']);
    return `ADD CONSTRAINT ${this.#name('chk')}_${this.#seed} CHECK (${quoteColumn(column)} ${condition})`;
  }

  #default(): string | null {
    const column = this.#counted();
    if (column === null) return null;
    const usual = `SET DEFAULT ${this.#draw.of(column.type.values)}`;
    return `ALTER COLUMN ${quoteColumn(column)} ${this.#draw.happens(0.5) ? 'DROP DEFAULT' : usual}`;
  }

  #primaryKey(): string | null {
    const { isNumbered, isPartitioned, keyKind, keys } = this.#table;
    if (keyKind !== 'PRIMARY KEY' || isPartitioned || isNumbered || this.#touched.size > 0) return null;
    const more = this.#draw.ofAny(this.#plain.filter(({ isNullable, type }) => !isNullable && type.isKeyable));
    const parts = [...keys, ...(more === null ? [] : [more])].map(quoteColumn);
    if (this.#draw.happens(0.4)) parts.reverse();
    for (const column of [...keys, ...this.#table.others]) this.#touched.add(column);
    return `DROP PRIMARY KEY, ADD PRIMARY KEY (${parts.join(', ')})`;
  }

  #computed(): string | null {
    const column = this.#counted();
    if (column === null) return null;
    return `ADD COLUMN ${this.#name('n')} BIGINT AS (${quoteColumn(column)} DIV 3) ${this.#draw.of(['VIRTUAL', 'STORED'])}`;
  }

  /** Behind all others, without a comma. */
  #partitions(): string {
    const { indexes, isPartitioned, keyKind, keys } = this.#table;
    if (isPartitioned) return this.#draw.text(0.4, ' REMOVE PARTITIONING');
    const [first] = keys;
    const isFit =
      first?.type.kind === 'integer' && !this.#touched.has(first) && keyKind === 'PRIMARY KEY' && indexes.length === 0;
    return isFit ? this.#draw.text(0.1, ' PARTITION BY HASH(`k0`) PARTITIONS 4') : '';
  }
}
