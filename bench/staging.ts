/**
 * Benches on a server that is not ours: on a copy of the table, in a schema of its own that is dropped at the end, never on the
 * table itself.
 */
import { randomBytes } from 'node:crypto';
import { cleanUp, listMigrations } from '../src/index.ts';
import { parseServerUrl } from '../src/server-url.ts';
import type { Flavour } from '../test/support/servers.ts';
import { readCount } from './arguments.ts';
import { RunFailedError, UsageError } from './errors.ts';
import { type BenchTable, type Native, runIn } from './table.ts';

/** Options of the benches that can do so. */
export const stagingOptions = {
  url: { type: 'string' },
  table: { type: 'string' },
  alter: { type: 'string' },
  'rows-max': { type: 'string', default: '1000000' },
  'yes-this-is-not-production': { type: 'boolean', default: false },
} as const;

/** Their part of the help. */
export const stagingUsage = `
On a server of yours, which must not be one that matters: it is loaded to its limit, and native ALTERs block what they like.
Works on a copy of the table in a schema (PostgreSQL: a schema of the same database) tableshift_bench_…, which is dropped at the end.
  --url URL           the server: mysql://, mariadb:// or postgres://, with the database in the path
  --table SCHEMA.NAME the table to copy; only read, once
  --alter CLAUSES     the change, as the clauses of an ALTER TABLE
  --rows-max N        copy at most so many of its rows (1,000,000)
  --yes-this-is-not-production  nothing is done without it`;

/** What was asked for. */
export interface StagingArguments {
  readonly url?: string | undefined;
  readonly table?: string | undefined;
  readonly alter?: string | undefined;
  readonly 'rows-max': string;
  readonly 'yes-this-is-not-production': boolean;
}

const rowsMaxMax = 10_000_000;

/** The copy. Rejects with a UsageError unless everything is given; the schema is dropped when it is disposed. */
export async function copyForStaging(values: StagingArguments): Promise<BenchTable & AsyncDisposable> {
  const { url, table, alter } = values;
  if (url === undefined || table === undefined || alter === undefined) {
    throw new UsageError(
      '--url, --table and --alter belong together: say which table of that server to copy, and what to change.',
    );
  }
  const rowsMax = readCount('rows-max', values['rows-max'], { min: 1, max: rowsMaxMax });
  const { adapter, shown } = parseServerUrl(url);
  const flavour: Flavour = adapter === 'postgres' ? 'postgres' : url.startsWith('mariadb') ? 'mariadb' : 'mysql';
  const source = readName(table);
  const schema = `tableshift_bench_${randomBytes(4).toString('hex')}`;
  const warning = `This loads ${shown} to its limit for minutes, copies up to ${rowsMax} rows of ${table} into the new schema ${schema} (up to four such copies at once on disk and in the log), changes the copy again and again, and drops that schema at the end. ${table} itself is only read, once.`;
  if (!values['yes-this-is-not-production']) {
    throw new UsageError(`${warning} If nobody depends on that server, say --yes-this-is-not-production.`);
  }
  console.error(`${warning} Should this be killed, run tableshift list and cleanup there, and drop ${schema} by hand.`);
  await runIn(url, null, [`CREATE SCHEMA ${schema}`]);
  const ending = endOnSignal();
  const drop = async (): Promise<void> => {
    ending.stop();
    await giveUpOpen(url, schema);
    await runIn(url, null, [`DROP SCHEMA ${schema}${flavour === 'postgres' ? ' CASCADE' : ''}`]);
  };
  try {
    const copy = await fill({ flavour, url, schema, source, alter, rowsMax });
    const restore = async (): Promise<void> => {
      if (ending.isAsked()) throw new RunFailedError('Ended by a signal; nothing was reported.');
      await copy.restore();
    };
    return { ...copy, restore, [Symbol.asyncDispose]: drop };
  } catch (error) {
    await drop();
    throw error;
  }
}

/** The first signal ends the bench before its next step, so that the server is left clean; the second at once. */
function endOnSignal(): { readonly isAsked: () => boolean; readonly stop: () => void } {
  let isAsked = false;
  const ask = (): void => {
    if (isAsked) process.exit(130);
    isAsked = true;
    console.error('Ends after the present step, and cleans up. Once more: at once, and nothing is cleaned up.');
  };
  const signals = ['SIGINT', 'SIGTERM'] as const;
  for (const signal of signals) process.on(signal, ask);
  return {
    isAsked: () => isAsked,
    stop() {
      for (const signal of signals) process.off(signal, ask);
    },
  };
}

