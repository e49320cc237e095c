/** Tables that foreign keys join, swapped together on MySQL and MariaDB: all or none, and no key is without effect meanwhile. */
import { expect, test } from 'vitest';
import type { Plan } from '../../src/engine/model.ts';
import type { CutoverOutcome, Database, FamilyClaim, RowWriter } from '../../src/engine/ports.ts';
import { cleanUp, migrateFamily, planFamily } from '../../src/index.ts';
import { openDatabase } from '../../src/mysql/database.ts';
import { createSchema, errnoOf, never, openApplication, type Application } from '../support/adapter-server.ts';
import { killedClient } from '../support/killed-client.ts';
import { sharedServer } from '../support/shared-servers.ts';
import { describeSideBySide } from '../support/side-by-side.ts';
import { startProxy } from '../support/tcp-proxy.ts';

/** Transactions of tests beside these, on the same server, are no matter. */
const limits = { lockTimeoutMs: 3_000, holdTimeoutMs: 10_000, oldSnapshots: 'ignore' } as const;
const login = { defaultsFile: null, password: null, home: null };
const everything = { after: null, through: null };

/** Children come before their parents in the order of names, and after them. */
const changes = {
  orders: 'MODIFY id BIGINT NOT NULL AUTO_INCREMENT, MODIFY customer_id BIGINT',
  customers: 'CHANGE id customer_no BIGINT NOT NULL AUTO_INCREMENT, MODIFY referrer_id BIGINT',
  items: 'MODIFY id BIGINT NOT NULL AUTO_INCREMENT, CHANGE order_id order_no BIGINT NOT NULL',
};
const tables = Object.keys(changes);

