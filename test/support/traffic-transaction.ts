/** One transaction of the traffic: its statements, and what they do to the ledger once it is acknowledged. */
import { below, type Random } from './random.ts';
import type { ApplicationSession } from './traffic-session.ts';
import { firstId, noteOf, type TrafficRow } from './traffic-table.ts';
import type { WriterOptions } from './traffic-writer.ts';

/** What a transaction does to the ledger once it is acknowledged: a row that is written, or an id that is removed. */
export type Effect = { readonly put: TrafficRow } | { readonly remove: number };

/** As many as sysbench's oltp_read_write does in a transaction: ten by key and four of a hundred rows. */
const placesOfReads = 14;
const rangeRows = 100;

/** In progress: the same changes to the table and, if asked, to its twin. */
export class Transaction {
  readonly effects: Effect[] = [];
  readonly #session: ApplicationSession;
  readonly #options: WriterOptions;
  readonly #number: number;
  /** Rows as this transaction has made them. */
  #own = new Map<number, TrafficRow | null>();
  #inserted = 0;

  constructor(session: ApplicationSession, options: WriterOptions, number: number) {
    this.#session = session;
    this.#options = options;
    this.#number = number;
  }

  /** The journal row comes first: whoever finds it, or waits for it, knows that the rest is with it. */
  async begin(): Promise<void> {
    await this.#session.query('BEGIN');
    await this.#session.query(this.#journalInsert());
  }

