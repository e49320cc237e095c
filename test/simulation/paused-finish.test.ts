/** Building indexes is heavy work: whoever has paused a run does not want it to begin. */
import { expect, test } from 'vitest';
import { Controls } from '../../src/engine/controls.ts';
import type { MigrationEvent } from '../../src/engine/events.ts';
import { runMigration } from '../../src/engine/migration.ts';
import { DEFAULT_OPTIONS } from '../../src/engine/options.ts';
import { openSimulatedFixture } from '../contract/simulated-fixture.ts';

test('a run that is paused when copying has ended finishes its shadow only when it may go on', async () => {
  await using fixture = await openSimulatedFixture({});
  const { signal } = new AbortController();
  await using claim = await fixture.database.claim(fixture.plan, 'start', signal);
  const deeds: string[] = [];
  const finish = claim.pair.finishShadow.bind(claim.pair);
  const finishShadow = async (inner: AbortSignal): Promise<void> => {
    deeds.push('begins');
    await finish(inner);
  };
  Object.assign(claim.pair, { finishShadow });
  const controls = new Controls({ ...DEFAULT_OPTIONS, latency: null });
  const goOnLater = async (): Promise<void> => {
    await fixture.clock.sleep(60_000, signal);
    deeds.push('may go on');
    controls.unpause('operator');
  };
  const waiting: Promise<void>[] = [];
  const observer = (event: MigrationEvent): void => {
    if (event.kind !== 'phase-entered' || event.phase !== 'finish-shadow') return;
    controls.pause('operator', 'lunch');
    waiting.push(goOnLater());
  };
  await runMigration({ plan: fixture.plan, claim, clock: fixture.clock, signals: [], controls, observer }, signal);
  await Promise.all(waiting);
  expect(deeds).toEqual(['may go on', 'begins']);
});
