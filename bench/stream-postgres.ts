/** PostgreSQL for the bench of the change stream: only keys are published, as in a migration. */
import { createPostgresSchema, openPostgresApplication } from '../test/support/postgres-adapter.ts';
import { openPostgresStreamFixture } from '../test/support/stream-postgres.ts';
import type { Subject } from './stream.ts';

/** Rows in one of the large transactions. */
const bulkRows = 10_000;
const writers = 4;

/** An empty table in a schema of its own, which goes when this is disposed. */
export async function openPostgresSubject(url: string): Promise<Subject> {
  const schema = await createPostgresSchema(url);
  const fixture = await openPostgresStreamFixture(url, schema.name);
  const { application, name } = schema;
  await application.run(`SET search_path = ${name}; ${definition}`);
  const [row] = await application.run('SHOW server_version');
  return {
    version: `PostgreSQL ${row?.['server_version']}`,
    async partOf(write) {
      const opened = await fixture.open({ table: 't', keyColumns: ['id'] });
      await opened.close();
      await write();
      return () => opened.reopen(opened.start.token);
    },
    async insertBulk(rows) {
      for (let done = 0; done < rows; done += bulkRows) {
        await application.run(
          `INSERT INTO t (${names}) SELECT ${rowExpressions} FROM generate_series(0, ${bulkRows - 1}) AS n`,
        );
      }
    },
    async updateAll() {
      const [row] = await application.run('SELECT max(id) AS last FROM t');
      for (let after = 0; after < Number(row?.['last']); after += bulkRows) {
        await application.run(`UPDATE t SET a = a + 1 WHERE id > ${after} AND id <= ${after + bulkRows}`);
      }
    },
    async insertSingly(transactions) {
      await application.run(procedure);
      await Promise.all(
        Array.from({ length: writers }, async (_, writer) => {
          await using connection = await openPostgresApplication(url);
          const share = Math.floor(transactions / writers) + (writer < transactions % writers ? 1 : 0);
          await connection.run(`SET search_path = ${name}`);
          await connection.run(`CALL fill(${share})`);
        }),
      );
    },
    async [Symbol.asyncDispose]() {
      await fixture[Symbol.asyncDispose]();
      await schema[Symbol.asyncDispose]();
    },
  };
}

/** Eleven columns of some 175 bytes a row. */
const definition = `CREATE TABLE t (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, a integer NOT NULL, b varchar(60) NOT NULL,
  c varchar(60) NOT NULL, d numeric(12,2) NOT NULL, e timestamp(3) NOT NULL, f double precision NOT NULL, g smallint NOT NULL,
  h bigint NOT NULL, i char(10) NOT NULL, j timestamptz)`;

const names = 'a, b, c, d, e, f, g, h, i, j';

const rowExpressions = `n, 'name ' || n || repeat('x', 30), 'text ' || n || repeat('y', 40), n / 7.0, localtimestamp, n / 3.0,
  n % 100, n * 1000, 'abcdefghij', now()`;

const procedure = `CREATE PROCEDURE fill(wanted integer) LANGUAGE plpgsql AS $$ BEGIN FOR n IN 1..wanted LOOP
  INSERT INTO t (${names}) SELECT ${rowExpressions.replaceAll('now()', 'clock_timestamp()')}; COMMIT;
END LOOP; END $$`;
