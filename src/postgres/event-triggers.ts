/**
 * What event triggers of the database do to each table that is made, and so to the shadow: hosting providers switch row security
 * on, auditing adds a trigger. On the shadow it would work while rows are copied, and be there twice after the swap.
 */

import type { Session } from './session.ts';
import { quoteText } from './statements.ts';

/**
 * Triggers, policies and rules of the tables in the shadow's schema, where we make none before the swap, each as a sentence without
 * its full stop. Locks nothing.
 */
export async function readUninvited(session: Session, schema: string, signal: AbortSignal): Promise<readonly string[]> {
  const kinds = [
    ['pg_trigger', 'tgrelid', 'NOT o.tgisinternal'],
    ['pg_policy', 'polrelid', 'true'],
    ['pg_rewrite', 'ev_class', 'true'],
  ] as const;
  const queries = kinds.map(
    ([catalog, table, condition]) =>
      `SELECT pg_describe_object('${catalog}'::regclass, o.oid, 0) AS object FROM ${catalog} AS o JOIN pg_class AS c ON c.oid = o.${table}
       JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE n.nspname = ${quoteText(schema)} AND c.relkind IN ('r', 'p') AND ${condition}`,
  );
  const rows = await session.query(
    `SELECT u.object, (SELECT string_agg(evtname, ', ' ORDER BY evtname) FROM pg_event_trigger WHERE evtenabled <> 'D'
       AND evtevent = 'ddl_command_end') AS makers FROM (${queries.join(' UNION ALL ')}) AS u ORDER BY 1`,
    signal,
  );
  return rows.map(({ object, makers }) => {
    const maker = makers == null ? 'somebody' : `an event trigger (${makers}), or somebody,`;
    return `The new table has the ${object ?? ''}, which ${maker} has made`;
  });
}

/** Switches off what they have switched on for tables in the shadow's schema: until the swap nobody but us reads there. */
export async function switchRowSecurityOff(session: Session, schema: string, signal: AbortSignal): Promise<void> {
  const rows = await session.query(
    `SELECT format('ALTER TABLE %I.%I DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY', n.nspname, c.relname) AS statement
     FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
     WHERE n.nspname = ${quoteText(schema)} AND (c.relrowsecurity OR c.relforcerowsecurity) ORDER BY c.oid`,
    signal,
  );
  for (const { statement } of rows) await session.execute(statement ?? '', signal);
}
