import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { MigrationError } from '../../src/engine/errors.ts';
import { parseAlterStatement, readAlterClauses, type AlterClause } from '../../src/mysql/alter-clauses.ts';
import { quoteName } from '../../src/mysql/statements.ts';

/** The clauses without their text. */
function read(sql: string): readonly Omit<AlterClause, 'text'>[] {
  const { clauses, problems } = readAlterClauses(sql);
  expect(problems).toEqual([]);
  return clauses.map(({ text: _text, ...rest }) => rest);
}

/** Code of what is thrown when the text stands behind ALTER TABLE; null when nothing is. */
function refusalOf(sql: string): string | null {
  try {
    parseAlterStatement(`ALTER TABLE ${sql}`);
    return null;
  } catch (error) {
    return error instanceof MigrationError ? error.code : String(error);
  }
}

function problemCodes(sql: string): readonly string[] {
  return readAlterClauses(sql).problems.map((problem) => problem.code);
}

const added = (column: string): unknown => ({ kind: 'add-column', column });
const other: unknown = { kind: 'other' };

describe('columns', () => {
  test.each<[string, unknown[]]>([
    ['ADD a INT', [added('a')]],
    ['add column a int', [added('a')]],
    ['ADD COLUMN `a b``c` INT DEFAULT 1 AFTER x', [added('a b`c')]],
    ['ADD COLUMN IF NOT EXISTS a INT', [added('a')]],
    ["ADD a DECIMAL(10,2), ADD b ENUM(\"x,y\", '(', ')')", [added('a'), added('b')]],
    [
      "ADD (a INT, b VARCHAR(10) DEFAULT ',', KEY k (a), FULLTEXT (b))",
      [added('a'), added('b'), other, { kind: 'add-fulltext' }],
    ],
    ['ADD COLUMN (a INT)', [added('a')]],
    ['ADD COLUMN IF NOT EXISTS (a INT, b INT)', [added('a'), added('b')]],
    ['ADD period INT', [added('period')]],
    ['ADD system INT', [added('system')]],
    ['ADD vector VECTOR(3)', [added('vector')]],
    ['ADD 2nd INT', [added('2nd')]],
    ['ADD größe INT', [added('größe')]],
    ['CHANGE a b INT', [{ kind: 'rename-column', from: 'a', to: 'b' }]],
    ['CHANGE COLUMN IF EXISTS `a` `B` VARCHAR(20) NOT NULL', [{ kind: 'rename-column', from: 'a', to: 'B' }]],
    ['CHANGE a a BIGINT', [{ kind: 'rename-column', from: 'a', to: 'a' }]],
    ['RENAME COLUMN a TO b', [{ kind: 'rename-column', from: 'a', to: 'b' }]],
    [
      'RENAME COLUMN a TO b, RENAME COLUMN b TO a',
      [
        { kind: 'rename-column', from: 'a', to: 'b' },
        { kind: 'rename-column', from: 'b', to: 'a' },
      ],
    ],
    ['MODIFY a INT UNSIGNED', [{ kind: 'modify-column', column: 'a' }]],
    ['MODIFY COLUMN IF EXISTS a INT FIRST', [{ kind: 'modify-column', column: 'a' }]],
    ['ALTER a SET DEFAULT 3', [{ kind: 'modify-column', column: 'a' }]],
    ['ALTER COLUMN a DROP DEFAULT', [{ kind: 'modify-column', column: 'a' }]],
    ['ALTER COLUMN a SET INVISIBLE', [{ kind: 'modify-column', column: 'a' }]],
    ['DROP a', [{ kind: 'drop-column', column: 'a' }]],
    ['DROP COLUMN IF EXISTS a CASCADE', [{ kind: 'drop-column', column: 'a' }]],
    ['DROP a, ADD a INT', [{ kind: 'drop-column', column: 'a' }, added('a')]],
    ['DROP `primary`', [{ kind: 'drop-column', column: 'primary' }]],
    ['ADD g INT GENERATED ALWAYS AS (a + IF(b, 1, 2)) STORED', [added('g')]],
  ])('%s is read', (sql, expected) => {
    expect(read(sql)).toEqual(expected);
  });
});

