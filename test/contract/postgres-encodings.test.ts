/** Databases of other encodings than UTF-8: keys go through the client as text, all other values stay on the server. */
import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { cleanUp, migrate, type Plan, planMigration } from '../../src/index.ts';
import { openPostgresApplication, type PostgresApplication } from '../support/postgres-adapter.ts';
import { sharedServer } from '../support/shared-servers.ts';

const server = sharedServer('postgres-18');

/** A database of its own with this encoding, and a client in it that speaks UTF-8. */
async function makeDatabase(encoding: string): Promise<AsyncDisposable & { url: string; application: PostgresApplication }> {
  const name = `encoding_${randomBytes(4).toString('hex')}`;
  const administrator = await openPostgresApplication(server);
  await administrator.run(`CREATE DATABASE ${name} ENCODING '${encoding}' LOCALE 'C' TEMPLATE template0`);
  const url = new URL(server);
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

test('a text key in LATIN1 is found whatever its letters', async () => {
  await using database = await makeDatabase('LATIN1');
  const { url, application } = database;
  await application.run(
    `CREATE TABLE t (k text PRIMARY KEY, v integer);
     INSERT INTO t SELECT convert_from(set_byte('\\x00', 0, n), 'LATIN1'), n FROM generate_series(32, 255) AS n`,
  );
  const writing: Promise<unknown>[] = [];
  const plans: Plan[] = [];
  await migrate({
    url,
    strategy: 'shadow',
    alter: 'ALTER TABLE public.t ALTER v TYPE bigint',
    onStart: (plan) => plans.push(plan),
    observer: (event) => {
      if (event.kind !== 'phase-entered' || event.phase !== 'copy') return;
      writing.push(
        application.run(
          `UPDATE t SET v = -v WHERE v % 3 = 0; UPDATE t SET k = k || 'ÿ' WHERE v % 7 = 0; DELETE FROM t WHERE k = 'é'`,
        ),
      );
    },
  });
  await Promise.all(writing);
  expect(
    await application.run(
      'SELECT count(*), sum(v), count(*) FILTER (WHERE length(k) = 2) AS longer, pg_typeof(min(v)) AS type FROM t',
    ),
  ).toEqual([{ count: '223', sum: '10311', longer: '32', type: 'bigint' }]);
  await cleanUp({ url, id: plans[0]?.id ?? '', isNow: true });
});

test('a text key in SQL_ASCII is refused, for it may hold bytes that are no letters; a number is not', async () => {
  await using database = await makeDatabase('SQL_ASCII');
  const { url, application } = database;
  await application.run(
    `CREATE TABLE t (k text PRIMARY KEY, id integer NOT NULL, v text);
     CREATE TABLE n (id integer PRIMARY KEY, v text);
     INSERT INTO t VALUES (convert_from('\\xe9', 'SQL_ASCII'), 1, convert_from('\\xff', 'SQL_ASCII'));
     INSERT INTO n SELECT id, v FROM t`,
  );
  const refused = await planMigration({ url, strategy: 'shadow', alter: 'ALTER TABLE public.t ADD w integer' });
  expect(refused.obstacles.map(({ code, message }) => [code, message])).toEqual([
    [
      'NO_SHARED_KEY',
      't_pkey of public.t cannot be the migration key: k may hold bytes that are no letters, for the encoding of the database is SQL_ASCII.',
    ],
  ]);
  const plans: Plan[] = [];
  await migrate({ url, strategy: 'shadow', alter: 'ALTER TABLE public.n ADD w integer', onStart: (plan) => plans.push(plan) });
  expect(await application.run(`SELECT id, encode(convert_to(v, 'SQL_ASCII'), 'hex') AS v, w FROM n`)).toEqual([
    { id: '1', v: 'ff', w: null },
  ]);
  await cleanUp({ url, id: plans[0]?.id ?? '', isNow: true });
});
