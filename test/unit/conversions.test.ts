import { describe, expect, test } from 'vitest';
import type { Column } from '../../src/mysql/catalog.ts';
import { judgeConversion, keepsDistinct, type ConversionSetting } from '../../src/mysql/conversions.ts';

const setting: ConversionSetting = { isMariaDb: false, isServerUtc: true, hasExplicitTimestamps: true };

function column(columnType: string, more: Partial<Column> = {}): Column {
  return {
    name: 'a',
    ordinal: 0,
    dataType: /^[a-z0-9]+/.exec(columnType)?.[0] ?? '',
    columnType,
    isNullable: false,
    isUnsigned: columnType.includes('unsigned'),
    charset: null,
    collation: null,
    precision: 0,
    scale: 0,
    fractionalDigits: 0,
    length: null,
    octetLength: null,
    members: [],
    generated: 'none',
    isAutoIncrement: false,
    defaultText: null,
    definition: columnType,
    ...more,
  };
}

test('display widths, zeros in front and remarks of the server change nothing', () => {
  expect(judgeConversion(column('int(11)'), column('int'), setting)).toEqual({ kind: 'same' });
  expect(judgeConversion(column('int(5) unsigned zerofill'), column('int unsigned'), setting)).toEqual({ kind: 'same' });
  expect(judgeConversion(column('blob /*M!100301 COMPRESSED*/'), column('blob'), setting)).toEqual({ kind: 'same' });
});

describe('a conversion that depends on the time zone', () => {
  test.each([
    ['timestamp', 'datetime'],
    ['datetime', 'timestamp'],
    ['date', 'timestamp'],
    ['timestamp', 'varchar(30)'],
  ])('from %s to %s is refused unless the server is in UTC', (from, to) => {
    expect(judgeConversion(column(from), column(to), { ...setting, isServerUtc: false })).toMatchObject({ kind: 'refused' });
    expect(judgeConversion(column(from), column(to), setting)).toMatchObject({ kind: 'exact' });
  });
});

test('NULL in a TIMESTAMP that becomes NOT NULL is refused where it would become the present time', () => {
  const [source, shadow] = [column('timestamp', { isNullable: true }), column('timestamp')];
  expect(judgeConversion(source, shadow, { ...setting, hasExplicitTimestamps: false })).toMatchObject({ kind: 'refused' });
  expect(judgeConversion(source, shadow, { ...setting, isMariaDb: true })).toMatchObject({ kind: 'refused' });
  expect(judgeConversion(source, shadow, setting)).toEqual({ kind: 'same' });
});

test('a type that is not known is refused', () => {
  expect(judgeConversion(column('hologram'), column('hologram(2)'), setting)).toMatchObject({ kind: 'refused' });
});

describe('values stay distinct', () => {
  const text = (collation: string): Column =>
    column('varchar(9)', { collation, charset: 'utf8mb4', length: 9, octetLength: 36 });
  test.each<[string, Column, Column, boolean]>([
    ['as wider integers', column('int'), column('bigint'), true],
    [
      'under the same collation',
      text('utf8mb4_bin'),
      column('varchar(20)', { ...text('utf8mb4_bin'), columnType: 'varchar(20)' }),
      true,
    ],
    ['under another collation: not', text('utf8mb4_bin'), text('utf8mb4_general_ci'), false],
    ['as rounded numbers: not', column('double'), column('float'), false],
    ['as decimals that might be cut: not', column('decimal(9,2)', { scale: 2 }), column('decimal(9,1)', { scale: 1 }), false],
  ])('%s', (_name, source, shadow, expected) => {
    expect(keepsDistinct(source, shadow, judgeConversion(source, shadow, setting))).toBe(expected);
  });
});
