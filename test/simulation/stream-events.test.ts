/** What the change stream has to say on its way: a run that goes on in silence over a connection that breaks again and again looks well. */
import { expect, test } from 'vitest';
import { Controls } from '../../src/engine/controls.ts';
import { MigrationError } from '../../src/engine/errors.ts';
import type { MigrationEvent } from '../../src/engine/events.ts';
import { runMigration } from '../../src/engine/migration.ts';
import { DEFAULT_OPTIONS } from '../../src/engine/options.ts';
import type { ChangeStream, TableClaim } from '../../src/engine/ports.ts';
import { openSimulatedFixture } from '../contract/simulated-fixture.ts';

test('a run tells that its stream has connected anew, and what it was warned of', async () => {
  await using fixture = await openSimulatedFixture({ thingsToSettle: 0 });
  const { signal } = new AbortController();
  await using claim = await fixture.database.claim(fixture.plan, 'start', signal);
  const open = claim.openChangeStream.bind(claim);
  const openChangeStream: TableClaim['openChangeStream'] = async (from, inner) => {
    const told: Pick<ChangeStream, 'watchReconnects' | 'watchWarnings'> = {
      watchReconnects: (tell) => tell({ attempt: 2, cause: new MigrationError('CONNECTION_LOST', 'It was cut.') }),
      watchWarnings: (tell) => tell('The log grows.'),
    };
    return Object.assign(await open(from, inner), told);
  };
  Object.assign(claim, { openChangeStream });
  const events: MigrationEvent[] = [];
  const controls = new Controls({ ...DEFAULT_OPTIONS, latency: null });
  const observer = (event: MigrationEvent): void => void events.push(event);
  await runMigration({ plan: fixture.plan, claim, clock: fixture.clock, signals: [], controls, observer }, signal);
  expect(events.filter((event) => 'what' in event || 'about' in event)).toEqual([
    { kind: 'retrying', what: 'reading the log', attempt: 2, code: 'CONNECTION_LOST', message: 'It was cut.' },
    { kind: 'warning', about: 'reading the log', message: 'The log grows.' },
  ]);
});
