/** What about the table, and about earlier migrations of it, stands in the way. */

import type { Plan, TableName } from '../engine/model.ts';
import type { Obstacle } from '../engine/obstacles.ts';
import { claimObstacle, openMigrationObstacles } from '../sessions/claims.ts';
import { findMigrations, readClaim } from './bookkeeping.ts';
import type { Index } from './catalog.ts';
import { claimName, findClaimHolder } from './claim.ts';
import { typeFamily } from './conversions.ts';
import { checkNames, readCreateStatement } from './create-statement.ts';
import { lowerCase } from './name-case.ts';
import { identifierLengthMax } from './plan-names.ts';
import type { PlanningFacts } from './planning-facts.ts';
import type { Server } from './server.ts';
import type { Session } from './session.ts';
import { quoteText } from './statements.ts';
import { tableOption } from './table-options.ts';

/** What the definitions of source and shadow tell. */
export function definitionObstacles({ source, probed, foreignKeys }: PlanningFacts): readonly Obstacle[] {
  const name = `${source.schema}.${source.table}`;
  const obstacles: Obstacle[] = [];
  for (const [engine, what] of [
    [source.engine, 'is'],
    [probed.definition.engine, 'would become'],
  ] as const) {
    if (engine === 'InnoDB') continue;
    obstacles.push({ code: 'UNSUPPORTED_ENGINE', message: `${name} ${what} a table of the engine ${engine}.` });
  }
  const directory = tableOption(source.tableOptions, 'DATA DIRECTORY');
  if (directory !== null) {
    obstacles.push({ code: 'DATA_DIRECTORY', message: `${name} lies in ${directory}, and the new table would not.` });
  }
  const keys = foreignKeys ?? [];
  if (probed.definition.isPartitioned && keys.length > 0) {
    const names = keys.map((key) => key.name).join(', ');
    obstacles.push({
      code: 'FOREIGN_KEYS',
      message: `${name} would be partitioned, and no foreign key of or to a partitioned table can be: ${names}.`,
    });
  }
  const unknown = [...source.columns, ...probed.definition.columns].filter((column) => typeFamily(column) === null);
  for (const column of new Map(unknown.map((column) => [column.name, column])).values()) {
    obstacles.push({
      code: 'UNKNOWN_COLUMN_TYPE',
      message: `${name}.${column.name} is of the type ${column.columnType}, which is not known here.`,
    });
  }
  for (const index of probed.definition.indexes.filter(isMultiValuedUnique)) {
    obstacles.push({
      code: 'UNSUPPORTED_INDEX',
      message: `${name} would have the unique index ${index.name} over the elements of arrays, whose values no statement can compare.`,
    });
  }
  return obstacles;
}

/**
 * Where a column FTS_DOC_ID numbers the rows of a full-text index, InnoDB takes a row only with a greater number than all that it has had
 * (error 182). Rows come into a shadow in the order of the migration key, and those that change come again.
 */
export function documentNumberObstacles({ source, probed: { definition } }: PlanningFacts): readonly Obstacle[] {
  const index = definition.indexes.find(({ type }) => type === 'FULLTEXT');
  if (index === undefined || !definition.columns.some(({ name }) => name === 'FTS_DOC_ID')) return [];
  const message = `${source.schema}.${source.table} would have the full-text index ${index.name} over rows that FTS_DOC_ID numbers, and the server takes these in ascending order only, in which they cannot be copied.`;
  return [{ code: 'UNSUPPORTED_INDEX', message }];
}

/**
 * MySQL calls the CHECK constraints of a table that is made like another after the table, renames them with it, and refuses the RENAME
 * where that makes a name too long: the swap would fail.
 */
export function checkNameObstacles({ source, probed: { definition }, setting }: PlanningFacts): readonly Obstacle[] {
  if (setting.isMariaDb) return [];
  const prefix = lowerCase(`${definition.table}_chk_`);
  const count = checkNames(readCreateStatement(definition.createStatement)).filter((name) =>
    lowerCase(name).startsWith(prefix),
  ).length;
  const longest = `${source.table}_chk_${count}`;
  if (count === 0 || longest.length <= identifierLengthMax) return [];
  const message = `The CHECK constraints of ${source.schema}.${source.table} would be called ${longest} and the like, which is longer than ${identifierLengthMax} characters: drop them first, or give the table a shorter name.`;
  return [{ code: 'UNSUPPORTED_TABLE', message }];
}

/** MySQL shows the expression of such an index as `cast(… as … array)`. */
function isMultiValuedUnique({ isUnique, parts }: Index): boolean {
  return isUnique && parts.some((part) => / array\)$/i.test(part.expression ?? ''));
}

/** A live run on the table alone; or else an unfinished migration of it, and what has the names of the plan but is not its shadow. */
export async function earlierObstacles(
  session: Session,
  { plan, server }: { readonly plan: Plan; readonly server: Server },
  signal: AbortSignal,
): Promise<readonly Obstacle[]> {
  const found = await migrationObstacles(session, { ...plan, server }, signal);
  if (found.some(({ code }) => code === 'TABLE_IN_USE')) return found;
  const taken = await nameObstacles(session, plan, signal);
  return [...(found.length === 0 ? taken : taken.filter(({ code }) => code !== 'SHADOW_EXISTS')), ...found];
}

/** Tables that have the names which the plan gives. */
async function nameObstacles(session: Session, plan: Plan, signal: AbortSignal): Promise<readonly Obstacle[]> {
  const { schema } = plan.source;
  const list = [plan.shadow, plan.retired].map(({ table }) => quoteText(table)).join(', ');
  const rows = await session.query(
    `SELECT TABLE_NAME AS name FROM information_schema.TABLES WHERE TABLE_SCHEMA = ${quoteText(schema)} AND TABLE_NAME IN (${list})`,
    signal,
  );
  const existing = rows.map((row) => lowerCase(row['name'] ?? ''));
  const obstacles: Obstacle[] = [];
  if (existing.includes(lowerCase(plan.shadow.table))) {
    obstacles.push({
      code: 'SHADOW_EXISTS',
      message: `${schema}.${plan.shadow.table}, the shadow's name, is taken by a table.`,
    });
  }
  if (existing.includes(lowerCase(plan.retired.table))) {
    obstacles.push({
      code: 'RETIRED_EXISTS',
      message: `${schema}.${plan.retired.table}, the retired table's name, is taken by a table.`,
    });
  }
  return obstacles;
}

/** A live run on the table, or else an unfinished migration of it, but for the one with this ID. */
export async function migrationObstacles(
  session: Session,
  { id, source, server }: { readonly id: string | null; readonly source: TableName; readonly server: Server },
  signal: AbortSignal,
): Promise<readonly Obstacle[]> {
  const claim = claimName(server, source);
  const holder = await findClaimHolder(session, claim, signal);
  if (holder !== null) {
    const told = `connection ${holder}`;
    return [claimObstacle({ source }, { connectionId: holder, told }, await readClaim(session, claim, signal))];
  }
  return openMigrationObstacles({ id, source }, await findMigrations(session, null, signal));
}
