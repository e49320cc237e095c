/** A server in another time zone and sql_mode: what the run computes, against the server's own ALTER of an equal table. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DEFAULT_OPTIONS, migrate } from '../../src/index.ts';
import { openDatabase } from '../../src/mysql/database.ts';
import { type Application, createSchema, errnoOf, never, openApplication, type TestSchema } from '../support/adapter-server.ts';
import { startServer, type Server } from '../support/servers.ts';
import { sharedServer } from '../support/shared-servers.ts';

const cutover = { ...DEFAULT_OPTIONS.cutover, pauseFirstMs: 10, pauseMaxMs: 20 };

/** What the servers differ in: MariaDB stores and indexes nothing that depends on the zone. */
const local = {
  mysql: {
    columns:
      'day DATE AS (DATE(ts)) STORED, hour INT AS (HOUR(ts)) VIRTUAL, KEY by_hour (hour), KEY by_minute ((MINUTE(ts) + HOUR(ts)))',
    fractions: 'TIME_TRUNCATE_FRACTIONAL',
    rounded: '2024-06-01 12:00:00',
  },
  mariadb: { columns: 'hour INT AS (HOUR(ts)) VIRTUAL', fractions: 'TIME_ROUND_FRACTIONAL', rounded: '2024-06-01 12:00:01' },
} as const;

