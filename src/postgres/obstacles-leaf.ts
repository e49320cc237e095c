/** What keeps a leaf partition from being swapped under its parent. */

import { MigrationError } from '../engine/errors.ts';
import type { TableName } from '../engine/model.ts';
import type { Obstacle } from '../engine/obstacles.ts';
import { readTable, type TableDescription, tableOid } from './catalog.ts';
import { copyStatements, partitionedCopy } from './create-statement.ts';
import { refusalIn } from './errors.ts';
import { boundStatement, type Leaf } from './leaf-partition.ts';
import type { PlanningFacts } from './planning-facts.ts';
import type { Session } from './session.ts';
import { makeAltered } from './shadow.ts';
import { quoteName, quoteTable, quoteText } from './statements.ts';
import { beginTrial } from './transaction.ts';

/** What the catalog tells, also under the locks of the cutover. */
export async function leafObstacles(
  session: Session,
  source: TableDescription,
  signal: AbortSignal,
): Promise<readonly Obstacle[]> {
  const { leaf, oid } = source;
  if (leaf === undefined) return [];
  const name = nameOf(source);
  const parent = nameOf(leaf.parent);
  const messages = [...shapeMessages(source, leaf)];
  const rows = await session.query(
    `SELECT 1 AS place, format('The foreign key %s of %s %s: drop it before, and add it again afterwards.', k.conname, k.conrelid::regclass,
         CASE WHEN k.confrelid IN (${oid}, ${leaf.parent.oid}) THEN 'refers to the partitioned table' ELSE 'would be checked for all rows in the swap' END) AS message
       FROM pg_constraint AS k WHERE k.contype = 'f' AND (k.conrelid IN (${oid}, ${leaf.parent.oid}) AND (k.conparentid = 0 OR k.conrelid = ${leaf.parent.oid})
         OR k.confrelid IN (${oid}, ${leaf.parent.oid}) AND k.conparentid = 0)
     UNION ALL SELECT 2, format('The publication %s has publish_via_partition_root and %s: ALTER PUBLICATION %I SET (publish_via_partition_root = false) before, or drop the table from it.', p.pubname, ${quoteText(parent)}, p.pubname)
       FROM pg_publication AS p WHERE p.pubviaroot AND p.pubname NOT LIKE 'tableshift\\_%' AND (p.puballtables
         OR EXISTS (SELECT FROM pg_publication_rel AS r WHERE r.prpubid = p.oid AND r.prrelid IN (${oid}, ${leaf.parent.oid}))
         OR EXISTS (SELECT FROM pg_publication_namespace AS n JOIN pg_class AS c ON c.relnamespace = n.pnnspid
           WHERE n.pnpubid = p.oid AND c.oid IN (${oid}, ${leaf.parent.oid})))
     UNION ALL SELECT 3, format('The trigger %s comes to %s from %s, but is switched or commented on there by itself, which would be lost: make it like that of %s.', t.tgname, ${quoteText(name)}, ${quoteText(parent)}, ${quoteText(parent)})
       FROM pg_trigger AS t JOIN pg_trigger AS u ON u.oid = t.tgparentid
       WHERE t.tgrelid = ${oid} AND (t.tgenabled <> u.tgenabled OR obj_description(t.oid, 'pg_trigger') IS NOT NULL)
     ORDER BY 1, 2`,
    signal,
  );
  const found = [...messages, ...rows.map((row) => row['message'] ?? '')];
  return [
    ...found.map((message): Obstacle => ({ code: 'PARTITIONS', message })),
    ...(await ownerObstacles(session, leaf, signal)),
  ];
}

