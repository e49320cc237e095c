/** The log of events on every kind of server, also beside a bookkeeping that was made without it. */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { MigrationId } from '../../src/engine/model.ts';
import type { EventLog } from '../../src/engine/ports.ts';
import { createBookkeeping as createMysqlBookkeeping } from '../../src/mysql/bookkeeping.ts';
import { createEventLog as createMysqlLog, eventTableDefinition } from '../../src/mysql/event-log.ts';
import { createBookkeeping as createPostgresBookkeeping } from '../../src/postgres/bookkeeping.ts';
import { createEventLog as createPostgresLog } from '../../src/postgres/event-log.ts';
import { never, openAdapter } from '../support/adapter-server.ts';
import { openPostgres } from '../support/postgres-adapter.ts';
import { sharedServer } from '../support/shared-servers.ts';

interface Place extends AsyncDisposable {
  readonly log: EventLog;
}

async function openMysql(name: 'mysql' | 'mariadb'): Promise<Place> {
  const server = await openAdapter(sharedServer(name));
  await using session = await server.openSession({}, never);
  await createMysqlBookkeeping(session, [eventTableDefinition], never);
  await session.execute(eventTableDefinition, never);
  return { log: createMysqlLog(server), [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

async function openPg(name: 'postgres-15' | 'postgres-18'): Promise<Place> {
  const server = await openPostgres(sharedServer(name));
  await using session = await server.openSession({}, never);
  await createPostgresBookkeeping(session, never);
  return { log: createPostgresLog(server), [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

const places = {
  mysql: () => openMysql('mysql'),
  mariadb: () => openMysql('mariadb'),
  'postgres-15': () => openPg('postgres-15'),
  'postgres-18': () => openPg('postgres-18'),
} as const;

function freshId(): MigrationId {
  return randomBytes(8).toString('hex') as MigrationId;
}

const entry = (number: number, ageMs = 0) => ({
  ...{ kind: 'warning', ageMs },
  details: JSON.stringify({ about: 'test', message: `ü\u{1d11e} '\\ ${number}` }),
});

describe.each(Object.keys(places) as (keyof typeof places)[])('the log of events on %s', (name) => {
  let place: Place;
  beforeAll(async () => {
    place = await places[name]();
  });
  afterAll(() => place[Symbol.asyncDispose]());

  test('gives back the newest entries letter by letter, the oldest of them first, with times in order', async () => {
    const id = freshId();
    await place.log.append(id, [entry(1), entry(2)], never);
    await place.log.append(id, [entry(3)], never);
    const records = await place.log.read(id, 2, never);
    expect(records.map(({ kind, details }) => ({ kind, details: JSON.parse(details) as unknown }))).toEqual(
      [entry(2), entry(3)].map(({ kind, details }) => ({ kind, details: JSON.parse(details) as unknown })),
    );
    const times = records.map(({ time }) => time);
    expect(times).toEqual([...times].sort());
    expect(times[0]).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  });

  test('gives each entry the time at which it happened', async () => {
    const id = freshId();
    await place.log.append(id, [entry(1, 90_000), entry(2, 30_500), entry(3)], never);
    const times = (await place.log.read(id, 3, never)).map(({ time }) => Date.parse(time));
    const [first = 0, second = 0, third = 0] = times;
    expect([second - first, third - second].map((ms) => Math.round(ms / 500) * 500)).toEqual([59_500, 30_500]);
  });

  test('keeps the newest two thousand of a migration, and does not touch those of others', async () => {
    const [id, other] = [freshId(), freshId()];
    await place.log.append(other, [entry(0)], never);
    for (let from = 0; from < 2_100; from += 300) {
      await place.log.append(
        id,
        Array.from({ length: 300 }, (_, index) => entry(from + index)),
        never,
      );
    }
    const records = await place.log.read(id, 5_000, never);
    expect(records.map(({ details }) => details.replace(/\D+$/, '').replace(/.* /, ''))).toEqual(
      Array.from({ length: 2_000 }, (_, index) => String(100 + index)),
    );
    expect(await place.log.read(other, 10, never)).toHaveLength(1);
  });

  test('is empty for a migration that left nothing', async () => {
    expect(await place.log.read(freshId(), 10, never)).toEqual([]);
  });
});