describe('indexes, constraints and options', () => {
  test.each<[string, unknown[]]>([
    ['ADD INDEX (a, b)', [other]],
    ['ADD KEY IF NOT EXISTS k USING BTREE (a(10) DESC)', [other]],
    ['ADD UNIQUE (a), ADD UNIQUE KEY u (b), ADD CONSTRAINT c UNIQUE INDEX (d)', [other, other, other]],
    ['ADD PRIMARY KEY (a), ADD CONSTRAINT PRIMARY KEY (a)', [other, other]],
    ['ADD SPATIAL INDEX (g)', [other]],
    ['ADD VECTOR INDEX (v)', [other]],
    ['ADD FULLTEXT INDEX f (a) WITH PARSER ngram', [{ kind: 'add-fulltext' }]],
    ['ADD CHECK (a > 0), ADD CONSTRAINT c CHECK (b IN (1,2)) NOT ENFORCED', [other, other]],
    ['ADD CONSTRAINT IF NOT EXISTS c CHECK (a > 0)', [other]],
    [
      'DROP PRIMARY KEY, DROP CHECK c, DROP CONSTRAINT IF EXISTS `d`',
      [other, { kind: 'change-constraint', constraint: 'c' }, { kind: 'change-constraint', constraint: 'd' }],
    ],
    ['DROP INDEX k', [{ kind: 'change-index', index: 'k' }]],
    ['DROP KEY IF EXISTS `k`', [{ kind: 'change-index', index: 'k' }]],
    ['ALTER INDEX k INVISIBLE', [{ kind: 'change-index', index: 'k' }]],
    ['ALTER KEY IF EXISTS k NOT IGNORED', [{ kind: 'change-index', index: 'k' }]],
    ['RENAME INDEX a TO b', [{ kind: 'rename-index', from: 'a', to: 'b' }]],
    ['RENAME KEY IF EXISTS a TO b', [{ kind: 'rename-index', from: 'a', to: 'b' }]],
    ['ALTER CHECK c NOT ENFORCED', [{ kind: 'change-constraint', constraint: 'c' }]],
    ['CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin', [other]],
    ['CONVERT TO CHARSET DEFAULT', [other]],
    ['FORCE', [other]],
    [
      'ENGINE=InnoDB ROW_FORMAT DYNAMIC, AUTO_INCREMENT = 7',
      [
        { kind: 'table-option', option: 'ENGINE', value: 'InnoDB' },
        { kind: 'table-option', option: 'ROW_FORMAT', value: 'DYNAMIC' },
        { kind: 'table-option', option: 'AUTO_INCREMENT', value: '7' },
      ],
    ],
    [
      'ADD a INT, DROP b PARTITION /* by */ BY RANGE (a) (PARTITION p VALUES LESS THAN (1), PARTITION q VALUES LESS THAN MAXVALUE)',
      [{ kind: 'add-column', column: 'a' }, { kind: 'drop-column', column: 'b' }, { kind: 'partitioning' }],
    ],
    [
      "COMMENT 'PARTITION BY' REMOVE PARTITIONING",
      [{ kind: 'table-option', option: 'COMMENT', value: 'PARTITION BY' }, { kind: 'partitioning' }],
    ],
    ['PARTITION BY LIST (a) (PARTITION p VALUES IN (1, 2))', [{ kind: 'partitioning' }]],
    ['ADD PARTITION (PARTITION p VALUES IN (1), PARTITION q VALUES IN (2))', [{ kind: 'partitions', action: 'add' }]],
    ['DROP PARTITION IF EXISTS p, q', [{ kind: 'partitions', action: 'drop' }]],
    [
      "DEFAULT CHARACTER SET = latin1 COLLATE latin1_bin, COMMENT 'a, b'",
      [
        { kind: 'table-option', option: 'CHARACTER SET', value: 'latin1' },
        { kind: 'table-option', option: 'COLLATE', value: 'latin1_bin' },
        { kind: 'table-option', option: 'COMMENT', value: 'a, b' },
      ],
    ],
  ])('%s is read', (sql, expected) => {
    expect(read(sql)).toEqual(expected);
  });
});

