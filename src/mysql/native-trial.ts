/**
 * Tries how cheaply the server carries an ALTER out, on an empty clone. Only a permanent table will do: on temporary ones the
 * server copies always. The clone is in the schema of the source, not in the log where the user may leave it out, and dropped
 * when the answer is known; what a killed process left is dropped by the next trial.
 */

import { createHash } from 'node:crypto';
import { causeText, MigrationError, unlessDenied } from '../engine/errors.ts';
import type { TableName } from '../engine/model.ts';
import type { Obstacle } from '../engine/obstacles.ts';
import { retry, type RetryContext } from '../engine/retry.ts';
import { systemClock } from '../sessions/system-clock.ts';
import { ordinaryClient, withSettings } from './client-settings.ts';
import { serverErrno } from './errors.ts';
import type { Flavour } from './flavour.ts';
import { namingHolders } from './lock-wait.ts';
import { type Row, type Session, useSchema } from './session.ts';
import { quoteTable, quoteText } from './statements.ts';

/** What InnoDB says of a table and, where it is partitioned, of its partitions. */
export interface InnodbIdentity {
  /** Change when the table is rebuilt. */
  readonly tableIds: readonly string[];
  /** Name by id; another id means that the index is built. */
  readonly indexes: ReadonlyMap<string, string>;
  /** Instant changes of the row format since the table was last rebuilt; null where the server does not count them. */
  readonly rowVersions: number | null;
}

/** What became of one trial. */
export type TrialOutcome =
  | {
      readonly kind: 'accepted';
      readonly before: InnodbIdentity;
      readonly after: InnodbIdentity;
      /** The clone by SHOW CREATE TABLE, before the clauses and after. */
      readonly definitionBefore: string;
      readonly definition: string;
    }
  /** The server knows no way of this kind; the reason is its own. */
  | { readonly kind: 'unsupported'; readonly reason: string }
  /** The ALTER itself is wrong. */
  | { readonly kind: 'refused'; readonly reason: string };

/** Somebody who holds the lock for longer is not just trying an ALTER on the same table. */
const trialWaitSeconds = 10;
/** The clone is dropped even where the trial was aborted. */
const dropLimitMs = 10_000;
/**
 * One statement, outside of transactions, is tried again where it was the victim of a deadlock. Other sessions change definitions
 * meanwhile, and InnoDB asks for a lock on each table that it lists; the victim has changed nothing.
 */
const despiteDeadlocks: RetryContext = {
  clock: systemClock,
  observer: () => undefined,
  isCurable: ({ code }) => code === 'DEADLOCK',
};

/** Clones of one table, one after the other. Its session is used for nothing else. */
export class NativeTrials {
  readonly #session: Session;
  readonly #source: TableName;
  readonly #flavour: Flavour;

  private constructor(session: Session, source: TableName, flavour: Flavour) {
    this.#session = session;
    this.#source = source;
    this.#flavour = flavour;
  }

  /** Rejects with LOCK_WAIT where another process tries an ALTER on the same table. The session must be new. */
  static async open(
    session: Session,
    { source, flavour }: { readonly source: TableName; readonly flavour: Flavour },
    signal: AbortSignal,
  ): Promise<NativeTrials> {
    const trials = new NativeTrials(session, source, flavour);
    const mark = quoteText(`tableshift:${trials.clone.table}:${source.schema}`.slice(0, 64));
    const [row] = await session.query(`SELECT GET_LOCK(${mark}, ${trialWaitSeconds}) AS isHeld`, signal);
    if (row?.['isHeld'] !== '1') {
      throw new MigrationError(
        'LOCK_WAIT',
        `Another process tries a change of ${source.schema}.${source.table} at this moment; plan it again when that is over.`,
      );
    }
    await leaveOutOfLog(session, signal);
    // For where it is logged nevertheless.
    await useSchema(session, source.schema, signal);
    return trials;
  }

  /** Where the trials take place. */
  get clone(): TableName {
    const { schema, table } = this.#source;
    const hash = createHash('sha256').update(`${schema}\0${table}`).digest('hex').slice(0, 16);
    return { schema, table: `_tableshift_try_${hash}` };
  }

