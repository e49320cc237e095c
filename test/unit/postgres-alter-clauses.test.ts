import { expect, test } from 'vitest';
import { readAlterClauses } from '../../src/postgres/alter-clauses.ts';

test('PARTITION BY is taken out of the clauses, with its partitions as they are written', () => {
  const reading = readAlterClauses(
    `ADD PRIMARY KEY (id, "Day"), PARTITION BY RANGE ("Day", lower(a)) (PARTITION "P, 1" FOR VALUES FROM ('(', MINVALUE) TO (2, f(3)), partition Rest default), ADD z int;`,
  );
  expect(reading).toMatchObject({
    ownClauses: 'ADD PRIMARY KEY (id, "Day"), ADD z int',
    partitioning: {
      method: 'RANGE ("Day", lower(a))',
      partitions: [
        { name: 'P, 1', bound: "FOR VALUES FROM ('(', MINVALUE) TO (2, f(3))" },
        { name: 'rest', bound: 'default' },
      ],
    },
    problems: [],
  });
  const hash = 'PARTITION BY HASH (id) (PARTITION a FOR VALUES WITH (MODULUS 1, REMAINDER 0))';
  expect(readAlterClauses(hash)).toMatchObject({ ownClauses: '', partitioning: { method: 'HASH (id)' }, problems: [] });
  expect(readAlterClauses('ADD z int, DROP a')).toMatchObject({ ownClauses: 'ADD z int, DROP a', partitioning: null });
});

test.each([
  'PARTITION BY RANGE (a)',
  'PARTITION BY RANGE (a) ()',
  'PARTITION BY RANGE (a) (PARTITION p)',
  'PARTITION BY RANGE (a) (PARTITION p VALUES LESS THAN (3))',
  'PARTITION BY RANGE (a) (PARTITION p DEFAULT PARTITION BY LIST (b))',
  'PARTITION BY RANGE (a) (PARTITION p DEFAULT, q DEFAULT)',
  'PARTITION BY RANGE (a) (PARTITION p DEFAULT) TABLESPACE x',
  'PARTITION BY LIST (a) (PARTITION p DEFAULT), PARTITION BY LIST (a) (PARTITION p DEFAULT)',
  'PARTITION BY LIST (a) (PARTITION p FOR VALUES IN (1) TABLESPACE x (a))',
])('%s is refused, for it would not be what was meant', (clauses) => {
  const { problems } = readAlterClauses(clauses);
  expect(problems).toEqual([
    {
      code: 'UNSUPPORTED_CLAUSE',
      message: expect.stringContaining('The clause PARTITION BY cannot be read; write it once, as in'),
    },
  ]);
});

test('a column cannot be renamed beside other changes, and the way out is said', () => {
  for (const clauses of ['RENAME a TO b, ADD c int', 'ADD c int, RENAME COLUMN a TO b']) {
    const { problems } = readAlterClauses(clauses);
    expect(problems).toEqual([
      { code: 'UNSUPPORTED_CLAUSE', message: expect.stringMatching(/^RENAME stands alone .* Rename by itself/) },
    ]);
  }
  expect(readAlterClauses('RENAME a TO b').problems).toEqual([]);
});
