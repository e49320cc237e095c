/** What migrations have left on a server, apart from the old tables that they keep until someone drops them. */
import { withApplication } from './traffic-dialect.ts';
import type { TrafficTables } from './traffic-table.ts';

/** Names of what is there and should be gone when no migration is unfinished. */
export function findLeftovers(url: string, { schema, table, twin, journal }: TrafficTables): Promise<readonly string[]> {
  const isPostgres = url.startsWith('postgres');
  const own = [table, twin, journal].map((name) => `'${name}'`).join(', ');
  return withApplication(url, async (connection) => {
    const { rows } = await connection.query(isPostgres ? postgresLeftovers(schema, own) : mysqlLeftovers(schema, own));
    return rows.map((row) => String(row['name']));
  });
}

function postgresLeftovers(schema: string, own: string): string {
  return `SELECT 'slot ' || slot_name AS name FROM pg_replication_slots
    UNION ALL SELECT 'publication ' || pubname FROM pg_publication
    UNION ALL SELECT 'schema ' || nspname FROM pg_namespace
      WHERE nspname ~ '^tableshift_' AND nspname !~ '^tableshift_old_'
    UNION ALL SELECT 'table ' || tablename FROM pg_tables WHERE schemaname = '${schema}' AND tablename NOT IN (${own})
    ORDER BY name`;
}

function mysqlLeftovers(schema: string, own: string): string {
  return `SELECT CONCAT('table ', table_name) AS name FROM information_schema.tables
    WHERE table_schema = '${schema}' AND table_name NOT IN (${own})
      AND (table_name NOT LIKE '%\\_ts\\_old\\_%' OR table_comment <> '') ORDER BY name`;
}
