/** The binary log that a resume would have to read, as a reason to wait for the applier. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { DEFAULT_LOAD_LIMITS } from '../../src/engine/load.ts';
import type { TableClaim, ThrottleSignal } from '../../src/engine/ports.ts';
import { openDatabase } from '../../src/mysql/database.ts';
import { createSchema, never, type Application } from '../support/adapter-server.ts';
import { type Server, startServer } from '../support/servers.ts';
import { describeSideBySide } from '../support/side-by-side.ts';
import { acknowledgeAll } from '../support/stream-collected.ts';

const MIB = 1024 ** 2;
const login = { defaultsFile: null, password: null, home: null };

describeSideBySide(['mysql', 'mariadb'], 'the log behind a checkpoint on', (flavour) => {
  let server: Server;
  let url: string;
  // One of its own: what others write into its log would count.
  beforeAll(async () => {
    server = await startServer({ flavour });
    url = server.url;
  });
  afterAll(async () => await server[Symbol.asyncDispose]());

  test.each([
    { what: 'in one file', isSplit: false },
    { what: 'in several files', isSplit: true },
  ])('is a stop over the limit while the applier is held, and none once it has caught up, $what', async ({ isSplit }) => {
    await using schema = await createSchema(url);
    const { application } = schema;
    await application.run(`CREATE TABLE ${schema.name}.t (id INT PRIMARY KEY)`);
    await application.run(`CREATE TABLE ${schema.name}.other (id INT AUTO_INCREMENT PRIMARY KEY, v LONGBLOB)`);
    await using run = await begin(url, schema.name, 8 * MIB);
    expect(await run.signal.sample(never)).toEqual({ pressure: 0, detail: 'there is no checkpoint yet' });
    await acknowledgeAll(run.stream);
    const before = await run.signal.sample(never);
    expect(before.pressure).toBeLessThan(1);
    expect(before.detail).toMatch(/^a resume would read [\d.]+ MiB of the binary log, the limit is 8 MiB$/);
    for (let round = 0; round < 3; round += 1) {
      await writeLog(application, schema.name, 4);
      if (isSplit) await application.run('FLUSH BINARY LOGS');
    }
    const full = await run.signal.sample(never);
    expect(full.pressure).toBeGreaterThan(12 / 8 - 0.01);
    await acknowledgeAll(run.stream);
    expect((await run.signal.sample(never)).pressure).toBeLessThan(full.pressure - 1);
  });

  test('is kept for as long as the server says, in milliseconds', async () => {
    await using schema = await createSchema(url);
    await schema.application.run(`CREATE TABLE ${schema.name}.t (id INT PRIMARY KEY)`);
    await using run = await begin(url, schema.name, null);
    const kept: (number | null | undefined)[] = [];
    for (const seconds of [0, 7_200]) {
      await schema.application.run(`SET GLOBAL binlog_expire_logs_seconds = ${seconds}`);
      kept.push(await run.claim.findLogRetention?.(never));
    }
    expect(kept).toEqual([null, 7_200_000]);
  });

  test('has no limit unless there is one, by the operator or by the server', async () => {
    await using schema = await createSchema(url);
    await schema.application.run(`CREATE TABLE ${schema.name}.t (id INT PRIMARY KEY)`);
    for (const limit of [null, 0]) {
      await using run = await begin(url, schema.name, limit);
      await acknowledgeAll(run.stream);
      expect(await run.signal.sample(never)).toEqual({ pressure: 0, detail: 'there is no limit' });
    }
  });
});

/** A claimed table whose stream is open and whose applier has done nothing yet. */
async function begin(url: string, schema: string, retainedLogBytesMax: number | null) {
  const database = await openDatabase(url, { ...login, load: () => ({ ...DEFAULT_LOAD_LIMITS, retainedLogBytesMax }) }, never);
  const options = { deferIndexes: 'never', key: null } as const;
  const plan = await database.plan({ table: { schema, table: 't' }, clauses: 'ADD COLUMN v INT', options }, never);
  const claim = await database.claim(plan, 'start', never);
  const stream = await claim.openChangeStream(null, never);
  return {
    claim,
    signal: signalOf(claim),
    stream,
    async [Symbol.asyncDispose]() {
      await stream[Symbol.asyncDispose]();
      await claim.checkpoints.conclude('aborted', null, never);
      await claim[Symbol.asyncDispose]();
      await database[Symbol.asyncDispose]();
    },
  };
}

function signalOf(claim: TableClaim): ThrottleSignal {
  const found = claim.throttleSignals.find(({ name }) => name === 'retained binlog');
  if (found === undefined) throw new Error('The claim has no such signal.');
  return found;
}

async function writeLog(application: Application, schema: string, mebibytes: number): Promise<void> {
  for (let written = 0; written < mebibytes; written += 1) {
    await application.run(`INSERT INTO ${schema}.other (v) VALUES (REPEAT('x', ${MIB}))`);
  }
}
