/** Deadlocks as the server's log tells them: with the statements of every session in them, the victim's and the others'. */
import { readFileSync } from 'node:fs';
import type { Flavour } from './servers.ts';
import { applicationMark } from './traffic-session.ts';

/** Makes the server log every deadlock; PostgreSQL always does. */
export const deadlockFlags: Readonly<Record<Flavour, readonly string[]>> = {
  mysql: ['--innodb-print-all-deadlocks=ON', '--log-error-verbosity=3'],
  mariadb: ['--innodb-print-all-deadlocks=ON'],
  postgres: [],
};

/** The deadlocks so far, by whose sessions were in them; each as the log shows it. */
export interface ServerDeadlocks {
  /** Only sessions of the traffic. */
  readonly application: readonly string[];
  /** Sessions of the traffic and of somebody else. */
  readonly mixed: readonly string[];
  /** No session of the traffic. */
  readonly others: readonly string[];
}

/** Reads a server's log. */
export function readDeadlocks({ flavour, logFile }: { readonly flavour: Flavour; readonly logFile: string }): ServerDeadlocks {
  const log = readFileSync(logFile, 'utf8');
  const deadlocks = { application: new Array<string>(), mixed: new Array<string>(), others: new Array<string>() };
  for (const { text, statements } of flavour === 'postgres' ? findPostgres(log) : findMysql(log)) {
    const marked = statements.filter((statement) => statement.startsWith(applicationMark)).length;
    // One whose sessions cannot be read from the log is nobody's excuse.
    const whose = marked === 0 ? 'others' : marked === statements.length && marked > 1 ? 'application' : 'mixed';
    deadlocks[whose].push(text);
  }
  return deadlocks;
}

interface Deadlock {
  readonly text: string;
  /** What each session in it was doing. */
  readonly statements: readonly string[];
}

/** InnoDB: `MySQL thread id 9, …` is the line before each transaction's statement. */
function findMysql(log: string): readonly Deadlock[] {
  const texts = log.matchAll(/Transactions deadlock detected[^]*?WE ROLL BACK TRANSACTION/g);
  return [...texts].map(([text]) => ({
    text,
    statements: mysqlStatements(text),
  }));
}

function mysqlStatements(text: string): readonly string[] {
  return text
    .split(/\*\*\* \(\d+\) TRANSACTION:/)
    .slice(1)
    .map((part) => /^(?:MySQL|MariaDB) thread id .*\n(.*)/m.exec(part)?.[1] ?? '');
}

/**
 * Whether all that met in a deadlock of InnoDB, as `readDeadlocks` shows it, were writing the shadow of this table, one of them at least
 * inserting: deletes alone have no reason to meet.
 */
export function isBetweenShadowWrites(
  text: string,
  { schema, table }: { readonly schema: string; readonly table: string },
): boolean {
  const statements = mysqlStatements(text);
  const shadow = `\`${schema}\`.\`${table}_ts_new\``;
  const isInsert = (statement: string): boolean => statement.startsWith(`INSERT INTO ${shadow} `);
  const isDelete = (statement: string): boolean => statement.startsWith(`DELETE FROM ${shadow} USING ${shadow} `);
  const isWrite = (statement: string): boolean => isInsert(statement) || isDelete(statement);
  return statements.length > 1 && statements.every(isWrite) && statements.some(isInsert);
}

/** The detail has `Process 9691: ` and the statement for each; lines that go on begin with a tab. */
function findPostgres(log: string): readonly Deadlock[] {
  const texts = log.matchAll(/ERROR: {2}deadlock detected\n.*?DETAIL: .*\n(?:\t.*\n)*/g);
  return [...texts].map(([text]) => ({
    text,
    statements: [...text.matchAll(/^\tProcess \d+: (.*)/gm)].map(([, statement]) => statement ?? ''),
  }));
}
