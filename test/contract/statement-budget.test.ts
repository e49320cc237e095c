/**
 * What a whole run sends for each chunk, each range and each batch of changes: to a server that is far away every statement more is a
 * round trip more. What is sent from time to time, as to watch the server, is not in each of many pieces, and so in no budget.
 */
import { expect, test } from 'vitest';
import { Controls, DEFAULT_OPTIONS, migrate, type MigrationEvent } from '../../src/index.ts';
import { createSchema } from '../support/adapter-server.ts';
import { createPostgresSchema } from '../support/postgres-adapter.ts';
import { sharedServer } from '../support/shared-servers.ts';
import { describeSideBySide } from '../support/side-by-side.ts';
import { startProxy } from '../support/tcp-proxy.ts';

const CHUNKS = 20;
const CHUNK_ROWS = 20;
const BATCHES = 10;
const BATCH_ROWS = 5;
/** Not within a run. */
const LATER_MS = 1_000_000;

/** The statements for one piece of work, in their order. */
type Budget = Readonly<Record<'chunk-copied' | 'range-verified' | 'changes-applied', readonly RegExp[]>>;

interface Run {
  readonly flavour: 'mysql' | 'mariadb' | 'postgres';
  readonly what: string;
  readonly key: 'number' | 'text';
  readonly clauses: string;
  readonly budget: Budget;
}

const end = /^SELECT .* LIMIT/;
const checksum = /^SELECT \? AS side/;
const runsOfMySql = (flavour: 'mysql' | 'mariadb', barrier: RegExp): readonly Run[] => [
  {
    ...{ flavour, what: 'whose keys are numbers and whose values the server takes as they are', key: 'number' },
    clauses: 'MODIFY v BIGINT NOT NULL',
    budget: {
      'chunk-copied': [/^INSERT INTO .* SELECT/],
      'range-verified': [checksum],
      'changes-applied': [barrier, /^INSERT INTO .* ON DUPLICATE KEY UPDATE/],
    },
  },
  {
    ...{ flavour, what: 'whose keys are texts and whose values the server computes', key: 'text' },
    clauses: 'ADD COLUMN w INT AS (v + 1) STORED',
    budget: {
      'chunk-copied': [end, /^SET .* autocommit = \?/, /^INSERT INTO .* SELECT/, /^SET .* autocommit = \?/],
      'range-verified': [end, checksum],
      'changes-applied': [
        ...[barrier, /^SET /, /^DELETE FROM/, /^SET /],
        ...[/^SET .* autocommit = \?/, /^INSERT INTO .* SELECT/, /^SET .* autocommit = \?/],
      ],
    },
  },
];
const copy = /^SET LOCAL .*; INSERT INTO .* SELECT/;
const comparison = /^SET LOCAL .*; SELECT pg_catalog\.count/;
const runs: readonly Run[] = [
  ...runsOfMySql('mysql', /^SELECT WAIT_FOR_EXECUTED_GTID_SET/),
  ...runsOfMySql('mariadb', /^UPDATE `tableshift`.`fences`/),
  {
    ...{ flavour: 'postgres', what: 'whose keys are numbers', key: 'number', clauses: 'ALTER COLUMN v TYPE bigint' },
    budget: {
      'chunk-copied': [copy],
      'range-verified': [comparison],
      'changes-applied': [/^SELECT pg_catalog.pg_current_snapshot/, /^SET LOCAL .*; INSERT INTO .* ON CONFLICT/],
    },
  },
  {
    ...{ flavour: 'postgres', what: 'whose keys are texts', key: 'text', clauses: 'ADD COLUMN w integer' },
    budget: {
      'chunk-copied': [end, copy],
      'range-verified': [end, comparison],
      'changes-applied': [/^SELECT pg_catalog.pg_current_snapshot/, /^DELETE FROM/, copy],
    },
  },
];

describeSideBySide(['mysql', 'mariadb', 'postgres'] as const, 'the statements on', (flavour) => {
  const ofFlavour = runs.filter((run) => run.flavour === flavour);

  test.each(ofFlavour)('of a run $what are those of its budget', async ({ key, clauses, budget }) => {
    const url = sharedServer(flavour === 'postgres' ? 'postgres-18' : flavour);
    await using schema = flavour === 'postgres' ? await createPostgresSchema(url) : await createSchema(url);
    const { application, name } = schema;
    const keyOf = (row: number): string => (key === 'number' ? `${row}` : `'${String(row).padStart(6, '0')}'`);
    const text = flavour === 'postgres' ? 'text' : 'VARCHAR(20) CHARACTER SET ascii COLLATE ascii_bin';
    await application.run(`CREATE TABLE ${name}.t (id ${key === 'number' ? 'INT' : text} PRIMARY KEY, v INT NOT NULL)`);
    const rows = Array.from({ length: CHUNKS * CHUNK_ROWS }, (_, row) => `(${keyOf(row)}, 0)`);
    await application.run(`INSERT INTO ${name}.t VALUES ${rows.join(', ')}`);
    const changeBatch = async (batch: number): Promise<void> => {
      const keys = Array.from({ length: BATCH_ROWS }, (_, row) => keyOf(batch * BATCH_ROWS + row));
      await application.run(`UPDATE ${name}.t SET v = 1 WHERE id IN (${keys.join(', ')})`);
    };
    const sent = await statementsOf({ url, flavour, alter: `ALTER TABLE ${name}.t ${clauses}`, changeBatch });

    // At both ends of a table a chunk's end is asked for.
    expect(sent.inEach('chunk-copied', CHUNKS - 4)).toEqual(matching(budget['chunk-copied']));
    expect(sent.inEach('range-verified', CHUNKS - 4)).toEqual(matching(budget['range-verified']));
    expect(sent.inEach('changes-applied', BATCHES - 1)).toEqual(matching(budget['changes-applied']));
    // One for each phase, up to the one that announces the swap.
    expect(sent.beforeSwap.filter((one) => /^(INSERT|REPLACE) INTO .tableshift.\..checkpoints/.test(one))).toHaveLength(6);
  });
});

