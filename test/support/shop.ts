/** A database with a table to migrate, on a server of its own. */
import mysql from 'mysql2/promise';
import { runSql } from './server-process.ts';
import { startServer, type Flavour, type Server } from './servers.ts';

/** The table that is migrated, with its database. */
export interface Shop extends AsyncDisposable {
  readonly server: Server;
  /** With the database in its path. */
  readonly url: string;
  /** Runs statements in one session and gives the rows of each. */
  sql(...statements: readonly string[]): Promise<Record<string, unknown>[][]>;
  /** A transaction that has read the table (`orders`): until it is disposed there is no swap. */
  openReader(table?: string): Promise<AsyncDisposable & { readonly connectionId: number }>;
  /** Names of the database's tables. */
  tables(): Promise<readonly string[]>;
}

/** Starts a server with the database `shop` and in it `orders` with so many rows. */
export async function openShop(flavour: Flavour, rows: number): Promise<Shop> {
  const server = await startServer({ flavour });
  const sql: Shop['sql'] = (...statements) => runSql(server, ...statements);
  await sql(
    'CREATE DATABASE shop',
    `CREATE TABLE shop.orders (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, customer INT NOT NULL, amount DECIMAL(10,2) NOT NULL,
       note VARCHAR(60), KEY by_customer (customer)) ENGINE=InnoDB`,
    "INSERT INTO shop.orders (customer, amount, note) VALUES (1, 1.5, 'a'), (2, 2.5, NULL), (3, 3.5, 'c'), (4, 4.5, 'd')",
  );
  for (let number = 4; number < rows; number *= 2) {
    await sql(
      `INSERT INTO shop.orders (customer, amount, note) SELECT customer + 1, amount, note FROM shop.orders LIMIT ${rows - number}`,
    );
  }
  return {
    server,
    url: `${server.url}shop`,
    sql,
    async openReader(table = 'orders') {
      const connection = await mysql.createConnection({ host: '127.0.0.1', port: server.port, user: 'root' });
      await connection.query('START TRANSACTION');
      await connection.query(`SELECT COUNT(*) FROM shop.${table}`);
      return { connectionId: connection.threadId, [Symbol.asyncDispose]: () => connection.end() };
    },
    async tables() {
      const [rows = []] = await sql(
        "SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'shop' ORDER BY 1",
      );
      return rows.map((row) => String(row['name']));
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}
