/** Every reason to refuse a migration, one server or table at a time. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Plan } from '../../src/engine/model.ts';
import { createBookkeeping, recordMigration, recordState } from '../../src/mysql/bookkeeping.ts';
import { takeClaim } from '../../src/mysql/claim.ts';
import { findObstacles } from '../../src/mysql/obstacles.ts';
import type { Server } from '../../src/mysql/server.ts';
import { createSchema, never, openAdapter, openApplication, schemaWith, type TestSchema } from '../support/adapter-server.ts';
import { obstaclesOf, plan, refusal, shown, type Found } from '../support/plan-request.ts';
import { sharedServer } from '../support/shared-servers.ts';

const flavours = ['mysql', 'mariadb'] as const;

describe.each(flavours)('obstacles on %s', (flavour) => {
  const url = sharedServer(flavour);
  let server: Server;
  beforeAll(async () => {
    server = await openAdapter(url);
  });
  afterAll(() => server[Symbol.asyncDispose]());

  const withTable = (...statements: readonly string[]): Promise<TestSchema> => schemaWith(url, ...statements);

  test('there are none for a plain table on a plain server, and nothing is left behind', async () => {
    await using schema = await withTable('CREATE TABLE t (id INT PRIMARY KEY, a INT)', 'INSERT INTO t VALUES (1, 2), (2, 3)');
    expect(await obstaclesOf(server, schema, 'ADD b INT, ADD UNIQUE (a)')).toEqual([]);
    expect(await schema.application.run('SHOW TABLES')).toHaveLength(1);
  });

  describe('of the table', () => {
    test('another engine is one, before and after', async () => {
      await using schema = await withTable('CREATE TABLE t (id INT PRIMARY KEY) ENGINE=MyISAM');
      expect(await obstaclesOf(server, schema, 'ADD b INT')).toEqual([
        ['UNSUPPORTED_ENGINE', `${schema.name}.t is a table of the engine MyISAM.`],
        ['UNSUPPORTED_ENGINE', `${schema.name}.t would become a table of the engine MyISAM.`],
      ]);
      await schema.application.run('ALTER TABLE t ENGINE=InnoDB');
      expect(await obstaclesOf(server, schema, 'ENGINE=MyISAM')).toEqual([
        ['UNSUPPORTED_ENGINE', `${schema.name}.t would become a table of the engine MyISAM.`],
      ]);
    });

    test('a sequence that its defaults use twice is one', async () => {
      if (flavour === 'mysql') return;
      const columns = 'id INT PRIMARY KEY, a BIGINT DEFAULT NEXTVAL(s), b BIGINT DEFAULT NEXTVAL(u)';
      await using schema = await withTable('CREATE SEQUENCE s', 'CREATE SEQUENCE u', `CREATE TABLE t (${columns})`);
      expect(await obstaclesOf(server, schema, 'ADD c INT')).toEqual([]);
      expect(await obstaclesOf(server, schema, `ADD c BIGINT DEFAULT (LASTVAL(${schema.name}.s))`)).toEqual([
        ['UNSUPPORTED_TABLE', expect.stringContaining(`use the sequence ${schema.name}.s more than once`)],
      ]);
    });

    test('a foreign key that the change adds is one', async () => {
      await using schema = await withTable('CREATE TABLE p (id INT PRIMARY KEY)', 'CREATE TABLE t (id INT PRIMARY KEY, p INT)');
      const found = shown(await refusal({ server, schema, clauses: 'ADD FOREIGN KEY (p) REFERENCES p (id)' }));
      expect(found.map(([code]) => code)).toEqual(['FOREIGN_KEYS']);
    });

    test('triggers that would fail afterwards, or cannot be made again as they are, are one each', async () => {
      await using schema = await withTable(
        'CREATE TABLE t (id INT PRIMARY KEY, a INT, b INT, c INT)',
        'CREATE TRIGGER kept BEFORE INSERT ON t FOR EACH ROW SET NEW.c = (SELECT MAX(a) FROM (SELECT 1 AS a) AS x)',
        'CREATE TRIGGER dated AFTER INSERT ON t FOR EACH ROW SET @a = 1',
      );
      const trigger = (name: string, body: string): string => `CREATE TRIGGER ${name} BEFORE UPDATE ON t FOR EACH ROW ${body}`;
      const clauses = 'DROP COLUMN a, CHANGE b d INT';
      expect(await obstaclesOf(server, schema, clauses)).toEqual([]);
      await schema.application.run(`ALTER DATABASE ${schema.name} COLLATE utf8mb4_spanish_ci`);
      await schema.application.run('DROP TRIGGER kept');
      await schema.application.run(trigger('named', 'SET @b = OLD.`B` + NEW . a'));
      await schema.application.run(trigger('hidden', 'SET @b = (SELECT COUNT(a) FROM t AS other)'));
      await schema.application.run('SET character_set_client = latin1');
      await schema.application.run(trigger('spelled', "SET @b = 'ü'"));
      await schema.application.run('SET character_set_client = utf8mb4');
      const going = (name: string, column: string): Found[number] => [
        'TRIGGERS',
        `${schema.name}.t: The trigger ${name} names the column ${column}, which the change drops or renames; drop the trigger first and make it again afterwards.`,
      ];
      expect(await obstaclesOf(server, schema, clauses)).toEqual([
        [
          'TRIGGERS',
          expect.stringMatching(/The trigger dated was made when the default collation .* now it is utf8mb4_spanish_ci/),
        ],
        going('named', 'b'),
        going('named', 'a'),
        going('hidden', 'a'),
        ['TRIGGERS', expect.stringMatching(/The trigger spelled was made by a client with character_set_client latin1/)],
      ]);
    });

    test('names that are taken are one each', async () => {
      await using schema = await withTable('CREATE TABLE t (id INT PRIMARY KEY)');
      const made = await plan({ server, schema, clauses: 'ADD b INT' });
      await schema.application.run(`CREATE TABLE ${made.shadow.table} (a INT)`);
      await schema.application.run(`CREATE VIEW ${made.retired.table} AS SELECT 1 AS a`);
      expect(shown(await findObstacles(server, made, never))).toEqual([
        ['SHADOW_EXISTS', `${schema.name}.${made.shadow.table}, the shadow's name, is taken by a table.`],
        ['RETIRED_EXISTS', `${schema.name}.${made.retired.table}, the retired table's name, is taken by a table.`],
      ]);
    });

    test('an unfinished migration of it is one, whose shadow is no other, and a finished one is none', async () => {
      await using schema = await withTable('CREATE TABLE t (id INT PRIMARY KEY)');
      const made = await plan({ server, schema, clauses: 'ADD b INT' });
      const other: Plan = { ...made, id: `x${schema.name.replaceAll('_', '')}` as Plan['id'] };
      await using session = await server.openSession({}, never);
      await createBookkeeping(session, [], never);
      await recordMigration(session, other, never);
      await schema.application.run(`CREATE TABLE ${made.shadow.table} (a INT)`);
      expect(shown(await findObstacles(server, made, never))).toEqual([
        ['MIGRATION_OPEN', expect.stringMatching(`^Migration ${other.id} of ${schema.name}.t is unfinished since 2`)],
      ]);
      await schema.application.run(`DROP TABLE ${made.shadow.table}`);
      await recordState(session, other.id, { state: 'done', failure: null }, never);
      expect(shown(await findObstacles(server, made, never))).toEqual([]);
    });

    test('an unfinished migration of it is told where the server refuses the ALTER', async () => {
      await using schema = await withTable('CREATE TABLE t (id INT PRIMARY KEY)');
      const made = await plan({ server, schema, clauses: 'ADD b INT' });
      await using session = await server.openSession({}, never);
      await createBookkeeping(session, [], never);
      await recordMigration(session, { ...made, id: `z${schema.name.replaceAll('_', '')}` as Plan['id'] }, never);
      await expect(plan({ server, schema, clauses: 'DROP COLUMN c' })).rejects.toMatchObject({
        obstacles: [{ code: 'MIGRATION_OPEN' }, { code: 'INVALID_ALTER' }],
      });
    });

    test('a live run on it is one, and the only one: what it has made is no leftover', async () => {
      await using schema = await withTable('CREATE TABLE t (id INT PRIMARY KEY)');
      const made = await plan({ server, schema, clauses: 'ADD b INT' });
      await using session = await server.openSession({}, never);
      await createBookkeeping(session, [], never);
      const other: Plan = { ...made, id: `y${schema.name.replaceAll('_', '')}` as Plan['id'] };
      await recordMigration(session, other, never);
      await schema.application.run(`CREATE TABLE ${made.shadow.table} (a INT)`);
      await using claim = await takeClaim(server, { table: made.source, migration: other.id }, never);
      expect(claim.lost.aborted).toBe(false);
      const running = `^Migration ${other.id} of ${schema.name}.t has the claim on it and runs, with connection \\d+\\.$`;
      expect(shown(await findObstacles(server, made, never))).toEqual([['TABLE_IN_USE', expect.stringMatching(running)]]);
      await recordState(session, other.id, { state: 'aborted', failure: null }, never);
    });
  });

  describe('of its rows', () => {
    test.each<[string, readonly [definition: string, values: string], string, RegExp]>([
      [
        'a number out of range',
        ['(id INT PRIMARY KEY, a INT)', '(7, 1), (8, 300)'],
        'MODIFY a TINYINT',
        /^LOSSY_CONVERSION The row id = 8 of .*'a'/,
      ],
      [
        'a text that is too long',
        ['(id INT PRIMARY KEY, a VARCHAR(9))', "(7, 'abc'), (8, 'abcd')"],
        'MODIFY a VARCHAR(3)',
        /^LOSSY_CONVERSION The row id = 8 of .*'a'/,
      ],
      [
        'a letter that the new character set lacks',
        ['(id INT PRIMARY KEY, a VARCHAR(9)) CHARACTER SET utf8mb4', "(8, '日')"],
        'MODIFY a VARCHAR(9) CHARACTER SET latin1',
        /^LOSSY_CONVERSION The row id = 8 of /,
      ],
      [
        'a NULL',
        ['(id INT PRIMARY KEY, a INT)', '(8, NULL)'],
        'MODIFY a INT NOT NULL',
        /^LOSSY_CONVERSION The row id = 8 of .*'a' cannot be null/,
      ],
      [
        'a decimal that would be rounded',
        ['(id INT PRIMARY KEY, a DECIMAL(5,2))', '(7, 1.50), (8, 1.25)'],
        'MODIFY a DECIMAL(5,1)',
        /^LOSSY_CONVERSION The row id = 8 of .*'a'/,
      ],
      [
        'a time of day that would be lost',
        ['(id INT PRIMARY KEY, a DATETIME)', "(8, '2026-01-01 10:00:00')"],
        'MODIFY a DATE',
        /^LOSSY_CONVERSION The row id = 8 of /,
      ],
      [
        'a member that is removed',
        ["(id INT PRIMARY KEY, a ENUM('x','y'))", "(7, 'y'), (8, 'x')"],
        "MODIFY a ENUM('y','z')",
        /^ENUM_MEANING_CHANGED The row id = 8 of .*'a'/,
      ],
      [
        'a member of a set that is removed',
        ["(id INT PRIMARY KEY, a SET('x','y'))", "(8, 'x,y')"],
        "MODIFY a SET('y')",
        /^ENUM_MEANING_CHANGED The row id = 8 of .*'a'/,
      ],
      [
        'a value that an expression rejects',
        ['(id INT PRIMARY KEY, a VARCHAR(9))', "(7, '$'), (8, '$[*]')"],
        `ADD b INT AS (JSON_CONTAINS('{}', '{}', a)) STORED`,
        /^LOSSY_CONVERSION The row id = 8 of .*(may not contain|not allowed in)/i,
      ],
      [
        'a duplicate under a new unique key',
        ['(id INT PRIMARY KEY, a INT)', '(7, 1), (8, 1)'],
        'ADD UNIQUE u (a)',
        /^DUPLICATE_ROWS .*: id = 7, and id = 8 \(Duplicate entry '1' for key/,
      ],
      [
        'a duplicate under a new collation',
        ['(id INT PRIMARY KEY, a VARCHAR(9) COLLATE utf8mb4_bin, UNIQUE u (a)) CHARACTER SET utf8mb4', "(7, 'a'), (8, 'A')"],
        'MODIFY a VARCHAR(9) COLLATE utf8mb4_unicode_ci',
        /^DUPLICATE_ROWS .*/,
      ],
      [
        'a row that a new check rejects',
        ['(id INT PRIMARY KEY, a INT)', '(8, -1)'],
        'ADD CHECK (a > 0)',
        /^LOSSY_CONVERSION The row id = 8 of .*('t_chk_1' is violated|failed for `\w+`\.`t`)\.$/,
      ],
      [
        'a key of text',
        ['(id VARBINARY(9) PRIMARY KEY, a INT)', "(X'00ff', 300)"],
        'MODIFY a TINYINT',
        /^LOSSY_CONVERSION The row id = X'00FF' of /,
      ],
    ])('%s is one', async (_name, [definition, values], clauses, expected) => {
      await using schema = await withTable(`CREATE TABLE t ${definition}`, `INSERT INTO t VALUES ${values}`);
      const found = await obstaclesOf(server, schema, clauses);
      expect(found).toHaveLength(1);
      expect(found[0]?.join(' ')).toMatch(expected);
    });

    test.each<[string, string, string, string]>([
      [
        'members that only change their places',
        "(id INT PRIMARY KEY, a ENUM('x','y'))",
        "(7, 'y'), (8, 'x')",
        "MODIFY a ENUM('y','x')",
      ],
      ['a removed member that no row holds', "(id INT PRIMARY KEY, a ENUM('x','y'))", "(7, 'y')", "MODIFY a ENUM('y')"],
      [
        'dates that no application could write today',
        '(id INT PRIMARY KEY, a DATE NOT NULL)',
        "(0, '0000-00-00')",
        'ADD b INT',
      ],
      ['a shorter text that nothing exceeds', '(id INT PRIMARY KEY, a VARCHAR(9))', "(7, 'abc')", 'MODIFY a VARCHAR(3)'],
      [
        'letters that utf8mb4 has too',
        '(id INT PRIMARY KEY, a VARCHAR(9)) CHARACTER SET latin1',
        "(7, 'é')",
        'CONVERT TO CHARACTER SET utf8mb4',
      ],
    ])('%s are none', async (_name, definition, values, clauses) => {
      const mode = "SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO'";
      await using schema = await withTable(mode, `CREATE TABLE t ${definition}`, `INSERT INTO t VALUES ${values}`);
      expect(await obstaclesOf(server, schema, clauses)).toEqual([]);
    });

    test.each<[string, string, string, string]>([
      ['floating point that would be printed', 'DOUBLE', 'VARCHAR(9)', 'digits would be added or cut'],
      ['floating point that would be rounded', 'FLOAT', 'DECIMAL(9,2)', 'nearly every value would have to be rounded'],
      ['numbers that would become dates', 'INT', 'DATE', 'this conversion is not known to keep the values'],
      ['times that would get the present day', 'TIME', 'DATETIME', 'this conversion is not known to keep the values'],
      ['zeros in front', 'INT(5) ZEROFILL', 'VARCHAR(9)', 'the zeros in front would be lost'],
      ['negative numbers as bits', 'INT', 'BIT(64)', 'negative numbers would become bits'],
    ])('%s are one, also in an empty table', async (_name, from, to, reason) => {
      await using schema = await withTable(`CREATE TABLE t (id INT PRIMARY KEY, a ${from})`);
      const found = await obstaclesOf(server, schema, `MODIFY a ${to}`);
      expect(found).toEqual([['LOSSY_CONVERSION', expect.stringContaining(reason)]]);
    });

    test('NULLs that would become new numbers are one', async () => {
      await using schema = await withTable('CREATE TABLE t (id INT PRIMARY KEY, a INT, KEY (a))');
      const found = await obstaclesOf(server, schema, 'MODIFY a INT NOT NULL AUTO_INCREMENT');
      expect(found).toEqual([['LOSSY_CONVERSION', expect.stringContaining('NULLs would become new numbers')]]);
    });

    test('NULLs that would become the present time are one where the server does that', async () => {
      await using schema = await withTable(
        'CREATE TABLE t (id INT PRIMARY KEY, a TIMESTAMP NULL)',
        'INSERT INTO t VALUES (8, NULL)',
      );
      const found = await obstaclesOf(server, schema, 'MODIFY a TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP');
      const reason = flavour === 'mariadb' ? 'NULLs would become the present time' : "Column 'a' cannot be null";
      expect(found).toEqual([['LOSSY_CONVERSION', expect.stringContaining(reason)]]);
    });

    test('text that MariaDB would cut without a word is one there', async () => {
      await using schema = await withTable(
        'CREATE TABLE t (id INT PRIMARY KEY, a TEXT)',
        "INSERT INTO t VALUES (8, REPEAT('x', 300))",
      );
      const found = await obstaclesOf(server, schema, 'MODIFY a TINYTEXT');
      const reason = flavour === 'mariadb' ? 'MariaDB cuts values' : "Data too long for column 'a'";
      expect(found).toEqual([['LOSSY_CONVERSION', expect.stringContaining(reason)]]);
    });

    test('a column that is NOT NULL and has no default gets the zero of its type, as from the ALTER', async () => {
      await using schema = await withTable('CREATE TABLE t (id INT PRIMARY KEY)', 'INSERT INTO t VALUES (1)');
      const types = [
        'INT',
        'DECIMAL(5,2)',
        'BIT(5)',
        'YEAR',
        'VARCHAR(9)',
        'BLOB',
        "ENUM('p','q')",
        "SET('x')",
        'DATE',
        'TIME',
        'DATETIME(3)',
      ];
      const clauses = types.map((type, place) => `ADD c${place} ${type} NOT NULL`).join(', ');
      expect(await obstaclesOf(server, schema, clauses)).toEqual([]);
    });

    test('a row at the end of a large table is found, and one in the middle is left to the copy', async () => {
      await using schema = await withTable(
        'CREATE TABLE t (id INT PRIMARY KEY, a INT)',
        'INSERT INTO t VALUES (0, 0)',
        ...Array.from({ length: 15 }, (_, step) => `INSERT INTO t SELECT id + ${2 ** step}, 0 FROM t`),
        'ANALYZE TABLE t',
        'UPDATE t SET a = 300 WHERE id = 16000',
      );
      expect(await obstaclesOf(server, schema, 'MODIFY a TINYINT')).toEqual([]);
      expect((await plan({ server, schema, clauses: 'MODIFY a TINYINT' })).notes).toContain(
        'Only the first and the last 10000 rows are tried beforehand; one between them that does not fit stops the copy.',
      );
      await schema.application.run('UPDATE t SET a = 300 WHERE id = 32000');
      const found = await obstaclesOf(server, schema, 'MODIFY a TINYINT');
      expect(found).toEqual([['LOSSY_CONVERSION', expect.stringContaining('The row id = 32000 of ')]]);
    });

    test('trying a sample waits for no lock and writes nothing to the log', async () => {
      await using schema = await withTable('CREATE TABLE t (id INT PRIMARY KEY, a INT)', 'INSERT INTO t VALUES (1, 1)');
      const made = await plan({ server, schema, clauses: 'MODIFY a BIGINT' });
      await using application = await openApplication(url);
      await application.run('BEGIN');
      await application.run(`UPDATE ${schema.name}.t SET a = 2`);
      const statement = flavour === 'mysql' ? 'SHOW BINARY LOG STATUS' : 'SHOW MASTER STATUS';
      const file = String((await schema.application.run(statement))[0]?.['File']);
      expect(shown(await findObstacles(server, made, never))).toEqual([]);
      const events = await schema.application.run(`SHOW BINLOG EVENTS IN '${file}'`);
      expect(events.filter((event) => String(event['Info']).includes('_tableshift_probe'))).toEqual([]);
    });
  });
});

