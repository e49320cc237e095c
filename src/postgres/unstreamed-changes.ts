/**
 * Changes of the source that do not come by the change stream, by the marks that they leave in the catalog: an ALTER TABLE that
 * computes the rows anew and perhaps gives the same definition, and a publication that did not list the table for a while. Another
 * replica identity loses none, but the server refuses to change rows of a table that is published without it. A value of an enum that
 * is renamed is another one in all rows at once. And a TRUNCATE of the shadow, whose rows nobody would copy again once they were compared.
 */

import { MigrationError } from '../engine/errors.ts';
import type { Plan } from '../engine/model.ts';
import { tableOid } from './catalog.ts';
import { slotName } from './replication-slot.ts';
import type { Session } from './session.ts';
import { quoteTable, quoteText } from './statements.ts';

/** The marks at one moment. */
export interface StreamMarks {
  /** The file of the rows: another one after VACUUM FULL and CLUSTER, which keep the rows, and after an ALTER that rewrites them. */
  readonly file: string;
  /**
   * Of each column its default, which an ALTER that computes the column anew makes again; where it has none, who wrote its row in the
   * catalog. VACUUM FULL and CLUSTER leave both, but for a column that was added with a default and has lost it since: they write down in
   * its row that old rows have the value now.
   */
  readonly columns: string;
  /** What is published, and who wrote that; null where no publication of this migration lists the table. */
  readonly publication: string | null;
  /** Which columns the server logs to tell which row was changed. Absent in marks of older shadows. */
  readonly identity?: string;
  /** Files of the shadow and its partitions whose rows were not counted since they are there. Absent in marks of older shadows. */
  readonly uncounted?: readonly string[];
  /** Names of the values of enums whose columns get another type, by OID. Absent in marks of older shadows, and where there is none. */
  readonly enumValues?: Readonly<Record<string, string>>;
}

/** Reads the marks. One statement on the catalog; locks nothing. */
export async function readStreamMarks(session: Session, plan: Plan, signal: AbortSignal): Promise<StreamMarks> {
  const oid = tableOid(plan.source);
  const shadow = `to_regclass(${quoteText(quoteTable(plan.shadow))})`;
  const [row] = await session.query(
    `SELECT pg_relation_filenode(${oid}) AS file,
       (SELECT string_agg(a.attnum || ':' || coalesce('d' || d.oid, a.xmin::text), ' ' ORDER BY a.attnum) FROM pg_attribute AS a
         LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum WHERE a.attrelid = ${oid} AND a.attnum > 0) AS columns,
       (SELECT concat_ws(' ', t.relreplident, c.relname) FROM pg_class AS t LEFT JOIN pg_index AS i ON i.indrelid = t.oid
           AND (i.indisreplident OR t.relreplident = 'd' AND i.indisprimary) LEFT JOIN pg_class AS c ON c.oid = i.indexrelid
         WHERE t.oid = ${oid}) AS identity,
       (SELECT string_agg(c.relfilenode::text, ' ') FROM pg_class AS c WHERE c.reltuples < 0 AND c.relkind = 'r'
         AND c.oid IN (SELECT ${shadow} UNION ALL SELECT inhrelid FROM pg_inherits WHERE inhparent = ${shadow})) AS uncounted,
       (SELECT concat_ws(' ', p.oid, p.xmin, r.oid, r.xmin) FROM pg_publication AS p JOIN pg_publication_rel AS r ON r.prpubid = p.oid
         WHERE r.prrelid = ${oid} AND p.pubname = ${quoteText(slotName(plan.id))}) AS publication,
       (${convertedEnumValues(plan, { oid, shadow })}) AS enum_values`,
    signal,
  );
  const { file, columns, publication, identity, uncounted, enum_values: enumValues } = row ?? {};
  return {
    ...{ file: file ?? '', columns: columns ?? '', publication: publication ?? null, identity: identity ?? '' },
    uncounted: (uncounted ?? '').split(' ').filter((one) => one !== ''),
    ...(typeof enumValues === 'string' ? { enumValues: JSON.parse(enumValues) as Readonly<Record<string, string>> } : {}),
  };
}

/** A query for one value: the values of enums of which columns, or their arrays or domains, are that have another type in the shadow. */
function convertedEnumValues({ columns }: Plan, { oid, shadow }: { readonly oid: string; readonly shadow: string }): string {
  const names = (side: 'source' | 'shadow'): string =>
    `ARRAY[${columns.map((column) => quoteText(column[side])).join(', ')}]::name[]`;
  return `SELECT json_object_agg(e.oid, e.enumlabel) FROM pg_enum AS e WHERE e.enumtypid IN (
      SELECT unnest(ARRAY[t.oid, t.typelem, b.oid, b.typelem]) FROM unnest(${names('source')}, ${names('shadow')}) AS pair (source, shadow)
        JOIN pg_attribute AS a ON a.attrelid = ${oid} AND a.attname = pair.source
        JOIN pg_attribute AS s ON s.attrelid = ${shadow} AND s.attname = pair.shadow AND s.atttypid <> a.atttypid
        JOIN pg_type AS t ON t.oid = a.atttypid LEFT JOIN pg_type AS b ON b.oid = t.typbasetype)`;
}

/** Throws SOURCE_CHANGED where changes may be missing, or are refused, and SHADOW_CHANGED where rows of the shadow are. */
export function checkStreamMarks(plan: Plan, before: StreamMarks, now: StreamMarks): void {
  const fault = streamFault(plan, before, now);
  if (fault !== null) throw fault;
}

/** The same as an error or null. In doubt (VACUUM FULL and a GRANT on a column without a default) it is no null, too. */
export function streamFault(plan: Plan, before: StreamMarks, now: StreamMarks): MigrationError | null {
  const name = `${plan.source.schema}.${plan.source.table}`;
  const changed = (what: string): MigrationError =>
    new MigrationError('SOURCE_CHANGED', `${what} Give migration ${plan.id} up and start anew.`);
  if (before.file !== now.file && before.columns !== now.columns) {
    return changed(`Somebody has rewritten the rows of ${name} with an ALTER TABLE since its shadow was made.`);
  }
  if (before.identity !== undefined && before.identity !== now.identity) {
    return changed(
      `Somebody has changed the replica identity of ${name}. While this migration’s publication is there, the server may refuse to change rows for that; it goes with this run.`,
    );
  }
  if (before.publication !== null && now.publication === null) {
    return changed(
      `Changes of ${name} come by the publication ${slotName(plan.id)} no more: somebody has altered or dropped it, or an earlier run, which could not go on, has taken it away.`,
    );
  }
  if (before.publication !== now.publication) {
    return changed(`Somebody has altered the publication ${slotName(plan.id)}, so that changes of ${name} may be missing.`);
  }
  const renamed = Object.entries(before.enumValues ?? {}).find(
    ([value, label]) => (now.enumValues?.[value] ?? label) !== label,
  );
  if (renamed !== undefined) {
    return changed(
      `Somebody has renamed “${renamed[1]}”, a value of an enum that a column of ${name} is of, and which gets another type: rows that were copied may have the old name.`,
    );
  }
  // TRUNCATE leaves a new file without a count, VACUUM FULL and CLUSTER one with it.
  const { uncounted } = before;
  if (uncounted !== undefined && now.uncounted?.every((one) => uncounted.includes(one)) === false) {
    const message = `Somebody has emptied the shadow of ${name}, which has lost rows that were copied. Give migration ${plan.id} up and start anew.`;
    return new MigrationError('SHADOW_CHANGED', message);
  }
  return null;
}
