/** Conversions that would lose values without the server saying so, judged by the types alone. */

import type { Obstacle } from '../engine/obstacles.ts';
import { judgeConversion } from './conversions.ts';
import type { PlanningFacts } from './planning-facts.ts';

/** Columns whose values would be lost or bent without the server saying so. */
export function conversionObstacles({ source, map, setting }: PlanningFacts): readonly Obstacle[] {
  return map.kept.flatMap(([column, shadowColumn]): readonly Obstacle[] => {
    if (shadowColumn.generated !== 'none') return [];
    const conversion = judgeConversion(column, shadowColumn, setting);
    if (conversion.kind !== 'refused') return [];
    const types = `from ${column.columnType} to ${shadowColumn.columnType}`;
    return [
      {
        code: 'LOSSY_CONVERSION',
        message: `${source.schema}.${source.table}.${column.name} cannot be converted ${types}: ${conversion.note}.`,
      },
    ];
  });
}
