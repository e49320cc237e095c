/** What contract tests of the MySQL adapter need of a server: the adapter's own door, an application beside it, a schema of its own. */
import { randomUUID } from 'node:crypto';
import mysql from 'mysql2/promise';
import { connectionConfig } from '../../src/mysql/connection-config.ts';
import { openServer, type Server } from '../../src/mysql/server.ts';
import { dropSchema } from './drop-schema.ts';
import { applicationConnection } from './traffic-mysql.ts';

/** A signal that never aborts. */
export const never: AbortSignal = new AbortController().signal;

/** The server as the adapter sees it, without anybody's option files. */
export async function openAdapter(url: string): Promise<Server> {
  return openServer(await connectionConfig(url, { defaultsFile: null, password: null, home: null }), never);
}

/** A client that is not TableShift. */
export interface Application extends AsyncDisposable {
  readonly connectionId: number;
  /** Runs one statement; its rows, or what it changed. */
  run(sql: string): Promise<Record<string, unknown>[]>;
  /** Runs a prepared statement. */
  runPrepared(sql: string, values: readonly (string | number)[]): Promise<void>;
}

/** The number of the error that a statement ends with. */
export async function errnoOf({ run }: Pick<Application, 'run'>, sql: string): Promise<unknown> {
  try {
    await run(sql);
    return 'no error';
  } catch (error) {
    return (error as { readonly errno?: unknown }).errno;
  }
}

/** Connects an application. */
export async function openApplication(url: string): Promise<Application> {
  const connection = await mysql.createConnection(applicationConnection(url));
  connection.on('error', () => undefined);
  return {
    connectionId: connection.threadId,
    async run(sql) {
      const [rows] = await connection.query<mysql.RowDataPacket[]>(sql);
      return rows;
    },
    async runPrepared(sql, values) {
      await connection.execute(sql, [...values]);
    },
    async [Symbol.asyncDispose]() {
      await Promise.resolve(connection.destroy());
    },
  };
}

/** A schema of its own for one test, dropped when it is disposed. */
export interface TestSchema extends AsyncDisposable {
  readonly name: string;
  /** For setting up and for looking: not one of the sessions under test. */
  readonly application: Application;
}

/** Makes an empty schema. */
export async function createSchema(url: string): Promise<TestSchema> {
  const name = `t_${randomUUID().slice(0, 8)}`;
  const application = await openApplication(url);
  await application.run(`CREATE DATABASE ${name}`);
  return {
    name,
    application,
    async [Symbol.asyncDispose]() {
      // A lock that a failed test left behind must not keep the whole run waiting.
      await application.run('SET lock_wait_timeout = 5');
      await dropSchema((sql) => application.run(sql), name);
      await application[Symbol.asyncDispose]();
    },
  };
}

/** The same with what these statements make in it; `application` finds names in it. */
export async function schemaWith(url: string, ...statements: readonly string[]): Promise<TestSchema> {
  const schema = await createSchema(url);
  await schema.application.run(`USE ${schema.name}`);
  for (const statement of statements) await schema.application.run(statement);
  return schema;
}
