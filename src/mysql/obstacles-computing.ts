/** Settings of the server under which the shadow would come to hold other values than the server's own ALTER gives. */

import type { Obstacle } from '../engine/obstacles.ts';
import type { Column, TableDescription } from './catalog.ts';
import { isBoundToUtc } from './client-settings.ts';
import { readCreateStatement } from './create-statement.ts';
import { copiedColumns, type PlanningFacts } from './planning-facts.ts';
import type { Session } from './session.ts';
import { quoteName } from './statements.ts';

/** What these settings would bend. Reads one variable. */
export async function computingObstacles(
  session: Session,
  facts: PlanningFacts,
  signal: AbortSignal,
): Promise<readonly Obstacle[]> {
  const [row] = await session.query('SELECT @@GLOBAL.sql_mode AS mode', signal);
  const isPadding = (row?.['mode'] ?? '').split(',').includes('PAD_CHAR_TO_FULL_LENGTH');
  return [...(isPadding ? paddingObstacles(facts) : []), ...zoneObstacles(facts)];
}

/** Under this mode a CHAR is read with the spaces at its end, which keys and checksums must not have. */
function paddingObstacles({ source, map, probed }: PlanningFacts): readonly Obstacle[] {
  const computed = computedTexts(probed.definition, map.added);
  const bent = map.kept.find(([from, to]) => {
    if (from.dataType !== 'char') return false;
    const isConverted = to.generated === 'none' && to.dataType !== 'char';
    return isConverted || computed.some((text) => text.includes(quoteName(to.name)));
  });
  if (bent === undefined) return [];
  const message = `${source.schema}.${source.table}.${bent[0].name}: with the server’s sql_mode PAD_CHAR_TO_FULL_LENGTH what is computed from a CHAR has spaces at its end, and would not have them here; take the mode out of the global sql_mode while the migration runs, or use the server’s own ALTER.`;
  return [{ code: 'LOSSY_CONVERSION', message }];
}

/** Where rows have to be put in in UTC. */
function zoneObstacles(facts: PlanningFacts): readonly Obstacle[] {
  const { source, map, probed, key, setting } = facts;
  const copied = copiedColumns(facts);
  if (setting.isServerUtc || !isBoundToUtc(copied)) return [];
  const local = computedTexts(probed.definition, map.added).find((text) => isLocal(text, probed.definition.columns));
  if (local === undefined) return [];
  const name = `${source.schema}.${source.table}`;
  const isByKey = isBoundToUtc({ ...copied, pairs: [] });
  const [why, wayOut] = isByKey
    ? [`The migration key ${key.index} of ${name} has a TIMESTAMP`, 'Choose a migration key without a TIMESTAMP (--key)']
    : [`A TIMESTAMP of ${name} gets other digits`, 'Change the digits by itself'];
  const message = `${why}, so rows are put in in UTC, but the server’s time zone is another one, and this depends on it: ${local.slice(0, 200)}. ${wayOut}, or use the server’s own ALTER.`;
  return [{ code: isByKey ? 'UNSUPPORTED_KEY' : 'LOSSY_CONVERSION', message }];
}

/** What the server computes for each row that is put in, as SHOW CREATE TABLE and SHOW INDEX print it. */
function computedTexts(shadow: TableDescription, addedColumns: readonly string[]): readonly string[] {
  const { checks } = readCreateStatement(shadow.createStatement);
  return [
    ...shadow.columns.flatMap((column) => computedText(column, addedColumns.includes(column.name)) ?? []),
    ...checks.map((check) => check.definition),
    ...shadow.indexes.flatMap(({ parts }) => parts.flatMap(({ expression }) => expression ?? [])),
  ];
}

function computedText({ dataType, definition, generated }: Column, isAdded: boolean): string | null {
  // The moment itself has no zone.
  const hasMoment = dataType === 'timestamp' && /\bDEFAULT CURRENT_TIMESTAMP\b/i.test(definition);
  if (generated !== 'none' || (isAdded && !hasMoment)) return definition;
  return /\bCHECK\b.*/is.exec(definition)?.[0] ?? null;
}

const localFunctions =
  /\b(?:unix_timestamp|from_unixtime|current_timestamp|now|sysdate|localtime|localtimestamp|curdate|current_date|curtime|current_time)\b/i;

/** Whether what an expression comes to depends on the zone of the session; `columns` are those of its table. */
export function isLocal(text: string, columns: readonly Column[]): boolean {
  const isNamed = ({ dataType, name }: Column): boolean => dataType === 'timestamp' && text.includes(quoteName(name));
  return localFunctions.test(text) || columns.some(isNamed);
}