describe.each(['mysql', 'mariadb'] as const)('on a %s server in another zone and sql_mode', (flavour) => {
  const { columns, fractions, rounded } = local[flavour];
  let server: Server;
  beforeAll(async () => {
    const modes = ['STRICT_TRANS_TABLES', 'PIPES_AS_CONCAT', 'REAL_AS_FLOAT', 'NO_UNSIGNED_SUBTRACTION', fractions];
    server = await startServer({ flavour, extraFlags: ['--default-time-zone=+02:00', `--sql-mode=${modes.join(',')}`] });
  });
  afterAll(() => server[Symbol.asyncDispose]());

  /** The tables `t` and `n`, alike. */
  async function openTables(definition: string, insert: string): Promise<TestSchema> {
    const schema = await createSchema(server.url);
    await schema.application.run(`USE ${schema.name}`);
    for (const table of ['t', 'n']) {
      await schema.application.run(`CREATE TABLE ${table} (${definition})`);
      await schema.application.run(`INSERT INTO ${table} ${insert}`);
    }
    return schema;
  }

  /** Changes `t`, and `n` by the server's own ALTER. `during`: what is written while rows are copied. */
  async function change(
    { name, application }: TestSchema,
    alter: string,
    { strategy, during }: { readonly strategy: 'shadow' | 'native'; readonly during?: string },
  ): Promise<void> {
    const written: Promise<unknown>[] = [];
    await using writer = await openApplication(server.url);
    await writer.run(`USE ${name}`);
    await migrate({
      url: server.url,
      table: `${name}.t`,
      alter,
      strategy,
      pace: { cutover },
      observer: (event) => {
        if (during === undefined || event.kind !== 'phase-entered' || event.phase !== 'copy') return;
        written.push(writer.run(`UPDATE t SET ${during}`));
      },
    });
    await Promise.all(written);
    if (during !== undefined) await application.run(`UPDATE n SET ${during}`);
    await application.run(`ALTER TABLE n ${alter}`);
  }

  const both = async (application: Application, select: string): Promise<readonly unknown[]> => [
    await application.run(select.replace('$', 't')),
    await application.run(select.replace('$', 'n')),
  ];

  test('a copy computes what the server’s own ALTER does', async () => {
    await using schema = await openTables(
      `id INT PRIMARY KEY, ts TIMESTAMP NULL, exact DATETIME(3), one INT UNSIGNED, two INT UNSIGNED, a VARCHAR(9), v INT, ${columns},
       less INT AS (one - two) VIRTUAL, CHECK (ts >= '2024-06-01 00:00:00')`,
      `(id, ts, exact, one, two, a, v) VALUES (1, '2024-06-01 00:30:00', '2024-06-01 12:00:00.900', 1, 2, 'x', 1),
       (2, '2024-06-01 23:30:00', '2024-06-01 12:00:00.900', 1, 2, 'x', 2)`,
    );
    const { application } = schema;
    const alter = `MODIFY v BIGINT, MODIFY exact DATETIME, ADD made DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
      ADD local DATETIME DEFAULT (ts), ADD seen TIMESTAMP DEFAULT '2024-01-01 00:00:00', ADD r REAL,
      ADD joined VARCHAR(20) DEFAULT (a || '-' || v), ADD less_stored INT AS (one - two) STORED`;
    await change(schema, alter, { strategy: 'shadow', during: "ts = '2024-06-01 01:15:00' WHERE id = 2" });
    const select = `SELECT id, ts, exact, v, TIMESTAMPDIFF(HOUR, made, NOW()) AS made, local, seen, r, joined, less, less_stored, hour
      ${flavour === 'mysql' ? ', day' : ''} FROM $ ORDER BY id`;
    const [shadow, native] = await both(application, select);
    expect(shadow).toEqual(native);
    expect(
      await application.run('SELECT CONCAT_WS(" ", local, exact, hour, joined, less) AS row_text FROM t ORDER BY id'),
    ).toEqual([
      { row_text: `2024-06-01 00:30:00 ${rounded} 0 x-1 -1` },
      { row_text: `2024-06-01 01:15:00 ${rounded} 1 x-2 -1` },
    ]);
    const type =
      "SELECT DATA_TYPE AS type FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND COLUMN_NAME = 'r'";
    expect(await application.run(type)).toEqual([{ type: 'float' }, { type: 'float' }]);
    if (flavour === 'mariadb') return;
    expect(await application.run('SELECT id FROM t FORCE INDEX (by_hour) WHERE hour = 1')).toEqual([{ id: 2 }]);
    const byExpression = 'SELECT id FROM t FORCE INDEX (by_minute) WHERE MINUTE(ts) + HOUR(ts) = 16';
    expect(await application.run(byExpression)).toEqual([{ id: 2 }]);
    expect(await application.run('CHECK TABLE t')).toMatchObject([{ Msg_text: 'OK' }]);
  });

  test('a change goes on in the zone and sql_mode that it was planned in', async () => {
    await using schema = await openTables(
      'id INT PRIMARY KEY, ts TIMESTAMP, exact DATETIME(3)',
      "VALUES (1, '2024-06-01 00:30:00', '2024-06-01 12:00:00.900')",
    );
    const { application, name } = schema;
    await using database = await openDatabase(server.url, { defaultsFile: null, password: null, home: null }, never);
    const options = { deferIndexes: 'never', key: null } as const;
    const clauses = 'ADD local DATETIME DEFAULT (ts), ADD rough DATETIME DEFAULT (exact)';
    const plan = await database.plan({ table: { schema: name, table: 't' }, clauses, options }, never);
    const [set] = await application.run('SELECT @@GLOBAL.sql_mode AS mode');
    await application.run("SET GLOBAL time_zone = '-11:00', GLOBAL sql_mode = ''");
    try {
      await using claim = await database.claim(plan, 'start', never);
      await claim.pair.createShadow(never);
      await claim.pair.copyRange({ after: null, through: null }, 'collide', never);
      await claim.checkpoints.conclude('aborted', null, never);
    } finally {
      await application.run(`SET GLOBAL time_zone = '+02:00', GLOBAL sql_mode = '${String(set?.['mode'])}'`);
    }
    expect(await application.run("SELECT CONCAT(local, ' ', rough) AS row_text FROM t_ts_new")).toEqual([
      { row_text: `2024-06-01 00:30:00 ${rounded}` },
    ]);
  });

  test('a native change gives the values that the server’s own ALTER gives', async () => {
    await using schema = await openTables('id INT PRIMARY KEY, ts TIMESTAMP NOT NULL', "VALUES (1, '2024-06-01 00:30:00')");
    const { application } = schema;
    const alter = `ADD seen TIMESTAMP NOT NULL DEFAULT '2024-01-01 00:00:00', ADD r REAL, ALTER COLUMN ts SET DEFAULT '2024-01-01 00:00:00'`;
    await change(schema, alter, { strategy: 'native' });
    const [ours, native] = await both(application, 'SELECT * FROM $');
    expect(ours).toEqual(native);
    const definition = async (table: string): Promise<string> =>
      String((await application.run(`SHOW CREATE TABLE ${table}`))[0]?.['Create Table']).replace(`\`${table}\``, '');
    expect(await definition('t')).toBe(await definition('n'));
    expect(await definition('t')).toContain("`ts` timestamp NOT NULL DEFAULT '2024-01-01 00:00:00'");
  });

  test('rows that go by a probe are equal in both zones', async () => {
    await using schema = await openTables(
      'id INT PRIMARY KEY, ts TIMESTAMP, f DOUBLE',
      "VALUES (1, '2024-06-01 00:30:00', 1.5)",
    );
    await change(schema, 'MODIFY f FLOAT, ADD local DATETIME DEFAULT (ts)', { strategy: 'shadow' });
    const [ours, native] = await both(schema.application, 'SELECT * FROM $');
    expect(ours).toEqual(native);
  });

  test('a TIMESTAMP key goes, unless values are computed that depend on the zone', async () => {
    await using schema = await openTables('ts TIMESTAMP PRIMARY KEY, v INT', "VALUES ('2024-06-01 00:30:00', 1)");
    await change(schema, "MODIFY v BIGINT, ADD w VARCHAR(20) DEFAULT (v || '')", { strategy: 'shadow' });
    const [ours, native] = await both(schema.application, 'SELECT * FROM $');
    expect(ours).toEqual(native);
    await expect(change(schema, 'MODIFY v INT, ADD local DATETIME DEFAULT (ts)', { strategy: 'shadow' })).rejects.toMatchObject(
      {
        obstacles: [
          {
            code: 'UNSUPPORTED_KEY',
            message: expect.stringContaining('the server’s time zone is another one, and this depends on it: datetime DEFAULT'),
          },
        ],
      },
    );
  });
});

