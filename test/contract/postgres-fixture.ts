/** The contract's table on PostgreSQL. `database` is reached through a proxy, so that its connections can be frozen and cut. */

import type { RowKey } from '../../src/engine/model.ts';
import type { Database } from '../../src/engine/ports.ts';
import { openDatabase } from '../../src/postgres/database.ts';
import {
  createPostgresSchema,
  never,
  openPostgresApplication,
  type PostgresApplication,
  type PostgresSchema,
} from '../support/postgres-adapter.ts';
import { startProxy, type TcpProxy } from '../support/tcp-proxy.ts';
import { CONTRACT_ROWS, type ContractRow, type ContractWrite, type PortFixture } from './port-fixture.ts';

const login = { defaultsFile: null, password: null, home: null, environment: {} };

/** `isSynchronous`: a commit with synchronous_commit = on waits for a standby that does not exist. */
export async function openPostgresFixture(url: string, isSynchronous: boolean): Promise<PortFixture> {
  const schema = await createPostgresSchema(url);
  const { application, name } = schema;
  await application.run(
    `CREATE TABLE ${name}.orders (id integer PRIMARY KEY, u integer NOT NULL UNIQUE, u2 integer NOT NULL, v integer NOT NULL)`,
  );
  await application.run(`INSERT INTO ${name}.orders VALUES ${CONTRACT_ROWS.map(values).join(', ')}`);
  const proxy = await startProxy(url);
  const database = await openDatabase(proxy.url, login, never);
  const other = await openDatabase(url, login, never);
  const plan = await database.plan(
    {
      table: { schema: name, table: 'orders' },
      clauses: 'ADD CONSTRAINT u2 UNIQUE (u2), ADD CHECK (v >= 0)',
      options: { deferIndexes: 'never', key: null },
    },
    never,
  );
  return new PostgresFixture({ url, isSynchronous, schema, proxy, database, other }, plan);
}

interface Parts {
  readonly url: string;
  readonly isSynchronous: boolean;
  readonly schema: PostgresSchema;
  readonly proxy: TcpProxy;
  readonly database: Database;
  readonly other: Database;
}

class PostgresFixture implements PortFixture {
  readonly plan: PortFixture['plan'];
  readonly commitUnseen?: (...writes: readonly ContractWrite[]) => Promise<AsyncDisposable>;
  /** A slot is created behind every transaction that runs. */
  readonly isOpeningBehindUnseen = true;
  readonly #parts: Parts;

  constructor(parts: Parts, plan: PortFixture['plan']) {
    this.#parts = parts;
    this.plan = plan;
    if (parts.isSynchronous) this.commitUnseen = (...writes) => this.#commitWithoutStandby(writes);
  }

  get database(): Database {
    return this.#parts.database;
  }

  get other(): Database {
    return this.#parts.other;
  }

  readonly key = (id: number): RowKey => `'${id}'` as RowKey;

