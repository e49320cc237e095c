import { expect, test } from 'vitest';
import { readCreateStatement } from '../../src/mysql/create-statement.ts';

test('CHECK constraints of the table are told from keys that only have the word in their name', () => {
  const { checks, hasChecks } = readCreateStatement(
    'CREATE TABLE `t` (`c` int, KEY `CHECK` (`c`), CONSTRAINT `a``b` CHECK ((`c` > 0)) /*!80016 NOT ENFORCED */, check (`c` < 9)) ENGINE=InnoDB',
  );
  expect(checks).toEqual([
    { name: 'a`b', definition: 'CHECK ((`c` > 0)) /*!80016 NOT ENFORCED */' },
    { name: null, definition: 'check (`c` < 9)' },
  ]);
  expect(hasChecks).toBe(true);
});