  /** A row of anybody, or a hundred of them: of each seven places two are ranges, each of another kind. */
  async readOthers(place: number, random: Random): Promise<void> {
    const id = firstId + below(random, Math.max(1, this.#options.rows));
    const range = `FROM ${this.#table} WHERE id BETWEEN ${id} AND ${id + rangeRows - 1}`;
    const ranges: Readonly<Record<number, string>> = {
      3: `SELECT note ${range}`,
      6: `SELECT SUM(amount) ${range}`,
      10: `SELECT note ${range} ORDER BY note`,
      13: `SELECT DISTINCT note ${range} ORDER BY note`,
    };
    await this.#session.query(ranges[place % placesOfReads] ?? `SELECT note FROM ${this.#table} WHERE id = ${id}`);
  }

  /** After a commit without an answer, in a new session: waits for the old one's end, if it still works, by its journal row. */
  async isJournalled(): Promise<boolean> {
    const { record } = this.#options;
    for (;;) {
      try {
        await this.#session.query('BEGIN');
        await this.#session.query(this.#journalInsert());
        await this.#session.query('ROLLBACK');
        record.resolved('notCommitted');
        return false;
      } catch (error) {
        const fault = this.#session.faultOf(error);
        if (fault === null) throw error;
        if (this.#session.isBroken) continue;
        await this.#session.query('ROLLBACK').catch(() => undefined);
        if (fault.kind !== 'duplicate') continue;
        record.resolved('committed');
        return true;
      }
    }
  }

  async update(victim: TrafficRow, random: Random): Promise<void> {
    const before = this.#current(victim);
    if (before === null) return;
    const row = { ...before, amount: below(random, 1_000_000), version: this.#version };
    await this.#change(
      (table) => `UPDATE ${table} SET amount = ?, version = ?, note = ? WHERE id = ?`,
      [row.amount, row.version, noteOf(row), row.id],
    );
    this.#put(row);
  }

  async insert(random: Random): Promise<void> {
    const draft = {
      handle: this.#newHandle(),
      amount: below(random, 1_000_000),
      version: this.#version,
    };
    // The note needs the id, which the server gives: a second statement, as applications do it.
    const insert = `INSERT INTO ${this.#table} (handle, amount, version, note) VALUES (?, ?, ?, '')`;
    const values = [draft.handle, draft.amount, draft.version];
    const { insertId: id } = await this.#session.query(this.#session.dialect.givingId(insert), values);
    const row = { id, ...draft };
    await this.#session.query(`UPDATE ${this.#table} SET note = ? WHERE id = ?`, [noteOf(row), id]);
    await this.#insertInto([this.#twin], row);
    this.#put(row);
  }

  async insertAgain(before: TrafficRow, random: Random): Promise<void> {
    if (this.#current(before) !== null) return;
    const row = { ...before, amount: below(random, 1_000_000), version: this.#version };
    await this.#insertInto([this.#table, this.#twin], row);
    this.#put(row);
  }

  async remove(victim: TrafficRow): Promise<void> {
    if (this.#current(victim) === null) return;
    await this.#change((table) => `DELETE FROM ${table} WHERE id = ?`, [victim.id]);
    this.#remove(victim.id);
  }

  async changeKey(victim: TrafficRow, id: number): Promise<void> {
    const before = this.#current(victim);
    if (before === null) return;
    const row = { ...before, id, version: this.#version };
    await this.#change(
      (table) => `UPDATE ${table} SET id = ?, version = ?, note = ? WHERE id = ?`,
      [id, row.version, noteOf(row), before.id],
    );
    this.#remove(before.id);
    this.#put(row);
  }

  /** Two rows exchange a unique value; in between, one has a third. */
  async swapHandles(first: TrafficRow, second: TrafficRow): Promise<void> {
    const [a, b] = [this.#current(first), this.#current(second)];
    if (a === null || b === null || a.id === b.id) return;
    const set = (row: TrafficRow): Promise<void> =>
      this.#change(
        (table) => `UPDATE ${table} SET handle = ?, version = ?, note = ? WHERE id = ?`,
        [row.handle, row.version, noteOf(row), row.id],
      );
    const [newA, newB] = [
      { ...a, handle: b.handle, version: this.#version },
      { ...b, handle: a.handle, version: this.#version },
    ];
    await set({ ...newA, handle: `swap${this.#options.worker}` });
    await set(newB);
    await set(newA);
    this.#put(newA);
    this.#put(newB);
  }

  /** One statement for several rows. */
  async updateMany(victims: readonly TrafficRow[]): Promise<void> {
    const rows = new Map(
      victims.map((victim) => [victim.id, { ...victim, amount: -victim.id % 1_000, version: this.#version }]),
    );
    const cases = [...rows.values()].map(() => 'WHEN ? THEN ?').join(' ');
    const places = [...rows.values()].map(() => '?').join(', ');
    const notes = [...rows.values()].flatMap((row) => [row.id, noteOf(row)]);
    await this.#change(
      (table) => `UPDATE ${table} SET amount = -(id % 1000), version = ?, note = CASE id ${cases} END WHERE id IN (${places})`,
      [this.#version, ...notes, ...rows.keys()],
    );
    for (const row of rows.values()) this.#put(row);
  }

  /** What was acknowledged must be what is read, also just after the swap. */
  async readOwn(victim: TrafficRow): Promise<void> {
    const expected = this.#current(victim);
    const { rows } = await this.#session.query(`SELECT handle, amount, version, note FROM ${this.#table} WHERE id = ?`, [
      victim.id,
    ]);
    const wanted =
      expected === null
        ? []
        : [{ handle: expected.handle, amount: expected.amount, version: expected.version, note: noteOf(expected) }];
    const found = rows.map((row) => ({ ...row, amount: Number(row['amount']), version: Number(row['version']) }));
    if (JSON.stringify(found) !== JSON.stringify(wanted)) {
      this.#options.record.wrongRead(
        `row ${victim.id} was read as ${JSON.stringify(found)}, acknowledged was ${JSON.stringify(wanted)}`,
      );
    }
  }

  /** What `work` does is rolled back, and the transaction goes on. */
  async undone(work: () => Promise<void>): Promise<void> {
    const [effects, own] = [this.effects.length, new Map(this.#own)];
    await this.#session.query('SAVEPOINT before_work');
    await work();
    await this.#session.query('ROLLBACK TO SAVEPOINT before_work');
    this.effects.length = effects;
    this.#own = own;
  }

  /** New rows by bulk loading. */
  async copyIn(ids: readonly number[], random: Random): Promise<void> {
    const rows = ids.map((id) => {
      const handle = `c${this.#options.worker}.${this.#number}.${id}`;
      return { id, handle, amount: below(random, 1_000_000), version: this.#version };
    });
    const lines = rows.map((row) => `${[row.id, row.handle, row.amount, row.version, noteOf(row) ?? '\\N'].join('\t')}\n`);
    for (const table of this.#options.hasTwin ? [this.#table, this.#twin] : [this.#table]) {
      await this.#session.copyIn(`COPY ${table} (id, handle, amount, version, note) FROM STDIN`, lines.join(''));
    }
    for (const row of rows) this.#put(row);
  }

  get #version(): number {
    return this.#number * this.#options.writers + this.#options.worker + 1;
  }

  #newHandle(): string {
    this.#inserted += 1;
    return `n${this.#options.worker}.${this.#number}.${this.#inserted}`;
  }

  get #table(): string {
    return `${this.#options.tables.schema}.${this.#options.tables.table}`;
  }

  get #twin(): string {
    return `${this.#options.tables.schema}.${this.#options.tables.twin}`;
  }

  #journalInsert(): string {
    const { tables, worker } = this.#options;
    return `INSERT INTO ${tables.schema}.${tables.journal} (worker, number) VALUES (${worker}, ${this.#number})`;
  }

  /** The row as it stands now, in this transaction. */
  #current(victim: TrafficRow): TrafficRow | null {
    const own = this.#own.get(victim.id);
    return own === undefined ? victim : own;
  }

  #put(row: TrafficRow): void {
    this.#own.set(row.id, row);
    this.effects.push({ put: row });
  }

  #remove(id: number): void {
    this.#own.set(id, null);
    this.effects.push({ remove: id });
  }

  async #change(sql: (table: string) => string, values: readonly ({} | null)[]): Promise<void> {
    await this.#session.query(sql(this.#table), values);
    if (this.#options.hasTwin) await this.#session.query(sql(this.#twin), values);
  }

  async #insertInto(tables: readonly string[], row: TrafficRow): Promise<void> {
    for (const table of tables) {
      if (table === this.#twin && !this.#options.hasTwin) continue;
      await this.#session.query(`INSERT INTO ${table} (id, handle, amount, version, note) VALUES (?, ?, ?, ?, ?)`, [
        row.id,
        row.handle,
        row.amount,
        row.version,
        noteOf(row),
      ]);
    }
  }
}
