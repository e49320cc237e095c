/** Clauses of an ALTER TABLE of PostgreSQL, drawn by chance: some are refused by the server itself. */
import type { Draw } from './draw.ts';
import { LINK } from './beside.ts';
import type { GeneratedColumn, ValueType } from './generated-column.ts';
import { type PostgresTable, quoteColumn } from './postgres-table.ts';
import { drawPostgresType } from './postgres-value-types.ts';

export function drawPostgresChange(draw: Draw, table: PostgresTable): string {
  return new PostgresChange(draw, table).clauses();
}

class PostgresChange {
  readonly #draw: Draw;
  readonly #table: PostgresTable;
  /** Columns of which a clause tells already. */
  readonly #touched = new Set<GeneratedColumn>();
  #names = 0;

  constructor(draw: Draw, table: PostgresTable) {
    this.#draw = draw;
    this.#table = table;
  }

  clauses(): string {
    const kinds = [
      () => this.#add(),
      () => this.#add(),
      () => this.#alter(this.#plain, (name) => `DROP COLUMN ${name}${this.#draw.text(0.3, ' CASCADE')}`),
      () => this.#type(this.#plain),
      () => this.#type(this.#plain),
      () => this.#type(this.#plain),
      () => this.#type(this.#table.keys),
      () => this.#using(),
      () => this.#alter(this.#plain, (name) => `ALTER COLUMN ${name} ${this.#draw.of(['SET', 'DROP'])} NOT NULL`),
      () => this.#default(),
      () => this.#constraint((name) => `CHECK (${name}::text <> 'zzz')${this.#draw.text(0.3, ' NOT VALID')}`),
      () => this.#constraint((name) => `${this.#unique()} (${name}${this.#draw.text(0.5, ', "k0"')})`),
      () => this.#computed(),
      () => this.#storage(),
      () => `SET (fillfactor = ${this.#draw.between(50, 99)}, autovacuum_enabled = ${this.#draw.happens(0.5)})`,
      () => this.#key(),
      () => this.#identity(),
      () => this.#beside(),
      () => this.#alter(this.#plain, (name) => `ALTER COLUMN ${name} SET STATISTICS ${this.#draw.below(100)}`),
      () => this.#constraint((name) => `EXCLUDE (${name} WITH =)${this.#draw.text(0.3, ' DEFERRABLE')}`),
      () => (this.#table.others.some(({ isComputed }) => isComputed === true) ? null : 'REPLICA IDENTITY FULL'),
    ];
    if (this.#draw.happens(0.12)) return this.#alone();
    const drawn: string[] = [];
    for (let more = this.#draw.between(1, 4); more > 0; more -= 1) {
      const clause = this.#draw.of(kinds)();
      if (clause !== null) drawn.push(clause);
    }
    return drawn.length === 0 ? 'SET (fillfactor = 77)' : drawn.join(', ');
  }

  /** What the server takes by itself only. */
  #alone(): string {
    const { keyName, keys } = this.#table;
    const column = quoteColumn(this.#draw.of([...keys, ...this.#plain]));
    const renamed = `RENAME COLUMN ${column} TO ${this.#name()}`;
    return this.#draw.of([renamed, renamed, `RENAME CONSTRAINT ${keyName} TO ${this.#name()}`]);
  }

  /** Clauses over what hangs on the table, which may not be there. */
  #beside(): string {
    const { hasParent } = this.#table;
    return this.#draw.of([
      'DROP CONSTRAINT IF EXISTS checked',
      'DROP CONSTRAINT IF EXISTS alone',
      ...(hasParent ? ['DROP CONSTRAINT up', `DROP COLUMN ${LINK}`, `ALTER COLUMN ${LINK} TYPE bigint`] : []),
      'ENABLE ROW LEVEL SECURITY',
      'SET WITHOUT CLUSTER',
      'SET LOGGED',
      'DISABLE TRIGGER USER',
    ]);
  }

  #name(): string {
    this.#names += 1;
    return `n${this.#names}`;
  }

  get #plain(): readonly GeneratedColumn[] {
    return this.#table.others.filter(({ isComputed }) => isComputed !== true);
  }

  #alter(columns: readonly GeneratedColumn[], clause: (name: string, column: GeneratedColumn) => string): string | null {
    const column = this.#draw.ofAny(columns.filter((one) => !this.#touched.has(one)));
    if (column === null) return null;
    this.#touched.add(column);
    return clause(quoteColumn(column), column);
  }

  #add(): string {
    const type = drawPostgresType(this.#draw);
    const isNotNull = this.#draw.happens(0.4);
    const usual = isNotNull || this.#draw.happens(0.4) ? ` DEFAULT ${this.#draw.of(type.values.slice(0, 4))}` : '';
    return `ADD COLUMN ${this.#name()} ${type.ddl}${usual}${isNotNull ? ' NOT NULL' : ''}${this.#draw.text(0.08, ' UNIQUE')}`;
  }

  /** Another one: the same under a view is refused by the server, and carried out by us. */
  #type(columns: readonly GeneratedColumn[]): string | null {
    return this.#alter(columns, (name, column) => `ALTER COLUMN ${name} TYPE ${this.#typeLike(column.type).ddl}`);
  }

  #typeLike({ ddl, kind }: ValueType): ValueType {
    const drawn = Array.from({ length: 40 }, () => drawPostgresType(this.#draw)).filter((type) => type.ddl !== ddl);
    const kinds = this.#draw.happens(0.1) ? [] : [kind, 'text'];
    return (
      kinds.map((one) => drawn.find((type) => type.kind === one)).find((type) => type !== undefined) ?? this.#draw.of(drawn)
    );
  }

  #using(): string | null {
    return this.#alter(this.#plain, (name) => {
      const way = this.#draw.of([
        `text USING ${name}::text || '!'`,
        `jsonb USING to_jsonb(${name})`,
        `integer USING length(${name}::text)`,
      ]);
      return `ALTER COLUMN ${name} TYPE ${way}`;
    });
  }

  #default(): string | null {
    return this.#alter(this.#plain, (name, { type }) => {
      const usual = `SET DEFAULT ${this.#draw.of(type.values)}`;
      return `ALTER COLUMN ${name} ${this.#draw.happens(0.4) ? 'DROP DEFAULT' : usual}`;
    });
  }

  #constraint(rule: (name: string) => string): string | null {
    return this.#alter(this.#plain, (name) => `ADD CONSTRAINT ${this.#name()} ${rule(name)}`);
  }

  #unique(): string {
    return `UNIQUE${this.#draw.text(0.2, ' NULLS NOT DISTINCT')}`;
  }

  #computed(): string | null {
    const counted = [...this.#table.keys, ...this.#plain].filter(({ type }) => type.kind === 'integer');
    const way = this.#table.version >= 18 && this.#draw.happens(0.5) ? 'VIRTUAL' : 'STORED';
    return this.#alter(
      counted,
      (name) => `ADD COLUMN ${this.#name()} numeric GENERATED ALWAYS AS (${name}::numeric / 3) ${way}`,
    );
  }

  #storage(): string | null {
    const long = this.#plain.filter(({ type }) => ['text', 'bytea', 'jsonb'].includes(type.ddl));
    return this.#alter(long, (name) => `ALTER COLUMN ${name} SET STORAGE ${this.#draw.of(['EXTERNAL', 'MAIN', 'EXTENDED'])}`);
  }

  #key(): string | null {
    const { hasChild, keyName, keys } = this.#table;
    // The server refuses it where another table refers to the key; we keep that table's key.
    if (this.#touched.size > 0 || hasChild) return null;
    for (const column of [...keys, ...this.#table.others]) this.#touched.add(column);
    const parts = keys.map(quoteColumn);
    const made = keyName === 'pk' ? 'DROP CONSTRAINT pk, ADD CONSTRAINT pk' : 'ADD CONSTRAINT pk';
    return `${made} PRIMARY KEY (${parts.join(', ')})`;
  }

  #identity(): string | null {
    if (this.#table.numbered !== 'identity') return null;
    return this.#alter(this.#table.keys, (name) => {
      return `ALTER COLUMN ${name} ${this.#draw.of(['DROP IDENTITY', 'SET GENERATED ALWAYS SET INCREMENT 5'])}`;
    });
  }
}
