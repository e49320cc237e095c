import { describe, expect, test } from 'vitest';
import type { MigrationId, Plan } from '../../src/engine/model.ts';
import { changedSincePlanned, checkResume, isStarted } from '../../src/engine/record-check.ts';

const planOf = (id: string, table: string, rest: object = {}): Plan =>
  ({ id: id as MigrationId, source: { schema: 'app', table }, strategy: 'shadow', hash: 'one', ...rest }) as unknown as Plan;
const recordOf = (plan: Plan, state: 'open' | 'done' | 'aborted', updatedAt = '') => ({ id: plan.id, plan, state, updatedAt });
const [mine, same, other] = [planOf('m1', 'orders'), planOf('m2', 'orders'), planOf('m3', 'lines')];
const elsewhere = planOf('m4', 'orders', { source: { schema: 'old', table: 'orders' } });

describe('what is recorded', () => {
  test('bars a second migration of a table, but neither one of another table nor one that it begins itself', () => {
    const over = [recordOf(same, 'done'), recordOf(same, 'aborted'), recordOf(other, 'open'), recordOf(elsewhere, 'open')];
    expect(isStarted(mine, [])).toBe(false);
    expect(isStarted(mine, over)).toBe(false);
    expect(isStarted(mine, [...over, recordOf(mine, 'open')])).toBe(true);
    expect(() => isStarted(mine, [...over, recordOf(same, 'open')])).toThrow(
      expect.objectContaining({
        obstacles: [{ code: 'MIGRATION_OPEN', message: 'Migration m2 of app.orders is unfinished.', migration: 'm2' }],
      }),
    );
  });

  test('says who has changed a table since it was planned, and what has become of it', () => {
    const recorded = [recordOf(other, 'done', 'never'), recordOf(mine, 'open'), recordOf(same, 'done', '12:00')];
    const said = (isThere: boolean, records: typeof recorded): unknown =>
      changedSincePlanned(mine, isThere, records).obstacles.map(({ code, message }) => `${code} ${message}`);
    expect([said(true, recorded), said(false, [])]).toEqual([
      ['TABLE_CHANGED app.orders was altered while this change of it was prepared. Migration m2 of it ended at 12:00.'],
      ['TABLE_CHANGED app.orders was renamed or dropped while this change of it was prepared.'],
    ]);
  });

  test('is resumed where it is open and was planned so; of a native change counts what was asked for', () => {
    const resume = (plan: Plan, record: ReturnType<typeof recordOf> | undefined) => (): void => {
      checkResume(plan, record, 'on this server');
    };
    const native = (hash: string, clauses: string): Plan => planOf('m1', 'orders', { strategy: 'native', hash, clauses });
    resume(mine, recordOf(mine, 'open'))();
    resume(native('one', 'ADD a INT'), recordOf(native('two', 'ADD a INT'), 'open'))();
    for (const [plan, recorded] of [
      [mine, planOf('m1', 'orders', { hash: 'two' })],
      [native('one', 'ADD a INT'), native('one', 'ADD b INT')],
    ] as const)
      expect(resume(plan, recordOf(recorded, 'open'))).toThrow(expect.objectContaining({ code: 'PLAN_CHANGED' }));
    expect(resume(mine, undefined)).toThrow('Migration m1 is not recorded on this server, so there is nothing to resume.');
    expect(resume(mine, recordOf(mine, 'done'))).toThrow('Migration m1 is done, so there is nothing to resume.');
  });
});
