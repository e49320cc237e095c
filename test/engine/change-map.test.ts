import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ChangeMap, older } from '../../src/engine/change-map.ts';
import type { Position, RowKey } from '../../src/engine/model.ts';

const key = (text: string): RowKey => text as RowKey;
const at = (order: number): Position => ({ order, token: `t${order}` });

describe('the change map', () => {
  test('keeps the last change of a key and the oldest place to resume', () => {
    const map = new ChangeMap();
    map.add({ key: key('1'), kind: 'upsert' }, at(3));
    map.add({ key: key('1'), kind: 'delete' }, at(7));
    expect([...map.take()]).toEqual([['1', { kind: 'delete', resumeFrom: at(3) }]]);
    expect(map.size).toBe(0);
  });

  test('lets a re-read absorb the changes that come after it', () => {
    const map = new ChangeMap();
    map.addReRead(key('1'));
    map.add({ key: key('1'), kind: 'delete' }, at(4));
    expect(map.take().get(key('1'))).toEqual({ kind: 're-read', resumeFrom: at(4) });
  });

  test('keeps the place to resume of a change that a re-read covers', () => {
    const map = new ChangeMap();
    map.add({ key: key('1'), kind: 'upsert' }, at(2));
    map.addReRead(key('1'));
    expect(map.take().get(key('1'))).toEqual({ kind: 're-read', resumeFrom: at(2) });
  });

  test('lets a newer change decide when an entry is put back, and keeps the older place to resume', () => {
    const map = new ChangeMap();
    map.add({ key: key('1'), kind: 'delete' }, at(2));
    const taken = map.take().get(key('1'));
    map.add({ key: key('1'), kind: 'upsert' }, at(9));
    if (taken !== undefined) map.putBack(key('1'), taken);
    expect(map.take().get(key('1'))).toEqual({ kind: 'upsert', resumeFrom: at(2) });
  });

  test('ends with the last kind and the first position of each key, for any sequence with picks put back in between', () => {
    const step = fc.record({
      key: fc.constantFrom('1', '2', '3'),
      kind: fc.constantFrom<'upsert' | 'delete'>('upsert', 'delete'),
      isPickedAndPutBack: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const map = new ChangeMap();
        const expected = new Map<string, { kind: string; resumeFrom: Position }>();
        for (const [order, one] of steps.entries()) {
          const picked = one.isPickedAndPutBack ? map.take() : null;
          map.add({ key: key(one.key), kind: one.kind }, at(order));
          for (const [pickedKey, entry] of picked ?? []) map.putBack(pickedKey, entry);
          expected.set(one.key, { kind: one.kind, resumeFrom: expected.get(one.key)?.resumeFrom ?? at(order) });
        }
        expect(new Map(map.take())).toEqual(expected);
      }),
    );
  });

  test('calls no position younger than any position', () => {
    expect(older(null, at(3))).toEqual(at(3));
    expect(older(at(5), null)).toEqual(at(5));
    expect(older(at(5), at(3))).toEqual(at(3));
  });
});
