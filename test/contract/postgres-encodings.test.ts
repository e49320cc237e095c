/** Databases of other encodings than UTF-8: keys go through the client as text, all other values stay on the server. */
import { expect, test } from 'vitest';
import { cleanUp, migrate, type Plan, planMigration } from '../../src/index.ts';
import { emptyDatabase } from '../support/postgres-own-database.ts';

/** A database with this encoding, and a client in it that speaks UTF-8. */
const databaseOf = (encoding: string) => emptyDatabase('postgres-18', `ENCODING '${encoding}' LOCALE 'C' TEMPLATE template0`);

test('a text key in LATIN1 is found whatever its letters', async () => {
  await using database = await databaseOf('LATIN1');
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
  await using database = await databaseOf('SQL_ASCII');
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
