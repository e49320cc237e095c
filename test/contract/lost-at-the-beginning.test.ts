/** Connections that break where no migration could be resumed: before there is one, and when one is cleaned up. */
import { expect, test } from 'vitest';
import { cleanUp, listMigrations, type MigrationEvent, migrate, migrateFamily } from '../../src/index.ts';
import { createSchema } from '../support/adapter-server.ts';
import { ownDatabase } from '../support/postgres-own-database.ts';
import { sharedServer } from '../support/shared-servers.ts';
import { describeSideBySide } from '../support/side-by-side.ts';
import { type Fate, startProxy } from '../support/tcp-proxy.ts';

interface Place extends AsyncDisposable {
  /** Without TLS, so that the proxy sees what is sent. */
  readonly url: string;
  readonly schema: string;
  readonly application: { run(sql: string): Promise<unknown> };
}

async function openMysqlPlace(flavour: 'mysql' | 'mariadb'): Promise<Place> {
  const url = sharedServer(flavour);
  const { application, name, ...rest } = await createSchema(url);
  await application.run(`USE ${name}`);
  return {
    ...{ url: `${url}${name}?ssl-mode=disabled`, schema: name, application },
    [Symbol.asyncDispose]: () => rest[Symbol.asyncDispose](),
  };
}

async function openPostgresPlace(): Promise<Place> {
  const own = await ownDatabase('postgres-18');
  return {
    ...{ url: `${own.url}?sslmode=disable`, schema: 'public', application: own.application },
    [Symbol.asyncDispose]: () => own[Symbol.asyncDispose](),
  };
}

const places = {
  mysql: { open: () => openMysqlPlace('mysql'), alter: 'MODIFY size BIGINT NOT NULL' },
  mariadb: { open: () => openMysqlPlace('mariadb'), alter: 'MODIFY size BIGINT NOT NULL' },
  'postgres-18': { open: openPostgresPlace, alter: 'ALTER COLUMN size TYPE bigint' },
} as const;

/** Once each: while the plan is made, while the migration is recorded, and when that is committed but nobody has heard of it. */
const moments = [/_tableshift_probe|tableshift_probe/, /INSERT INTO \S*migrations\b/, /\bCOMMIT\b/];

describeSideBySide(['mysql', 'mariadb', 'postgres-18'], 'on', (name) => {
  const { open, alter } = places[name];

  /** Each answer that is awaited at one of the moments is cut off, with the connection. */
  const cutOnce = (cut: RegExp[], at: readonly RegExp[] = moments) => {
    const left = [...at];
    return (sent: string): Fate => {
      const moment = left[0];
      if (moment === undefined || !moment.test(sent)) return 'pass';
      left.shift();
      cut.push(moment);
      return 'cut-answer';
    };
  };

  test('a run whose connection breaks while it plans, and while its migration is recorded, goes on, and is recorded once', async () => {
    await using place = await open();
    await place.application.run('CREATE TABLE things (id INT PRIMARY KEY, size INT NOT NULL)');
    await place.application.run('INSERT INTO things VALUES (1, 10), (2, 20)');
    const cut: RegExp[] = [];
    await using proxy = await startProxy(place.url, cutOnce(cut));
    const { id } = await migrate({ url: proxy.url, strategy: 'shadow', alter: `ALTER TABLE things ${alter}` });
    expect(cut).toEqual(moments);
    const records = (await listMigrations({ url: place.url })).filter(({ plan }) => plan.source.schema === place.schema);
    expect(records).toMatchObject([{ id, state: 'done' }]);
  });

  test('a family, too: all of it is recorded, and once', async () => {
    await using place = await open();
    for (const table of ['one', 'other']) {
      await place.application.run(`CREATE TABLE ${table} (id INT PRIMARY KEY, size INT NOT NULL)`);
      await place.application.run(`INSERT INTO ${table} VALUES (1, 10), (2, 20)`);
    }
    const cut: RegExp[] = [];
    await using proxy = await startProxy(place.url, cutOnce(cut));
    const results = await migrateFamily({
      url: proxy.url,
      changes: ['one', 'other'].map((table) => ({ alter: `ALTER TABLE ${table} ${alter}` })),
    });
    expect(cut).toEqual(moments);
    const records = (await listMigrations({ url: place.url })).filter(({ plan }) => plan.source.schema === place.schema);
    expect(records.map(({ id, state }) => ({ id, state })).sort((a, b) => (a.id < b.id ? -1 : 1))).toEqual(
      results.map(({ id }) => ({ id, state: 'done' })).sort((a, b) => (a.id < b.id ? -1 : 1)),
    );
  });

  test('a clean-up, too: whatever it does may have been done before', async () => {
    await using place = await open();
    await place.application.run('CREATE TABLE things (id INT PRIMARY KEY, size INT NOT NULL)');
    await place.application.run('INSERT INTO things VALUES (1, 10), (2, 20)');
    const asked = { strategy: 'shadow', alter: `ALTER TABLE things ${alter}` } as const;
    const interrupt = new AbortController();
    const observer = (event: MigrationEvent): void => {
      if (event.kind === 'phase-entered' && event.phase === 'copy') interrupt.abort();
    };
    await expect(migrate({ ...asked, url: place.url, observer, signal: interrupt.signal })).rejects.toMatchObject({
      code: 'INTERRUPTED',
    });
    const [unfinished] = (await listMigrations({ url: place.url })).filter(({ plan }) => plan.source.schema === place.schema);
    const givingUp = [/SELECT .*migrations\b/s, /DROP (?:TABLE|SCHEMA)\b/, /UPDATE \S*migrations\b/];
    const cut: RegExp[] = [];
    await using proxy = await startProxy(place.url, cutOnce(cut, givingUp));
    expect(await cleanUp({ url: proxy.url, id: unfinished?.id ?? '' })).toMatchObject({ outcome: 'given-up' });
    expect(cut).toEqual(givingUp);

    const { id } = await migrate({ ...asked, url: place.url });
    const dropping = [/DROP (?:TABLE|SCHEMA)\b/];
    const cutLater: RegExp[] = [];
    await using later = await startProxy(place.url, cutOnce(cutLater, dropping));
    expect(await cleanUp({ url: later.url, id, isNow: true })).toMatchObject({ outcome: 'dropped' });
    expect(cutLater).toEqual(dropping);
  });
});
