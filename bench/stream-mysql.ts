/** MySQL and MariaDB for the bench of the change stream. */
import { createSchema, openApplication } from '../test/support/adapter-server.ts';
import { openStreamFixture } from '../test/support/stream-fixture.ts';
import type { Subject } from './stream.ts';

/** Rows in one of the large transactions. */
const bulkRows = 10_000;
const writers = 4;

/** An empty table in a schema of its own, which goes when this is disposed. */
export async function openMysqlSubject(url: string): Promise<Subject> {
  const schema = await createSchema(url);
  const fixture = await openStreamFixture(url, schema.name);
  const { application, name } = schema;
  await application.run(`USE ${name}`);
  for (const statement of definition) await application.run(statement);
  const [row] = await application.run('SELECT @@version AS version');
  const table = { schema: name, table: 't', keyColumns: ['id'] };
  return {
    version: versionText(String(row?.['version'])),
    async partOf(write) {
      const opened = await fixture.open(table);
      await opened.close();
      await write();
      return () => fixture.open({ ...table, from: opened.start.token });
    },
    async insertBulk(rows) {
      for (let done = 0; done < rows; done += bulkRows) {
        await application.run(`INSERT INTO t (a, b, c, d, e, f, g, h, i, j) SELECT ${rowExpressions} FROM (${numbers}) x`);
      }
    },
    async updateAll() {
      const [row] = await application.run('SELECT MAX(id) AS last FROM t');
      for (let after = 0; after < Number(row?.['last']); after += bulkRows) {
        await application.run(`UPDATE t SET a = a + 1 WHERE id > ${after} AND id <= ${after + bulkRows}`);
      }
    },
    async insertSingly(transactions) {
      await application.run(procedure);
      await Promise.all(
        Array.from({ length: writers }, async (_, writer) => {
          await using connection = await openApplication(url);
          await connection.run(`USE ${name}`);
          const share = Math.floor(transactions / writers) + (writer < transactions % writers ? 1 : 0);
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

/** `MySQL 9.7.4` of `9.7.4`, `MariaDB 10.11.18` of `10.11.18-MariaDB-log`. */
function versionText(version: string): string {
  return `${version.includes('MariaDB') ? 'MariaDB' : 'MySQL'} ${/^[\d.]+/.exec(version)?.[0] ?? version}`;
}

/** Eleven columns of some 175 bytes a row. */
const definition: readonly string[] = [
  'CREATE TABLE digits (d INT PRIMARY KEY)',
  'INSERT INTO digits VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),(9)',
  `CREATE TABLE t (id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, a INT NOT NULL, b VARCHAR(60) NOT NULL, c VARCHAR(60) NOT NULL,
    d DECIMAL(12,2) NOT NULL, e DATETIME(3) NOT NULL, f DOUBLE NOT NULL, g TINYINT NOT NULL, h BIGINT NOT NULL,
    i CHAR(10) NOT NULL, j TIMESTAMP NULL) ENGINE=InnoDB`,
];

const numbers = 'SELECT p.d * 1000 + q.d * 100 + r.d * 10 + s.d AS n FROM digits p, digits q, digits r, digits s';

const rowExpressions = `x.n, CONCAT('name ', x.n, REPEAT('x', 30)), CONCAT('text ', x.n, REPEAT('y', 40)), x.n / 7, NOW(3), x.n / 3,
  x.n % 100, x.n * 1000, 'abcdefghij', NOW()`;

const procedure = `CREATE PROCEDURE fill(wanted INT) BEGIN DECLARE done INT DEFAULT 0; WHILE done < wanted DO
  INSERT INTO t (a, b, c, d, e, f, g, h, i, j) SELECT ${rowExpressions} FROM (SELECT done AS n) x; SET done = done + 1;
END WHILE; END`;
