/** Foreign keys of the table and to it on MySQL and MariaDB: carried over by the swap, and never without effect. */
import { expect, test } from 'vitest';
import type { Plan } from '../../src/engine/model.ts';
import type { Database, TableClaim } from '../../src/engine/ports.ts';
import { migrate, planMigration } from '../../src/index.ts';
import { openDatabase } from '../../src/mysql/database.ts';
import { quoteTable } from '../../src/mysql/statements.ts';
import { createSchema, errnoOf, never, openApplication, type Application } from '../support/adapter-server.ts';
import { swapTables } from '../support/claimed-table.ts';
import { type KilledClient, killedClient } from '../support/killed-client.ts';
import { sharedServer } from '../support/shared-servers.ts';
import { describeSideBySide } from '../support/side-by-side.ts';
import { startProxy, type Wire } from '../support/tcp-proxy.ts';

/** Transactions of tests beside these, on the same server, are no matter. */
const limits = { lockTimeoutMs: 3_000, holdTimeoutMs: 10_000, oldSnapshots: 'ignore' } as const;
const login = { defaultsFile: null, password: null, home: null };
const everything = { after: null, through: null };
const clauses = 'ADD note INT FIRST, CHANGE customer_id client_id INT NOT NULL DEFAULT 1';

describeSideBySide(['mysql', 'mariadb'], 'foreign keys on', (flavour) => {
  const url = sharedServer(flavour);

  test('are after a migration what the server’s own ALTER makes of them, in other schemas too, and the plan tells of them', async () => {
    await using shop = await openShop(url);
    await using twin = await openShop(url);
    const prefix = flavour === 'mysql' ? 'INNODB' : 'INNODB_SYS';
    const indexesOf = (table: string): string =>
      `SELECT i.NAME, INDEX_ID FROM information_schema.${prefix}_INDEXES i JOIN information_schema.${prefix}_TABLES t
       USING (TABLE_ID) WHERE t.NAME = '${shop.name}/${table}' ORDER BY i.NAME`;
    const lockers = new Map<Wire, string>();
    await using proxy = await startProxy(`${url}?ssl-mode=DISABLED`, (sent, wire) => {
      lockers.set(wire, `${lockers.get(wire) ?? ''}${sent}`);
      return 'pass';
    });
    const change = { url: proxy.url, table: `${shop.name}.orders`, alter: clauses, strategy: 'shadow' as const };
    const { plan, obstacles } = await planMigration(change);
    const indexes = await shop.run(indexesOf('items'));
    expect(obstacles).toEqual([]);
    expect(plan?.notes.filter((note) => /foreign key/i.test(note))).toEqual([
      `Its foreign keys (above\`it's, by_customer, orders_ibfk_1) are given to the new table at the swap, without a look at the rows; what they refer to is locked for that moment too: ${shop.name}.customers.`,
      expect.stringContaining(
        `The foreign keys of ${[`${shop.name}.items`, `${shop.elsewhere}.payments`].toSorted().join(', ')} are pointed to the new table`,
      ),
      expect.stringContaining('error 1213'),
    ]);
    let retired = '';
    await migrate({ ...change, onStart: (started) => (retired = quoteTable(started.retired)) });
    // Should the process freeze, the server soon ends whoever has locked tables.
    const locking = [...lockers.values()].filter((sent) => /(?<!UN)LOCK TABLES/.test(sent));
    expect(locking.filter((sent) => !/, wait_timeout = \d{1,2},/.test(sent))).toEqual([]);
    await twin.run(`ALTER TABLE orders ${clauses}`);
    expect(await shop.look()).toEqual(await twin.look());
    await shop.expectGuarded();
    // Other ids would mean that the server has built them again, while all waited.
    expect(await shop.run(indexesOf('items'))).toEqual(indexes);
    expect(JSON.stringify(await shop.run(`SHOW CREATE TABLE ${retired}`))).not.toContain('FOREIGN KEY');
  });

  // Where the process may be killed: at the first statement that looks like this, before the server gets it or right after. That
  // is with one guard; with all of them; swapped, and nothing of it settled; and with one child that is let go of the retired table.
  const places = [
    { statement: /ADD CONSTRAINT/, fate: 'cut-after' },
    { statement: /RENAME TABLE/, fate: 'cut-before' },
    { statement: /RENAME TABLE/, fate: 'cut-after' },
    { statement: /DROP FOREIGN KEY/, fate: 'cut-after' },
  ] as const;

  test.each(places)(
    'let no violation pass when all breaks at $statement ($fate), and a resume puts them right',
    async (place) => {
      await using shop = await openShop(url);
      await using twin = await openShop(url);
      const client = killedClient(place.statement, place.fate);
      await using proxy = await startProxy(`${url}?ssl-mode=DISABLED`, client.judge);
      const plan = await breakMigration(proxy.url, shop.name, client);
      await shop.expectGuarded();

      await using database = await openDatabase(url, login, never);
      await using claim = await database.claim(plan, 'resume', never);
      const hasSwapped = await claim.cutover.hasSwapped(never);
      expect(hasSwapped || (await shop.look())).toEqual(hasSwapped || (await twin.look()));
      if (!hasSwapped) await copyAndSwap(claim);
      const left = await claim.cutover.unsettled(never);
      expect(await leftOf(database, plan)).toEqual(left);
      const settled: string[] = [];
      await claim.cutover.settle((what) => settled.push(what), never);
      expect(settled).toEqual(left);
      expect(await claim.cutover.unsettled(never)).toEqual([]);
      await twin.run(`ALTER TABLE orders ${clauses}`);
      expect(await shop.look()).toEqual(await twin.look());
    },
  );

  test('are as they were when a child cannot be pointed to the new table, and when they are not those of the plan', async () => {
    await using shop = await openShop(url);
    await using database = await openDatabase(url, login, never);
    await using claim = await claimShop(database, shop.name);
    // What the key of items to the shadow is to be called; a schema has each name once.
    const { foreignKeys = [], id } = claim.plan;
    const taken = `_ts_fk_${id.slice(-8)}_${foreignKeys.findIndex(({ name }) => name === 'item`order') + 1}`;
    await shop.run(`CREATE TABLE other (id INT PRIMARY KEY, CONSTRAINT ${taken} FOREIGN KEY (id) REFERENCES customers (id))`);
    const before = await shop.look();
    await expect(claim.cutover.attempt(limits, async () => {}, never)).rejects.toThrow(/foreign key|duplicate key/i);
    expect(await shop.look()).toEqual(before);
    await shop.run('UPDATE orders SET payer_id = 2 WHERE id = 1');

    await shop.run('ALTER TABLE items DROP FOREIGN KEY `item``order`');
    await expect(claim.cutover.attempt(limits, async () => {}, never)).rejects.toMatchObject({
      code: 'SOURCE_CHANGED',
      message: expect.stringContaining(`item\`order of ${shop.name}.items to ${shop.name}.orders is gone`),
    });
  });

  test('hold under traffic on parent and children, which sees no error but those that are documented', async () => {
    await using shop = await openShop(url);
    const traffic = startTraffic(url, shop.name);
    await migrate({ url, table: `${shop.name}.orders`, alter: clauses, strategy: 'shadow' });
    const errors = await traffic.stop();
    expect([...errors].filter((errno) => ![1213, 1452].includes(errno))).toEqual([]);
    expect(
      await shop.run('SELECT items.id FROM items LEFT JOIN orders ON orders.id = order_id WHERE orders.id IS NULL'),
    ).toEqual([]);
    await shop.expectGuarded();
  });

  test('stand in the way of what they do not go with, which the plan says', async () => {
    await using shop = await openShop(url);
    const messagesOf = async (alter: string): Promise<string> => {
      const { obstacles } = await planMigration({ url, table: `${shop.name}.orders`, alter, strategy: 'shadow' });
      return obstacles.map(({ code, message }) => `${code} ${message}`).join('\n');
    };
    expect(await messagesOf('MODIFY id BIGINT NOT NULL')).toMatch(
      /^FOREIGN_KEYS .*item`order of .*id would be bigint.* instead of int/m,
    );
    expect(await messagesOf('MODIFY customer_id BIGINT')).toMatch(
      /^FOREIGN_KEYS .*by_customer of .*customer_id would be bigint/m,
    );
    expect(await messagesOf('DROP COLUMN payer_id')).toMatch(/^FOREIGN_KEYS .*needs the column payer_id, which would be gone/m);
    expect(await messagesOf('DROP INDEX code')).toMatch(/^FOREIGN_KEYS .*no index would begin with code any more/m);
    expect(await messagesOf('MODIFY code VARCHAR(20) CHARACTER SET utf16 NOT NULL')).toMatch(
      /^FOREIGN_KEYS .*items_ibfk_1 .*code would be varchar\(20\) utf16/m,
    );
  });

  test('are in the way on MariaDB where a table that has them has a unique index over long text, beside which they stay as they are', async () => {
    await using shop = await openShop(url);
    const obstaclesOf = async (alter: string): Promise<readonly string[]> => {
      const { obstacles } = await planMigration({ url, table: `${shop.name}.orders`, alter, strategy: 'shadow' });
      return obstacles.map(({ code, message }) => `${code} ${message.replace(`${shop.name}.`, '')}`);
    };
    const remark = `ADD remark TEXT, ADD UNIQUE KEY once (remark${flavour === 'mysql' ? '(99)' : ''})`;
    const obstacleOf = (child: string): readonly string[] =>
      flavour === 'mysql'
        ? []
        : [
            `FOREIGN_KEYS The foreign keys of ${child} could be changed only by copying it under a lock, as it has a unique index over long values: once.`,
          ];
    expect(await obstaclesOf(remark)).toEqual(obstacleOf('orders'));
    await shop.run(`ALTER TABLE items ${remark}`);
    expect(await obstaclesOf('ADD note INT')).toEqual(obstacleOf('items'));
  });

  test('that cascade into the table are in the log, or an obstacle where they are not', async () => {
    await using shop = await openShop(url);
    await shop.run("ALTER TABLE orders DROP FOREIGN KEY by_customer, DROP FOREIGN KEY `above``it's`");
    await shop.run(
      'ALTER TABLE orders ADD CONSTRAINT by_customer FOREIGN KEY (customer_id) REFERENCES customers (id) ON DELETE CASCADE',
    );
    const { obstacles } = await planMigration({ url, table: `${shop.name}.orders`, alter: clauses, strategy: 'shadow' });
    expect(obstacles.map(({ code }) => code)).toEqual(flavour === 'mysql' ? [] : ['UNLOGGED_CASCADES']);

    await using database = await openDatabase(url, login, never);
    await using claim = await claimShop(database, shop.name);
    await using stream = await claim.openChangeStream(null, never);
    await shop.run('DELETE FROM customers WHERE id = 3');
    expect(await shop.run('SELECT id FROM orders WHERE id = 3')).toEqual([]);
    const fence = await stream.placeFence(never);
    const changes: string[] = [];
    for await (const batch of stream.batches(never)) {
      changes.push(...batch.changes.map(({ kind, key }) => `${kind} ${key}`));
      if (batch.fence !== null && batch.fence >= fence) break;
    }
    expect(changes).toEqual(flavour === 'mysql' ? ['delete 3'] : []);
  });

  test('keep two migrations of tables that they join apart', async () => {
    await using shop = await openShop(url);
    await using database = await openDatabase(url, login, never);
    await using claim = await claimShop(database, shop.name);
    const { obstacles } = await planMigration({ url, table: `${shop.name}.items`, alter: 'FORCE', strategy: 'shadow' });
    expect(obstacles).toContainEqual({
      code: 'MIGRATION_OPEN',
      message: expect.stringContaining(`Migration ${claim.plan.id} of ${shop.name}.orders, which a foreign key`),
      migration: claim.plan.id,
    });
  });
});

/** A table with a parent, itself and two children, one of them in another schema; with triggers, views on views and grants. */
interface Shop extends AsyncDisposable {
  readonly name: string;
  readonly elsewhere: string;
  run(sql: string): Promise<Record<string, unknown>[]>;
  /** SHOW CREATE of all tables but the retired, of the views and the triggers, and SHOW GRANTS, without the names of the schemas. */
  look(): Promise<readonly string[]>;
  /** Tries what no state may allow. */
  expectGuarded(): Promise<void>;
}

async function openShop(url: string): Promise<Shop> {
  const schema = await createSchema(url);
  const other = await createSchema(url);
  const run = (sql: string): Promise<Record<string, unknown>[]> => schema.application.run(sql);
  await run(`USE ${schema.name}`);
  await run('CREATE TABLE customers (id INT PRIMARY KEY)');
  await run(`CREATE TABLE orders (id INT PRIMARY KEY, code VARCHAR(20) NOT NULL, customer_id INT NOT NULL DEFAULT 1, payer_id INT, above INT,
    UNIQUE KEY code (code), CONSTRAINT by_customer FOREIGN KEY (customer_id) REFERENCES customers (id),
    FOREIGN KEY (payer_id) REFERENCES customers (id), CONSTRAINT \`above\`\`it's\` FOREIGN KEY (above) REFERENCES orders (id))`);
  await run(`CREATE TABLE items (id INT PRIMARY KEY AUTO_INCREMENT, order_id INT NOT NULL, code VARCHAR(20),
    CONSTRAINT \`item\`\`order\` FOREIGN KEY (order_id) REFERENCES orders (id) ON DELETE CASCADE ON UPDATE CASCADE,
    FOREIGN KEY (code) REFERENCES orders (code) ON DELETE SET NULL)`);
  await run(`CREATE TABLE ${other.name}.payments (id INT PRIMARY KEY, order_id INT,
    CONSTRAINT paid FOREIGN KEY (order_id) REFERENCES ${schema.name}.orders (id))`);
  await run('CREATE TABLE payers (order_id INT, payer_id INT)');
  await run('CREATE TRIGGER paid BEFORE UPDATE ON orders FOR EACH ROW INSERT INTO payers VALUES (NEW.id, NEW.payer_id)');
  await run('CREATE TRIGGER spelled BEFORE UPDATE ON orders FOR EACH ROW PRECEDES paid SET NEW.code = LOWER(NEW.code)');
  await run('CREATE VIEW paid_orders AS SELECT id, code, payer_id FROM orders WHERE payer_id IS NOT NULL WITH CHECK OPTION');
  await run('CREATE SQL SECURITY INVOKER VIEW paid_codes AS SELECT code FROM paid_orders');
  const clerk = `'${schema.name}'@'%'`;
  await run(`CREATE USER ${clerk}`);
  await run(`GRANT SELECT (id, code), UPDATE (code) ON orders TO ${clerk}`);
  await run('INSERT INTO customers VALUES (1), (2), (3)');
  await run("INSERT INTO orders VALUES (1, 'a', 1, NULL, NULL), (2, 'b', 2, 1, 1), (3, 'c', 3, NULL, NULL)");
  await run("INSERT INTO items (id, order_id, code) VALUES (1, 1, 'a'), (2, 2, NULL)");
  await run(`INSERT INTO ${other.name}.payments VALUES (1, 1)`);
  return {
    name: schema.name,
    elsewhere: other.name,
    run,
    async look() {
      const shown = [
        ...['customers', 'orders', 'items', `${other.name}.payments`].map((table) => `SHOW CREATE TABLE ${table}`),
        ...['paid_orders', 'paid_codes'].map((view) => `SHOW CREATE VIEW ${view}`),
        ...['paid', 'spelled'].map((trigger) => `SHOW CREATE TRIGGER ${trigger}`),
        `SELECT TRIGGER_NAME, EVENT_OBJECT_TABLE, ACTION_ORDER FROM information_schema.TRIGGERS
         WHERE TRIGGER_SCHEMA = DATABASE() AND EVENT_OBJECT_TABLE = 'orders' ORDER BY TRIGGER_NAME`,
        `SHOW GRANTS FOR ${clerk}`,
      ];
      const rows = await Promise.all(shown.map(run));
      return rows.map((row) => {
        const text = JSON.stringify(row, (name, value: unknown) => (name === 'Created' ? null : value));
        return text.replaceAll(schema.name, 'here').replaceAll(other.name, 'elsewhere');
      });
    },
    async expectGuarded() {
      // Children of what does not exist, and parents of what does.
      expect(await errnoOf(schema.application, 'INSERT INTO items (id, order_id) VALUES (-1, 999)')).toBe(1452);
      expect(await errnoOf(schema.application, `INSERT INTO ${other.name}.payments VALUES (999, 999)`)).toBe(1452);
      expect(await errnoOf(schema.application, 'UPDATE orders SET payer_id = 999 WHERE id = 1')).toBe(1452);
      expect(await errnoOf(schema.application, 'UPDATE orders SET above = 999 WHERE id = 1')).toBe(1452);
      expect(await errnoOf(schema.application, 'DELETE FROM customers WHERE id = 2')).toBe(1451);
      expect(await errnoOf(schema.application, 'DELETE FROM orders WHERE id = 1')).toBe(1451);
    },
    async [Symbol.asyncDispose]() {
      await other.application.run(`DROP TABLE ${other.name}.payments`);
      await other.application.run(`DROP USER ${clerk}`);
      await schema[Symbol.asyncDispose]();
      await other[Symbol.asyncDispose]();
    },
  };
}

interface ClaimedShop extends TableClaim {
  readonly plan: Plan;
}

/** Planned, recorded, claimed and copied. */
async function claimShop(database: Database, schema: string): Promise<ClaimedShop> {
  const plan = await database.plan(
    { table: { schema, table: 'orders' }, clauses, options: { deferIndexes: 'never', key: null } },
    never,
  );
  const claim = await database.claim(plan, 'start', never);
  await copy(claim);
  return Object.assign(claim, { plan });
}

async function copy({ pair }: TableClaim): Promise<void> {
  await pair.createShadow(never);
  await pair.copyRange(everything, 'collide', never);
}

async function copyAndSwap(claim: TableClaim): Promise<void> {
  await copy(claim);
  await swapTables(claim.cutover, limits);
}

/** Up to the place where all connections break. */
async function breakMigration(url: string, schema: string, client: KilledClient): Promise<Plan> {
  await using database = await openDatabase(url, login, never);
  await using claim = await claimShop(database, schema);
  const state = { isKilled: false };
  const killed = client.killed.then(() => {
    state.isKilled = true;
    client.disarm();
  });
  client.arm();
  await swapTables(claim.cutover, limits)
    .then(async () => {
      if (!state.isKilled) await claim.cutover.settle(() => undefined, never);
    })
    .catch(() => undefined);
  await killed;
  return claim.plan;
}

async function leftOf(database: Database, { id }: Plan): Promise<readonly string[] | undefined> {
  return (await database.listMigrations(never)).find((record) => record.id === id)?.unsettled;
}

interface Traffic {
  /** The numbers of the errors that applications saw. */
  stop(): Promise<ReadonlySet<number>>;
}

/** Orders with items come and go, each in one transaction, parents first and children first. */
function startTraffic(url: string, schema: string): Traffic {
  const errors = new Set<number>();
  const state = { isStopping: false };
  const work = [1, 2, 3].map(async (writer) => {
    await using application = await openApplication(url);
    await application.run(`USE ${schema}`);
    for (let turn = 1; !state.isStopping; turn += 1) {
      const id = writer * 1_000_000 + turn;
      try {
        await inTransaction(application, [
          `INSERT INTO orders (id, code, payer_id) VALUES (${id}, '${id}', 1)`,
          `INSERT INTO items (order_id, code) VALUES (${id}, '${id}')`,
        ]);
        await inTransaction(application, [
          `DELETE FROM items WHERE order_id = ${id - 1}`,
          `UPDATE orders SET payer_id = 2 WHERE id = ${id}`,
          `DELETE FROM orders WHERE id = ${id - 1}`,
        ]);
      } catch (error) {
        errors.add((error as { readonly errno: number }).errno);
        await application.run('ROLLBACK');
      }
    }
  });
  return {
    async stop() {
      state.isStopping = true;
      await Promise.all(work);
      return errors;
    },
  };
}

async function inTransaction(application: Application, statements: readonly string[]): Promise<void> {
  await application.run('BEGIN');
  for (const statement of statements) await application.run(statement);
  await application.run('COMMIT');
}
