/** What keeps a plain table from becoming a partitioned one. */

import { MigrationError } from '../engine/errors.ts';
import type { Obstacle } from '../engine/obstacles.ts';
import { type TableDescription, tableOid } from './catalog.ts';
import type { PlanningFacts } from './planning-facts.ts';
import type { Session } from './session.ts';
import { makeAltered } from './shadow.ts';
import { quoteName, quoteTable, quoteText } from './statements.ts';
import { beginTrial } from './transaction.ts';

/** What the catalog tells, also under the locks of the cutover: what belongs to the table and the server refuses a partitioned one. */
export async function partitionObstacles(
  session: Session,
  { source, altered }: { readonly source: TableDescription; readonly altered: TableDescription },
  signal: AbortSignal,
): Promise<readonly Obstacle[]> {
  if (altered.kind !== 'p') return [];
  const name = quoteText(`${source.schema}.${source.table}`);
  const isOurs = "p.pubname LIKE 'tableshift\\_%'";
  const rows = await session.query(
    `SELECT format('The publication %s has %s and would publish each change as one of a partition; ALTER PUBLICATION %I SET (publish_via_partition_root = true) first.',
       p.pubname, ${name}, p.pubname) AS message
     FROM pg_publication AS p WHERE NOT p.pubviaroot AND NOT ${isOurs} AND (
       EXISTS (SELECT FROM pg_publication_rel AS r WHERE r.prpubid = p.oid AND r.prrelid = ${source.oid})
       OR EXISTS (SELECT FROM pg_publication_namespace AS n WHERE n.pnpubid = p.oid AND n.pnnspid = ${quoteText(quoteName(source.schema))}::regnamespace))
     UNION ALL SELECT format('The trigger %s of %s is for each row and has a transition table, which the server refuses on a partitioned table.', t.tgname, ${name})
     FROM pg_trigger AS t WHERE t.tgrelid = ${source.oid} AND NOT t.tgisinternal AND t.tgtype & 1 = 1 AND (t.tgoldtable IS NOT NULL OR t.tgnewtable IS NOT NULL)
     ORDER BY 1`,
    signal,
  );
  return rows.map((row) => ({ code: 'PARTITIONS', message: row['message'] ?? '' }));
}

/** So much of a table is looked at for a row without a partition; what is found later stops the run. */
const lookedAtBytesMax = 128 * 1024 * 1024;

/**
 * A row that no partition takes, if one is found in the whole of a table that is not large, or in pages chosen by chance. Makes the
 * partitions in a transaction that is rolled back. Takes ACCESS SHARE on the source.
 */
export async function unplacedRowObstacles(
  session: Session,
  { source, reading, probed, key }: PlanningFacts,
  signal: AbortSignal,
): Promise<readonly Obstacle[]> {
  if (reading.partitioning === null) return [];
  const schema = `tableshift_probe_${session.pid}`;
  await using _ = await beginTrial(session, signal);
  try {
    await session.execute(`CREATE SCHEMA ${quoteName(schema)}`, signal);
    await makeAltered(session, source, { schema, reading }, signal);
    const rows = await session.query(
      `SELECT pg_get_partition_constraintdef(inhrelid) AS fits, pg_get_expr(c.relpartbound, c.oid) = 'DEFAULT' AS is_default
       FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid WHERE i.inhparent = ${tableOid({ schema, table: source.table })}`,
      signal,
    );
    if (rows.some((row) => row['is_default'] === 't')) return [];
    const values = probed.kept
      .filter(([, shadow]) => shadow.generated === '')
      .map(([from, to]) => `(${probed.usings.get(from.name) ?? quoteName(from.name)})::${to.type} AS ${quoteName(to.name)}`);
    const shown = key.columns.map((name) => `format('%s = %s', ${quoteText(name)}::text, ${quoteName(name)}::text)`);
    const percent = (100 * lookedAtBytesMax) / Math.max(1, source.dataBytes);
    const sample = percent < 100 ? ` TABLESAMPLE SYSTEM (${percent.toFixed(6)})` : '';
    const [row] = await session.query(
      `SELECT tableshift_row FROM (SELECT concat_ws(', ', ${shown.join(', ')}) AS tableshift_row, ${values.join(', ')}
         FROM ONLY ${quoteTable(source)}${sample}) AS r
       WHERE (${rows.map(({ fits }) => fits ?? 'true').join(' OR ')}) IS NOT TRUE LIMIT 1`,
      signal,
    );
    if (row === undefined) return [];
    const message = `The row ${row['tableshift_row'] ?? ''} of ${source.schema}.${source.table} fits none of the partitions; give it one, or add a DEFAULT partition.`;
    return [{ code: 'PARTITIONS', message }];
  } catch (error) {
    // A value that does not go with its new type stops the run, and is told then with its row.
    if (error instanceof MigrationError && error.code === 'ROW_NOT_CONVERTIBLE') return [];
    throw error;
  }
}
