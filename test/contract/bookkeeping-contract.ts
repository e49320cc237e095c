/** What records of another layout of the bookkeeping keep from being done, the same on all servers. */
import { expect, test } from 'vitest';
import type { MigrationId, Plan } from '../../src/engine/model.ts';
import { cleanUp, listMigrations, listStrays, resumeMigration } from '../../src/index.ts';

export interface RecordedOn {
  readonly url: string;
  readonly run: (sql: string) => Promise<unknown>;
  readonly record: (plan: Plan) => Promise<void>;
  readonly find: (id: MigrationId | null) => Promise<unknown>;
}

/** `within` makes the bookkeeping, and calls back while it is there. */
export function testOtherLayouts(plan: Plan, within: (judge: (on: RecordedOn) => Promise<void>) => Promise<void>): void {
  test('goes by the records of other layouts only where they are unfinished, and says that they are there', async () => {
    await within(async ({ url, run, record, find }) => {
      await run('DELETE FROM tableshift.migrations');
      const younger = { ...plan, id: 'orders9' as MigrationId };
      await record(younger);
      await record(plan);
      const where = "WHERE id = 'orders9'";
      await run(`UPDATE tableshift.migrations SET version = 3, started_at = '2026-01-31 12:00:00' ${where}`);
      const refusal = (state: string): { readonly code: string; readonly message: string } => ({
        code: 'PLAN_CHANGED',
        message: `Migration orders9 of ${plan.source.schema}.${plan.source.table}, which is ${state}, was recorded by another version of TableShift (layout 3, this one knows 2): use that one for it.`,
      });
      await expect(find(null)).rejects.toMatchObject(refusal('open'));
      await expect(resumeMigration({ url })).rejects.toMatchObject(refusal('open'));
      await run(`UPDATE tableshift.migrations SET state = 'done' ${where}`);
      expect(await find(null)).toMatchObject([{ id: plan.id, plan }]);
      await expect(find(younger.id)).rejects.toMatchObject(refusal('done'));
      expect(await listMigrations({ url })).toMatchObject([{ id: plan.id }]);
      expect(await listStrays({ url })).toEqual([refusal('done').message]);
      await expect(cleanUp({ url, id: younger.id })).rejects.toMatchObject(refusal('done'));
      await expect(listMigrations({ url, id: younger.id })).rejects.toMatchObject(refusal('done'));
    });
  });
}