function shapeMessages(source: TableDescription, leaf: Leaf): readonly string[] {
  const name = nameOf(source);
  const parent = nameOf(leaf.parent);
  const way = 'detach it, change it and attach it again';
  const unmatched = leaf.indexes.filter(([, own]) => own === null);
  return [
    ...(leaf.isNested ? [`${parent}, which has the partition ${name}, is a partition itself; ${way}.`] : []),
    ...(leaf.isLeaving
      ? [`${name} is being detached; finish that with ALTER TABLE ${parent} DETACH PARTITION ${name} FINALIZE.`]
      : []),
    ...(leaf.bound === 'DEFAULT'
      ? [`${name} is the DEFAULT partition, whose rows the server looks at whenever another one is attached; ${way}.`]
      : []),
    ...(leaf.constraint === null && leaf.bound !== 'DEFAULT'
      ? [`The bound of ${name} cannot be told as a condition; ${way}.`]
      : []),
    ...(source.columns.some(({ identity }) => identity !== '')
      ? [`${name} has an identity column, which is its table's; ${way}.`]
      : []),
    ...(leaf.rest !== null && leaf.rest.kind !== 'r'
      ? [`The DEFAULT partition ${nameOf(leaf.rest)} is no plain table, and the swap would look at its rows; ${way}.`]
      : []),
    ...(unmatched.length > 0
      ? [
          `${name} lacks ${unmatched.length} of the indexes of ${parent}, which the swap would build while writers wait; build and attach them before.`,
        ]
      : []),
  ];
}

/** Only an owner of the parent detaches and attaches. */
async function ownerObstacles(session: Session, { parent }: Leaf, signal: AbortSignal): Promise<readonly Obstacle[]> {
  const [row] = await session.query(
    `SELECT current_user AS username, pg_has_role(${quoteText(parent.owner)}, 'USAGE') AS is_owner`,
    signal,
  );
  if (row?.['is_owner'] === 't') return [];
  const message = `The role ${row?.['username'] ?? ''} is not the owner of ${nameOf(parent)}, nor a member of ${parent.owner}.`;
  return [{ code: 'MISSING_PRIVILEGE', message }];
}

/**
 * What the server does with the altered leaf when it is attached, tried on empty clones in a transaction that is rolled back: it must not
 * refuse it, look at its rows or at those of the DEFAULT partition, or build an index. Takes ACCESS SHARE on the tables.
 */
export async function leafTrialObstacles(
  session: Session,
  { source, reading, probed }: PlanningFacts,
  signal: AbortSignal,
): Promise<readonly Obstacle[]> {
  const { leaf } = source;
  if (leaf === undefined) return [];
  if (losesIndex(leaf, source, probed.definition)) return [buildObstacle(source, leaf)];
  const obstacle = (message: string): readonly Obstacle[] => [{ code: 'PARTITIONS', message }];
  await using _ = await beginTrial(session, signal);
  const clones = await makeClones(session, { source, leaf, reading }, signal);
  const before = await scansOf(session, clones.all, signal);
  try {
    const attach = `ALTER TABLE ${quoteTable(clones.parent)} ATTACH PARTITION ${quoteTable(clones.leaf)} ${leaf.bound}`;
    await session.execute(attach, signal);
  } catch (error) {
    const report = refusalIn(error);
    if (report === null) throw error;
    return obstacle(
      `${nameOf(source)} would no longer be a partition of ${nameOf(leaf.parent)} after the ALTER: ${report.message}. What changes columns is changed on the whole table.`,
    );
  }
  const after = await scansOf(session, clones.all, signal);
  const [own = false, rest = false] = after.map((count, place) => count !== before[place]);
  if (own) {
    return [buildObstacle(source, leaf)];
  }
  if (rest && leaf.rest !== null) {
    const name = quoteTable(leaf.rest);
    return obstacle(
      `The swap would look at all rows of the DEFAULT partition ${nameOf(leaf.rest)} while writers wait; before, say that none of them is of ${nameOf(source)}: ALTER TABLE ${name} ADD CHECK (NOT (${leaf.constraint ?? ''})) NOT VALID, and VALIDATE it.`,
    );
  }
  // Where nothing is counted, nothing is proved.
  await session.query(`SELECT 1 FROM ${quoteTable(clones.leaf)}`, signal);
  const [counted] = await scansOf(session, [clones.leaf], signal);
  if (counted === after[0])
    return obstacle('Whether the swap would look at all rows cannot be told while track_counts is off; set it on.');
  return [];
}

