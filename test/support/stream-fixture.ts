/** What tests and benches of the change stream need: the adapter on a server, sessions of it, and the table for its fences. */
import type { OnReconnect } from '../../src/engine/ports.ts';
import { loggedColumns } from '../../src/mysql/binlog-column.ts';
import { fenceTableDefinition } from '../../src/mysql/binlog-fences.ts';
import { keyColumns, readTable } from '../../src/mysql/catalog.ts';
import { openChangeStream, type ChangeStreamOptions } from '../../src/mysql/change-stream.ts';
import { createSessionPool } from '../../src/mysql/session-pool.ts';
import type { KeyColumn } from '../../src/mysql/row-key.ts';
import type { Server } from '../../src/mysql/server.ts';
import type { Session } from '../../src/mysql/session.ts';
import { systemClock } from '../../src/sessions/system-clock.ts';
import { never, openAdapter } from './adapter-server.ts';
import { collect, type CollectedStream } from './stream-collected.ts';

export { changeText, type CollectedStream } from './stream-collected.ts';

/** How a session may log its rows, on MySQL each with and without compression. */
export const rowSettings: Readonly<Record<'mysql' | 'mariadb', readonly string[]>> = {
  mysql: ['FULL', 'MINIMAL', 'NOBLOB'].flatMap((image) =>
    ['', 'PARTIAL_JSON'].flatMap((partial) =>
      ['OFF', 'ON'].map(
        (compression) =>
          `SET SESSION binlog_row_image = ${image}, binlog_row_value_options = '${partial}', binlog_transaction_compression = ${compression}`,
      ),
    ),
  ),
  mariadb: ['FULL', 'MINIMAL', 'NOBLOB'].map((image) => `SET SESSION binlog_row_image = ${image}`),
};

/** Which table, by which key, and what differs from the usual. */
export interface FixtureStream extends Partial<ChangeStreamOptions> {
  readonly schema: string;
  readonly table: string;
  readonly keyColumns: readonly string[];
  readonly onReconnect?: OnReconnect;
}

export interface StreamFixture extends AsyncDisposable {
  readonly server: Server;
  /** One of the adapter's sessions, for selecting as the adapter does. */
  readonly session: Session;
  keyOf(schema: string, table: string, columns: readonly string[]): Promise<readonly KeyColumn[]>;
  /** Opens a stream; it is closed with the fixture, if not before. */
  open(stream: FixtureStream): Promise<CollectedStream>;
}

/** Connects to a server and makes the table for fences in this schema, in which the test has its tables. */
export async function openStreamFixture(url: string, schema: string): Promise<StreamFixture> {
  const server = await openAdapter(url);
  const sessions = createSessionPool({ sizeMax: 4, open: (signal) => server.openSession({}, signal) });
  const session = await server.openSession({}, never);
  await session.execute(fenceTableDefinition(schema), never);
  const streams: CollectedStream[] = [];
  const describe = async (schema: string, table: string): Promise<NonNullable<Awaited<ReturnType<typeof readTable>>>> => {
    const description = await readTable(session, { schema, table }, never);
    if (description === null) throw new Error(`There is no table ${schema}.${table}.`);
    return description;
  };
  return {
    server,
    session,
    keyOf: async (schema, table, columns) => keyColumns(await describe(schema, table), columns),
    async open({ keyColumns: names, schema: tableSchema, table, onReconnect, ...more }) {
      const description = await describe(tableSchema, table);
      const stream = await openChangeStream(
        {
          server,
          sessions,
          bookkeeping: schema,
          source: { schema: tableSchema, table },
          columns: loggedColumns(description),
          key: keyColumns(description, names),
          from: null,
          ownMark: null,
          clock: systemClock,
          ...more,
        },
        never,
      );
      if (onReconnect !== undefined) stream.watchReconnects?.(onReconnect);
      const collected = collect(stream);
      streams.push(collected);
      return collected;
    },
    async [Symbol.asyncDispose]() {
      for (const stream of streams) await stream.close();
      await session[Symbol.asyncDispose]();
      await sessions[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}
