/** Obstacles of MySQL and MariaDB that no test server has. */
import { expect, test } from 'vitest';
import { flavourOf } from '../../src/mysql/flavour.ts';
import { filterObstacles, variableObstacles } from '../../src/mysql/obstacles-server.ts';
import { checkNameObstacles, definitionObstacles } from '../../src/mysql/obstacles-table.ts';
import type { PlanningFacts } from '../../src/mysql/planning-facts.ts';
import type { Session } from '../../src/mysql/session.ts';

const group = ['group_replication_group_name', 'aaaaaaaa-1111-1111-1111-aaaaaaaaaaaa'] as const;

test.each([
  ['Galera', [['wsrep_on', 'ON']], 'The server is a member of a Galera cluster.'],
  [
    'a group with several primaries',
    [group, ['group_replication_single_primary_mode', 'OFF']],
    'The server is a member of a group with several primaries.',
  ],
] as const)('a member of %s is one', (_, variables, message) => {
  expect(variableObstacles(new Map([['log_bin', 'ON'], ...variables]))).toEqual([{ code: 'CLUSTERED_SERVER', message }]);
});

test('the only primary of a group is none', () => {
  const variables = [['log_bin', 'ON'], group, ['group_replication_single_primary_mode', 'ON']] as const;
  expect(variableObstacles(new Map(variables))).toEqual([]);
});

test('an InnoDB that was started read-only is one', () => {
  const variables = [
    ['log_bin', 'ON'],
    ['read_only', 'OFF'],
    ['innodb_read_only', 'ON'],
  ] as const;
  const message = 'The server takes no writes: innodb_read_only is ON.';
  expect(variableObstacles(new Map(variables))).toEqual([{ code: 'NOT_A_SOURCE', message }]);
});

test.each([
  ['MySQL with one case of names', 'Binlog_Ignore_DB', '9.7.0', true, true],
  ['MySQL with one case of names', 'Binlog_Do_DB', '9.7.0', true, false],
  ['MySQL with two', 'Binlog_Ignore_DB', '9.7.0', false, false],
  ['MySQL with two', 'Binlog_Do_DB', '9.7.0', false, true],
  ['MariaDB with one', 'Binlog_Ignore_DB', '10.11.0-MariaDB', true, false],
  ['MariaDB with one', 'Binlog_Do_DB', '10.11.0-MariaDB', true, true],
] as const)('on %s a filter %s=Shop,tableshift is held against the database shop as the server does it', async (...row) => {
  const [, filter, version, ignoresNameCase, isFiltered] = row;
  const session = { query: async () => [{ [filter]: 'Shop,tableshift' }] } as unknown as Session;
  const server = { flavour: flavourOf(version), ignoresNameCase };
  const found = await filterObstacles(session, { schema: 'shop', server }, new AbortController().signal);
  expect(found.some(({ message }) => message.includes('the database shop'))).toBe(isFiltered);
});

test('a column of a type that is not known is one, once where source and shadow have it', () => {
  const columns = [
    { name: 'id', dataType: 'int', columnType: 'int' },
    { name: 'shape', dataType: 'hologram', columnType: 'hologram(3)' },
  ];
  const table = { schema: 'shop', table: 't', engine: 'InnoDB', tableOptions: 'ENGINE=InnoDB', indexes: [], columns };
  const facts = { source: table, probed: { definition: table }, foreignKeys: [] } as unknown as PlanningFacts;
  expect(definitionObstacles(facts)).toEqual([
    { code: 'UNKNOWN_COLUMN_TYPE', message: 'shop.t.shape is of the type hologram(3), which is not known here.' },
  ]);
});

test('a table whose name leaves no room for the names of its CHECK constraints is refused: the RENAME of the swap would be', () => {
  const found = (letters: number, isMariaDb: boolean): readonly string[] => {
    const createStatement =
      'CREATE TABLE `p` (`v` int, CONSTRAINT `own` CHECK (v < 9), CONSTRAINT `p_chk_1` CHECK (v > 0)) ENGINE=InnoDB';
    const source = { schema: 'shop', table: 'x'.repeat(letters) };
    const facts = { source, probed: { definition: { table: 'p', createStatement } }, setting: { isMariaDb } };
    return checkNameObstacles(facts as unknown as PlanningFacts).map(({ code }) => code);
  };
  expect([found(58, false), found(59, false), found(64, true)]).toEqual([[], ['UNSUPPORTED_TABLE'], []]);
});