describe('what is refused', () => {
  test.each<[string, string[]]>([
    ['ALGORITHM=INPLACE, ADD a INT', ['UNSUPPORTED_CLAUSE']],
    ['ADD a INT, LOCK = NONE, ALGORITHM COPY', ['UNSUPPORTED_CLAUSE', 'UNSUPPORTED_CLAUSE']],
    ['RENAME TO b', ['UNSUPPORTED_CLAUSE']],
    ['RENAME AS b', ['UNSUPPORTED_CLAUSE']],
    ['RENAME b', ['UNSUPPORTED_CLAUSE']],
    ['ORDER BY a, b DESC', ['UNSUPPORTED_CLAUSE']],
    ['DISABLE KEYS', ['UNSUPPORTED_CLAUSE']],
    ['DISCARD TABLESPACE', ['UNSUPPORTED_CLAUSE']],
    ['IMPORT TABLESPACE', ['UNSUPPORTED_CLAUSE']],
    ['ADD SYSTEM VERSIONING', ['UNSUPPORTED_CLAUSE']],
    ['WITH SYSTEM VERSIONING', ['UNSUPPORTED_CLAUSE']],
    ['ADD PERIOD FOR SYSTEM_TIME (a, b)', ['UNSUPPORTED_CLAUSE']],
    ['UPGRADE PARTITIONING', ['UNSUPPORTED_CLAUSE']],
    ['ADD a INT, DROP PARTITION p0, p1', ['UNSUPPORTED_CLAUSE', 'UNSUPPORTED_CLAUSE']],
    ['ADD a INT, REMOVE PARTITIONING', ['UNSUPPORTED_CLAUSE']],
    ['TRUNCATE PARTITION ALL', ['PARTITIONS']],
    ['COALESCE PARTITION 2', ['PARTITIONS']],
    ["CONVERT TABLE x TO PARTITION p VALUES IN ('a', 'b')", ['PARTITIONS']],
    ['REORGANIZE PARTITION p0, p1 INTO (PARTITION p VALUES IN (1))', ['PARTITIONS']],
    ['EXCHANGE PARTITION p WITH TABLE x', ['PARTITIONS']],
    ['ADD FOREIGN KEY (a) REFERENCES b (c)', ['FOREIGN_KEYS']],
    ['ADD CONSTRAINT f FOREIGN KEY (a) REFERENCES b (c)', ['FOREIGN_KEYS']],
    ['ADD a INT REFERENCES b (c)', ['FOREIGN_KEYS']],
    ['MODIFY a INT REFERENCES b (c)', ['FOREIGN_KEYS']],
    ['DROP FOREIGN KEY f', ['FOREIGN_KEYS']],
    ['UNION = (a, b)', ['UNSUPPORTED_CLAUSE']],
    ['ENGINE', ['UNSUPPORTED_CLAUSE']],
    ['FROBNICATE a', ['UNSUPPORTED_CLAUSE']],
    ['DROP a b', ['UNSUPPORTED_CLAUSE']],
    ["DROP 'a'", ['UNSUPPORTED_CLAUSE']],
    ['CHANGE t.a b INT', ['UNSUPPORTED_CLAUSE']],
    ['ADD (a INT) FIRST', ['UNSUPPORTED_CLAUSE']],
    ['ADD a INT; DROP TABLE t', ['UNSUPPORTED_CLAUSE']],
    ['ADD a INT /*!80023 INVISIBLE */', ['UNSUPPORTED_CLAUSE']],
    ['ADD a INT /*M! INVISIBLE */', ['UNSUPPORTED_CLAUSE']],
    ["ADD a VARCHAR(10) DEFAULT 'x", ['UNSUPPORTED_CLAUSE']],
    ['ADD a INT /* no end', ['UNSUPPORTED_CLAUSE']],
    ['ADD a INT)', ['UNSUPPORTED_CLAUSE']],
    ['ADD (a INT', ['UNSUPPORTED_CLAUSE']],
    ['', ['UNSUPPORTED_CLAUSE']],
    ['  -- nothing', ['UNSUPPORTED_CLAUSE']],
  ])('%s', (sql, codes) => {
    expect(problemCodes(sql)).toEqual(codes);
  });
});

