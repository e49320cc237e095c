/** Whether indexes of PostgreSQL find the rows that a look at each row finds, by the operators that they serve. */
import type { PostgresApplication } from './postgres-adapter.ts';

/** One operator of the first part of an index. */
interface Search {
  readonly index: string;
  readonly name: string;
  readonly table: string;
  readonly relation: string;
  /** The column or the expression. */
  readonly part: string;
  readonly collation: string;
  readonly condition: string;
  readonly operator: string;
}

/** With values of so many rows; fewer where each has to be computed again and again. */
const valuesMax = 8;
const computedMax = 3;

/** Operators whose both sides are of the type; of those of a B-tree, which amcheck looks into, a few. A word of a text search is special. */
const searches = `
  SELECT i.indexrelid AS index, i.indexrelid::regclass AS name, i.indrelid AS relation, i.indrelid::regclass AS table,
         pg_get_indexdef(i.indexrelid, 1, false) AS part, coalesce(pg_get_expr(i.indpred, i.indrelid), 'true') AS condition,
         CASE WHEN l.oid IS NULL THEN '' ELSE format(' COLLATE %I.%I', ln.nspname, l.collname) END AS collation,
         format('OPERATOR(%I.%s)', pn.nspname, p.oprname) AS operator
    FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid AND c.relkind = 'i' JOIN pg_namespace AS n ON n.oid = c.relnamespace
    JOIN pg_am AS a ON a.oid = c.relam JOIN pg_opclass AS o ON o.oid = i.indclass[0]
    JOIN pg_amop AS m ON m.amopfamily = o.opcfamily AND m.amoppurpose = 's' AND m.amoplefttype = o.opcintype
    JOIN pg_operator AS p ON p.oid = m.amopopr JOIN pg_namespace AS pn ON pn.oid = p.oprnamespace
    LEFT JOIN pg_collation AS l ON l.oid = i.indcollation[0] LEFT JOIN pg_namespace AS ln ON ln.oid = l.collnamespace
   WHERE n.nspname !~ '^pg_|^information_schema$|^tableshift$' AND i.indisvalid AND p.oprname NOT IN ('~', '~*')
     AND (m.amoprighttype = o.opcintype
           OR p.oprname = '@@' AND o.opcintype = 'tsvector'::regtype) AND (a.amname <> 'btree' OR p.oprname IN ('=', '>='))
   ORDER BY 2, 8`;

/** In the database that the application is in. Sets the session: use it for nothing else. */
export async function postgresSearchFaults(application: PostgresApplication): Promise<readonly string[]> {
  await application.run('SET jit = off; SET row_security = off');
  const faults: string[] = [];
  for (const search of (await application.run(searches)) as unknown as readonly Search[]) {
    const { index, name, operator, relation } = search;
    const byRows = await found(application, search, 'SET LOCAL enable_indexscan = off; SET LOCAL enable_bitmapscan = off');
    // No other index is there for the planner meanwhile.
    const alone = `UPDATE pg_index SET indisvalid = (indexrelid = ${index}) WHERE indrelid = ${relation}`;
    const byIndex = await found(application, search, `SET LOCAL enable_seqscan = off; ${alone}`);
    const differing = byRows.filter((line, place) => line !== byIndex[place]);
    faults.push(...differing.slice(0, 3).map((line) => `${name}: ${operator} finds other rows than those of ${line}`));
    if (byRows.length !== byIndex.length) faults.push(`${name}: ${byIndex.length} values in place of ${byRows.length}`);
  }
  return faults;
}

/** How many rows there are for each of the values. */
async function found(application: PostgresApplication, search: Search, way: string): Promise<readonly string[]> {
  const { collation, condition, operator, part, table } = search;
  const max = /^"?[\w ]+"?$/.test(part) ? valuesMax : computedMax;
  const values = `
    SELECT v FROM (SELECT ${part} AS v, row_number() OVER (ORDER BY ctid) AS place, count(*) OVER () AS of FROM ONLY ${table} WHERE ${condition}) AS numbered
     WHERE place % greatest(of / ${max}, 1) = 0 ORDER BY place LIMIT ${max}`;
  const matching = `SELECT count(*) FROM ONLY ${table} AS searched WHERE ${condition} AND (${part})${collation} ${operator} ${sought(search)}`;
  const sql = `SELECT left(s.v::text, 60) || ': ' || (${matching}) AS line FROM (${values}) AS s`;
  await application.run('BEGIN');
  try {
    await application.run(way);
    return (await application.run(sql)).map(({ line }) => line ?? 'null');
  } catch (error) {
    return [`${error instanceof Error ? error.message : String(error)} (${way})`];
  } finally {
    await application.run('ROLLBACK');
  }
}

function sought({ operator }: Search): string {
  if (operator.endsWith('.@@)')) return "plainto_tsquery('simple', (tsvector_to_array(s.v))[1])";
  if (/\.~~\*?\)$/.test(operator))
    return String.raw`('%' || substr(regexp_replace(s.v::text, '[\\%_]', '', 'g'), 2, 4) || '%')`;
  return 's.v';
}
