/**
 * The race between the log and its readers, made real: commits wait for a standby that does not exist, so that their changes are
 * delivered long before anyone can see them, while copying and applying go on.
 */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { MigrationEvent } from '../../src/engine/events.ts';
import { DEFAULT_OPTIONS } from '../../src/engine/options.ts';
import type { ChangeStream, Database, TableClaim, TablePair } from '../../src/engine/ports.ts';
import { openDatabase } from '../../src/postgres/database.ts';
import { createSessionPool } from '../../src/postgres/session-pool.ts';
import { systemClock } from '../../src/sessions/system-clock.ts';
import { bundleEngine } from '../simulation/bundle.ts';
import { ENGINE_FAULTS } from '../simulation/planted-engine-faults.ts';
import {
  createPostgresSchema,
  never,
  openPostgres,
  openPostgresApplication,
  type PostgresSchema,
} from '../support/postgres-adapter.ts';
import { startServer, type Server } from '../support/servers.ts';
import * as soundEngine from '../support/stream-engine.ts';
import { openPostgresStreamFixture } from '../support/stream-postgres.ts';

type Engine = typeof soundEngine;

const login = { defaultsFile: null, password: null, home: null, environment: {} };
const pace = {
  ...DEFAULT_OPTIONS,
  copyWorkers: 1,
  chunkRowsFirst: 10,
  chunkRowsMax: 10,
  flushIntervalMs: 10,
  progressIntervalMs: 20,
  // A verifier would mend what a fault does, and so hide it.
  isVerifying: false,
  latency: null,
};
/** So many reports of progress without any is standing still. */
const reportsOfRest = 25;

/** Something that happens once, or is found to have happened. */
class Moment {
  readonly come: Promise<void>;
  has = false;
  readonly arrive: () => void;

  constructor() {
    let resolve = (): void => {};
    this.come = new Promise<void>((done) => {
      resolve = done;
    });
    this.arrive = () => {
      this.has = true;
      resolve();
    };
  }
}

/** The places where the test stops the migration, or learns how far it is. */
class Course {
  /** Rows 1 to 20 are copied or being copied, and no other chunk is begun before `go`. */
  readonly halfCopied = new Moment();
  readonly go = new Moment();
  /** A flush waits until the change that nobody sees becomes visible. */
  readonly waiting = new Moment();
  /** The changes of rows 5, 6, 8 and 9 were written to the shadow, so that those of 25 and 26 have come, too. */
  readonly applied = new Moment();
  /** A chunk behind row 20 was copied. */
  readonly copiedOn = new Moment();
  /** The flush waits, and nothing else happens. */
  readonly resting = new Moment();
  #reports = 0;
  #rowsCopied = 0;
  #keysApplied = 0;