const matching = (budget: readonly RegExp[]): unknown[] => budget.map((one) => expect.stringMatching(one));

interface Sent {
  /** What is in every single one of so many pieces of work, from the middle of the run. */
  inEach(piece: keyof Budget, pieces: number): readonly string[];
  readonly beforeSwap: readonly string[];
}

/** Migrates with one worker, in chunks of the same size. Batches of changes are made and applied one by one before the swap. */
async function statementsOf(run: {
  readonly url: string;
  readonly flavour: Run['flavour'];
  readonly alter: string;
  readonly changeBatch: (batch: number) => Promise<void>;
}): Promise<Sent> {
  const { url, flavour, alter, changeBatch } = run;
  const sent: string[] = [];
  await using proxy = await startProxy(url, (packet) => {
    const statement = flavour === 'postgres' ? postgresQuery(packet) : mySqlQuery(packet);
    if (statement !== null) sent.push(shapeOf(statement));
    return 'pass';
  });
  const controls = new Controls({
    ...{ ...DEFAULT_OPTIONS, latency: null, copyWorkers: 1, applyWorkers: 1, niceRatio: 0, chunkTargetMs: LATER_MS },
    ...{ chunkRowsFirst: CHUNK_ROWS, chunkRowsMax: CHUNK_ROWS, flushIntervalMs: 1, checkpointIntervalMs: LATER_MS },
    ...{ lagIntervalMs: LATER_MS, progressIntervalMs: LATER_MS, throttleIntervalMs: LATER_MS, throttleStaleMs: LATER_MS },
    cutover: { ...DEFAULT_OPTIONS.cutover, lagMaxMs: LATER_MS },
  });
  /** How many statements had been sent when each was done. */
  const done = new Map<MigrationEvent['kind'], readonly number[]>();
  const writes: Promise<void>[] = [];
  const observer = (event: MigrationEvent): void => {
    done.set(event.kind, [...(done.get(event.kind) ?? []), sent.length]);
    if (event.kind !== 'cutover-awaited' && event.kind !== 'changes-applied') return;
    if (writes.length < BATCHES) writes.push(changeBatch(writes.length));
    else controls.releaseCutover('test');
  };
  controls.holdCutover('test', 'changes are to come');
  await migrate({
    ...{ alter, strategy: 'shadow', controls, observer, isFindingReplicas: false },
    // What is encrypted cannot be read on its way.
    url: flavour === 'postgres' ? proxy.url : `${proxy.url}?ssl-mode=DISABLED`,
  });
  await Promise.all(writes);
  return {
    inEach(piece, pieces) {
      const ends = done.get(piece) ?? [];
      const lists = ends.slice(1).map((upTo, place) => sent.slice(ends[place], upTo));
      const skipped = Math.floor((lists.length - pieces) / 2);
      return inAll(lists.slice(skipped, skipped + pieces));
    },
    beforeSwap: sent.slice(0, done.get('cutover-attempt')?.[0]),
  };
}

/** A Query message: its letter, four bytes of length, the text and a zero. */
function postgresQuery(packet: string): string | null {
  return packet.startsWith('Q') ? packet.slice(5, -1) : null;
}

/** COM_QUERY: four bytes of length and number, the command, on MySQL how many attributes come along, and the text. */
function mySqlQuery(packet: string): string | null {
  if (packet.charCodeAt(4) !== 3) return null;
  const text = packet.slice(5);
  return text.startsWith('\0\u0001') ? text.slice(2) : text;
}

/** Without its values, however many: on a busy machine the rows of a batch may come in two parts, of which each is applied by itself. */
function shapeOf(statement: string): string {
  const withoutValues = statement.replaceAll(/X?'[^']*'/g, '?').replaceAll(/\d+/g, '?');
  return withoutValues.replaceAll(/\?(?:(?:, |\), \()\?)+/g, '?');
}

/** What is in every one of the lists, as often as in that which has it least. */
function inAll(lists: readonly (readonly string[])[]): readonly string[] {
  const [first = [], ...others] = lists;
  return others.reduce((common, list) => {
    const left = [...list];
    return common.filter((one) => {
      const place = left.indexOf(one);
      if (place >= 0) left.splice(place, 1);
      return place >= 0;
    });
  }, first);
}
