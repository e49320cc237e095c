/** Changes that MySQL and MariaDB carry out by themselves: found by trying them on an empty clone, run with a short lock wait. */

import { MigrationError } from '../engine/errors.ts';
import type { MigrationRequest, TableName } from '../engine/model.ts';
import type { NativeChange, NativePlan, NativeStep, NoNativeWay, StepOutcome } from '../engine/native-change.ts';
import { PlanRefusedError } from '../engine/obstacles.ts';
import { type AlterClause, type AlterReading, readAlterClauses } from './alter-clauses.ts';
import { readTable, type TableDescription } from './catalog.ts';
import { isConnectionLoss, serverErrno } from './errors.ts';
import { askForLock } from './lock-wait.ts';
import { isUnsupported, NativeTrials, refusalOf, type TrialOutcome } from './native-trial.ts';
import { readVariables, variableObstacles } from './obstacles-server.ts';
import { checkProblems, findSource } from './planning-facts.ts';
import { hasReplicas } from './replicas.ts';
import type { Server } from './server.ts';
import type { Session } from './session.ts';
import { quoteTable, quoteText } from './statements.ts';
import { wholeSeconds } from './table-lock.ts';

/** From this share of the limit on, the plan warns of instant changes running out. */
const versionsNoteShare = 0.75;
/** To name the clause in the way, not more clauses than this are tried one by one. */
const clausesTriedMax = 20;

/** The cheap ways of a server. Each call uses sessions of its own, for calls are rare. */
export function createNativeChange(server: Server): NativeChange {
  return {
    find: (request, signal) => findIfAllowed(server, request, signal),
    run: (step, plan, lockTimeoutMs, signal) => runStep(server, { step, plan, lockTimeoutMs }, signal),
  };
}

/** What the user may not ask for is not sure to be cheap; the obstacles of the shadow name the privileges. */
async function findIfAllowed(
  server: Server,
  request: MigrationRequest,
  signal: AbortSignal,
): Promise<NativePlan | NoNativeWay> {
  try {
    return await findNativePlan(server, request, signal);
  } catch (error) {
    if (!(error instanceof MigrationError) || error.code !== 'ACCESS_DENIED') throw error;
    return { clause: request.clauses, reason: `the user may not find out: ${error.message}` };
  }
}

async function findNativePlan(
  server: Server,
  request: MigrationRequest,
  signal: AbortSignal,
): Promise<NativePlan | NoNativeWay> {
  await using session = await server.openSession({}, signal);
  const reading = readAlterClauses(request.clauses);
  const source = await findSource(session, request.table, signal);
  if ('code' in source) throw new PlanRefusedError([source]);
  const wrongServer = variableObstacles(await readVariables(session, signal)).filter(({ code }) =>
    ['NOT_A_SOURCE', 'CLUSTERED_SERVER'].includes(code),
  );
  if (wrongServer.length > 0) throw new PlanRefusedError(wrongServer);
  const hindrance = await hindranceOf({ server, session, source, reading }, signal);
  if (hindrance !== null) return hindrance;
  const name = { schema: source.schema, table: source.table };
  const trials = await NativeTrials.open(session, { source: name, identities: server.flavour.innodbPrefix }, signal);
  const finding = new Finding({ server, session, trials, source: name, reading });
  return await finding.find(signal);
}

interface Asked {
  readonly server: Server;
  readonly session: Session;
  readonly source: TableDescription;
  readonly reading: AlterReading;
}

/** What is known without asking the server for its ways. */
async function hindranceOf({ server, session, source, reading }: Asked, signal: AbortSignal): Promise<NoNativeWay | null> {
  const [problem] = [...reading.problems, ...checkProblems(source, reading, server)];
  if (problem !== undefined) return { clause: reading.text, reason: problem.message };
  if (source.engine.toLowerCase() !== 'innodb') {
    return { clause: reading.text, reason: `only InnoDB has cheap ways, and the table's engine is ${source.engine}` };
  }
  if (source.isSystemVersioned) return { clause: reading.text, reason: 'the table keeps the history of its rows' };
  return await triggerHindrance({ server, session, source, reading }, signal);
}

