/**
 * A test case as a folder of SQL:
 *
 *   before.sql    makes the table, with its rows, in an empty database
 *   alter.sql     the clauses to carry out
 *   writes.sql    what an application writes while the migration runs (optional)
 *   expect.json   what differs from "succeeds on every server, as the native ALTER does" (optional)
 *
 * `before.mysql.sql` or `before.postgres-15.sql` takes the place of `before.sql` on that server, and so for the others.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { MigrationOptions } from '../../src/index.ts';
import type { PostgresVersion } from './postgres-software.ts';
import { sharedServers, type SharedServer, versionOf } from './shared-servers.ts';
import type { Flavour } from './server-software.ts';
import type { Fate } from './tcp-proxy.ts';

/** What is expected of a case on one server. */
export interface CaseExpectation {
  /** Code of the obstacle that refuses it, and words that its message has. */
  readonly refused?: { readonly obstacle: string; readonly says?: readonly string[] };
  /** Code of the error that ends it, and words that its message has. */
  readonly fails?: { readonly code: string; readonly says?: readonly string[] };
  /** Name of the table; `t` unless given. */
  readonly table?: string;
  /** MySQL: name of the database, behind which something unique is put. PostgreSQL: the table's schema, if not `public`. */
  readonly schema?: string;
  /** Plan options. */
  readonly options?: { readonly key?: string; readonly deferIndexes?: 'auto' | 'always' | 'never' };
  /** Rows of every chunk, so that a small table has many; otherwise as the tool has it. */
  readonly chunkRows?: number;
  /** What else of the run is not as usual. */
  readonly pace?: Partial<MigrationOptions>;
  /** True: with the rests and pauses that a user's run has; otherwise without, for speed. */
  readonly isAtUsualPace?: boolean;
  /** Kind of the event at which the writes begin; `phase-entered:copy` unless given. */
  readonly writesAt?: string;
  /** A write that the server refuses is left out on PostgreSQL, a COMMIT too; on MySQL and MariaDB, so are those behind it. */
  readonly writesMayFail?: boolean;
  /** Ends the run at its so manieth event, and resumes it; several one after the other. */
  readonly interruptedAt?: readonly number[];
  /** Cuts connections of the run with its so manieth message to the server; several one after the other. */
  readonly cuts?: readonly Cut[];
  /** PostgreSQL: what keeps the swap away until the writes are done; `lock` unless given, `snapshot` where a write locks the table. */
  readonly gate?: 'lock' | 'snapshot';
  /** MySQL: the sql_mode in which the native ALTER gives what is wanted. */
  readonly nativeSqlMode?: string;
  /** What is known to differ from the native ALTER, and why; everything else is compared. */
  readonly differs?: {
    readonly why: string;
    /** Names of CHECK constraints, which are unique in a MySQL schema, so that a second table cannot have them. */
    readonly checkNames?: boolean;
    /** Columns whose values are left out, and with them the next value of MySQL's AUTO_INCREMENT. */
    readonly values?: readonly string[];
    /** PostgreSQL: subjects of the inventory (test/support/postgres-inventory.ts) that are left out. */
    readonly inventory?: readonly string[];
  };
}

/** Which of the messages since the last cut it is, and what becomes of it; `all`: all connections are cut with it. */
export interface Cut {
  readonly at: number;
  readonly fate: Exclude<Fate, 'pass' | 'swallow'> | 'all' | 'all-unnoticed';
}

/** One case on one server. */
export interface Case extends CaseExpectation {
  readonly name: string;
  readonly before: string;
  readonly clauses: string;
  readonly writes: string;
}

/** With what is expected on one server instead, under its name. */
type ExpectFile = CaseExpectation & {
  /** Where it runs; everywhere unless given. */
  readonly flavours?: readonly Flavour[];
  /** The first version of PostgreSQL that it runs on. */
  readonly since?: PostgresVersion;
} & Readonly<Partial<Record<SharedServer, CaseExpectation>>>;

/** All cases of a folder that run on this server. */
export function casesIn(folder: string, server: SharedServer): readonly Case[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .sort()
    .flatMap((name) => readCase(join(folder, name), name, server));
}

function readCase(folder: string, name: string, server: SharedServer): readonly Case[] {
  const file = (part: string): string =>
    [`${part}.${server}.sql`, `${part}.sql`].map((known) => join(folder, known)).find((path) => existsSync(path)) ?? '';
  const text = (part: string): string => (file(part) === '' ? '' : readFileSync(file(part), 'utf8').trim());
  const expectFile = join(folder, 'expect.json');
  const expected = existsSync(expectFile) ? (JSON.parse(readFileSync(expectFile, 'utf8')) as ExpectFile) : {};
  const { flavours, since } = expected;
  if (flavours !== undefined && !flavours.includes(sharedServers[server].flavour)) return [];
  if (since !== undefined && versionOf(server) < since) return [];
  return [{ name, before: text('before'), clauses: text('alter'), writes: text('writes'), ...expected, ...expected[server] }];
}
