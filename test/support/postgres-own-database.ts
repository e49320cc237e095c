/** A database of its own on a shared PostgreSQL server. */
import { randomUUID } from 'node:crypto';
import { openPostgresApplication, type PostgresApplication } from './postgres-adapter.ts';
import { type SharedServer, sharedServer } from './shared-servers.ts';

/** A database for one test, dropped when it is disposed. */
export interface OwnDatabase extends AsyncDisposable {
  readonly url: string;
  readonly application: PostgresApplication;
}

/** Makes the database and runs statements in it. */
export async function ownDatabase(server: SharedServer, ...statements: readonly string[]): Promise<OwnDatabase> {
  const database = await emptyDatabase(server, '');
  for (const statement of statements) await database.application.run(statement);
  return database;
}

/** Makes the database with options of CREATE DATABASE. */
export async function emptyDatabase(server: SharedServer, options: string): Promise<OwnDatabase> {
  const administrator = await openPostgresApplication(sharedServer(server));
  const name = `own_${randomUUID().slice(0, 8)}`;
  await administrator.run(`CREATE DATABASE ${name} ${options} STRATEGY file_copy`);
  const url = new URL(sharedServer(server));
  url.pathname = `/${name}`;
  const application = await openPostgresApplication(url.href);
  return {
    url: url.href,
    application,
    async [Symbol.asyncDispose]() {
      await application[Symbol.asyncDispose]();
      await administrator.run(`DROP DATABASE ${name} WITH (FORCE)`);
      await administrator[Symbol.asyncDispose]();
    },
  };
}
