/** What a server itself finds wrong with the indexes of tables whose rows are as they should be. */
import type { Connection, RowDataPacket } from 'mysql2/promise';
import type { PostgresApplication } from './postgres-adapter.ts';

/** CHECK TABLE … EXTENDED of each table of the database: the server counts, and compares, the entries of each index. */
export async function mysqlIndexFaults(connection: Connection, schema: string): Promise<readonly string[]> {
  const [tables] = await connection.query<RowDataPacket[]>(
    "SELECT table_name AS name FROM information_schema.tables WHERE table_schema = ? AND table_type = 'BASE TABLE' ORDER BY 1",
    [schema],
  );
  const faults: string[] = [];
  for (const { name } of tables) {
    const [lines] = await connection.query<RowDataPacket[]>('CHECK TABLE ??.?? EXTENDED', [schema, String(name)]);
    const bad = lines.filter((line) => line['Msg_type'] !== 'status' || line['Msg_text'] !== 'OK');
    faults.push(...bad.map((line) => `${String(name)}: ${String(line['Msg_type'])}: ${String(line['Msg_text'])}`));
  }
  return faults;
}

/** By amcheck, in the database that the application is in: each row has its entry in each B-tree, in order, and the pages are sound. */
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
  return faults;
}