  async write(...writes: readonly ContractWrite[]): Promise<void> {
    await using writer = await openPostgresApplication(this.#parts.url);
    await writer.run(`BEGIN; ${this.#statements(writes)}; COMMIT`);
  }

  async rows(table: 'source' | 'shadow' | 'retired'): Promise<readonly ContractRow[] | null> {
    const { application } = this.#parts.schema;
    const name = `${this.plan[table].schema}.${this.plan[table].table}`;
    const [found] = await application.run(`SELECT to_regclass('${name}') AS oid`);
    if ((found?.['oid'] ?? null) === null) return null;
    const rows = await application.run(`SELECT id, u, u2, v FROM ${name} ORDER BY id`);
    return rows.map((row) => ({ id: Number(row['id']), u: Number(row['u']), u2: Number(row['u2']), v: Number(row['v']) }));
  }

  async lockRow(id: number): Promise<AsyncDisposable> {
    return await this.#hold(`BEGIN; SELECT * FROM ${this.#source} WHERE id = ${id} FOR UPDATE`);
  }

  async useSource(): Promise<AsyncDisposable> {
    return await this.#hold(`BEGIN; SELECT * FROM ${this.#source}`);
  }

  async lockShadow(): Promise<AsyncDisposable> {
    return await this.#hold(`BEGIN; LOCK TABLE ${this.plan.shadow.schema}.${this.plan.shadow.table}`);
  }

  async freeze(): Promise<void> {
    await Promise.resolve(this.#parts.proxy.freeze());
  }

  async cutConnections(): Promise<void> {
    this.#parts.proxy.forgetConnections();
    await Promise.resolve(this.#parts.proxy.cut());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { database, other, proxy, schema } = this.#parts;
    proxy.forgetConnections();
    await database[Symbol.asyncDispose]();
    await other[Symbol.asyncDispose]();
    await proxy[Symbol.asyncDispose]();
    await this.#dropLeftovers();
    await schema[Symbol.asyncDispose]();
  }

  get #source(): string {
    return `${this.plan.source.schema}.${this.plan.source.table}`;
  }

  /** Many tests end in the middle of a migration, and the server has few slots. */
  async #dropLeftovers(): Promise<void> {
    const { application } = this.#parts.schema;
    const { id, shadow, retired } = this.plan;
    const slot = `SELECT active_pid, slot_name FROM pg_replication_slots WHERE slot_name = 'tableshift_${id}'`;
    await application.run(`SELECT pg_terminate_backend(active_pid, 5000) FROM (${slot}) AS s WHERE active_pid IS NOT NULL`);
    await application.run(`SELECT pg_drop_replication_slot(slot_name) FROM (${slot}) AS s`);
    await application.run(
      `DROP PUBLICATION IF EXISTS tableshift_${id}; DROP SCHEMA IF EXISTS ${shadow.schema} CASCADE;
       DROP SCHEMA IF EXISTS ${retired.schema} CASCADE`,
    );
  }

  #statements(writes: readonly ContractWrite[]): string {
    return writes.map((write) => statementOf(this.#source, write)).join('; ');
  }

  async #hold(statements: string): Promise<AsyncDisposable> {
    const holder = await openPostgresApplication(this.#parts.url);
    await holder.run(statements);
    return {
      [Symbol.asyncDispose]: async () => {
        // Whoever was ended holds nothing any more.
        await holder.run('ROLLBACK').catch(() => undefined);
        await holder[Symbol.asyncDispose]();
      },
    };
  }

  /** The commit is logged and then waits, before it becomes visible, until that wait is cancelled. */
  async #commitWithoutStandby(writes: readonly ContractWrite[]): Promise<AsyncDisposable> {
    const writer: PostgresApplication = await openPostgresApplication(this.#parts.url);
    await writer.run('SET synchronous_commit = on');
    const written = writer.run(`BEGIN; ${this.#statements(writes)}; COMMIT`);
    const { application } = this.#parts.schema;
    const isWaiting = `SELECT 1 FROM pg_stat_activity WHERE pid = ${writer.pid} AND wait_event = 'SyncRep'`;
    while ((await application.run(isWaiting)).length === 0);
    return {
      [Symbol.asyncDispose]: async () => {
        await application.run(`SELECT pg_cancel_backend(${writer.pid})`);
        await written;
        await writer[Symbol.asyncDispose]();
      },
    };
  }
}

function values({ id, u, u2, v }: ContractRow): string {
  return `(${id}, ${u}, ${u2}, ${v})`;
}

function statementOf(table: string, write: ContractWrite): string {
  switch (write.kind) {
    case 'insert':
      return `INSERT INTO ${table} (id, u, u2, v) VALUES ${values(write.row)}`;
    case 'update': {
      const sets = Object.entries(write.set).map(([column, value]) => `${column} = ${value}`);
      return `UPDATE ${table} SET ${sets.join(', ')} WHERE id = ${write.id}`;
    }
    case 'delete':
      return `DELETE FROM ${table} WHERE id = ${write.id}`;
  }
}
