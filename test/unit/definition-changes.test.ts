import { expect, test } from 'vitest';
import type { TableDescription } from '../../src/postgres/catalog.ts';
import { definitionChanges } from '../../src/postgres/definition-changes.ts';
import type { Leaf } from '../../src/postgres/leaf-partition.ts';

const parts = { columns: [], indexes: [], constraints: [], statistics: [], sequences: [], options: [], toastOptions: [] };
const partition = (rest: Partial<Leaf>): TableDescription =>
  ({
    ...parts,
    oid: 1,
    isPartition: true,
    leaf: { bound: "FOR VALUES IN ('x')", rest: null, ...rest },
  }) as unknown as TableDescription;

test('of a partition it is told when its table has got something that its swap would meet', () => {
  expect(definitionChanges(partition({}), partition({}))).toBe('');
  expect(definitionChanges(partition({}), partition({ bound: "FOR VALUES IN ('y')" }))).toBe(
    'its bound, an index of its table, or the DEFAULT partition beside it, was changed',
  );
  const { leaf: _, ...rest } = partition({});
  expect(definitionChanges(partition({}), { ...rest, isPartition: false })).toBe('whether it is a partition was changed');
});
