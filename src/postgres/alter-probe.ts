/** Lets the server try the ALTER on an empty copy of the table, in a transaction that is rolled back. */

import { MigrationError } from '../engine/errors.ts';
import type { TableName } from '../engine/model.ts';
import type { Obstacle } from '../engine/obstacles.ts';
import type { AlterReading, UsingExpression } from './alter-clauses.ts';
import type { Column, TableDescription } from './catalog.ts';
import { refusalIn, type ServerReport } from './errors.ts';
import { readRelationsOfPartitions } from './partitioned-shadow.ts';
import { withDefaultPath } from './search-path.ts';
import type { Session } from './session.ts';
import { makeAltered } from './shadow.ts';
import { quoteName, quoteTable, quoteText } from './statements.ts';
import { beginTrial } from './transaction.ts';

/** What the ALTER made of the copy. */
export interface ProbedTable {
  /** The altered copy. Its schema, its sizes and its oid mean nothing. */
  readonly definition: TableDescription;
  /** The same before it got partitions; without them, the same. */
  readonly plain: TableDescription;
  /** Columns that exist before and after, in the order of the shadow. */
  readonly kept: readonly (readonly [source: Column, shadow: Column])[];
  /** By the source's column: the expression with every name qualified. */
  readonly usings: ReadonlyMap<string, string>;
  /** Names of the partitions and of their indexes. */
  readonly relationsOfPartitions: readonly string[];
}

/**
 * Tries the clauses. Takes ACCESS SHARE on the source for as long, and leaves nothing behind. An obstacle where the server
 * refuses the clauses, or refuses to let us try.
 */
export async function probeAlter(
  session: Session,
  source: TableDescription,
  reading: AlterReading,
  signal: AbortSignal,
): Promise<ProbedTable | Obstacle> {
  const table = { schema: `tableshift_probe_${session.pid}`, table: source.table };
  await using _ = await beginTrial(session, signal);
  let step: Step = 'copy';
  try {
    await session.execute(`CREATE SCHEMA ${quoteName(table.schema)}`, signal);
    const onCopied = (): void => void (step = 'alter');
    const { definition, plain } = await makeAltered(session, source, { schema: table.schema, reading, onCopied }, signal);
    const relationsOfPartitions = await readRelationsOfPartitions(session, table, signal);
    const kept = keptColumns(source, definition);
    const usings = new Map<string, string>();
    for (const using of reading.usings) {
      const shadow = kept.find(([column]) => column.name === using.column)?.[1];
      if (shadow === undefined) continue;
      const read = await qualified(session, { source, using, shadow, schema: table.schema }, signal);
      if (read.changing !== null) return changingObstacle(using, read.changing);
      usings.set(using.column, read.expression);
    }
    return { definition, plain, kept, usings, relationsOfPartitions };
  } catch (error) {
    return refusalOf(error, source, step);
  }
}

/** What was being done: making the empty copy, or altering it. */
export type Step = 'copy' | 'alter';

/** Columns that exist before and after. LIKE numbers them anew, without gaps; the ALTER keeps the numbers. */
export function keptColumns(source: TableDescription, altered: TableDescription): readonly (readonly [Column, Column])[] {
  return altered.columns.flatMap((shadow) => {
    const column = source.columns[shadow.attnum - 1];
    return column === undefined ? [] : [[column, shadow] as const];
  });
}

interface Qualifying {
  readonly source: TableDescription;
  readonly using: UsingExpression;
  readonly shadow: Column;
  readonly schema: string;
}