/** The server lets a column go that a trigger names; after that the statements that fire the trigger fail. */
async function triggerHindrance({ session, source, reading }: Asked, signal: AbortSignal): Promise<NoNativeWay | null> {
  for (const clause of reading.clauses) {
    const column = columnGoing(clause);
    if (column === null) continue;
    // Reads the catalog only.
    const [trigger] = await session.query(
      `SELECT TRIGGER_NAME AS name FROM information_schema.TRIGGERS
       WHERE EVENT_OBJECT_SCHEMA = ${quoteText(source.schema)} AND EVENT_OBJECT_TABLE = ${quoteText(source.table)}
         AND LOCATE(LOWER(${quoteText(column)}), LOWER(ACTION_STATEMENT)) > 0 LIMIT 1`,
      signal,
    );
    if (trigger === undefined) continue;
    const reason = `the trigger ${trigger['name'] ?? ''} seems to name the column ${column} and would fail; alter the trigger first`;
    return { clause: clause.text, reason };
  }
  return null;
}

/** The column that is no longer there by its name. */
function columnGoing(clause: AlterClause): string | null {
  if (clause.kind === 'drop-column') return clause.column;
  return clause.kind === 'rename-column' && clause.from.toLowerCase() !== clause.to.toLowerCase() ? clause.from : null;
}

interface FindingParts {
  readonly server: Server;
  readonly session: Session;
  readonly trials: NativeTrials;
  readonly source: TableName;
  readonly reading: AlterReading;
}

/** A way for some clauses, or why there is none. */
type Verdict =
  | { readonly kind: 'cheap'; readonly step: NativeStep; readonly notes: readonly string[] }
  | { readonly kind: 'dear'; readonly reason: string }
  | { readonly kind: 'refused'; readonly reason: string };

class Finding {
  readonly #parts: FindingParts;

  constructor(parts: FindingParts) {
    this.#parts = parts;
  }

  async find(signal: AbortSignal): Promise<NativePlan | NoNativeWay> {
    const { reading, source } = this.#parts;
    const verdict = await this.#judge(reading.text, signal);
    if (verdict.kind === 'refused') throw new PlanRefusedError([refusalOf(source, verdict.reason)]);
    if (verdict.kind === 'dear') return await this.#explain(verdict.reason, signal);
    const { step, notes } = verdict;
    return { source, alter: reading.text, steps: [step], ...(notes.length === 0 ? {} : { notes }) };
  }

  /** Tries the algorithms, the cheapest first. */
  async #judge(clauses: string, signal: AbortSignal): Promise<Verdict> {
    const { server, trials } = this.#parts;
    let reason = '';
    for (const algorithm of server.flavour.onlineAlgorithms) {
      const outcome = await trials.try(`${clauses}, ${algorithm}`, signal);
      if (outcome.kind === 'refused') return outcome;
      if (outcome.kind === 'unsupported') {
        ({ reason } = outcome);
        continue;
      }
      // The algorithms behind one that was accepted are dearer.
      return await this.#judgeAccepted({ clauses, algorithm, outcome }, signal);
    }
    return { kind: 'dear', reason };
  }

  async #judgeAccepted({ clauses, algorithm, outcome }: Accepted, signal: AbortSignal): Promise<Verdict> {
    const { server, session, source } = this.#parts;
    const sql = `ALTER TABLE ${quoteTable(source)} ${clauses}, ${algorithm}`;
    if (algorithm === 'ALGORITHM=INSTANT') return await this.#judgeInstant(sql, outcome, signal);
    const { before, after } = outcome;
    const isSure = before.tableIds.length > 0;
    if (!isSure) return { kind: 'dear', reason: 'InnoDB does not say whether it would rebuild the table' };
    if (before.tableIds.join() !== after.tableIds.join()) {
      return { kind: 'dear', reason: 'the server would rebuild the whole table, and replicas would stall for as long' };
    }
    const built = [...after.indexes].flatMap(([id, name]) => (before.indexes.has(id) ? [] : [name]));
    if (built.length === 0) {
      const reason = 'the server changes the definition only (in place, without a rebuild)';
      return { kind: 'cheap', step: { sql, kind: 'brief', reason }, notes: [] };
    }
    const names = built.join(', ');
    if (await hasReplicas(session, server.flavour, signal)) {
      return { kind: 'dear', reason: `the server would build the index ${names}, and the replicas would stall for as long` };
    }
    const reason = `the server builds the index ${names} while readers and writers go on, and no replica is attached to stall`;
    return { kind: 'cheap', step: { sql, kind: 'online', reason }, notes: [] };
  }

  /** Whether the clone has got a new row version tells whether the source would need one. */
  async #judgeInstant(sql: string, { before, after }: Accepted['outcome'], signal: AbortSignal): Promise<Verdict> {
    const { server, trials, source } = this.#parts;
    const step: NativeStep = { sql, kind: 'brief', reason: 'the server changes the definition only (instantly)' };
    const versionsMax = server.flavour.instantVersionsMax;
    const isCounted = before.rowVersions !== null && after.rowVersions !== before.rowVersions;
    const { rowVersions } = isCounted ? await trials.identify(source, signal) : { rowVersions: null };
    if (versionsMax === null || rowVersions === null) return { kind: 'cheap', step, notes: [] };
    if (rowVersions >= versionsMax) {
      const reason = `the table has had ${rowVersions} instant changes, and the server allows no more than ${versionsMax} before the table is rebuilt, which a shadow does`;
      return { kind: 'dear', reason };
    }
    const isNear = rowVersions >= versionsMax * versionsNoteShare;
    const note = `This is instant change ${rowVersions + 1} of the ${versionsMax} that the server allows before the table has to be rebuilt.`;
    return { kind: 'cheap', step, notes: isNear ? [note] : [] };
  }

  /** Names the clause in the way: the first that is not cheap by itself. */
  async #explain(reason: string, signal: AbortSignal): Promise<NoNativeWay> {
    const { clauses, text } = this.#parts.reading;
    if (clauses.length < 2 || clauses.length > clausesTriedMax) return { clause: text, reason };
    for (const clause of clauses) {
      const verdict = await this.#judge(clause.text, signal);
      // One that needs the others tells nothing by itself.
      if (verdict.kind === 'refused') return { clause: text, reason };
      if (verdict.kind === 'dear') return { clause: clause.text, reason: verdict.reason };
    }
    return { clause: text, reason: `each clause is cheap by itself, but not all in one statement (${reason})` };
  }
}

