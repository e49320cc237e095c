/** What no temporary table can have is tried on an empty clone, so that a plan says what the server would refuse. */
import { describe, expect, test } from 'vitest';
import { migrate } from '../../src/index.ts';
import { createSchema, openAdapter } from '../support/adapter-server.ts';
import { obstaclesOf, plan, refusal, shown } from '../support/plan-request.ts';
import { startServer } from '../support/servers.ts';
import { sharedServer } from '../support/shared-servers.ts';

const wrong = {
  mysql: ['KEY_BLOCK_SIZE = 7', "COMPRESSION = 'nonsense'", 'TABLESPACE nowhere', "ENCRYPTION = 'Y'"],
  mariadb: ['KEY_BLOCK_SIZE = 7', 'ENCRYPTED = YES ENCRYPTION_KEY_ID = 9', 'PAGE_COMPRESSED = 1 ROW_FORMAT = COMPRESSED'],
} as const;

describe.each(['mysql', 'mariadb'] as const)('on %s', (flavour) => {
  test.each([...wrong[flavour], 'ADD FULLTEXT KEY f (nothing)'])(
    'a plan is refused for %s, and nothing stays',
    async (clauses) => {
      const url = sharedServer(flavour);
      await using server = await openAdapter(url);
      await using schema = await createSchema(url);
      await schema.application.run(`CREATE TABLE ${schema.name}.t (id INT PRIMARY KEY, a TEXT)`);
      expect(await refusal({ server, schema, clauses: `${clauses}, ADD b INT` })).toEqual([
        {
          code: 'INVALID_ALTER',
          message: expect.stringMatching(new RegExp(`^The server refuses the ALTER of ${schema.name}.t: (?!.*#sql)`)),
        },
      ]);
      expect(await schema.application.run(`SHOW TABLES FROM ${schema.name}`)).toHaveLength(1);
    },
  );

  test('a plan goes on where the server takes no writes, which it names', async () => {
    await using process = await startServer({ flavour });
    await using server = await openAdapter(process.url);
    await using schema = await createSchema(process.url);
    const { application, name } = schema;
    await application.run(`CREATE TABLE ${name}.t (id INT PRIMARY KEY, a TEXT, FULLTEXT f (a))`);
    await application.run('CREATE USER clerk');
    await application.run('GRANT ALL ON *.* TO clerk');
    await application.run(
      `REVOKE ${flavour === 'mysql' ? 'SUPER, CONNECTION_ADMIN' : 'READ ONLY ADMIN, SUPER'} ON *.* FROM clerk`,
    );
    await application.run('SET GLOBAL read_only = 1');
    await using ours = await openAdapter(process.url.replace('root', 'clerk'));
    expect((await plan({ server: ours, schema, clauses: 'ADD b INT' })).notes).toContainEqual(
      expect.stringContaining('Full-text indexes'),
    );
    expect((await obstaclesOf(ours, schema, 'ADD b INT')).map(([code]) => code)).toContain('NOT_A_SOURCE');
    await application.run('SET GLOBAL read_only = 0');
    expect((await plan({ server, schema, clauses: 'ADD b INT' })).notes.join()).not.toContain('Full-text indexes');
  });
});

test('what encryption takes is an obstacle: a privilege, and a keyring', async () => {
  const extraFlags = ['--table-encryption-privilege-check=ON', '--default-table-encryption=ON'];
  await using process = await startServer({ flavour: 'mysql', extraFlags });
  await using server = await openAdapter(process.url);
  await using schema = await createSchema(process.url);
  const { application, name } = schema;
  await application.run(`ALTER DATABASE ${name} DEFAULT ENCRYPTION = 'N'`);
  await application.run(`CREATE TABLE ${name}.t (id INT PRIMARY KEY, a INT)`);
  await application.run('CREATE USER clerk');
  await application.run('GRANT ALL ON *.* TO clerk');
  await application.run('REVOKE SUPER, TABLE_ENCRYPTION_ADMIN ON *.* FROM clerk');
  await using ours = await openAdapter(process.url.replace('root', 'clerk'));
  const wouldBe =
    'default_table_encryption is ON, so the database tableshift would be encrypted, but the server has loaded no keyring.';
  expect(shown(await refusal({ server: ours, schema, clauses: "ENCRYPTION = 'Y'" }))).toEqual([
    ['MISSING_PRIVILEGE', expect.stringContaining("GRANT TABLE_ENCRYPTION_ADMIN ON *.* TO 'clerk'@'%';")],
    ['NO_KEYRING', wouldBe],
  ]);
  expect(await obstaclesOf(server, schema, 'MODIFY a BIGINT')).toEqual([['NO_KEYRING', wouldBe]]);
  const change = { url: process.url, table: `${name}.t`, alter: 'ADD b INT' } as const;
  await expect(migrate({ ...change, strategy: 'native' })).rejects.toMatchObject({ obstacles: [{ code: 'NO_KEYRING' }] });
  await application.run('CREATE DATABASE tableshift');
  await application.run('SET GLOBAL default_table_encryption = OFF');
  expect(await obstaclesOf(server, schema, 'MODIFY a BIGINT')).toEqual([
    ['NO_KEYRING', expect.stringContaining('The tables of the database tableshift are encrypted by default')],
  ]);
  await application.run("ALTER DATABASE tableshift DEFAULT ENCRYPTION = 'N'");
  expect(await migrate({ ...change, strategy: 'shadow' })).toMatchObject({ strategy: 'shadow' });
});