/** The server's own reading of the expression, that of a view over the source; and what in it gives another value each time. */
async function qualified(
  session: Session,
  { source, using, shadow, schema }: Qualifying,
  signal: AbortSignal,
): Promise<{ readonly expression: string; readonly changing: string | null }> {
  const view = quoteTable({ schema, table: `tableshift_using_${shadow.attnum}` });
  const type = using.isUntyped ? `::${shadow.bareType}` : '';
  const select = `SELECT (${using.expression}\n)${type} AS tableshift_value FROM ONLY ${quoteTable(source)}`;
  await withDefaultPath(session, () => session.execute(`CREATE VIEW ${view} AS ${select}`, signal), signal);
  const oid = `${quoteText(view)}::regclass`;
  const reading = `SELECT pg_get_viewdef(${oid}) AS definition, ${changingCall(oid)} AS changing`;
  // What the role has is for values: `quote_ident` goes by it, too.
  const quoting = ['SET LOCAL quote_all_identifiers = off', 'SET LOCAL quote_all_identifiers TO DEFAULT'] as const;
  const [, [row] = []] = await session.queryEach([quoting[0], reading, quoting[1]], signal);
  // The server breaks lines before and behind some expressions.
  const match = /^\s*SELECT\s([^]*)\sAS tableshift_value\s+FROM ONLY /.exec(row?.['definition'] ?? '');
  const expression = match?.[1]?.trim();
  if (expression === undefined) throw new MigrationError('INTERNAL', `The expression of ${using.column} cannot be read back.`);
  return { expression, changing: row?.['changing'] ?? null };
}

/**
 * Name of the first function in a view that is volatile or tells the present time, the session or the transaction; null without
 * one. Read from the stored tree, for the server's own functions are no dependencies: `now` is a call, CURRENT_DATE a node.
 */
function changingCall(view: string): string {
  const tree = `(SELECT ev_action::text FROM pg_rewrite WHERE ev_class = ${view})`;
  return `coalesce((SELECT min(p.proname::text) FROM regexp_matches(${tree}, ':(?:op)?funcid (\\d+)', 'g') AS m(found)
      JOIN pg_proc AS p ON p.oid = m.found[1]::oid WHERE p.provolatile = 'v' OR p.pronamespace = 'pg_catalog'::regnamespace
        AND (p.proname ~ '^(now|transaction_timestamp|statement_timestamp|txid_.*|pg_current_.*|pg_backend_pid)$' OR p.proname = 'age' AND p.pronargs = 1)),
    (SELECT 'the present time' WHERE ${tree} ~ '[{]SQLVALUEFUNCTION :op [0-8] '))`;
}

/** Rows are converted when they are copied, again when they are changed, and again to compare them. */
function changingObstacle({ column }: UsingExpression, what: string): Obstacle {
  const message = `The USING of ${column} gives another value each time it is computed (${what}); instead, drop the column and add it with that as its default.`;
  return { code: 'UNSUPPORTED_CLAUSE', message };
}

/** By the table's name, not by that of a copy; and, where other objects need what is dropped, with these. */
function wordsOf({ code, message, detail }: ServerReport, { schema }: TableName): string {
  const needed = code === '2BP01' && detail !== null ? ` (${detail.replaceAll('\n', '; ')})` : '';
  const said = `${message.replace(/\.$/, '')}${needed}`;
  return said.replaceAll(/\btableshift_probe_[0-9_]+\./g, () => `${schema}.`);
}

/** What the server said as an obstacle; throws again what may pass. */
export function refusalOf(error: unknown, source: TableName, step: Step): Obstacle {
  const report = refusalIn(error);
  if (report === null) throw error;
  const name = `${source.schema}.${source.table}`;
  const said = wordsOf(report, source);
  if (step === 'copy' && report.code.startsWith('P0'))
    return { code: 'EVENT_TRIGGERS', message: `An event trigger of the database refuses an empty copy of ${name}: ${said}.` };
  if (report.code === '42501' || step === 'copy') {
    return {
      code: 'MISSING_PRIVILEGE',
      message: `An empty copy of ${name} cannot be ${step === 'copy' ? 'made' : 'altered'}: ${said}.`,
    };
  }
  return { code: 'INVALID_ALTER', message: `The server refuses the ALTER of ${name}: ${said}.` };
}
