/** A load on a copy of somebody's table, with writes of theirs. */
import { setTimeout as delay } from 'node:timers/promises';
import { afterMs, type Felt, feltBy, type Load, type Variant, warmUpMs, type WritesBetween } from './load-felt.ts';
import { measureCpu } from './machine.ts';
import { startStagedWrites } from './staged-writes.ts';
import { type BenchTable, nameOf } from './table.ts';
import { dropRetired, migrateByTool } from './tool.ts';

/** The lock is asked for and writers wait within this time around the swap. */
const aroundSwapMs = { before: 3_000, after: 500 };

/** On a copy of somebody's table, with writes of theirs. */
export async function measureStaged(
  table: BenchTable,
  statements: readonly string[],
  variant: Variant,
  load: Load,
): Promise<Felt> {
  await table.restore();
  await using writes = await startStagedWrites(table, statements, load.writesPerSecond);
  await delay(warmUpMs);
  writes.record.enter('before');
  await delay(load.beforeMs);
  writes.record.enter('during');
  const used = measureCpu(table.serverPid);
  const run = await migrateByTool({ url: table.url, table: nameOf(table), alter: table.alter, options: variant.options });
  const cpu = used();
  writes.record.enter('after');
  await delay(afterMs);
  const report = await writes.stop();
  const longest = writes.record.longestBetween(run.swappedMs - aroundSwapMs.before, run.swappedMs + aroundSwapMs.after);
  await dropRetired(table.url, run.id);
  const { record } = writes;
  const writesBetween: WritesBetween = (fromMs, throughMs) => record.writesBetween(fromMs, throughMs);
  return feltBy(
    variant,
    { run, cpu, serverMib: null },
    { report, writesBetween, longestMs: longest?.ms ?? 0, differences: null },
  );
}
