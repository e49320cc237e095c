/** Lets the server itself say what an ALTER makes of a table: it is carried out on an empty temporary copy. */

import type { TableName } from '../engine/model.ts';
import type { AlterReading } from './alter-clauses.ts';
import { readTemporaryTable, type TableDescription } from './catalog.ts';
import { ordinaryClient, withSettings } from './client-settings.ts';
import { readCreateStatement } from './create-statement.ts';
import { causeText, MigrationError } from '../engine/errors.ts';
import type { Obstacle } from '../engine/obstacles.ts';
import { serverErrno } from './errors.ts';
import { lowerCase } from './name-case.ts';
import type { Session } from './session.ts';
import { quoteName, quoteTable } from './statements.ts';
import { hasPermanentOnly, isPermanentOnly } from './table-options.ts';

/** What the table would be. */
export interface ProbedTable {
  readonly definition: TableDescription;
  /**
   * False where a temporary table cannot be the same: then full-text indexes, partitions and some table options are missing from
   * the definition, and the clauses about them have not been tried (clone-trial.ts does). Columns and all other indexes are right.
   */
  readonly isExact: boolean;
}

/** Where the temporary table is, for the life of the session. */
export function probeName(source: TableName): TableName {
  return { schema: source.schema, table: probeTable };
}

const probeTable = '_tableshift_probe';

/**
 * Carries the clauses out on an empty temporary table of this session. It is never in the log, takes no lock on the source beyond
 * a short metadata lock, and goes with the session. Gives an obstacle where the server refuses.
 */
export async function probeAlter(
  session: Session,
  source: TableDescription,
  reading: AlterReading,
  signal: AbortSignal,
): Promise<ProbedTable | Obstacle> {
  const isExact = !needsPlainCopy(source, reading);
  const probe = probeName(source);
  const clauses = isExact ? reading.text : triableClauses(source, reading);
  await session.execute(`DROP TEMPORARY TABLE IF EXISTS ${quoteTable(probe)}`, signal);
  try {
    if (!isExact) await forbidHiddenKey(session, signal);
    await session.execute(isExact ? likeStatement(probe, source) : plainStatement(probe, source), signal);
    const change = `ALTER TABLE ${quoteTable(probe)} ${clauses}`;
    if (clauses !== '') await withSettings(session, ordinaryClient, () => session.execute(change, signal), signal);
    return { definition: await readTemporaryTable(session, probe, signal), isExact };
  } catch (error) {
    const obstacle = obstacleOf(error, source);
    if (obstacle === null) throw error;
    return obstacle;
  }
}

/** Temporary tables cannot have these. */
function needsPlainCopy(source: TableDescription, reading: AlterReading): boolean {
  return (
    source.isPartitioned ||
    hasPermanentOnly(source.tableOptions) ||
    source.indexes.some((index) => index.type === 'FULLTEXT') ||
    reading.clauses.some(
      (clause) =>
        clause.kind === 'add-fulltext' ||
        clause.kind === 'partitioning' ||
        (clause.kind === 'table-option' && isPermanentOnly(clause)),
    )
  );
}

function likeStatement(probe: TableName, source: TableDescription): string {
  return `CREATE TEMPORARY TABLE ${quoteTable(probe)} LIKE ${quoteTable(source)}`;
}

/** Only CREATE TABLE with columns is given a key of the server's own; LIKE and ALTER TABLE are not. */
async function forbidHiddenKey(session: Session, signal: AbortSignal): Promise<void> {
  const name = 'sql_generate_invisible_primary_key';
  const on = await session.query(`SHOW SESSION VARIABLES WHERE Variable_name = '${name}' AND Value = 'ON'`, signal);
  if (on.length > 0) await session.execute(`SET SESSION ${name} = OFF`, signal);
}

function plainStatement(probe: TableName, source: TableDescription): string {
  const { columns, otherElements } = readCreateStatement(source.createStatement);
  const elements = [
    ...[...columns].map(([name, definition]) => `${quoteName(name)} ${definition}`),
    ...otherElements.filter(
      (element) => !/^FULLTEXT\b/.test(element) && !/^CONSTRAINT\s+`(?:[^`]|``)*`\s+FOREIGN KEY\b/.test(element),
    ),
  ];
  return `CREATE TEMPORARY TABLE ${quoteTable(probe)} (${elements.join(', ')}) ENGINE=${source.engine} DEFAULT COLLATE=${source.collation}`;
}

function triableClauses(source: TableDescription, reading: AlterReading): string {
  const fullText = source.indexes.filter((index) => index.type === 'FULLTEXT').map((index) => lowerCase(index.name));
  return reading.clauses
    .filter((clause) => {
      if (clause.kind === 'add-fulltext' || clause.kind === 'partitioning') return false;
      if (clause.kind === 'table-option') return !isPermanentOnly(clause);
      if (clause.kind === 'rename-index') return !fullText.includes(lowerCase(clause.from));
      return clause.kind !== 'change-index' || !fullText.includes(lowerCase(clause.index));
    })
    .map((clause) => clause.text)
    .join(', ');
}

/** ER_PERIOD_TEMPORARY_TABLE_ERROR (MariaDB). */
const noTemporaryPeriod = 4152;

/** Transient errors and lost sessions are no obstacles. */
function obstacleOf(error: unknown, source: TableDescription): Obstacle | null {
  if (!(error instanceof MigrationError) || error.isTransient) return null;
  if (serverErrno(error) === noTemporaryPeriod) {
    const message = `${source.schema}.${source.table} has an application-time period (PERIOD FOR), which no temporary table can have, so its change cannot be tried beforehand.`;
    return { code: 'UNSUPPORTED_TABLE', message };
  }
  const reason = causeText(error)
    .replace(/\.$/, '')
    .replaceAll(probeTable, () => source.table);
  if (error.code === 'ACCESS_DENIED') {
    return {
      code: 'MISSING_PRIVILEGE',
      message: `The ALTER cannot be tried on a temporary table in ${source.schema}: ${reason}.`,
    };
  }
  return { code: 'INVALID_ALTER', message: `The server refuses the ALTER of ${source.schema}.${source.table}: ${reason}.` };
}
