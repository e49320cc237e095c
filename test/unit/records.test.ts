import { describe, expect, test } from 'vitest';
import type { MigrationRecord } from '../../src/index.ts';
import { findToResume, openOnes } from '../../src/records.ts';

const FAMILY = ['customers', 'orders', 'items'].map((table) => ({ id: `m-${table}`, source: { schema: 'shop', table } }));

function record(id: string, state: MigrationRecord['state'], isMember = true): MigrationRecord {
  const source = { schema: 'shop', table: id.replace('m-', '') };
  const family = isMember ? { family: { id: 'm-customers', members: FAMILY } } : {};
  return { id, state, plan: { id, source, ...family } } as unknown as MigrationRecord;
}

const idsOf = (records: readonly MigrationRecord[]): readonly string[] => records.map(({ id }) => id);

describe('what is resumed', () => {
  test('is of a family every member that is unfinished, in its order, whichever of them is named, or none', () => {
    const records = [record('m-items', 'open'), record('m-orders', 'done'), record('m-customers', 'open')];
    for (const id of ['m-items', 'm-orders', 'm-customers', null])
      expect(idsOf(findToResume(records, id))).toEqual(['m-customers', 'm-items']);
  });

  test('is the only unfinished migration where none is named', () => {
    const [alone, other] = [record('m-a', 'open', false), record('m-b', 'open', false)];
    expect(idsOf(findToResume([record('m-c', 'done', false), alone], null))).toEqual(['m-a']);
    expect(() => findToResume([alone, other], null)).toThrow(/name one of m-a \(shop\.a\), m-b \(shop\.b\)/);
    expect(() => findToResume([], null)).toThrow('No unfinished migration is recorded on this server.');
  });

  test('is nothing where all is done, and where no such migration is recorded', () => {
    const done = FAMILY.map(({ id }) => record(id, 'done'));
    expect(() => findToResume(done, 'm-items')).toThrow('Migration m-items is done: there is nothing to resume.');
    expect(() => findToResume(done, 'm-x')).toThrow('No migration m-x is recorded on this server.');
  });

  test('is no family that has lost a member: it has to be given up', () => {
    const open = [record('m-customers', 'open'), record('m-orders', 'open')];
    expect(() => findToResume(open, 'm-orders')).toThrow(/m-items of shop\.items was never recorded.*cleanup m-customers/);
    const given = [...open, record('m-items', 'aborted')];
    expect(() => findToResume(given, null)).toThrow(/m-items of shop\.items was given up/);
    expect(idsOf(openOnes(given, record('m-items', 'aborted')))).toEqual(['m-customers', 'm-orders']);
  });
});
