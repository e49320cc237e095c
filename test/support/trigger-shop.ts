/** A table with triggers of all kinds on MySQL and MariaDB, and writers who know how often each must have fired. */
import { createSchema, openApplication, type Application, type TestSchema } from './adapter-server.ts';

/** `orders` has the triggers; one on `feed` writes it; `fired` has a row for each time that a trigger fired. */
export interface TriggerShop extends AsyncDisposable {
  readonly name: string;
  run(sql: string): Promise<Record<string, unknown>[]>;
  /** All triggers but their time of making, in the order in which they fire: SHOW CREATE TRIGGER, and the table that has them. */
  triggers(): Promise<readonly Record<string, unknown>[]>;
  /** How often the numbers of `orders` fired what: `once` for those of which each did exactly once. */
  firings(): Promise<ReadonlyMap<string, number>>;
}

const client = (charset: string, sqlMode: string): string =>
  `SET character_set_client = ${charset}, collation_connection = ${charset}_bin, sql_mode = '${sqlMode}'`;

/** Made by clients of several kinds, in an order that is not that of their names. */
const triggers: readonly string[] = [
  client('utf8mb4', 'ANSI_QUOTES,STRICT_ALL_TABLES'),
  `CREATE  TRIGGER "lösch; nicht" before  INSERT on orders FOR EACH  ROW SET NEW.note = concat(NEW.note, 'ü;') `,
  client('latin1', 'NO_BACKSLASH_ESCAPES'),
  `CREATE TRIGGER a BEFORE INSERT ON orders FOR EACH ROW PRECEDES \`lösch; nicht\` SET NEW.note = '\\'`,
  client('utf8mb4', ''),
  `CREATE DEFINER = #user@'%' TRIGGER inserted AFTER INSERT ON orders FOR EACH ROW INSERT INTO fired VALUES (NEW.v, 'insert') -- all of them`,
  `CREATE TRIGGER updated AFTER UPDATE ON orders FOR EACH ROW tell: BEGIN
     DECLARE number INT DEFAULT NEW.v;
     IF OLD.v = NEW.v THEN LEAVE tell; END IF;
     INSERT INTO fired VALUES (number, /* ; */ "update");
   END`,
  `CREATE TRIGGER deleted AFTER DELETE ON orders FOR EACH ROW INSERT INTO fired VALUES (OLD.v, 'delete')`,
  `CREATE TRIGGER fed AFTER INSERT ON feed FOR EACH ROW INSERT INTO orders (id, v, note) VALUES (NEW.v, NEW.v, 'fed')`,
];

/** The schema with its tables, and a user who defines one of the triggers. */
export async function openTriggerShop(url: string): Promise<TriggerShop> {
  const schema = await createSchema(url);
  const { name, application } = schema;
  const user = `u_${name}`;
  const run = (sql: string): Promise<Record<string, unknown>[]> => application.run(sql);
  await run(`USE ${name}`);
  await run('CREATE TABLE orders (id INT PRIMARY KEY, v INT NOT NULL, note VARCHAR(40))');
  await run('CREATE TABLE feed (v INT PRIMARY KEY)');
  await run('CREATE TABLE fired (v INT, what VARCHAR(10), KEY (v))');
  await run(`CREATE USER ${user}`);
  await run(`GRANT ALL ON ${name}.* TO ${user}`);
  for (const statement of triggers) await run(statement.replace('#user', user));
  await run(client('utf8mb4', 'STRICT_ALL_TABLES'));
  return { name, run, triggers: () => readTriggers(schema), firings: () => readFirings(run), [Symbol.asyncDispose]: close };

  async function close(): Promise<void> {
    await run(`DROP USER ${user}`);
    await schema[Symbol.asyncDispose]();
  }
}

async function readTriggers({ name, application }: TestSchema): Promise<readonly Record<string, unknown>[]> {
  const found = await application.run(
    `SELECT TRIGGER_NAME AS name, EVENT_OBJECT_TABLE AS tableName FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = '${name}'
     ORDER BY EVENT_OBJECT_TABLE, EVENT_MANIPULATION, ACTION_TIMING, ACTION_ORDER`,
  );
  const shown: Record<string, unknown>[] = [];
  for (const { name: trigger, tableName } of found) {
    const [row] = await application.run(`SHOW CREATE TRIGGER \`${String(trigger)}\``);
    shown.push({ tableName, ...row, Created: null });
  }
  return shown;
}

async function readFirings(run: TriggerShop['run']): Promise<ReadonlyMap<string, number>> {
  const rows = await run('SELECT v, what, COUNT(*) AS times FROM fired GROUP BY v, what');
  return new Map(rows.map((row) => [`${String(row['what'])} ${String(row['v'])}`, Number(row['times'])]));
}

/** Running writers. */
export interface CountingWriters {
  /** Resolves after so many more acknowledged writes. Rejects with the first error that a writer got. */
  goOn(writes: number): Promise<void>;
  /** Ends them, and tells how often each of their writes must have fired: once. Rejects with the first error that one of them got. */
  stop(): Promise<ReadonlyMap<string, number>>;
}

/** Keys that the writers use, each again and again: 1 to this. What they feed has greater ones. */
export const countedKeys = 12;

/** Each inserts, updates and deletes rows of its own, each time with a new number, which its trigger notes. */
export function startCountingWriters(url: string, shop: TriggerShop): CountingWriters {
  const state = { isStopping: false, number: 1_000 };
  const expected = new Map<string, number>();
  const awaited: { readonly size: number; readonly resolve: () => void }[] = [];
  const write = async (application: Application, what: string, sql: (number: number) => string): Promise<void> => {
    const number = (state.number += 1);
    await application.run(sql(number));
    expected.set(`${what} ${number}`, 1);
    for (const { size, resolve } of awaited) if (expected.size >= size) resolve();
  };
  const work = [1, 2, 3].map(async (writer) => {
    await using application = await openApplication(url);
    await application.run(`USE ${shop.name}`);
    for (let turn = 0; !state.isStopping; turn += 1) {
      const id = writer + 3 * (turn % (countedKeys / 3));
      await write(application, 'insert', (number) => `INSERT INTO orders (id, v, note) VALUES (${id}, ${number}, 'new')`);
      await write(application, 'update', (number) => `UPDATE orders SET v = ${number} WHERE id = ${id}`);
      const number = (state.number += 1);
      await application.run('BEGIN');
      await application.run(`UPDATE orders SET v = ${number} WHERE id = ${id}`);
      await application.run(`DELETE FROM orders WHERE id = ${id}`);
      await application.run('COMMIT');
      expected.set(`update ${number}`, 1).set(`delete ${number}`, 1);
    }
  });
  const done = Promise.all(work);
  // Told by `stop`.
  done.catch(() => undefined);
  return {
    async goOn(writes) {
      const enough = new Promise<void>((resolve) => {
        awaited.push({ size: expected.size + writes, resolve });
      });
      await Promise.race([enough, done]);
    },
    async stop() {
      state.isStopping = true;
      await done;
      return expected;
    },
  };
}