test.each(['mysql', 'mariadb'] as const)('what is computed from a padded CHAR is refused on %s', async (flavour) => {
  await using server = await startServer({ flavour, extraFlags: ['--sql-mode=PAD_CHAR_TO_FULL_LENGTH'] });
  await using schema = await createSchema(server.url);
  await schema.application.run(`CREATE TABLE ${schema.name}.t (id INT PRIMARY KEY, c CHAR(5), v INT)`);
  const change = { url: server.url, table: `${schema.name}.t`, strategy: 'shadow' } as const;
  const refused = { obstacles: [{ code: 'LOSSY_CONVERSION', message: expect.stringContaining('PAD_CHAR_TO_FULL_LENGTH') }] };
  await expect(migrate({ ...change, alter: 'MODIFY c VARCHAR(9)' })).rejects.toMatchObject(refused);
  const computed = 'MODIFY v BIGINT, ADD length INT DEFAULT (CHAR_LENGTH(c))';
  await expect(migrate({ ...change, alter: computed })).rejects.toMatchObject(refused);
  expect(await migrate({ ...change, alter: 'MODIFY v BIGINT' })).toMatchObject({ strategy: 'shadow' });
});

test('an index over an expression compares as one that an application adds', async () => {
  const url = sharedServer('mysql');
  await using schema = await createSchema(url);
  const table = `${schema.name}.t`;
  await schema.application.run(`CREATE TABLE ${table} (id INT PRIMARY KEY, e VARCHAR(20))`);
  await schema.application.run(`INSERT INTO ${table} VALUES (1, 'abc')`);
  const alter = "ADD UNIQUE INDEX by_text ((CAST(CONCAT('a', e) AS CHAR(20))))";
  await migrate({ url, table, strategy: 'shadow', alter });
  expect(await errnoOf(schema.application, `INSERT INTO ${table} VALUES (2, 'ABC')`)).toBe(1062);
});

/** A zone whose clocks went back from 03:00 to 02:00 at 2024-10-27 01:00 in UTC. */
const zoneWithAnHourTwice = [
  "INSERT INTO mysql.time_zone (Use_leap_seconds) VALUES ('N')",
  'SET @zone = LAST_INSERT_ID()',
  "INSERT INTO mysql.time_zone_name (Name, Time_zone_id) VALUES ('Twice', @zone)",
  "INSERT INTO mysql.time_zone_transition_type (Time_zone_id, Transition_type_id, `Offset`, Is_DST, Abbreviation) VALUES (@zone, 0, 7200, 1, 'S'), (@zone, 1, 3600, 0, 'W')",
  `INSERT INTO mysql.time_zone_transition (Time_zone_id, Transition_time, Transition_type_id)
     VALUES (@zone, 1711846800, 0), (@zone, 1729990800, 1)`,
  "SET GLOBAL time_zone = 'Twice'",
];

test.each(['mysql', 'mariadb'] as const)('an hour that the zone of a %s server has twice stays two hours', async (flavour) => {
  await using server = await startServer({ flavour });
  await using schema = await createSchema(server.url);
  const { application, name } = schema;
  for (const statement of [`USE ${name}`, ...zoneWithAnHourTwice]) await application.run(statement);
  await application.run("SET time_zone = '+00:00'");
  const change = (table: string, alter: string): Promise<unknown> =>
    migrate({ url: server.url, table: `${name}.${table}`, strategy: 'shadow', alter: `ADD w INT DEFAULT (v + 1), ${alter}` });
  const moments = async (table: string): Promise<readonly number[]> =>
    (await application.run(`SELECT UNIX_TIMESTAMP(ts) AS moment FROM ${table} ORDER BY 1`)).map(({ moment }) => Number(moment));
  const inBoth = [1729989000, 1729992600];
  for (const [table, key, alter] of [
    ['longer', 'v', 'MODIFY ts TIMESTAMP(3) NULL'],
    ['identity', 'ts', 'ADD c INT'],
  ] as const) {
    await application.run(
      `CREATE TABLE ${table} (v INT NOT NULL, ts TIMESTAMP ${key === 'v' ? '' : 'NOT'} NULL, PRIMARY KEY (${key}))`,
    );
    await application.run(`INSERT INTO ${table} VALUES (1, '2024-10-27 00:30:00'), (2, '2024-10-27 01:30:00')`);
    await change(table, alter);
    expect(await moments(table)).toEqual(inBoth);
  }
  await application.run('CREATE TABLE refused (v INT PRIMARY KEY, ts TIMESTAMP NULL)');
  await expect(change('refused', 'MODIFY ts TIMESTAMP(3) NULL, ADD local DATETIME DEFAULT (ts)')).rejects.toMatchObject({
    obstacles: [{ code: 'LOSSY_CONVERSION', message: expect.stringContaining('gets other digits, so rows are put in in UTC') }],
  });
});
