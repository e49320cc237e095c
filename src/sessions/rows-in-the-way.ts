/** What a server says of rows that are in the way, as the reason of a collision. */

import type { RowKey } from '../engine/model.ts';
import type { CollisionCause } from '../engine/ports.ts';

/**
 * `found`: keys of the rows of the shadow that are in the way of the rows with the keys `asked`. `findAsked` reads how the source spells
 * the latter; it is called only where that may tell something.
 */
export async function rowsInTheWay(
  found: readonly RowKey[],
  asked: readonly RowKey[],
  findAsked: () => Promise<readonly RowKey[]>,
): Promise<CollisionCause> {
  const others = found.filter((key) => !asked.includes(key));
  if (others.length === 0) return { kind: 'in-the-way', keys: found };
  const own = await findAsked();
  const respelled = others.filter((key) => own.includes(key));
  return respelled.length === 0 ? { kind: 'in-the-way', keys: found } : { kind: 'in-the-way', keys: found, respelled };
}
