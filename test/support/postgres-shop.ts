/** A database of PostgreSQL with a table to migrate, on a server of its own. */
import { openPostgresApplication } from './postgres-adapter.ts';
import { type PostgresVersion, type Server, startServer } from './servers.ts';

/** The table that is migrated (`public.orders`), with its database (`shop`). */
export interface PostgresShop extends AsyncDisposable {
  readonly server: Server;
  /** With the database in its path. */
  readonly url: string;
  /** Runs statements as an application would; the rows of the last, every value as text. */
  sql(statements: string): Promise<Record<string, string | null>[]>;
  /** Count and sum of the rows, and the names of the columns. */
  content(): Promise<unknown>;
  /** A transaction that has read the table: until it is disposed there is no swap. */
  openReader(table?: string): Promise<AsyncDisposable & { readonly pid: number }>;
  /** Schemas of migrations, slots and publications. */
  leftovers(): Promise<readonly string[]>;
}

/** Starts a server with the database `shop` and in it `orders` with so many rows. */
export async function openPostgresShop(
  version: PostgresVersion,
  rows: number,
  extraFlags: readonly string[] = [],
): Promise<PostgresShop> {
  const server = await startServer({ flavour: 'postgres', version, extraFlags });
  const url = server.url.replace(/postgres$/, 'shop');
  {
    await using application = await openPostgresApplication(server.url);
    await application.run('CREATE DATABASE shop');
  }
  const sql: PostgresShop['sql'] = async (statements) => {
    await using application = await openPostgresApplication(url);
    return await application.run(statements);
  };
  await sql(
    `CREATE TABLE orders (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, customer integer NOT NULL,
       amount numeric(10,2) NOT NULL, note varchar(60));
     CREATE INDEX by_customer ON orders (customer);
     INSERT INTO orders (customer, amount, note) SELECT g % 97, g * 1.5, CASE g % 3 WHEN 0 THEN NULL ELSE 'n' || g END
       FROM generate_series(1, ${rows}) AS g;
     ANALYZE orders`,
  );
  return {
    server,
    url,
    sql,
    async content() {
      const [sums] = await sql('SELECT count(*) AS rows, sum(amount) AS total, count(note) AS notes FROM orders');
      const columns = await sql(
        `SELECT attname AS name FROM pg_attribute WHERE attrelid = 'orders'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY 1`,
      );
      return { ...sums, columns: columns.map(({ name }) => name).join(' ') };
    },
    async openReader(table = 'orders') {
      const application = await openPostgresApplication(url);
      await application.run(`BEGIN; SELECT count(*) FROM ${table}`);
      return application;
    },
    async leftovers() {
      const found = await sql(
        `SELECT name FROM (SELECT 'schema ' || nspname AS name FROM pg_namespace WHERE nspname LIKE 'tableshift\\_%'
         UNION ALL SELECT 'slot ' || slot_name FROM pg_replication_slots WHERE slot_type = 'logical'
         UNION ALL SELECT 'publication ' || pubname FROM pg_publication) AS left_over ORDER BY name COLLATE "C"`,
      );
      return found.map(({ name }) => name ?? '');
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}