  /**
   * Creates the clone (a short metadata lock on the source, shared), runs the statements `done` on it, alters it, and drops it.
   * `clauses` may end with the algorithm. `unsupported` also where no clone can be made, for lack of a privilege or by a setting of
   * the server.
   */
  async try(clauses: string, done: readonly string[], signal: AbortSignal): Promise<TrialOutcome> {
    const clone = quoteTable(this.clone);
    // Both are safe to run twice: nobody else uses the name, whose lock this session holds.
    const hindrance =
      (await this.#run(`DROP TABLE IF EXISTS ${clone}`, signal)) ??
      (await this.#run(`CREATE TABLE ${clone} LIKE ${quoteTable(this.#source)}`, signal));
    if (hindrance !== null) {
      return { kind: 'unsupported', reason: `the server cannot be asked on an empty clone: ${hindrance.reason}` };
    }
    try {
      for (const statement of done) {
        const refusal = await this.#run(statement, signal);
        if (refusal !== null) return refusal;
      }
      const before = await this.identify(this.clone, signal);
      const definitionBefore = await this.#definition(signal);
      const refusal = await this.#run(`ALTER TABLE ${clone} ${clauses}`, signal);
      if (refusal !== null) return refusal;
      const after = await this.identify(this.clone, signal);
      return { kind: 'accepted', before, after, definitionBefore, definition: await this.#definition(signal) };
    } finally {
      // What stays is dropped by the next trial, and why the trial failed matters more.
      await this.#session.execute(`DROP TABLE IF EXISTS ${clone}`, AbortSignal.timeout(dropLimitMs)).catch(() => undefined);
    }
  }

  /** Nothing but nulls and empty lists where the name has characters that InnoDB spells in its own way. */
  async identify(name: TableName, signal: AbortSignal): Promise<InnodbIdentity> {
    const spelled = `${innodbSpelling(name.schema)}/${innodbSpelling(name.table)}`;
    const tables = await this.#query(
      `SELECT * FROM information_schema.${this.#flavour.innodbPrefix}_TABLES WHERE SUBSTRING_INDEX(NAME, '#', 1) = ${quoteText(spelled)}`,
      signal,
    );
    const tableIds = tables.map((row) => row['TABLE_ID'] ?? '').sort();
    const indexes =
      tableIds.length === 0
        ? []
        : await this.#query(
            `SELECT INDEX_ID AS id, TABLE_ID AS tableId, NAME AS name FROM information_schema.${this.#flavour.innodbPrefix}_INDEXES
             WHERE TABLE_ID IN (${tableIds.join(', ')})`,
            signal,
          );
    const versions = tables.flatMap((row) => row['TOTAL_ROW_VERSIONS'] ?? []).map(Number);
    return {
      tableIds,
      indexes: new Map(indexes.map((row) => [`${row['tableId'] ?? ''}/${row['id'] ?? ''}`, row['name'] ?? ''])),
      rowVersions: versions.length === 0 ? null : Math.max(...versions),
    };
  }

  async #definition(signal: AbortSignal): Promise<string> {
    const [shown] = await this.#query(`SHOW CREATE TABLE ${quoteTable(this.clone)}`, signal);
    return shown?.['Create Table'] ?? '';
  }

  async #query(sql: string, signal: AbortSignal): Promise<readonly Row[]> {
    return await retry('trying the change', () => this.#session.query(sql, signal), despiteDeadlocks, signal);
  }

  /** Null where it was done. Rejects with what a repetition may cure, and where no server said why. */
  async #run(sql: string, signal: AbortSignal): Promise<Exclude<TrialOutcome, { kind: 'accepted' }> | null> {
    try {
      const run = (): Promise<unknown> => this.#session.execute(sql, signal);
      const wait = { session: this.#session, flavour: this.#flavour, tables: [this.#source, this.clone] };
      const insist = (): Promise<unknown> => retry('trying the change', run, despiteDeadlocks, signal);
      await namingHolders(wait, () => withSettings(this.#session, ordinaryClient, insist, signal), signal);
      return null;
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof MigrationError) || error.isTransient || serverErrno(error) === null) throw error;
      const reason = causeText(error);
      return { kind: isUnsupported(error) ? 'unsupported' : 'refused', reason: reason.replace(/\.$/, '') };
    }
  }
}

/** Whether the server refuses the way of the ALTER, and not the ALTER. */
export function isUnsupported(error: unknown): boolean {
  const errno = serverErrno(error);
  if (errno === null) return false;
  // ER_ALTER_OPERATION_NOT_SUPPORTED, …_REASON, ER_UNKNOWN_ALTER_ALGORITHM, ER_INNODB_MAX_ROW_VERSION, and a row that would be
  // too long for an instant column.
  return [1845, 1846, 1800, 4092].includes(errno) || /\bALGORITHM=|\bLOCK=NONE\b|\bINSTANT\b/.test(causeText(error));
}

/** The server's refusal as the plan of a shadow says it. */
export function refusalOf(source: TableName, reason: string): Obstacle {
  const said = reason.replaceAll(serversOwnCopy, () => source.table);
  return { code: 'INVALID_ALTER', message: `The server refuses the ALTER of ${source.schema}.${source.table}: ${said}.` };
}

/** The name of what the server itself makes of a table that it alters. */
const serversOwnCopy = /#sql-[0-9a-z_-]+/gi;

/** A user without the privilege has the clones in the log, where they do no harm. */
async function leaveOutOfLog(session: Session, signal: AbortSignal): Promise<void> {
  await unlessDenied(() => session.execute('SET SESSION sql_log_bin = 0', signal), null);
}

/** Names as InnoDB has them, as far as they are ASCII. */
function innodbSpelling(name: string): string {
  return name.replaceAll(/[^0-9A-Za-z_]/g, (character) => `@${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
