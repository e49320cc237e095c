/** The contract's table on MySQL and MariaDB. `database` is reached through a proxy, so that its connections can be frozen and cut. */

import type { RowKey } from '../../src/engine/model.ts';
import type { Database } from '../../src/engine/ports.ts';
import { openDatabase } from '../../src/mysql/database.ts';
import { type Application, createSchema, never, openApplication, type TestSchema } from '../support/adapter-server.ts';
import { startProxy, type TcpProxy } from '../support/tcp-proxy.ts';
import { CONTRACT_ROWS, type ContractRow, type ContractWrite, type PortFixture } from './port-fixture.ts';

const login = { defaultsFile: null, password: null, home: null };

/** `replicaUrl`: of the replica that commits on a semi-synchronous server wait for. */
export async function openMysqlFixture(url: string, replicaUrl: string | null): Promise<PortFixture> {
  const schema = await createSchema(url);
  const { application } = schema;
  await application.run(`USE ${schema.name}`);
  await application.run(
    'CREATE TABLE orders (id INT PRIMARY KEY, u INT NOT NULL, u2 INT NOT NULL, v INT NOT NULL, UNIQUE KEY u (u))',
  );
  await application.run(`INSERT INTO orders VALUES ${CONTRACT_ROWS.map(values).join(', ')}`);
  const proxy = await startProxy(url);
  const database = await openDatabase(proxy.url, login, never);
  const other = await openDatabase(url, login, never);
  const plan = await database.plan(
    {
      table: { schema: schema.name, table: 'orders' },
      clauses: 'ADD UNIQUE KEY u2 (u2), MODIFY v INT UNSIGNED NOT NULL',
      options: { deferIndexes: 'never', key: null },
    },
    never,
  );
  return new MysqlFixture({ url, replicaUrl, schema, proxy, database, other }, plan);
}

interface Parts {
  readonly url: string;
  readonly replicaUrl: string | null;
  readonly schema: TestSchema;
  readonly proxy: TcpProxy;
  readonly database: Database;
  readonly other: Database;
}

class MysqlFixture implements PortFixture {
  readonly plan: PortFixture['plan'];
  readonly commitUnseen?: (...writes: readonly ContractWrite[]) => Promise<AsyncDisposable>;
  readonly #parts: Parts;

  constructor(parts: Parts, plan: PortFixture['plan']) {
    this.#parts = parts;
    this.plan = plan;
    const { replicaUrl } = parts;
    if (replicaUrl !== null) this.commitUnseen = (...writes) => this.#commitWithoutReplica(replicaUrl, writes);
  }

  get database(): Database {
    return this.#parts.database;
  }

  get other(): Database {
    return this.#parts.other;
  }

  readonly key = (id: number): RowKey => String(id) as RowKey;

  async write(...writes: readonly ContractWrite[]): Promise<void> {
    await using writer = await this.#connect();
    await writer.run('BEGIN');
    for (const write of writes) await writer.run(statementOf(write));
    await writer.run('COMMIT');
  }

  async rows(table: 'source' | 'shadow' | 'retired'): Promise<readonly ContractRow[] | null> {
    const { application, name } = this.#parts.schema;
    const named = this.plan[table].table;
    const found = await application.run(
      `SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA = '${name}' AND TABLE_NAME = '${named}'`,
    );
    if (found.length === 0) return null;
    const rows = await application.run(`SELECT id, u, u2, v FROM ${name}.\`${named}\` ORDER BY id`);
    return rows.map((row) => ({ id: Number(row['id']), u: Number(row['u']), u2: Number(row['u2']), v: Number(row['v']) }));
  }

  async lockRow(id: number): Promise<AsyncDisposable> {
    return await this.#hold('BEGIN', `SELECT * FROM orders WHERE id = ${id} FOR UPDATE`);
  }

  async useSource(): Promise<AsyncDisposable> {
    return await this.#hold('BEGIN', 'SELECT * FROM orders');
  }

  async lockShadow(): Promise<AsyncDisposable> {
    return await this.#hold(`LOCK TABLES \`${this.plan.shadow.table}\` WRITE`);
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
    await schema[Symbol.asyncDispose]();
  }

  async #connect(): Promise<Application> {
    const application = await openApplication(this.#parts.url);
    await application.run(`USE ${this.#parts.schema.name}`);
    return application;
  }

  async #hold(...statements: readonly string[]): Promise<AsyncDisposable> {
    const holder = await this.#connect();
    for (const statement of statements) await holder.run(statement);
    return {
      [Symbol.asyncDispose]: async () => {
        // Whoever was ended holds nothing any more.
        await holder.run('ROLLBACK').catch(() => undefined);
        await holder.run('UNLOCK TABLES').catch(() => undefined);
        await holder[Symbol.asyncDispose]();
      },
    };
  }

  /** With the replica's receiver stopped a commit is logged and then waits, before it becomes visible. */
  async #commitWithoutReplica(replicaUrl: string, writes: readonly ContractWrite[]): Promise<AsyncDisposable> {
    const word = replicaUrl.startsWith('mariadb') ? 'SLAVE' : 'REPLICA';
    const replica = await openApplication(replicaUrl);
    await replica.run(`STOP ${word} IO_THREAD`);
    const written = this.write(...writes);
    while (!(await this.#isCommitWaiting()));
    return {
      [Symbol.asyncDispose]: async () => {
        await replica.run(`START ${word} IO_THREAD`);
        await written;
        await replica[Symbol.asyncDispose]();
      },
    };
  }

  async #isCommitWaiting(): Promise<boolean> {
    const waiting = await this.#parts.schema.application.run(
      `SELECT 1 FROM information_schema.PROCESSLIST WHERE STATE LIKE 'Waiting for semi-sync ACK%' AND DB = '${this.#parts.schema.name}'`,
    );
    return waiting.length > 0;
  }
}

function values({ id, u, u2, v }: ContractRow): string {
  return `(${id}, ${u}, ${u2}, ${v})`;
}

function statementOf(write: ContractWrite): string {
  switch (write.kind) {
    case 'insert':
      return `INSERT INTO orders (id, u, u2, v) VALUES ${values(write.row)}`;
    case 'update': {
      const sets = Object.entries(write.set).map(([column, value]) => `${column} = ${value}`);
      return `UPDATE orders SET ${sets.join(', ')} WHERE id = ${write.id}`;
    }
    case 'delete':
      return `DELETE FROM orders WHERE id = ${write.id}`;
  }
}