interface Accepted {
  readonly clauses: string;
  readonly algorithm: string;
  readonly outcome: Extract<TrialOutcome, { kind: 'accepted' }>;
}

interface StepOrder {
  readonly step: NativeStep;
  readonly plan: NativePlan;
  readonly lockTimeoutMs: number;
}

/**
 * Runs the ALTER. It asks for the metadata lock twice, at its begin and at its end, each time for `lockTimeoutMs` in whole
 * seconds at most, and later statements on the table wait behind it meanwhile. An ALTER that was begun is done wholly or not at all.
 */
async function runStep(server: Server, order: StepOrder, signal: AbortSignal): Promise<StepOutcome> {
  const { step, plan, lockTimeoutMs } = order;
  const seconds = wholeSeconds(lockTimeoutMs);
  const settings = [`lock_wait_timeout = ${seconds}`, `innodb_lock_wait_timeout = ${seconds}`];
  await using observer = await server.openSession({}, signal);
  const before = await definitionOf(observer, plan.source, signal);
  await using session = await server.openSession({ settings }, signal);
  const wait = { session, observer, flavour: server.flavour, tables: [plan.source], lockTimeoutMs };
  try {
    return await askForLock(wait, () => session.execute(step.sql, signal), signal);
  } catch (error) {
    signal.throwIfAborted();
    if (isConnectionLoss(error) && (await hasChanged(server, plan.source, before, signal))) return { kind: 'done' };
    throw refusedForReal(error, plan);
  }
}

/** Looked at in a session of its own, after the lost one was seen gone. */
async function hasChanged(server: Server, source: TableName, before: string, signal: AbortSignal): Promise<boolean> {
  await using session = await server.openSession({}, signal);
  return (await definitionOf(session, source, signal)) !== before;
}

/** Without the next AUTO_INCREMENT value, which writers change. */
async function definitionOf(session: Session, source: TableName, signal: AbortSignal): Promise<string> {
  const table = await readTable(session, source, signal);
  return table?.createStatement.replace(/ AUTO_INCREMENT=\d+/, '') ?? '';
}

function refusedForReal(error: unknown, { source, alter }: NativePlan): unknown {
  if (!isUnsupported(error) || serverErrno(error) === null) return error;
  const reason = error instanceof Error ? error.message : String(error);
  return new MigrationError(
    'NO_NATIVE_WAY',
    `The server did “${alter}” cheaply on an empty clone of ${source.schema}.${source.table}, but refuses for the table itself: ${reason} Use --strategy shadow.`,
    { cause: error },
  );
}
