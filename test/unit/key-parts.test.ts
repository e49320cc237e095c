/** Conditions over the migration key, letter by letter. That the servers walk an index for them is for the contract tests. */
import { expect, test } from 'vitest';
import type { RowKey } from '../../src/engine/model.ts';
import {
  describeKey,
  keyFromRow,
  keySelection,
  keysCondition,
  rangeCondition,
  type KeyPart,
} from '../../src/mysql/key-parts.ts';
import type { KeyColumn } from '../../src/mysql/row-key.ts';

const key = (text: string): RowKey => text as RowKey;

function part(name: string, kind: KeyColumn['kind'], more: Partial<KeyPart> & { charset?: string } = {}): KeyPart {
  const { charset = null, ...rest } = more;
  const column = { name, kind, charset, ordinal: 0, isUnsigned: false, fixedBytes: null, scale: 0, precision: 0 };
  return { column, shadowName: name, memberCount: 0, members: null, text: null, ...rest };
}

const id = part('id', 'integer', { shadowName: 'new`id' });
const shop = part('shop', 'integer');
const code = part('code', 'text', { charset: 'utf8mb3' });
const state = part('state', 'enum', { memberCount: 4 });

test('a range over one column is two comparisons', () => {
  expect(rangeCondition([id], 'source', { after: key('-7'), through: key('42') })).toBe('`id` > -7 AND `id` <= 42');
  expect(rangeCondition([id], 'shadow', { after: key('-7'), through: null })).toBe('`new``id` > -7');
  expect(rangeCondition([id], 'source', { after: null, through: key('42') }, 't.')).toBe('t.`id` <= 42');
});

test('the whole table has no condition', () => {
  expect(rangeCondition([shop, id], 'source', { after: null, through: null })).toBe('TRUE');
});

test('a range over several columns is spelled out', () => {
  expect(rangeCondition([shop, id], 'source', { after: key('(1,2)'), through: key('(3,4)') })).toBe(
    '((`shop` > 1) OR (`shop` = 1 AND `id` > 2)) AND ((`shop` < 3) OR (`shop` = 3 AND `id` <= 4))',
  );
  expect(rangeCondition([shop, code, id], 'source', { after: key("(1,_utf8mb3 X'61',3)"), through: null })).toBe(
    "((`shop` > 1) OR (`shop` = 1 AND `code` > _utf8mb4 X'61') OR (`shop` = 1 AND `code` = _utf8mb4 X'61' AND `id` > 3))",
  );
});

test('members of an ENUM are counted, because their order is no comparison', () => {
  expect(rangeCondition([state], 'source', { after: key('1'), through: key('3') })).toBe(
    '`state` IN (2, 3, 4) AND `state` IN (0, 1, 2, 3)',
  );
  expect(rangeCondition([state, id], 'source', { after: key('(4,9)'), through: key('(0,5)') })).toBe(
    '((FALSE) OR (`state` = 4 AND `id` > 9)) AND ((FALSE) OR (`state` = 0 AND `id` <= 5))',
  );
});

test('rows are listed by key', () => {
  expect(keysCondition([id], 'source', [key('1'), key('2')])).toBe('`id` IN (1, 2)');
  expect(keysCondition([shop, id], 'shadow', [key('(1,2)'), key('(3,4)')])).toBe('(`shop`, `new``id`) IN ((1, 2), (3, 4))');
  expect(keysCondition([code], 'source', [key("_utf8mb3 X'C3BC'")])).toBe("`code` IN (_utf8mb4 X'C3BC')");
  expect(keysCondition([state, id], 'source', [key('(1,2)'), key('(3,4)')])).toBe(
    '((`state` = 1 AND `id` = 2) OR (`state` = 3 AND `id` = 4))',
  );
});

test('the selected text becomes the row key again', () => {
  expect(keySelection([shop, code], 'shadow')).toBe('`shop` AS key_0, HEX(`code`) AS key_1');
  expect(keyFromRow([shop, code], { key_0: '7', key_1: 'C3BC' })).toBe("(7,_utf8mb3 X'C3BC')");
});

test('a key is described with the names and the readable values of its columns', () => {
  const columns = [shop.column, code.column, part('raw', 'binary').column];
  expect(describeKey(columns, key("(7,_utf8mb3 X'C3BC',X'00')"))).toBe("shop = 7, code = 'ü', raw = X'00'");
  expect(describeKey([part('d', 'date').column], key("'2026-01-02'"))).toBe("d = '2026-01-02'");
});