  readonly observer = (event: MigrationEvent): void => {
    if (event.kind === 'changes-applied') this.#keysApplied += event.keys;
    if (this.#keysApplied >= 4) this.applied.arrive();
    if (event.kind === 'chunk-copied') this.#rowsCopied += event.rows;
    if (this.#rowsCopied > 20) this.copiedOn.arrive();
    if (event.kind === 'progress' && this.go.has && this.waiting.has && ++this.#reports > reportsOfRest) this.resting.arrive();
  };

  claim(claim: TableClaim): TableClaim {
    return {
      lost: claim.lost,
      pair: this.#pair(claim.pair),
      cutover: claim.cutover,
      checkpoints: claim.checkpoints,
      throttleSignals: [],
      removal: claim.removal,
      openChangeStream: async (from, signal) => this.#stream(await claim.openChangeStream(from, signal)),
      [Symbol.asyncDispose]: () => claim[Symbol.asyncDispose](),
    };
  }

  #pair(pair: TablePair): TablePair {
    const findChunkEnd: TablePair['findChunkEnd'] = async (after, limitRows, signal) => {
      if (after === "'20'") {
        this.halfCopied.arrive();
        await this.go.come;
      }
      return await pair.findChunkEnd(after, limitRows, signal);
    };
    return new Proxy(pair, {
      get(target, name) {
        if (name === 'findChunkEnd') return findChunkEnd;
        // Without it every end of a chunk is asked for.
        if (name === 'readKeySpan') return () => Promise.resolve(null);
        const member: unknown = Reflect.get(target, name, target);
        return typeof member === 'function' ? member.bind(target) : member;
      },
    });
  }

  #stream(stream: ChangeStream): ChangeStream {
    return {
      start: stream.start,
      batches: (signal) => stream.batches(signal),
      placeFence: (signal) => stream.placeFence(signal),
      awaitVisible: async (reach, signal) => {
        if (this.halfCopied.has) this.waiting.arrive();
        await stream.awaitVisible(reach, signal);
      },
      acknowledge: (position, signal) => stream.acknowledge(position, signal),
      [Symbol.asyncDispose]: () => stream[Symbol.asyncDispose](),
    };
  }
}

interface Outcome {
  /** What the migration did while nobody could see the changes. */
  readonly meanwhile: 'copied on' | 'waited';
  readonly rows: readonly string[];
  readonly retired: readonly string[];
}

/** Rows 1 to 40, all `old`; when 1 to 20 are copied, changes are committed that nobody sees before the migration has gone on as far as it does. */
async function migrateInTheDark(engine: Engine, server: Server, database: Database, schema: PostgresSchema): Promise<Outcome> {
  const { application, name } = schema;
  await application.run(`CREATE TABLE ${name}.t (id integer PRIMARY KEY, v text NOT NULL)`);
  await application.run(`INSERT INTO ${name}.t SELECT n, 'old' FROM generate_series(1, 40) AS n`);
  const options = { deferIndexes: 'never', key: null } as const;
  const plan = await database.plan({ table: { schema: name, table: 't' }, clauses: 'ADD w integer', options }, never);
  await using claimed = await database.claim(plan, 'start', never);
  await using writer = await openPostgresApplication(server.url);
  await writer.run(`SET search_path = ${name}; SET synchronous_commit = on`);
  const course = new Course();
  const controls = new engine.Controls(pace);
  const claim = course.claim(claimed);
  const migrating = engine.runMigration(
    { plan, claim, clock: systemClock, controls, signals: [], observer: course.observer },
    never,
  );
  const failed = migrating.then(() => {
    throw new Error('The migration ended too early.');
  });
  failed.catch(() => undefined);
  const orFailed = (moment: Promise<void>): Promise<unknown> => Promise.race([moment, failed]);

  await orFailed(course.halfCopied.come);
  const written = writer.run(
    `BEGIN; DELETE FROM t WHERE id IN (5, 25); UPDATE t SET v = 'new' WHERE id IN (6, 26); UPDATE t SET id = 41 WHERE id = 8;
     DELETE FROM t WHERE id = 9; INSERT INTO t VALUES (9, 'again'); COMMIT`,
  );
  await orFailed(Promise.race([course.waiting.come, course.applied.come]));
  const unseen = await application.run(`SELECT v FROM ${name}.t WHERE id IN (5, 6, 25, 26) ORDER BY id`);
  expect(unseen.map((row) => row['v'])).toEqual(['old', 'old', 'old', 'old']);
  course.go.arrive();
  await orFailed(Promise.race([course.copiedOn.come, course.resting.come]));
  const meanwhile = course.copiedOn.has ? 'copied on' : 'waited';
  await application.run(`SELECT pg_cancel_backend(${writer.pid})`);
  await written;
  await migrating;
  const rows = async (table: string): Promise<readonly string[]> =>
    (await application.run(`SELECT id, v FROM ${table} ORDER BY id`)).map((row) => `${row['id']} ${row['v']}`);
  return { meanwhile, rows: await rows(`${name}.t`), retired: await rows(`${plan.retired.schema}.${plan.retired.table}`) };
}

/** What an application finds afterwards: 5 and 25 deleted, 6 and 26 updated, 8 with the key 41, 9 deleted and inserted again. */
const rowsAfter: readonly string[] = Array.from({ length: 41 }, (_, index) => index + 1)
  .filter((id) => ![5, 8, 25].includes(id))
  .map((id) => `${id} ${id === 6 || id === 26 ? 'new' : id === 9 ? 'again' : 'old'}`);

describe.each([15, 18] as const)('on PostgreSQL %i, while commits wait for a standby that does not exist,', (version) => {
  let server: Server;
  beforeAll(async () => {
    server = await startServer({
      flavour: 'postgres',
      version,
      extraFlags: ['--fsync=off', '--synchronous-standby-names=nobody'],
    });
    await using application = await openPostgresApplication(server.url);
    // Only who asks for it waits.
    await application.run('SET synchronous_commit = local; ALTER ROLE postgres SET synchronous_commit = local');
  });
  afterAll(() => server[Symbol.asyncDispose]());

  test('no change is lost and no row comes back, for a flush and the chunks behind it wait until its changes are visible', async () => {
    await using schema = await createPostgresSchema(server.url);
    await using database = await openDatabase(server.url, login, never);
    const outcome = await migrateInTheDark(soundEngine, server, database, schema);
    expect(outcome).toEqual({ meanwhile: 'waited', rows: rowsAfter, retired: rowsAfter });
  });

  test('a stream that begins behind such a commit waits for it, and a role that may not see why it waits is told what it lacks', async () => {
    await using schema = await createPostgresSchema(server.url);
    const { application, name } = schema;
    await application.run(`CREATE TABLE ${name}.t (id integer PRIMARY KEY); CREATE ROLE ${name} LOGIN REPLICATION`);
    {
      await using fixture = await openPostgresStreamFixture(server.url, name);
      await using blind = await openPostgres(server.url.replace('postgres@', `${name}@`));
      await using sessions = createSessionPool({ sizeMax: 1, open: (signal) => blind.openSession({}, signal) });
      const { next, stream, close, reopen } = await fixture.open({ table: 't', keyColumns: ['id'] });
      await using writer = await openPostgresApplication(server.url);
      await writer.run('SET synchronous_commit = on');
      const written = writer.run(`INSERT INTO ${name}.t VALUES (1)`);
      const isWaiting = `SELECT 1 FROM pg_stat_activity WHERE pid = ${writer.pid} AND wait_event = 'SyncRep'`;
      while ((await application.run(isWaiting)).length === 0);
      // Without a fence, for that is a transaction, too: none has ended since.
      let read = await next();
      while (read.changes.length === 0) read = await next();
      const behind = read.position;
      await stream.acknowledge(behind, never);
      await close();
      // Longer than it takes to see that a transaction is at work.
      const resumed = await reopen(behind.token, { sessions, limits: { visibilityTimeoutMs: 2_500 } });
      await expect(resumed.stream.awaitVisible(resumed.start, never)).rejects.toMatchObject({
        code: 'VISIBILITY_TIMEOUT',
        message: expect.stringContaining(`process ${writer.pid}. GRANT pg_read_all_stats TO ${name}, who may not see`),
      });
      await application.run(`SELECT pg_cancel_backend(${writer.pid})`);
      await written;
      await resumed.stream.awaitVisible(resumed.start, never);
    }
    await application.run(`DROP ROLE ${name}`);
  });

  test('an engine that does not wait loses changes and brings a deleted row back', async () => {
    const fault = ENGINE_FAULTS.find(({ code }) => code === 'B2');
    using bundle = await bundleEngine(join(import.meta.dirname, '../support/stream-engine.ts'), fault?.source ?? []);
    const engine = (await import(pathToFileURL(bundle.path).href)) as Engine;
    await using schema = await createPostgresSchema(server.url);
    await using database = await openDatabase(server.url, login, never);
    const outcome = await migrateInTheDark(engine, server, database, schema);
    expect(outcome.meanwhile).toBe('copied on');
    expect(outcome.retired).toEqual(rowsAfter);
    const differing = outcome.rows.filter((row) => !rowsAfter.includes(row));
    // Which of the rows that were copied before are read in the dark depends on when they are flushed; those behind them are.
    expect(differing).toEqual(expect.arrayContaining(['25 old', '26 old']));
  });
});
