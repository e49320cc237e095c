/** What contract tests of the PostgreSQL adapter need of a server: the adapter's own door, an application beside it, a schema of its own. */
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { createBookkeeping } from '../../src/postgres/bookkeeping.ts';
import { openServerAt, type Server } from '../../src/postgres/server.ts';

/** A signal that never aborts. */
export const never: AbortSignal = new AbortController().signal;

/** The server as the adapter sees it, without anybody's files and variables. */
export function openPostgres(url: string): Promise<Server> {
  return openServerAt(url, { defaultsFile: null, password: null, home: null, environment: {} }, never);
}

/** The same, with the tables of the bookkeeping. */
export async function openPostgresWithBookkeeping(url: string): Promise<Server> {
  const server = await openPostgres(url);
  await using session = await server.openSession({}, never);
  await createBookkeeping(session, never);
  return server;
}

/** A client that is not TableShift. */
export interface PostgresApplication extends AsyncDisposable {
  readonly pid: number;
  /** Runs one statement, or several with `;` between; the rows of the last, every value as text. */
  run(sql: string): Promise<Record<string, string | null>[]>;
  /** Runs a prepared statement, which stays prepared under this name. */
  runPrepared(name: string, sql: string, values: readonly (string | number)[]): Promise<void>;
}

/** Connects an application. */
export async function openPostgresApplication(url: string): Promise<PostgresApplication> {
  const client = new pg.Client({ connectionString: url, types: { getTypeParser: () => (text: string) => text } });
  client.on('error', () => undefined);
  await client.connect();
  const answer = await client.query<{ pid: string }>('SELECT pg_backend_pid() AS pid');
  return {
    pid: Number(answer.rows[0]?.pid),
    async run(sql) {
      const result = await client.query<Record<string, string | null>>(sql);
      return (Array.isArray(result) ? (result as pg.QueryResult<Record<string, string | null>>[]).at(-1) : result)?.rows ?? [];
    },
    async runPrepared(name, text, values) {
      await client.query({ name, text, values: [...values] });
    },
    async [Symbol.asyncDispose]() {
      await client.end().catch(() => undefined);
    },
  };
}

/** A schema of its own for one test, dropped when it is disposed. */
export interface PostgresSchema extends AsyncDisposable {
  readonly name: string;
  /** For setting up and for looking: not one of the sessions under test. */
  readonly application: PostgresApplication;
}

/** Makes an empty schema. */
export async function createPostgresSchema(url: string): Promise<PostgresSchema> {
  const name = `t_${randomUUID().slice(0, 8)}`;
  const application = await openPostgresApplication(url);
  await application.run(`CREATE SCHEMA ${name}`);
  return {
    name,
    application,
    async [Symbol.asyncDispose]() {
      // A lock that a failed test left behind must not keep the whole run waiting.
      await application.run(`ROLLBACK; SET lock_timeout = 5000; DROP SCHEMA ${name} CASCADE`);
      await application[Symbol.asyncDispose]();
    },
  };
}

/** The same with what these statements make in it, in which SCHEMA_NAME is its name; `application` finds names in it. */
export async function postgresSchemaWith(url: string, ...statements: readonly string[]): Promise<PostgresSchema> {
  const schema = await createPostgresSchema(url);
  await schema.application.run(`SET search_path = ${schema.name}`);
  for (const statement of statements) await schema.application.run(statement.replaceAll('SCHEMA_NAME', schema.name));
  return schema;
}
