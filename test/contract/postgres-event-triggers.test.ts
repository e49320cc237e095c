/** Event triggers of a PostgreSQL database work on the shadow as on any new table. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findObstacles } from '../../src/postgres/obstacles.ts';
import type { Server } from '../../src/postgres/server.ts';
import { createShadow } from '../../src/postgres/shadow.ts';
import {
  createPostgresSchema,
  never,
  openPostgres,
  openPostgresApplication,
  type PostgresApplication,
} from '../support/postgres-adapter.ts';
import { planPostgres, shownObstacles } from '../support/postgres-plan.ts';
import { sharedServer } from '../support/shared-servers.ts';

/** Makes something on each new table, which is `%s`, and is switched off. */
const withEventTrigger = (statement: string): string => `
  CREATE FUNCTION upon() RETURNS event_trigger LANGUAGE plpgsql AS $$
  DECLARE made record;
  BEGIN
    FOR made IN SELECT * FROM pg_event_trigger_ddl_commands() WHERE command_tag = 'CREATE TABLE' LOOP
      EXECUTE format('${statement}', made.object_identity);
    END LOOP;
  END $$;
  CREATE EVENT TRIGGER upon ON ddl_command_end EXECUTE FUNCTION upon(); ALTER EVENT TRIGGER upon DISABLE`;

describe.each([15, 18] as const)('an event trigger on PostgreSQL %i', (version) => {
  const own = `own_${randomUUID().slice(0, 8)}`;
  const url = new URL(sharedServer(`postgres-${version}`));
  let server: PostgresApplication;
  let tool: Server;
  beforeAll(async () => {
    server = await openPostgresApplication(url.href);
    await server.run(`CREATE DATABASE ${own} STRATEGY file_copy`);
    url.pathname = `/${own}`;
    tool = await openPostgres(url.href);
  });
  afterAll(async () => {
    await tool[Symbol.asyncDispose]();
    await server.run(`DROP DATABASE ${own} WITH (FORCE)`);
    await server[Symbol.asyncDispose]();
  });

  test.each([
    ['CREATE TRIGGER made BEFORE INSERT ON %s EXECUTE FUNCTION suppress_redundant_updates_trigger()', 'trigger made on table'],
    ['CREATE POLICY made ON %s', 'policy made on table'],
    ['CREATE RULE made AS ON DELETE TO %s DO ALSO NOTHING', 'rule made on table'],
  ])('that says %s is an obstacle, and made later it keeps the shadow from being made', async (statement, object) => {
    await using schema = await createPostgresSchema(url.href);
    const { application, name } = schema;
    await application.run(`SET search_path = ${name}; CREATE TABLE t (id int PRIMARY KEY)`);
    await application.run(withEventTrigger(statement));
    const plan = await planPostgres({ server: tool, schema, clauses: 'ADD b int' });
    expect(shownObstacles(await findObstacles(tool, [plan], never))).toEqual([]);
    await application.run('ALTER EVENT TRIGGER upon ENABLE');
    const said = new RegExp(`^The new table has the ${object} .*, which an event trigger \\(upon\\), or somebody, has made\\.`);
    const expected = [['EVENT_TRIGGERS', expect.stringMatching(said)]];
    expect(shownObstacles(await findObstacles(tool, [plan], never))).toEqual(expected);
    await using session = await tool.openSession({}, never);
    await expect(createShadow(session, plan, never)).rejects.toMatchObject({
      code: 'SHADOW_CHANGED',
      message: expect.stringMatching(said),
    });
    expect(await application.run(`SELECT nspname FROM pg_namespace WHERE nspname LIKE 'tableshift%'`)).toEqual([]);
    await application.run('DROP EVENT TRIGGER upon');
  });

  test('that refuses what defines tables is an obstacle, and later a lack of privilege and no fault of a row', async () => {
    await using schema = await createPostgresSchema(url.href);
    const { application, name } = schema;
    await application.run(`SET search_path = ${name}; CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)`);
    const raising = "LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RAISE 'not today'; END $$";
    await application.run(
      `CREATE FUNCTION fails(int) RETURNS int ${raising}; CREATE FUNCTION upon() RETURNS event_trigger ${raising}`,
    );
    await using session = await tool.openSession({}, never);
    const failing = session.execute(`CREATE INDEX ON ${name}.t (${name}.fails(id))`, never);
    await expect(failing).rejects.toMatchObject({ code: 'ROW_NOT_CONVERTIBLE' });
    await application.run('CREATE EVENT TRIGGER upon ON ddl_command_start EXECUTE FUNCTION upon()');
    await expect(session.execute(`CREATE INDEX ON ${name}.t (id)`, never)).rejects.toMatchObject({
      code: 'ACCESS_DENIED',
      message: `An event trigger of the database refuses the statement "CREATE INDEX ON ${name}.t (id)": not today (SQLSTATE P0001).`,
    });
    const planned = planPostgres({ server: tool, schema, clauses: 'ADD b int' });
    const message = `An event trigger of the database refuses an empty copy of ${name}.t: not today.`;
    await expect(planned).rejects.toMatchObject({ obstacles: [{ code: 'EVENT_TRIGGERS', message }] });
    await application.run('DROP EVENT TRIGGER upon');
  });

  test.each([
    ['ddl_command_start', 'CREATE PUBLICATION'],
    ['ddl_command_end', 'ALTER TABLE'],
    ['sql_drop', 'DROP TABLE'],
    ['ddl_command_start', 'DROP PUBLICATION'],
  ])('that refuses at %s what a run does after its shadow is made, %s, is an obstacle', async (event, tag) => {
    await using schema = await createPostgresSchema(url.href);
    const { application, name } = schema;
    await application.run(`SET search_path = ${name}; CREATE TABLE t (id int PRIMARY KEY)`);
    await application.run(
      `CREATE FUNCTION upon() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not today'; END $$;
       CREATE EVENT TRIGGER upon ON ${event} WHEN TAG IN ('${tag}') EXECUTE FUNCTION upon()`,
    );
    await application.run('ALTER EVENT TRIGGER upon DISABLE');
    const plan = await planPostgres({ server: tool, schema, clauses: 'ADD b int' });
    await application.run('ALTER EVENT TRIGGER upon ENABLE');
    const found = await findObstacles(tool, [plan], never);
    await application.run('DROP EVENT TRIGGER upon');
    const said = new RegExp(`^An event trigger of the database refuses .*${tag === 'ALTER TABLE' ? '' : tag}.*: not today`);
    expect(found.map(({ code, message }) => [code, message])).toEqual([['EVENT_TRIGGERS', expect.stringMatching(said)]]);
    expect(await application.run("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'tableshift%'")).toEqual([]);
  });
});
