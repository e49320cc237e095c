/** What may be beside a generated table of either family: a parent that it refers to, a child that refers to it, a count by a trigger. */
import type { Draw } from './draw.ts';
import type { GeneratedColumn } from './generated-column.ts';

export interface Beside {
  /** A column refers to the table `p`. */
  readonly hasParent: boolean;
  /** The table `ch` refers to the key. */
  readonly hasChild: boolean;
  /** A column is counted in by a trigger, which shows how often that has fired. */
  readonly hasCounter: boolean;
}

/** Names of these columns. */
export const LINK = 'link';
export const COUNTED = 'counted';

/** The parent has these at first; a row of the table refers to one of them or to none. */
const parentIds = ['1', '2', '3', '4', '5'] as const;

export const LINK_COLUMN: GeneratedColumn = {
  name: LINK,
  type: { ddl: 'INT', kind: 'link', values: parentIds, isKeyable: true },
  isNullable: true,
};

export function drawWhatIsBeside(draw: Draw): Beside {
  return { hasParent: draw.happens(0.15), hasChild: draw.happens(0.12), hasCounter: draw.happens(0.2) };
}

/** Made before the table. */
export function parentStatements({ hasParent }: Beside): readonly string[] {
  const rows = parentIds.map((id) => `(${id})`).join(', ');
  return hasParent ? ['CREATE TABLE p (id INT PRIMARY KEY)', `INSERT INTO p VALUES ${rows}`] : [];
}

/** A write to the parent or the child, of which there is one. `names`: the columns of the key. */
export function drawRelated(draw: Draw, { hasChild, hasParent }: Beside, names: string): string {
  const ofChild = [`INSERT INTO ch (${names}) SELECT ${names} FROM t ORDER BY ${names} LIMIT 2`, 'DELETE FROM ch'];
  const id = draw.of(parentIds);
  const ofParent = [
    ...[`DELETE FROM p WHERE id = ${id}`, `INSERT INTO p VALUES (${id})`],
    `UPDATE p SET id = id + 10 WHERE id = ${id}`,
  ];
  return draw.of([...(hasChild ? ofChild : []), ...(hasParent ? ofParent : [])]);
}