describeSideBySide(['mysql', 'mariadb'], 'a family on', (flavour) => {
  const url = sharedServer(flavour);
  // Where the server does not log what cascades do, they are an obstacle.
  const actions =
    flavour === 'mysql' ? { cascade: 'ON DELETE CASCADE', setNull: 'ON DELETE SET NULL' } : { cascade: '', setNull: '' };

  test('is after its swap what the server’s own ALTERs make of it, with what waited for it in the new tables', async () => {
    await using shop = await openShop(url, actions);
    await using twin = await openShop(url, actions);
    await using database = await openDatabase(url, login, never);
    const plans = await planShop(database, shop);
    expect(await familiesOf(database).findObstacles(plans, never)).toEqual([]);
    expect(plans.map(({ family }) => family?.members.map(({ source }) => source.table))).toEqual([tables, tables, tables]);
    // Each key once, with the columns that it will have.
    const keys = plans.flatMap(({ foreignKeys = [] }) =>
      foreignKeys.map(({ name, after }) => [name, ...after.columns, ...after.parentColumns]),
    );
    expect(keys).toEqual([
      ['orders_ibfk_1', 'customer_id', 'customer_no'],
      ['sent to', 'country_id', 'id'],
      ['paid', 'code', 'code'],
      ['referred', 'referrer_id', 'customer_no'],
      ['items_ibfk_1', 'order_no', 'id'],
    ]);
    await using claim = await familiesOf(database).claim(plans, 'start', never);
    await copy(claim);

    await using writers = await openWriters(url, shop);
    // The first waits for what the last does: none is drained after another.
    let pass = (): void => undefined;
    const hasPassed = new Promise<void>((resolve) => (pass = resolve));
    const work = [() => hasPassed, () => writers.start(), async () => pass()];
    expect(await attempt(claim, async (place) => await work[place]?.())).toMatchObject({ kind: 'swapped' });
    await writers.finish();
    expect(
      await shop.rows(
        "SELECT 'customer', COUNT(*) FROM customers UNION ALL SELECT 'order', COUNT(*) FROM orders UNION ALL SELECT 'item', COUNT(*) FROM items",
      ),
    ).toEqual([
      ['customer', 4],
      ['order', 4],
      ['item', 3],
    ]);
    expect(await Promise.all(claim.members.map(({ cutover }) => cutover.hasSwapped(never)))).toEqual([true, true, true]);
    await shop.expectGuarded();
    for (const { cutover } of claim.members.toReversed()) await cutover.settle(() => undefined, never);
    expect(await Promise.all(claim.members.map(({ cutover }) => cutover.unsettled(never)))).toEqual([[], [], []]);
    await shop.expectGuarded();
    await writers.repeatOn(twin);
    await alterNatively(twin);
    expect(await shop.look()).toEqual(await twin.look());
  });

  // Where the process may be killed, before the server gets the statement or right after: with one guard, around the swap, with
  // the first thing of what the swap has left, and where only names are left. On MariaDB also where the sources pass from one session to another.
  const places: readonly (readonly [RegExp, 'cut-before' | 'cut-after'])[] = [
    [/ADD CONSTRAINT/, 'cut-after'],
    [/RENAME TABLE/, 'cut-before'],
    [/RENAME TABLE/, 'cut-after'],
    [/DROP FOREIGN KEY/, 'cut-after'],
    [/DROP FOREIGN KEY `_ts_fk/, 'cut-before'],
    ...(flavour === 'mysql'
      ? []
      : ([
          [/FLUSH TABLES/, 'cut-after'],
          [/SHOW COLUMNS/, 'cut-before'],
          [/DROP TABLE `\w+`\.`\w+_ts_old_/, 'cut-before'],
          [/DROP TABLE `\w+`\.`\w+_ts_old_/, 'cut-after'],
        ] as const)),
  ];

  test.each(places)(
    'has swapped as a whole or not at all when all breaks at %s (%s), and a resume finishes it',
    async (statement, fate) => {
      await using shop = await openShop(url, actions);
      await using twin = await openShop(url, actions);
      const client = killedClient(statement, fate);
      await using proxy = await startProxy(`${url}?ssl-mode=DISABLED`, client.judge);
      const isKilled = client.killed.then(() => client.disarm());
      const plans = await breakSwap(proxy.url, shop, () => client.arm());
      await isKilled;
      await shop.expectGuarded();

      await using database = await openDatabase(url, login, never);
      await using claim = await familiesOf(database).claim(plans, 'resume', never);
      const swapped = await Promise.all(claim.members.map(({ cutover }) => cutover.hasSwapped(never)));
      expect(new Set(swapped).size).toBe(1);
      const hasSwapped = swapped.includes(true);
      expect(hasSwapped || (await shop.look())).toEqual(hasSwapped || (await twin.look()));
      if (!hasSwapped) {
        await copy(claim);
        await swap(claim);
      }
      const told: string[] = [];
      const left: string[] = [];
      for (const { cutover } of claim.members) left.push(...(await cutover.unsettled(never)));
      for (const { cutover } of claim.members) await cutover.settle((what) => told.push(what), never);
      expect(told).toEqual(left);
      await alterNatively(twin);
      expect(await shop.look()).toEqual(await twin.look());
      await shop.expectGuarded();
    },
  );

  test('is refused where only one end of a key is widened, and where a table is named twice', async () => {
    await using shop = await openShop(url, actions);
    const messagesOf = async (...chosen: readonly (readonly [string, string])[]): Promise<string> => {
      const asked = chosen.map(([table, alter]) => ({ table: `${shop.name}.${table}`, alter }));
      const { obstacles } = await planFamily({ url, changes: asked });
      return obstacles.map(({ code, message }) => `${code} ${message}`).join('\n');
    };
    expect(await messagesOf(['orders', changes.orders], ['items', 'FORCE'])).toMatch(
      /^FOREIGN_KEYS .*by the foreign key|^FOREIGN_KEYS .*orders_ibfk_1 .*customer_id would be bigint.* instead of int.*\nFOREIGN_KEYS .*items_ibfk_1 .*order_id would be int.*, and id bigint/m,
    );
    await expect(messagesOf(['orders', changes.orders], ['orders', 'FORCE'])).rejects.toMatchObject({ code: 'BAD_USAGE' });
  });

  test('is given up as a whole, with the guards of an attempt that died', async () => {
    await using shop = await openShop(url, actions);
    await using twin = await openShop(url, actions);
    const client = killedClient(/ADD CONSTRAINT/, 'cut-after');
    await using proxy = await startProxy(`${url}?ssl-mode=DISABLED`, client.judge);
    const isKilled = client.killed.then(() => client.disarm());
    const plans = await breakSwap(proxy.url, shop, () => client.arm());
    await isKilled;
    const { ended } = await cleanUp({ url, id: plans[1]?.id ?? '' });
    expect(ended.toSorted()).toEqual(plans.map(({ id }) => id).toSorted());
    expect(await shop.look()).toEqual(await twin.look());
    expect(await shop.rows("SHOW TABLES LIKE '%\\_ts\\_%'")).toEqual([]);
  });

  test('loses no row and lets no orphan pass under traffic on parents and children', async () => {
    await using shop = await openShop(url, actions);
    const traffic = startTraffic(url, shop.name);
    await migrateFamily({
      url,
      changes: tables.map((table) => ({ table: `${shop.name}.${table}`, alter: changes[table as keyof typeof changes] })),
    });
    const { errors, kept } = await traffic.stop();
    expect([...errors].filter((errno) => ![1213, 1452].includes(errno))).toEqual([]);
    expect(
      await shop.rows('SELECT id FROM items LEFT JOIN (SELECT id AS one FROM orders) o ON one = order_no WHERE one IS NULL'),
    ).toEqual([]);
    expect(
      await shop.rows(
        'SELECT id FROM orders LEFT JOIN customers ON customer_no = customer_id WHERE customer_id > 0 AND customer_no IS NULL',
      ),
    ).toEqual([]);
    expect(
      await shop.rows(
        'SELECT customer_no, orders.id AS ordered, items.id AS item FROM customers JOIN orders ON customer_id = customer_no JOIN items ON order_no = orders.id WHERE customer_no > 999999 ORDER BY 1',
      ),
    ).toEqual(kept.toSorted((one, other) => one - other).map((id) => [id, id, id]));
    await shop.expectGuarded();
  });
});

test('a family on mariadb is not swapped while somebody has its first shadow and waits for its next table', async () => {
  const url = sharedServer('mariadb');
  await using shop = await openShop(url, { cascade: '', setNull: '' });
  await using database = await openDatabase(url, login, never);
  const plans = await planShop(database, shop);
  await using claim = await familiesOf(database).claim(plans, 'start', never);
  await copy(claim);
  await using reader = await openApplication(url);
  await reader.run(`USE ${shop.name}`);
  await reader.run('BEGIN');
  // Of customers, the first of the sources: the RENAME wants it before it wants items.
  const shadow = plans.find(({ source }) => source.table === 'customers')?.shadow.table ?? '';
  const steps = [`SELECT * FROM ${shadow}`, 'INSERT INTO items VALUES (NULL, 2)', 'COMMIT'];
  const isWaiting = `SELECT ID FROM information_schema.PROCESSLIST WHERE ID = ${reader.connectionId} AND STATE LIKE 'Waiting for table%'`;
  let reading: Promise<unknown> = Promise.resolve();
  const outcome = await attempt(claim, async (place) => {
    if (place !== 0) return;
    reading = Promise.all(steps.map((sql) => reader.run(sql)));
    while ((await shop.rows(isWaiting)).length === 0);
  });
  await reading;
  expect(outcome).toMatchObject({ kind: 'prevented', reason: expect.stringContaining('was not shown to wait for') });
  expect(await Promise.all(claim.members.map(({ cutover }) => cutover.hasSwapped(never)))).toEqual([false, false, false]);
  expect(await shop.rows('SELECT id FROM items ORDER BY id DESC LIMIT 1')).toEqual([[3]]);
  await shop.expectGuarded();
});

test('a family on mariadb needs a login that may lock tables for reading; without, it says what to grant and changes nothing', async () => {
  const url = sharedServer('mariadb');
  await using shop = await openShop(url, { cascade: '', setNull: '' });
  await using twin = await openShop(url, { cascade: '', setNull: '' });
  const user = `'${shop.name}'@'%'`;
  await shop.run(`CREATE USER ${user}`);
  // The last two for the triggers.
  await shop.run(`GRANT REPLICATION SLAVE, REPLICATION CLIENT, PROCESS, SET USER, SUPER ON *.* TO ${user}`);
  await shop.run(`GRANT ALL ON ${shop.name}.* TO ${user}`);
  await shop.run(`GRANT ALL ON tableshift.* TO ${user}`);
  const asked = Object.entries(changes).map(([table, alter]) => ({ table: `${shop.name}.${table}`, alter }));
  const limited = { url: url.replace('root@', `${shop.name}@`), changes: asked };
  const grant = `GRANT RELOAD ON *.* TO ${user}`;
  await expect(migrateFamily(limited)).rejects.toMatchObject({
    obstacles: [{ code: 'MISSING_PRIVILEGE', message: `The user lacks RELOAD on *.*: ${grant};` }],
  });
  expect(await shop.look()).toEqual(await twin.look());
  expect(await shop.rows("SHOW TABLES LIKE '%\\_ts\\_%'")).toEqual([]);
  await shop.run(grant);
  expect(await migrateFamily(limited)).toHaveLength(3);
  await shop.expectGuarded();
  await shop.run(`DROP USER ${user}`);
});

/** Tables that are changed together, with a parent and a child that are not; a view over all three, and triggers. */
interface Shop extends AsyncDisposable {
  readonly name: string;
  run(sql: string): Promise<Record<string, unknown>[]>;
  rows(sql: string): Promise<unknown[][]>;
  /** SHOW CREATE of all tables but the retired, of the view and the triggers, without the name of the schema. */
  look(): Promise<readonly string[]>;
  /** Tries what no state may allow. */
  expectGuarded(): Promise<void>;
}

async function openShop(
  url: string,
  { cascade, setNull }: { readonly cascade: string; readonly setNull: string },
): Promise<Shop> {
  const schema = await createSchema(url);
  const run = (sql: string): Promise<Record<string, unknown>[]> => schema.application.run(sql);
  await run(`USE ${schema.name}`);
  await run('CREATE TABLE countries (id INT PRIMARY KEY)');
  await run(`CREATE TABLE customers (id INT PRIMARY KEY AUTO_INCREMENT, referrer_id INT, KEY by_referrer (referrer_id),
    CONSTRAINT referred FOREIGN KEY (referrer_id) REFERENCES customers (id) ${setNull})`);
  await run(`CREATE TABLE orders (id INT PRIMARY KEY AUTO_INCREMENT, customer_id INT, country_id INT NOT NULL DEFAULT 1, code VARCHAR(20) UNIQUE,
    KEY by_customer (customer_id), KEY by_country (country_id),
    FOREIGN KEY (customer_id) REFERENCES customers (id) ${setNull},
    CONSTRAINT \`sent to\` FOREIGN KEY (country_id) REFERENCES countries (id))`);
  await run(`CREATE TABLE items (id INT PRIMARY KEY AUTO_INCREMENT, order_id INT NOT NULL, KEY by_order (order_id),
    FOREIGN KEY (order_id) REFERENCES orders (id) ${cascade})`);
  await run(
    'CREATE TABLE payments (id INT PRIMARY KEY, code VARCHAR(20), CONSTRAINT paid FOREIGN KEY (code) REFERENCES orders (code))',
  );
  await run('CREATE TABLE counts (item_id BIGINT)');
  await run('CREATE TRIGGER counted AFTER INSERT ON items FOR EACH ROW INSERT INTO counts VALUES (NEW.id)');
  await run('CREATE TRIGGER spelled BEFORE INSERT ON orders FOR EACH ROW SET NEW.code = LOWER(NEW.code)');
  await run('CREATE VIEW bills AS SELECT orders.id, orders.code, items.id AS item FROM orders JOIN items JOIN customers');
  await run('INSERT INTO countries VALUES (1)');
  await run('INSERT INTO customers VALUES (1, NULL), (2, 1), (3, 2)');
  await run("INSERT INTO orders VALUES (1, 1, 1, 'a'), (2, 2, 1, 'b'), (3, NULL, 1, NULL)");
  await run('INSERT INTO items VALUES (1, 1), (2, 2)');
  await run("INSERT INTO payments VALUES (1, 'a')");
  return {
    name: schema.name,
    run,
    rows: async (sql) => (await run(sql)).map((row) => Object.values(row)),
    async look() {
      const shown = [
        ...['countries', 'customers', 'orders', 'items', 'payments'].map((table) => `SHOW CREATE TABLE ${table}`),
        'SHOW CREATE VIEW bills',
        ...['counted', 'spelled'].map((trigger) => `SHOW CREATE TRIGGER ${trigger}`),
        `SELECT TRIGGER_NAME, EVENT_OBJECT_TABLE FROM information_schema.TRIGGERS
         WHERE TRIGGER_SCHEMA = DATABASE() AND EVENT_OBJECT_TABLE IN ('orders', 'items') ORDER BY TRIGGER_NAME`,
      ];
      const rows: Record<string, unknown>[][] = [];
      for (const sql of shown) rows.push(await run(sql));
      return rows.map((row) =>
        JSON.stringify(row, (name, value: unknown) => (name === 'Created' ? null : value)).replaceAll(schema.name, 'here'),
      );
    },
    async expectGuarded() {
      // Children of what does not exist, and parents of what does.
      expect(await errnoOf(schema.application, 'INSERT INTO items VALUES (-1, 999)')).toBe(1452);
      expect(await errnoOf(schema.application, 'INSERT INTO orders (id, customer_id) VALUES (-1, 999)')).toBe(1452);
      expect(await errnoOf(schema.application, 'INSERT INTO orders (id, country_id) VALUES (-1, 999)')).toBe(1452);
      expect(await errnoOf(schema.application, 'UPDATE customers SET referrer_id = 999 LIMIT 1')).toBe(1452);
      expect(await errnoOf(schema.application, "INSERT INTO payments VALUES (2, 'z')")).toBe(1452);
      expect(await errnoOf(schema.application, "DELETE FROM orders WHERE code = 'a'")).toBe(1451);
      expect(await errnoOf(schema.application, 'DELETE FROM countries')).toBe(1451);
    },
    [Symbol.asyncDispose]: () => schema[Symbol.asyncDispose](),
  };
}

/** As an operator would without any tool: the server changes no column that a key joins. */
async function alterNatively(twin: Shop): Promise<void> {
  const keys = await Promise.all(
    ['items', 'orders', 'customers'].map(async (table) => {
      const [shown] = await twin.run(`SHOW CREATE TABLE ${table}`);
      const all = String(shown?.['Create Table']).match(/CONSTRAINT .*REFERENCES `(customers|orders)`.*[^,\n]/g) ?? [];
      return { table, all };
    }),
  );
  for (const { table, all } of keys) {
    for (const key of all) await twin.run(`ALTER TABLE ${table} DROP FOREIGN KEY ${/`\w+`/.exec(key)?.[0] ?? ''}`);
  }
  for (const [table, clauses] of Object.entries(changes)) await twin.run(`ALTER TABLE ${table} ${clauses}`);
  for (const { table, all } of keys) {
    for (const key of all) {
      const renamed = key.replace('`order_id`', '`order_no`').replace('`customers` (`id`)', '`customers` (`customer_no`)');
      await twin.run(`ALTER TABLE ${table} ADD ${renamed}`);
    }
  }
}

/** Of the adapter under test. */
function familiesOf({ families }: Database): NonNullable<Database['families']> {
  if (families === undefined) throw new Error('This adapter swaps tables one by one only.');
  return families;
}

function planShop(database: Database, shop: Shop): Promise<readonly Plan[]> {
  const options = { deferIndexes: 'never', key: null } as const;
  const requests = Object.entries(changes).map(([table, clauses]) => ({
    table: { schema: shop.name, table },
    clauses,
    options,
  }));
  return familiesOf(database).plan(requests, never);
}

async function copy({ members }: FamilyClaim): Promise<void> {
  for (const { pair } of members) {
    await pair.createShadow(never);
    await pair.copyRange(everything, 'collide', never);
  }
}

/** `drain` gets the place of the member in the family. */
function attempt(claim: FamilyClaim, drain: (place: number) => Promise<void>): Promise<CutoverOutcome> {
  const drains = claim.members.map((_, place) => (_locked: RowWriter) => drain(place));
  return claim.attempt(limits, drains, never);
}

async function swap(claim: FamilyClaim): Promise<void> {
  while ((await attempt(claim, async () => {})).kind !== 'swapped');
}

/** Up to the place where all connections break. */
async function breakSwap(url: string, shop: Shop, arm: () => void): Promise<readonly Plan[]> {
  await using database = await openDatabase(url, login, never);
  const plans = await planShop(database, shop);
  await using claim = await familiesOf(database).claim(plans, 'start', never);
  await copy(claim);
  arm();
  await swap(claim)
    .then(async () => {
      for (const { cutover } of claim.members) await cutover.settle(() => undefined, never);
    })
    .catch(() => undefined);
  return plans;
}

interface Writers extends AsyncDisposable {
  /** One writer a table; resolves when all of them wait. */
  start(): Promise<void>;
  /** Resolves when all have written. */
  finish(): Promise<unknown>;
  repeatOn(shop: Shop): Promise<void>;
}

async function openWriters(url: string, shop: Shop): Promise<Writers> {
  const statements = [
    'INSERT INTO customers VALUES (NULL, 1)',
    "INSERT INTO orders VALUES (NULL, 1, 1, 'D')",
    'INSERT INTO items VALUES (NULL, 2)',
  ];
  const applications: Application[] = [];
  for (const _ of statements) {
    const application = await openApplication(url);
    await application.run(`USE ${shop.name}`);
    applications.push(application);
  }
  let work: Promise<unknown> = Promise.reject(new Error('No writer was started.'));
  work.catch(() => undefined);
  const ids = applications.map(({ connectionId }) => connectionId).join(', ');
  return {
    async start() {
      work = Promise.all(applications.map((application, place) => application.run(statements[place] ?? '')));
      work.catch(() => undefined);
      const waiting = `SELECT ID FROM information_schema.PROCESSLIST WHERE ID IN (${ids}) AND STATE LIKE 'Waiting for table metadata lock'`;
      while ((await shop.rows(waiting)).length < applications.length);
    },
    finish: () => work,
    async repeatOn(other) {
      for (const statement of statements) await other.run(statement);
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(applications.map((application) => application[Symbol.asyncDispose]()));
    },
  };
}

interface Traffic {
  /** The numbers of the errors that applications saw, and of the customers that have one order with one item. */
  stop(): Promise<{ readonly errors: ReadonlySet<number>; readonly kept: readonly number[] }>;
}

/** Customers with an order and an item come, and of every second these go again; each in one transaction, parents first and children first. */
function startTraffic(url: string, schema: string): Traffic {
  const errors = new Set<number>();
  const kept: number[] = [];
  const state = { isStopping: false };
  const work = [1, 2, 3].map(async (writer) => {
    await using application = await openApplication(url);
    await application.run(`USE ${schema}`);
    const inTransaction = async (...statements: readonly string[]): Promise<boolean> => {
      try {
        for (const statement of ['BEGIN', ...statements, 'COMMIT']) await application.run(statement);
        return true;
      } catch (error) {
        errors.add((error as { readonly errno: number }).errno);
        await application.run('ROLLBACK');
        return false;
      }
    };
    for (let turn = 1; !state.isStopping; turn += 1) {
      const id = writer * 1_000_000 + turn;
      const isThere = await inTransaction(
        `INSERT INTO customers VALUES (${id}, 1)`,
        `INSERT INTO orders VALUES (${id}, ${id}, 1, '${id}')`,
        `INSERT INTO items VALUES (${id}, ${id})`,
      );
      if (!isThere) continue;
      const isGone =
        turn % 2 === 0 && (await inTransaction(`DELETE FROM items WHERE id = ${id}`, `DELETE FROM orders WHERE id = ${id}`));
      if (!isGone) kept.push(id);
    }
  });
  return {
    async stop() {
      state.isStopping = true;
      await Promise.all(work);
      return { errors, kept };
    },
  };
}
