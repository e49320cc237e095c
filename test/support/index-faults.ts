/** What a server itself finds wrong with the indexes of tables whose rows are as they should be. */
import type { Connection, RowDataPacket } from 'mysql2/promise';
import { mysqlSearchFaults } from './mysql-index-searches.ts';
import type { PostgresApplication } from './postgres-adapter.ts';
import { postgresSearchFaults } from './postgres-index-searches.ts';

/**
 * CHECK TABLE … EXTENDED of each table of the database: the server counts, and compares, the entries of each index. And what each index
 * finds is what a look at each row finds. `written`: tables that applications write, whose full-text indexes are not looked at: in
 * transactions in which something is refused or taken back MariaDB itself loses words there.
 */
export async function mysqlIndexFaults(
  connection: Connection,
  schema: string,
  written: (table: string) => boolean = () => false,
): Promise<readonly string[]> {
  const [tables] = await connection.query<RowDataPacket[]>(
    "SELECT table_name AS name FROM information_schema.tables WHERE table_schema = ? AND table_type = 'BASE TABLE' ORDER BY 1",
    [schema],
  );
  const faults: string[] = [];
  for (const { name } of tables) {
    const [lines] = await connection.query<RowDataPacket[]>('CHECK TABLE ??.?? EXTENDED', [schema, String(name)]);
    const bad = lines.filter((line) => line['Msg_type'] !== 'status' || line['Msg_text'] !== 'OK');
    faults.push(...bad.map((line) => `${String(name)}: ${String(line['Msg_type'])}: ${String(line['Msg_text'])}`));
    faults.push(...(await mysqlSearchFaults(connection, schema, String(name))));
    if (!written(String(name))) faults.push(...(await fullTextFaults(connection, schema, String(name))));
  }
  return faults;
}

/**
 * Words for which full-text indexes find other rows than when the table is copied, which it is then: an index that is dropped and
 * made again still takes for deleted what the one before it did. CHECK TABLE does not look into them. Not where case counts: the server
 * writes words small when it builds such an index, and as they are when rows come.
 */
async function fullTextFaults(connection: Connection, schema: string, table: string): Promise<readonly string[]> {
  const [indexes] = await connection.query<RowDataPacket[]>(
    `SELECT index_name AS name, GROUP_CONCAT(CONCAT('\`', column_name, '\`') ORDER BY seq_in_index) AS columns
       FROM information_schema.statistics AS s JOIN information_schema.columns AS c USING (table_schema, table_name, column_name)
      WHERE table_schema = ? AND table_name = ? AND index_type = 'FULLTEXT'
      GROUP BY 1 HAVING MIN(collation_name LIKE '%\\_ci') = 1`,
    [schema, table],
  );
  if (indexes.length === 0) return [];
  const searchAll = async (): Promise<readonly string[]> => {
    const found: string[] = [];
    for (const { name, columns } of indexes as { readonly name: string; readonly columns: string }[]) {
      const lines = await searched(connection, { schema, table, columns });
      found.push(...lines.map((line) => `${name}: ${line}`));
    }
    return found;
  };
  const before = await searchAll();
  await connection.query('ALTER TABLE ??.?? FORCE, ALGORITHM=COPY', [schema, table]);
  const after = await searchAll();
  const pairs = after.map((line, place) => [before[place], line] as const).filter(([was, is]) => was !== is);
  return pairs.map(([was, is]) => `${table}: ${was}, and ${is} when the table is copied`);
}

/** So many words are looked for. */
const wordsMax = 40;

/** How many rows an index finds for each of the words that the rows have. */
async function searched(
  connection: Connection,
  { schema, table, columns }: { readonly schema: string; readonly table: string; readonly columns: string },
): Promise<readonly string[]> {
  const [rows] = await connection.query<RowDataPacket[]>(`SELECT CONCAT_WS(' ', ${columns}) AS text FROM ??.??`, [
    schema,
    table,
  ]);
  const words = new Set(rows.flatMap(({ text }) => String(text).match(/[A-Za-z]{3,}/g) ?? []));
  const lines: string[] = [];
  for (const word of [...words].sort().slice(0, wordsMax)) {
    const matching = `MATCH (${columns}) AGAINST ('"${word}"' IN BOOLEAN MODE)`;
    const [found] = await connection.query<RowDataPacket[]>(`SELECT COUNT(*) AS n FROM ??.?? WHERE ${matching}`, [
      schema,
      table,
    ]);
    lines.push(`${word} ${String(found[0]?.['n'])}`);
  }
  return lines;
}

/**
 * In the database that the application is in, by amcheck: each row has its entry in each B-tree, in order, and the pages are sound; and
 * what each index finds is what a look at each row finds.
 */
export async function postgresIndexFaults(application: PostgresApplication): Promise<readonly string[]> {
  await application.run('CREATE EXTENSION IF NOT EXISTS amcheck SCHEMA pg_catalog');
  const relations = await application.run(`
    SELECT c.oid, c.oid::regclass AS name, c.relkind FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
      JOIN pg_am AS a ON a.oid = c.relam LEFT JOIN pg_index AS i ON i.indexrelid = c.oid
     WHERE n.nspname !~ '^pg_|^information_schema$' AND (c.relkind = 'r' OR a.amname = 'btree' AND c.relkind = 'i' AND i.indisvalid)
     ORDER BY 2`);
  const faults: string[] = [];
  for (const { oid, name, relkind } of relations) {
    const check = relkind === 'r' ? `SELECT msg FROM verify_heapam(${oid})` : `SELECT bt_index_check(${oid}, true)`;
    try {
      const found = await application.run(check);
      if (relkind === 'r') faults.push(...found.map(({ msg }) => `${name}: ${msg}`));
    } catch (error) {
      faults.push(`${name}: ${String(error)}`);
    }
  }
  return [...faults, ...(await postgresSearchFaults(application))];
}