describe('the text of clauses', () => {
  test('comments around and a closing semicolon are left out', () => {
    expect(readAlterClauses(' /* why */ ADD a INT # because\n ; -- end').text).toBe('ADD a INT');
  });

  test('an executable comment of all servers is code', () => {
    expect(read('/*! ADD a INT */')).toEqual([added('a')]);
  });

  test('each element of a list is a clause by itself', () => {
    const { clauses } = readAlterClauses("ADD COLUMN IF NOT EXISTS (a INT, KEY (a)), ENGINE=InnoDB COMMENT='x'");
    expect(clauses.map((clause) => clause.text)).toEqual([
      'ADD COLUMN IF NOT EXISTS a INT',
      'ADD KEY (a)',
      'ENGINE=InnoDB',
      "COMMENT='x'",
    ]);
  });

  test('words in quotes and comments are no clauses', () => {
    expect(read("ADD a VARCHAR(40) COMMENT 'it''s \\' , DROP b' /* , DROP c */, ADD `DROP` INT")).toEqual([
      added('a'),
      added('DROP'),
    ]);
  });
});

describe('a whole statement', () => {
  test.each<[string, string | null, string, string]>([
    ['ALTER TABLE t ADD a INT', null, 't', 'ADD a INT'],
    ['alter table `s`.`t x` add a int;', 's', 't x', 'add a int'],
    ['ALTER ONLINE TABLE IF EXISTS s.t NOWAIT DROP a', 's', 't', 'DROP a'],
    ['ALTER TABLE t WAIT 5 DROP a', null, 't', 'DROP a'],
    ['ALTER TABLE "s"."t" DROP a', 's', 't', 'DROP a'],
    ['/* c */ ALTER TABLE t -- c\n ADD a INT', null, 't', 'ADD a INT'],
    ['ALTER TABLE t', null, 't', ''],
  ])('%s is taken apart', (sql, schema, table, clauses) => {
    expect(parseAlterStatement(sql)).toEqual({ table: { schema, table }, clauses });
  });

  test.each([
    'CREATE TABLE t (a INT)',
    'ALTER IGNORE TABLE t ADD UNIQUE (a)',
    'ALTER VIEW t AS SELECT 1',
    'ALTER TABLE t ADD a INT; ALTER TABLE t ADD b INT',
    "ALTER TABLE t ADD a INT DEFAULT 'x",
    'ALTER TABLE s.',
    'ALTER TABLE',
    '',
  ])('%s is refused as bad usage', (sql) => {
    expect(() => parseAlterStatement(sql)).toThrow(expect.objectContaining({ code: 'BAD_USAGE' }) as MigrationError);
  });
});

describe('any text', () => {
  const piece = fc.oneof(
    fc.constantFrom(
      'ADD',
      'DROP',
      'COLUMN',
      '(',
      ')',
      ',',
      ';',
      '`',
      "'",
      '"',
      '\\',
      '/*',
      '*/',
      '/*!',
      '--',
      '#',
      ' ',
      '\n',
      'a',
      '1',
    ),
    fc.string({ unit: 'grapheme', maxLength: 4 }),
  );
  const anyText = fc.array(piece, { maxLength: 40 }).map((pieces) => pieces.join(''));

  test('is read without an error, and gives clauses or problems', () => {
    fc.assert(
      fc.property(anyText, (sql) => {
        const { clauses, problems } = readAlterClauses(sql);
        expect(clauses.length + problems.length).toBeGreaterThan(0);
      }),
      { numRuns: 2000 },
    );
  });

  test('is taken apart or refused as bad usage', () => {
    fc.assert(
      fc.property(anyText, (sql) => {
        expect(refusalOf(sql)).toBeOneOf([null, 'BAD_USAGE']);
      }),
      { numRuns: 2000 },
    );
  });

  test('any name in quotes is read as it is, between any comments', () => {
    const name = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 });
    const gap = fc.constantFrom(' ', '\n', '/* , */', ' -- x\n', "/*'*/", '# `\n');
    fc.assert(
      fc.property(name, name, gap, (from, to, between) => {
        const sql = ['CHANGE', quoteName(from), quoteName(to), 'INT'].join(between);
        expect(read(sql)).toEqual([{ kind: 'rename-column', from, to }]);
      }),
    );
  });

  test('any default value in quotes leaves the clauses behind it alone', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (value) => {
        const text = value.replaceAll('\\', '\\\\').replaceAll("'", "''");
        expect(read(`ADD a TEXT DEFAULT ('${text}'), DROP b`)).toEqual([added('a'), { kind: 'drop-column', column: 'b' }]);
      }),
    );
  });
});