describe.each(flavours)('privileges on %s', (flavour) => {
  const url = sharedServer(flavour);
  const monitor = flavour === 'mysql' ? 'REPLICATION CLIENT' : 'BINLOG MONITOR';
  const global = ['REPLICATION SLAVE', monitor, 'PROCESS', ...(flavour === 'mysql' ? ['XA_RECOVER_ADMIN'] : [])].join(', ');
  const onSchema = 'SELECT, INSERT, DELETE, CREATE, ALTER, DROP, LOCK TABLES, CREATE TEMPORARY TABLES, TRIGGER';
  const onBookkeeping = 'SELECT, INSERT, UPDATE, DELETE, CREATE';

  /** A user with these grants, in which `#schema`, `#user` and `#role` stand for their names, and what it lacks. */
  const missing = async (grants: readonly string[]): Promise<Found> => {
    await using schema = await createSchema(url);
    const user = `u_${schema.name}`;
    const filled = (text: string): string =>
      text.replaceAll('#schema', schema.name).replaceAll('#user', user).replaceAll('#role', `r_${user}`);
    await schema.application.run(`CREATE TABLE ${schema.name}.t (id INT PRIMARY KEY, a INT)`);
    await schema.application.run(`CREATE USER ${user} IDENTIFIED BY 'secret'`);
    await schema.application.run(`CREATE ROLE r_${user}`);
    try {
      await using root = await openAdapter(url);
      const made = await plan({ server: root, schema, clauses: 'ADD b INT' });
      for (const grant of grants) await schema.application.run(filled(grant));
      const address = new URL(url);
      address.username = user;
      address.password = 'secret';
      await using server = await openAdapter(address.href);
      const found = shown(await findObstacles(server, made, never));
      return found.map(([code, message]) => [code, message.replaceAll(user, '#user').replaceAll(schema.name, '#schema')]);
    } finally {
      await schema.application.run(`DROP USER ${user}`);
      await schema.application.run(`DROP ROLE r_${user}`);
    }
  };

  test('are enough when each one is granted at its own level', async () => {
    const grants = [`${global} ON *.*`, `${onSchema} ON #schema.*`, `${onBookkeeping} ON tableshift.*`];
    expect(await missing(grants.map((grant) => `GRANT ${grant} TO #user`))).toEqual([]);
  });

  test('that are missing, and limits of the account, are named, with the statements that grant and lift them', async () => {
    expect(
      await missing([
        'ALTER USER #user WITH MAX_UPDATES_PER_HOUR 1000 MAX_USER_CONNECTIONS 9',
        'CREATE TRIGGER #schema.unseen BEFORE INSERT ON #schema.t FOR EACH ROW SET @a = 1',
        'GRANT SELECT, CREATE TEMPORARY TABLES ON #schema.* TO #user',
        'GRANT SELECT ON tableshift.* TO #user',
      ]),
    ).toEqual([
      ['MISSING_PRIVILEGE', `The user lacks ${global} on *.*: GRANT ${global} ON *.* TO '#user'@'%';`],
      [
        'MISSING_PRIVILEGE',
        "The user lacks INSERT, DELETE, CREATE, ALTER, DROP, LOCK TABLES, TRIGGER on `#schema`.*: GRANT INSERT, DELETE, CREATE, ALTER, DROP, LOCK TABLES, TRIGGER ON `#schema`.* TO '#user'@'%';",
      ],
      [
        'MISSING_PRIVILEGE',
        "The user lacks INSERT, UPDATE, DELETE, CREATE on `tableshift`.*: GRANT INSERT, UPDATE, DELETE, CREATE ON `tableshift`.* TO '#user'@'%';",
      ],
      [
        'ACCOUNT_LIMITS',
        "The account '#user'@'%' is limited (MAX_UPDATES_PER_HOUR 1000, MAX_USER_CONNECTIONS 9); a run needs up to 16 sessions, and statements without a limit: ALTER USER '#user'@'%' WITH MAX_UPDATES_PER_HOUR 0 MAX_USER_CONNECTIONS 16;",
      ],
    ]);
  });

  const definers = { mysql: 'SET_ANY_DEFINER', mariadb: 'SET USER' };

  test('for triggers are SUPER, or the one for other definers where the server trusts those who make them', async () => {
    const all = [
      'GRANT ALL PRIVILEGES ON *.* TO #user',
      'REVOKE SUPER ON *.* FROM #user',
      `REVOKE ${definers[flavour]} ON *.* FROM #user`,
      'CREATE TRIGGER #schema.tr BEFORE INSERT ON #schema.t FOR EACH ROW SET @a = 1',
    ];
    const account = "TO '#user'@'%';";
    expect(await missing(all)).toEqual([
      ['MISSING_PRIVILEGE', `The user lacks ${definers[flavour]} on *.*: GRANT ${definers[flavour]} ON *.* ${account}`],
      [
        'MISSING_PRIVILEGE',
        `The user lacks SUPER on *.*: GRANT SUPER ON *.* ${account} Or let the server trust those who have TRIGGER: SET GLOBAL log_bin_trust_function_creators = ON;`,
      ],
    ]);
    expect(await missing([...all, 'GRANT SUPER ON *.* TO #user'])).toEqual([]);
  });

  test('are enough when they come from a role that is active', async () => {
    const setRole = flavour === 'mysql' ? 'SET DEFAULT ROLE #role TO #user' : 'SET DEFAULT ROLE #role FOR #user';
    const grants = ['GRANT ALL PRIVILEGES ON *.* TO #role', 'GRANT #role TO #user', setRole];
    expect(await missing(grants)).toEqual([]);
  });

  test('are not enough when they come from a role that is not active', async () => {
    const grants = [
      'GRANT ALL PRIVILEGES ON *.* TO #role',
      'GRANT #role TO #user',
      'GRANT SELECT, CREATE TEMPORARY TABLES ON #schema.* TO #user',
    ];
    expect((await missing(grants)).map(([code]) => code)).toEqual([
      'MISSING_PRIVILEGE',
      'MISSING_PRIVILEGE',
      'MISSING_PRIVILEGE',
    ]);
  });

  test('on a pattern of schemas count for those that fit it', async () => {
    const onAll = `GRANT ${global} ON *.* TO #user`;
    expect(await missing([onAll, 'GRANT ALL ON `t\\_%`.* TO #user', 'GRANT ALL ON `table_hift`.* TO #user'])).toEqual([]);
  });

  test.each<[string, string, RegExp]>([
    ['to try the ALTER', 'GRANT SELECT ON #schema.* TO #user', /^The ALTER cannot be tried on a temporary table in #schema/],
    ['to read the table', 'GRANT DROP ON #schema.* TO #user', /^The user may not read #schema\.t\.$/],
  ])('that are missing %s are named with all others', async (_name, grant, first) => {
    const found = await missing([grant]);
    expect(found[0]).toEqual(['MISSING_PRIVILEGE', expect.stringMatching(first)]);
    expect(found).toHaveLength(4);
  });
});

test('trying a sample takes no number from a sequence', async () => {
  await using server = await openAdapter(sharedServer('mariadb'));
  await using schema = await createSchema(sharedServer('mariadb'));
  await schema.application.run(`USE ${schema.name}`);
  await schema.application.run('CREATE SEQUENCE s');
  await schema.application.run('CREATE TABLE t (id INT PRIMARY KEY)');
  await schema.application.run('INSERT INTO t VALUES (1), (2)');
  expect(await obstaclesOf(server, schema, `ADD nr BIGINT DEFAULT NEXTVAL(${schema.name}.s)`)).toEqual([]);
  expect(await schema.application.run('SELECT NEXTVAL(s) AS next')).toEqual([{ next: 1 }]);
});
