/** Conversions that would lose values without the server saying so, judged by the types alone. */

import type { Obstacle } from '../engine/obstacles.ts';
import type { Column } from './catalog.ts';
import { judgeConversion } from './conversions.ts';
import { isSameInAnyCase } from './name-case.ts';
import type { PlanningFacts } from './planning-facts.ts';

/** Columns whose values would be lost or bent without the server saying so. */
export function conversionObstacles(facts: PlanningFacts): readonly Obstacle[] {
  const { source, map, setting } = facts;
  return map.kept.flatMap(([column, shadowColumn]): readonly Obstacle[] => {
    if (shadowColumn.generated !== 'none') return [];
    const name = `${source.schema}.${source.table}.${column.name}`;
    if (isSpoilt(facts, column, shadowColumn)) return [spoiltMembers(name, column, shadowColumn)];
    const conversion = judgeConversion(column, shadowColumn, setting);
    if (conversion.kind !== 'refused') return [];
    const types = `from ${column.columnType} to ${shadowColumn.columnType}`;
    return [{ code: 'LOSSY_CONVERSION', message: `${name} cannot be converted ${types}: ${conversion.note}.` }];
  });
}

/** Whether the ALTER changes the members of a column without having said so. Both servers' CONVERT TO leaves their bytes as they are. */
function isSpoilt({ reading }: PlanningFacts, column: Column, shadowColumn: Column): boolean {
  const isDefined = reading.clauses.some((clause) => {
    const named = clause.kind === 'modify-column' ? clause.column : clause.kind === 'rename-column' ? clause.from : null;
    return named !== null && isSameInAnyCase(named, column.name) && /^(?:MODIFY|CHANGE)\b/i.test(clause.text);
  });
  return !isDefined && column.members.join("','") !== shadowColumn.members.join("','");
}

function spoiltMembers(name: string, column: Column, shadowColumn: Column): Obstacle {
  const charset = shadowColumn.charset ?? '';
  const type = column.columnType;
  return {
    code: 'ENUM_MEANING_CHANGED',
    message: `CONVERT TO takes the bytes of the members of ${name}, ${type}, for ${charset} and makes ${shadowColumn.columnType} of them; say what they shall be: MODIFY ${column.name} ${type} CHARACTER SET ${charset}.`,
  };
}