function buildObstacle(source: TableDescription, { parent }: Leaf): Obstacle {
  const message = `After the ALTER the server would look at all rows of ${nameOf(source)}, or build one of the indexes of ${nameOf(parent)}, while writers wait; leave its constraints and indexes as they are there.`;
  return { code: 'PARTITIONS', message };
}

/** An index that stands for one of the parent: the server itself would not let it go, or another one take its place. */
function losesIndex(leaf: Leaf, source: TableDescription, altered: TableDescription): boolean {
  const find = ({ indexes }: TableDescription, name: string | null) => indexes.find((index) => index.name === name);
  return leaf.indexes.some(([, name]) => {
    const before = find(source, name);
    const after = find(altered, name);
    return (
      before?.rest !== after?.rest || before?.isPrimary !== after?.isPrimary || before?.hasConstraint !== after?.hasConstraint
    );
  });
}

interface Clones {
  readonly parent: TableName;
  readonly leaf: TableName;
  /** The leaf's first, then that of the partition that takes the rest. */
  readonly all: readonly TableName[];
}

/** Each in a schema of its own, for names may be the same. */
async function makeClones(
  session: Session,
  {
    source,
    leaf,
    reading,
  }: { readonly source: TableDescription; readonly leaf: Leaf; readonly reading: PlanningFacts['reading'] },
  signal: AbortSignal,
): Promise<Clones> {
  const schema = `tableshift_probe_${session.pid}`;
  const schemas = { leaf: schema, parent: `${schema}_parent`, rest: `${schema}_rest` };
  const run = async (statements: readonly string[]): Promise<void> => {
    for (const statement of statements) await session.execute(statement, signal);
  };
  await run(Object.values(schemas).map((one) => `CREATE SCHEMA ${quoteName(one)}`));
  const parentTable = await readTable(session, leaf.parent, signal);
  const restTable = leaf.rest === null ? null : await readTable(session, leaf.rest, signal);
  if (parentTable === null) throw new MigrationError('SOURCE_CHANGED', `The table ${nameOf(leaf.parent)} is gone.`);
  const parent = { schema: schemas.parent, table: leaf.parent.table };
  const bare = {
    ...{ ...parentTable, accessMethod: source.accessMethod, sequences: [], statistics: [], replicaIdentity: 'd' },
    indexes: parentTable.indexes.map((index) => ({
      ...index,
      options: [],
      targets: [],
      isClustered: false,
      isReplicaIdentity: false,
    })),
  };
  const { table, parts } = partitionedCopy(bare, parent.schema, { method: leaf.key, partitions: [] });
  await run([table, ...parts]);
  const rest = leaf.rest === null || restTable === null ? null : { schema: schemas.rest, table: leaf.rest.table };
  if (rest !== null && restTable !== null) {
    await run(copyStatements(restTable, rest.schema));
    await run([`ALTER TABLE ${quoteTable(parent)} ATTACH PARTITION ${quoteTable(rest)} DEFAULT`]);
  }
  const copy = { schema: schemas.leaf, table: source.table };
  await makeAltered(session, source, { schema: copy.schema, reading }, signal);
  const [row] = await session.query(`SELECT ${tableOid(parent)}::oid AS oid`, signal);
  // The condition of a HASH partition names its table by number.
  const constraint = leaf.constraint?.replaceAll(`'${leaf.parent.oid}'::oid`, `'${row?.['oid'] ?? ''}'::oid`) ?? null;
  await run([boundStatement({ ...leaf, constraint }, quoteTable(copy))]);
  return { parent, leaf: copy, all: rest === null ? [copy] : [copy, rest] };
}

/** How often the whole of each has been read in this session, as the server counts it. */
async function scansOf(session: Session, tables: readonly TableName[], signal: AbortSignal): Promise<readonly string[]> {
  const counts = tables.map((table) => `pg_stat_get_xact_numscans(${tableOid(table)})::text`);
  const [row] = await session.query(`SELECT concat_ws(' ', ${counts.join(', ')}) AS counts`, signal);
  return (row?.['counts'] ?? '').split(' ');
}

function nameOf({ schema, table }: TableName): string {
  return `${schema}.${table}`;
}