/** A migration that did not reach its end has more than its tables on the server: on PostgreSQL a slot, which holds the log back. */
async function giveUpOpen(url: string, schema: string): Promise<void> {
  const open = (await listMigrations({ url })).filter(({ plan, state }) => state === 'open' && plan.source.schema === schema);
  for (const { id } of open) await cleanUp({ url, id });
}

interface Copy {
  readonly flavour: Flavour;
  readonly url: string;
  readonly schema: string;
  readonly source: { readonly schema: string; readonly table: string };
  readonly alter: string;
  readonly rowsMax: number;
}

async function fill({ flavour, url, schema, source, alter, rowsMax }: Copy): Promise<BenchTable> {
  const quote = (name: string): string => (flavour === 'postgres' ? `"${name}"` : `\`${name}\``);
  const run = (statements: readonly string[]): Promise<readonly Record<string, unknown>[]> => runIn(url, schema, statements);
  const columns = (await run([columnsQuery(flavour, source)])).map((row) => quote(String(row['name'])));
  if (columns.length === 0)
    throw new UsageError(`There is no table ${source.schema}.${source.table} on that server, or it may not be read.`);
  const list = columns.join(', ');
  const from = `${quote(source.schema)}.${quote(source.table)}`;
  const create = (name: string, like: string): string =>
    flavour === 'postgres' ? `CREATE TABLE ${name} (LIKE ${like} INCLUDING ALL)` : `CREATE TABLE ${name} LIKE ${like}`;
  const overriding = flavour === 'postgres' ? ' OVERRIDING SYSTEM VALUE' : '';
  const insert = (name: string, other: string): string =>
    `INSERT INTO ${name} (${list})${overriding} SELECT ${list} FROM ${other}`;
  await run([create('base', from), `${insert('base', from)} LIMIT ${rowsMax}`]);
  const [row] = await run(['SELECT COUNT(*) AS count FROM base']);
  const restore = [
    'DROP TABLE IF EXISTS t, _t_old, _t_new',
    create('t', 'base'),
    insert('t', 'base'),
    flavour === 'postgres' ? 'VACUUM (ANALYZE) t' : 'ANALYZE TABLE t',
  ];
  return {
    flavour,
    url,
    serverPid: null,
    schema,
    table: 't',
    rows: Number(row?.['count']),
    alter,
    natives: await nativesOn({ flavour, alter, run, restore }),
    async restore() {
      await run(restore);
    },
    run,
  };
}

/** Generated columns cannot be written. */
function columnsQuery(flavour: Flavour, { schema, table }: Copy['source']): string {
  const generated =
    flavour === 'postgres' ? "is_generated = 'NEVER'" : "EXTRA NOT LIKE '%GENERATED%' OR EXTRA LIKE '%DEFAULT_GENERATED%'";
  return `SELECT column_name AS name FROM information_schema.columns
    WHERE table_schema = '${schema}' AND table_name = '${table}' AND (${generated}) ORDER BY ordinal_position`;
}

interface Trial extends Pick<Copy, 'flavour' | 'alter'> {
  readonly run: (statements: readonly string[]) => Promise<unknown>;
  readonly restore: readonly string[];
}

/** The copying way, and on MySQL and MariaDB the one in place where the server takes it: an empty table tells. */
async function nativesOn({ flavour, alter, run }: Trial): Promise<readonly Native[]> {
  if (flavour === 'postgres') return [{ name: 'native ALTER', isReference: true, statements: [`ALTER TABLE t ${alter}`] }];
  const copying: Native = {
    name: 'native ALTER, copying',
    isReference: true,
    statements: [`ALTER TABLE t ${alter}, ALGORITHM=COPY`],
  };
  await run(['CREATE TABLE trial LIKE base', `ALTER TABLE trial ${alter}`, 'DROP TABLE trial', 'CREATE TABLE trial LIKE base']);
  const isInPlace = await run([`ALTER TABLE trial ${alter}, ALGORITHM=INPLACE`]).then(
    () => true,
    () => false,
  );
  await run(['DROP TABLE trial']);
  if (!isInPlace) return [copying];
  return [
    copying,
    { name: 'native ALTER, in place', isReference: false, statements: [`ALTER TABLE t ${alter}, ALGORITHM=INPLACE`] },
  ];
}

/** Plain words only, for they are put into statements. */
function readName(text: string): Copy['source'] {
  const [schema, table, ...others] = text.split('.');
  const isPlain = (name: string | undefined): name is string => name !== undefined && /^[\w$]+$/.test(name);
  if (!isPlain(schema) || !isPlain(table) || others.length > 0) {
    throw new UsageError(`--table: ${text} has to be SCHEMA.NAME, both of letters, digits, _ and $.`);
  }
  return { schema, table };
}
