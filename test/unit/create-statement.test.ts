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

test('a foreign key is read the same whether the backquotes in its names are doubled, as MySQL prints them, or not, as MariaDB does', () => {
  const shown = (quote: string): string =>
    [
      'CREATE TABLE `a``(` (',
      "  `a``'` int,",
      '  `b` int,',
      '  CONSTRAINT `c``,` CHECK (`b` > 0),',
      `  CONSTRAINT \`f${quote}\` FOREIGN KEY (\`a${quote}'\`, \`b\`) REFERENCES \`s\`\`\`.\`p\`\`\` (\`${quote}x\`, \`y\`) ON DELETE CASCADE,`,
      '  CONSTRAINT `g` FOREIGN KEY (`b`) REFERENCES `q` (`y`)',
      ') ENGINE=InnoDB',
    ].join('\n');
  const { otherElements, engine } = readCreateStatement(shown('`'));
  expect(otherElements).toEqual([
    'CONSTRAINT `c``,` CHECK (`b` > 0)',
    "CONSTRAINT `f``` FOREIGN KEY (`a``'`, `b`) REFERENCES `s```.`p``` (```x`, `y`) ON DELETE CASCADE",
    'CONSTRAINT `g` FOREIGN KEY (`b`) REFERENCES `q` (`y`)',
  ]);
  expect(engine).toBe('InnoDB');
  expect(readCreateStatement(shown('``'))).toEqual(readCreateStatement(shown('`')));
});
