/**
 * Who is bound to the table by its identity and not by its name, and can be bound to the new one in place: views over it, rules
 * of other tables and views that lead to it, functions whose body the server has read (BEGIN ATOMIC). CREATE OR REPLACE keeps
 * their identity, and with it owner, grants, comments, defaults, triggers and whatever depends on them in turn.
 *
 * A statement locks a view before what the view reads, and goes by the rules that it found then. So the view is locked before
 * the table: who comes later finds the new rules. A function is not locked. One that is at work goes on with the old table
 * for the rest of its statement; that gives rows of the time of the swap, but would lose what it writes.
 */

import type { TableName } from '../engine/model.ts';
import { tableOid } from './catalog.ts';
import type { Session } from './session.ts';

/** A relation that statements lock before the table, for one of its rules leads there. */
export interface OuterRelation extends TableName {
  readonly kind: 'TABLE' | 'VIEW' | 'MATERIALIZED VIEW';
  readonly owner: string;
  /** Of its entry in the catalog; another one once it was altered. */
  readonly version: string;
}

const dependentKinds = ['view', 'rule', 'function'] as const;

/** Something that is re-pointed to the new table. */
export interface Dependent {
  readonly kind: (typeof dependentKinds)[number];
  /** Of the view, the rule or the function. */
  readonly oid: string;
  /** As an operator would name it. */
  readonly description: string;
}

/**
 * A condition on a row `d` of pg_depend, about the table itself or one of its constraints: whether it goes with what is
 * re-pointed. Not what would be locked in vain or cannot be replaced in place.
 */
export const isRepointed = `(d.classid = 'pg_rewrite'::regclass AND EXISTS (SELECT FROM pg_rewrite AS r JOIN pg_class AS c ON c.oid = r.ev_class
      WHERE r.oid = d.objid AND c.relkind IN ('v', 'r') AND c.relpersistence <> 't')
    OR d.classid = 'pg_proc'::regclass AND EXISTS (SELECT FROM pg_proc AS p WHERE p.oid = d.objid AND p.prosqlbody IS NOT NULL
      AND p.prosqlbody::text !~ ':commandType [^1]' AND p.prosqlbody::text !~ ':rowMarks [(]'))`;

/**
 * In words, who depends by `d`, an entry of pg_depend, whose rule is `r` where it is one: a view rather than the rule that
 * makes it one.
 */
export const DESCRIBED_DEPENDENT = `CASE WHEN r.rulename = '_RETURN' THEN pg_describe_object('pg_class'::regclass, r.ev_class, 0)
  ELSE pg_describe_object(d.classid, d.objid, 0) END`;

/** All of them but the tables' own rules, each once, in a steady order. */
export async function readDependents(
  session: Session,
  oids: readonly number[],
  signal: AbortSignal,
): Promise<readonly Dependent[]> {
  const tables = oids.join(', ');
  const rows = await session.query(
    `SELECT DISTINCT CASE WHEN r.oid IS NULL THEN 'function' WHEN r.rulename = '_RETURN' THEN 'view' ELSE 'rule' END AS kind,
       CASE WHEN r.rulename = '_RETURN' THEN r.ev_class ELSE d.objid END AS oid,
       ${DESCRIBED_DEPENDENT} AS description
     FROM pg_depend AS d LEFT JOIN pg_rewrite AS r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid
     WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid IN (${tables}) AND coalesce(r.ev_class, 0) NOT IN (${tables}) AND ${isRepointed}
     ORDER BY description`,
    signal,
  );
  return rows.flatMap(({ kind, oid, description }) => {
    const known = dependentKinds.find((one) => one === kind);
    return known === undefined ? [] : [{ kind: known, oid: oid ?? '', description: description ?? '' }];
  });
}

/** The relations to lock before the tables, each before those that it leads to: as the statements that use them do. Locks nothing. */
export async function readOuterRelations(
  session: Session,
  sources: readonly TableName[],
  signal: AbortSignal,
): Promise<readonly OuterRelation[]> {
  const tables = sources.map(tableOid).join(', ');
  const rows = await session.query(
    `SELECT DISTINCT c.oid, n.nspname, c.relname, c.relkind = 'v' AS is_view, pg_get_userbyid(c.relowner) AS owner, c.xmin::text AS version
     FROM pg_depend AS d JOIN pg_rewrite AS r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid
       JOIN pg_class AS c ON c.oid = r.ev_class JOIN pg_namespace AS n ON n.oid = c.relnamespace
     WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid IN (${tables}) AND c.oid NOT IN (${tables}) AND ${isRepointed}
     ORDER BY c.oid`,
    signal,
  );
  if (rows.length === 0) return [];
  const depths = await readDepths(session, tables, signal);
  return rows
    .map((row) => ({
      depth: depths.get(row['oid'] ?? '') ?? 0,
      relation: {
        schema: row['nspname'] ?? '',
        table: row['relname'] ?? '',
        kind: row['is_view'] === 't' ? ('VIEW' as const) : ('TABLE' as const),
        owner: row['owner'] ?? '',
        version: row['version'] ?? '',
      },
    }))
    .toSorted((a, b) => b.depth - a.depth)
    .map(({ relation }) => relation);
}

/** How many relations there are at most between the tables and each one that leads to them by its rules. */
async function readDepths(session: Session, tables: string, signal: AbortSignal): Promise<ReadonlyMap<string, number>> {
  const rows = await session.query(
    `WITH RECURSIVE step AS (
       SELECT DISTINCT d.refobjid AS lower, r.ev_class AS upper FROM pg_depend AS d JOIN pg_rewrite AS r ON r.oid = d.objid
       WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass AND r.ev_class <> d.refobjid),
     reached (oid) AS (SELECT unnest(ARRAY[${tables}])::oid UNION SELECT step.upper FROM reached JOIN step ON step.lower = reached.oid)
     SELECT step.lower, step.upper FROM reached JOIN step ON step.lower = reached.oid WHERE step.upper NOT IN (${tables})`,
    signal,
  );
  const depths = new Map<string, number>();
  // Views have no circles; rules may have, and then any order is as good.
  for (let round = 0; round < rows.length; round += 1) {
    let isSettled = true;
    for (const { lower, upper } of rows) {
      const depth = (depths.get(lower ?? '') ?? 0) + 1;
      if (depth <= (depths.get(upper ?? '') ?? 0)) continue;
      depths.set(upper ?? '', depth);
      isSettled = false;
    }
    if (isSettled) break;
  }
  return depths;
}
