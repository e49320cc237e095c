/**
 * Transactions of several sessions beside a run. Each session has rows of its own, and refers to rows of its own alone, so that what it
 * makes of them is the same in whatever order the sessions come.
 */
import type { Moment, Play, Plays, Step } from '../support/session-plays.ts';
import { type Draw, times } from './draw.ts';
import {
  columnsOf,
  drawText,
  type Family,
  type FamilyTable,
  HOT,
  type Identity,
  keyValues,
  linksOf,
  PLAIN,
  rowValues,
} from './family-table.ts';

export type Dialect = 'mysql' | 'mariadb' | 'postgres';

/** Tables beside the family: what a session has seen, and a count of its transactions. */
export const SEEN = 'seen';
export const COUNTS = 'counts';

/** Stands for the database where a statement is run, in names that are the server's. */
export const HERE = '{here}';

export interface TrafficAsked {
  readonly dialect: Dialect;
  readonly family: Family;
  readonly sessions: number;
  /** The swap waits for all traffic, so that columns may get other names. */
  readonly isGated: boolean;
}

const before = [
  'phase-entered:copy',
  'chunk-copied',
  'changes-applied',
  'phase-entered:finish-shadow',
  'phase-entered:verify',
  'range-verified',
];
const around = [
  'phase-entered:await-cutover',
  'cutover-attempt',
  'cutover-attempt',
  'cutover-attempt',
  'swapped',
  'settling',
  'ended',
];
/** What is held once it has swapped keeps the run from its end. */
const swapped = ['swapped', 'settling', 'phase-entered:clean-up'];
const after = ['cutover-attempt', 'cutover-failed', ...swapped];

export function drawTraffic(draw: Draw, asked: TrafficAsked): readonly Plays[] {
  return times(asked.sessions, (owner) => new SessionTraffic(draw, asked, owner).plays());
}

class SessionTraffic {
  readonly #draw: Draw;
  readonly #asked: TrafficAsked;
  readonly #owner: number;
  #seen = 0;
  #prepared = 0;

  constructor(draw: Draw, asked: TrafficAsked, owner: number) {
    this.#draw = draw;
    this.#asked = asked;
    this.#owner = owner;
  }

  plays(): Plays {
    const moments = [...before, ...(this.#asked.isGated ? [] : around)];
    const drawn = times(this.#draw.of([4, 12, 30]), () => this.#draw.below(moments.length));
    const places = drawn.toSorted((one, other) => one - other);
    const plays = places.map((place) => {
      const event = moments[place] ?? '';
      const at = { event, count: this.#draw.of([1, 1, 2, 5]), ...(before.includes(event) ? { or: after } : {}) };
      return { at, ...this.#transaction() };
    });
    return this.#asked.isGated || this.#draw.happens(0.2) ? plays : this.#withHolder(plays);
  }

  /** Somewhere among them a transaction that holds rows until an attempt at the swap waits for it, or has failed by it. */
  #withHolder(plays: Plays): Plays {
    const event = this.#draw.of(['cutover-failed', 'cutover-attempt', 'cutover-attempt']);
    const until: Moment = { event, count: this.#draw.between(1, 2), or: swapped };
    const held: Step[] = [...times(this.#draw.between(1, 3), () => this.#lock()), ...this.#statement()].map((sql) => ({ sql }));
    const steps = [...this.#begin(), ...held, { until }, ...this.#more(), this.#end()];
    // A slot waits for each transaction of the server, and a member may be the last to have one: not before all are ready.
    const ready = { event: 'phase-entered:await-cutover', count: this.#asked.family.tables.length };
    const holder: Play = { at: { ...ready, or: ['cutover-attempt', ...swapped] }, steps };
    const place = plays.findIndex(({ at }) => around.includes(at.event));
    return place < 0 ? [...plays, holder] : plays.toSpliced(place, 0, holder);
  }

  /** Written while the swap asks for its lock, and so the last that is drained. */
  #more(): readonly Step[] {
    return times(this.#draw.between(1, 4), () => this.#statement().map((sql) => ({ sql }))).flat();
  }

  #transaction(): Pick<Play, 'steps' | 'undo'> {
    if (this.#draw.happens(0.3)) return { steps: this.#statement().map((sql) => ({ sql })) };
    const statements: string[] = [];
    for (let more = this.#draw.of([1, 2, 3, 6, 12]); more > 0; more -= 1) statements.push(...this.#inTransaction());
    const work = statements.map((sql) => ({ sql }));
    if (this.#draw.happens(0.1)) return this.#inTwoPhases(work);
    return { steps: [...this.#begin(), ...work, this.#end()] };
  }

  /** As a transaction manager does it, which may take its time between both. */
  #inTwoPhases(work: readonly Step[]): Pick<Play, 'steps' | 'undo'> {
    this.#prepared += 1;
    const id = `'${HERE}-${this.#owner}-${this.#prepared}'`;
    const event = this.#draw.of(['chunk-copied', 'phase-entered:finish-shadow']);
    const until = { event, count: 1, or: ['phase-entered:finish-shadow', ...after] };
    const rest = this.#draw.happens(0.5) ? [{ until }] : [];
    const verb = this.#draw.of(['COMMIT', 'COMMIT', 'ROLLBACK']);
    if (this.#asked.dialect === 'postgres') {
      const done = [{ sql: `PREPARE TRANSACTION ${id}` }, ...rest, { sql: `${verb} PREPARED ${id}` }];
      return { steps: [...this.#begin(), ...work, ...done], undo: ['ROLLBACK', `ROLLBACK PREPARED ${id}`] };
    }
    const done = [{ sql: `XA END ${id}` }, { sql: `XA PREPARE ${id}` }, ...rest, { sql: `XA ${verb} ${id}` }];
    return { steps: [{ sql: `XA START ${id}` }, ...work, ...done], undo: [`XA END ${id}`, `XA ROLLBACK ${id}`, 'ROLLBACK'] };
  }

  #begin(): readonly Step[] {
    const level = this.#draw.of(['READ COMMITTED', 'REPEATABLE READ', 'REPEATABLE READ', 'SERIALIZABLE']);
    const isPostgres = this.#asked.dialect === 'postgres';
    const begun = isPostgres ? [`BEGIN ISOLATION LEVEL ${level}`] : [`SET TRANSACTION ISOLATION LEVEL ${level}`, 'BEGIN'];
    // A look at another table takes the snapshot.
    const look = this.#draw.happens(0.4) ? [`SELECT n FROM ${COUNTS} WHERE ${PLAIN.owner} = ${this.#owner}`] : [];
    const counted = `UPDATE ${COUNTS} SET n = n + 1 WHERE ${PLAIN.owner} = ${this.#owner}`;
    return [...begun, ...look, ...(this.#draw.happens(0.5) ? [counted] : [])].map((sql) => ({ sql }));
  }

  #end(): Step {
    return { sql: this.#draw.happens(0.2) ? 'ROLLBACK' : 'COMMIT' };
  }

  #inTransaction(): readonly string[] {
    const share = this.#draw.below(100);
    if (share < 12) return [this.#lock()];
    if (share < 30) {
      const back = this.#draw.of(['ROLLBACK TO SAVEPOINT s', 'RELEASE SAVEPOINT s', 'ROLLBACK TO SAVEPOINT s']);
      const inner = times(this.#draw.between(1, 3), () => this.#statement()).flat();
      return ['SAVEPOINT s', ...inner, back, ...this.#statement()];
    }
    return this.#statement();
  }

  get #table(): FamilyTable {
    return this.#draw.of(this.#asked.family.tables);
  }

  get #id(): Identity {
    return { owner: this.#owner, number: this.#draw.below(HOT) };
  }

  #lock(): string {
    const { name, keys } = this.#table;
    const way = this.#draw.of([
      'FOR UPDATE',
      'FOR UPDATE',
      this.#asked.dialect === 'mariadb' ? 'LOCK IN SHARE MODE' : 'FOR SHARE',
    ]);
    const one = this.#where(keys.map((key) => key.name));
    return `SELECT * FROM ${name} WHERE ${this.#draw.happens(0.7) ? one : `${PLAIN.owner} = ${this.#owner}`} ${way}`;
  }

  #where(names: readonly string[], id = this.#id): string {
    const values = keyValues(this.#asked.family.keyKinds, id);
    return names.map((name, place) => `${name} = ${values[place]}`).join(' AND ');
  }

  #set(names: readonly string[], id: Identity | null): string {
    const values = id === null ? names.map(() => 'NULL') : keyValues(this.#asked.family.keyKinds, id);
    return names.map((name, place) => `${name} = ${values[place]}`).join(', ');
  }

  /** One, or what belongs together; on PostgreSQL, where a refused one would end the transaction, mostly such that it does not. */
  #statement(): readonly string[] {
    const drawn = this.#drawn();
    if (this.#asked.dialect !== 'postgres' || this.#draw.happens(0.15)) return drawn;
    return drawn.map((sql) => (sql.startsWith('SELECT') ? sql : tried(sql)));
  }

  #drawn(): readonly string[] {
    const table = this.#table;
    const { keys, name } = table;
    const names = keys.map((key) => key.name);
    const share = this.#draw.below(100);
    const id = this.#id;
    if (share < 22)
      return [
        this.#insert(
          table,
          times(this.#draw.of([1, 1, 3]), () => this.#id),
        ),
      ];
    if (share < 30)
      return [
        this.#insertOrNot(
          table,
          times(this.#draw.between(1, 3), () => this.#id),
        ),
      ];
    if (share < 38) return [this.#upsert(table, id)];
    if (share < 50) return [`UPDATE ${name} SET ${this.#change(table)} WHERE ${this.#where(names)}`];
    if (share < 60) return this.#relink(table);
    if (share < 70) return [`UPDATE ${name} SET ${this.#set(names, this.#id)} WHERE ${this.#where(names)}`];
    if (share < 80) return [`DELETE FROM ${name} WHERE ${this.#where(names)}`];
    if (share < 87) return [`DELETE FROM ${name} WHERE ${this.#where(names, id)}`, this.#insert(table, [id])];
    if (share < 93) return [this.#many(table)];
    return [this.#look(table)];
  }

  /** Of a link, if there is one. */
  #relink(table: FamilyTable): readonly string[] {
    const link = this.#draw.ofAny(linksOf(this.#asked.family, table).filter(({ columns }) => columns[0] !== 'k0'));
    const where = this.#where(table.keys.map((key) => key.name));
    if (link === null) return [`UPDATE ${table.name} SET ${this.#change(table)} WHERE ${where}`];
    const id = link.isNullable && this.#draw.happens(0.3) ? null : this.#id;
    return [`UPDATE ${table.name} SET ${this.#set(link.columns, id)} WHERE ${where}`];
  }

  #change({ changes = [] }: FamilyTable): string {
    const own = changes.length > 0 && this.#draw.happens(0.4) ? this.#draw.of(changes) : null;
    if (own !== null) return own(this.#draw, this.#owner);
    return this.#draw.of([
      `${PLAIN.value} = ${PLAIN.value} + 1`,
      `${PLAIN.value} = ${this.#draw.below(50)}`,
      `${PLAIN.text} = ${drawText(this.#draw)}`,
      `${PLAIN.code} = '${this.#owner}:${this.#draw.below(HOT)}'`,
      `${PLAIN.code} = NULL`,
    ]);
  }

  #row(table: FamilyTable, id: Identity): string {
    const { family } = this.#asked;
    const links = table.isTwin
      ? []
      : table.links.flatMap(({ columns, isNullable }) =>
          isNullable && this.#draw.happens(0.3) ? columns.map(() => 'NULL') : keyValues(family.keyKinds, this.#id),
        );
    return `(${rowValues(this.#draw, family, id, links).join(', ')})`;
  }

  #insert(table: FamilyTable, ids: readonly Identity[]): string {
    return `INSERT INTO ${table.name} (${columnsOf(table).join(', ')}) VALUES ${ids.map((id) => this.#row(table, id)).join(', ')}`;
  }

  #insertOrNot(table: FamilyTable, ids: readonly Identity[]): string {
    const sql = this.#insert(table, ids);
    if (this.#asked.dialect === 'postgres') return `${sql} ON CONFLICT DO NOTHING`;
    return sql.replace(/^INSERT/, this.#draw.of(['INSERT IGNORE', 'INSERT IGNORE', 'REPLACE']));
  }

  #upsert(table: FamilyTable, id: Identity): string {
    const change = `${PLAIN.value} = ${table.name}.${PLAIN.value} + 1`;
    const target = table.keys.map(({ name }) => name).join(', ');
    const way = this.#asked.dialect === 'postgres' ? `ON CONFLICT (${target}) DO UPDATE SET` : 'ON DUPLICATE KEY UPDATE';
    return `${this.#insert(table, [id])} ${way} ${change}`;
  }

  /** The order is of account where rows refer to each other. */
  #many(table: FamilyTable): string {
    const { changes = [], keys, name } = table;
    const order = this.#asked.dialect === 'postgres' ? '' : ` ORDER BY ${keys.map((key) => key.name).join(', ')}`;
    const own = `WHERE ${PLAIN.owner} = ${this.#owner}`;
    return this.#draw.of([
      `UPDATE ${name} SET ${PLAIN.value} = ${PLAIN.value} + 1 ${own}${order}`,
      `UPDATE ${name} SET ${PLAIN.text} = ${drawText(this.#draw)} ${own}${order}`,
      // Not at once where they may stand in each other's way.
      ...(changes.length > 0
        ? [`UPDATE ${name} SET ${this.#change(table)} ${own} AND ${this.#where(keys.map((key) => key.name))}`]
        : []),
      `DELETE FROM ${name} ${own} AND ${PLAIN.value} % 9 = ${this.#draw.below(9)}${order}`,
    ]);
  }

  /** What it sees of its rows is kept. */
  #look({ name }: FamilyTable): string {
    this.#seen += 1;
    const values = `${this.#owner}, ${this.#seen}, COUNT(*), SUM(${PLAIN.value}), COUNT(${PLAIN.code})`;
    return `INSERT INTO ${SEEN} SELECT ${values} FROM ${name} WHERE ${PLAIN.owner} = ${this.#owner}`;
  }
}

/** What the server refuses for the sake of rows is left out. */
function tried(sql: string): string {
  return `DO $do$ BEGIN ${sql}; EXCEPTION WHEN integrity_constraint_violation THEN NULL; END $do$`;
}
