/**
 * Runs one step of a native change. A brief one asks for its lock with a short timeout, and the server itself ends it soon after
 * that, so that no writer waits longer whatever it is that takes its time. An online one waits for its lock no longer either,
 * though nobody would wait behind it; only the build of an index waits for older transactions without a limit but the signal.
 */

import { type ErrorCode, MigrationError } from '../engine/errors.ts';
import type { NativePlan, NativeStep, StepOutcome } from '../engine/native-change.ts';
import { USERS_FORMATS } from './conversion-settings.ts';
import { refusalIn, type ServerReport } from './errors.ts';
import { findLockHolders } from './lock-holders.ts';
import { askForLock } from './lock-wait.ts';
import { backfill, filledColumn } from './native-backfill.ts';
import { columnsFirst, undoingStatements } from './native-recipes.ts';
import { USERS_PLACES } from './search-path.ts';
import type { Server } from './server.ts';
import type { OwnedSession, Session } from './session.ts';
import { quoteName, quoteTable, quoteText } from './statements.ts';

/** What to run. */
export interface StepOrder {
  readonly step: NativeStep;
  readonly plan: NativePlan;
  readonly lockTimeoutMs: number;
  /** Awaited once the server has refused the step, before the preparations are undone. */
  readonly onRefused?: (signal: AbortSignal) => Promise<void>;
}

/** The server ends a brief step this long after its lock timeout. */
const graceMs = 500;
/** Long enough for those who are only passing. */
const hopelessWaitMs = 100;
/** See table-lock.ts: an autovacuum worker gives way only to who has waited for that long. */
const deadlockTimeoutMs = 200;

/**
 * See `NativeChange.run`. Where a row does not fit, or the server refuses for the table what it did to the clone, the
 * preparations are undone before it rejects. Safe to repeat: a brief step is one transaction, whose fate is asked for after a
 * lost connection; proving a proven constraint does nothing; an index that was left half-built is dropped and built again.
 */
export async function runStep(server: Server, order: StepOrder, signal: AbortSignal): Promise<StepOutcome> {
  const { step } = order;
  try {
    if (step.kind === 'brief') return await runBriefly(server, order, signal);
    const index = /^CREATE UNIQUE INDEX CONCURRENTLY "((?:[^"]|"")+)" /.exec(step.sql)?.[1];
    if (index !== undefined) return await buildIndex(server, order, index.replaceAll('""', '"'), signal);
    await using session = await openWorker(server, order, signal);
    const column = filledColumn(step.sql);
    if (column !== null) {
      await backfill(session, order.plan.source, column, signal);
      return { kind: 'done' };
    }
    await using observer = await server.openSession({}, signal);
    return await askingFor({ observer, session, order }, () => session.execute(step.sql, signal), signal);
  } catch (error) {
    signal.throwIfAborted();
    throw await refused(server, order, error, signal);
  }
}

/**
 * Names in the step, where it makes things, and how it writes values as text, such as for a default, are the user's; the rest of the
 * settings is as for the clone.
 */
async function openWorker(server: Server, { lockTimeoutMs, step }: StepOrder, signal: AbortSignal): Promise<OwnedSession> {
  const limits =
    step.kind === 'online'
      ? []
      : [`statement_timeout = ${lockTimeoutMs + graceMs}`, `idle_in_transaction_session_timeout = ${lockTimeoutMs + graceMs}`];
  const settings = ['search_path TO DEFAULT', ...USERS_PLACES, ...USERS_FORMATS, `lock_timeout = ${lockTimeoutMs}`, ...limits];
  const session = await server.openSession({ settings }, signal);
  await session.query(
    `SELECT pg_catalog.set_config('deadlock_timeout', '${deadlockTimeoutMs}', false)
     WHERE pg_catalog.has_parameter_privilege('deadlock_timeout', 'SET')`,
    signal,
  );
  return session;
}

/** While somebody has the table who will hardly let it go in time, others are not to wait behind us in vain. */
async function runBriefly(server: Server, order: StepOrder, signal: AbortSignal): Promise<StepOutcome> {
  const { lockTimeoutMs, plan } = order;
  await using observer = await server.openSession({}, signal);
  const search = { table: plan.source, of: 'table', except: observer.pid, hopelessAfterMs: lockTimeoutMs } as const;
  const hopeless = await findLockHolders(observer, search, signal);
  const brief = { server, observer, order };
  if (hopeless.length === 0) return await runBrief(brief, signal);
  // Whether it is in the way depends on the lock that the statement takes, which only the server knows.
  const lessPatient = { ...order, lockTimeoutMs: Math.min(lockTimeoutMs, hopelessWaitMs) };
  const tried = await runBrief({ ...brief, order: lessPatient }, signal);
  return tried.kind === 'done' ? tried : { ...tried, blockers: hopeless };
}

interface BriefStep {
  readonly server: Server;
  /** Looks around meanwhile. */
  readonly observer: Session;
  readonly order: StepOrder;
}

async function runBrief({ server, observer, order }: BriefStep, signal: AbortSignal): Promise<StepOutcome> {
  await using session = await openWorker(server, order, signal);
  const { signal: always } = new AbortController();
  // The number is had before the lock is asked for, and nothing but the server is between the lock and the commit.
  await session.execute('BEGIN', signal);
  const [row] = await session.query('SELECT pg_catalog.pg_current_xact_id()::pg_catalog.text AS id', signal);
  try {
    const run = (): Promise<unknown> => session.execute(`${order.step.sql}; COMMIT`, signal);
    return await askingFor({ observer, session, order }, run, signal);
  } catch (error) {
    if (
      error instanceof MigrationError &&
      error.code === 'CONNECTION_LOST' &&
      (await hasCommitted(server, row?.['id'] ?? '', signal))
    ) {
      return { kind: 'done' };
    }
    throw error;
  } finally {
    if (session.transaction !== 'none') await session.execute('ROLLBACK', always).catch(() => undefined);
  }
}

/** The session of it is gone, so it is decided. */
async function hasCommitted(server: Server, transaction: string, signal: AbortSignal): Promise<boolean> {
  await using session = await server.openSession({}, signal);
  const [row] = await session.query(`SELECT pg_catalog.pg_xact_status(${quoteText(transaction)}::xid8) AS status`, signal);
  return row?.['status'] === 'committed';
}

/**
 * SHARE UPDATE EXCLUSIVE, behind which no writer waits; and it waits for transactions that are older, its own kind of an earlier
 * run included.
 */
async function buildIndex(server: Server, order: StepOrder, index: string, signal: AbortSignal): Promise<StepOutcome> {
  const { plan, step } = order;
  await using session = await openWorker(server, order, signal);
  await session.execute('SET lock_timeout = 0', signal);
  const oid = `pg_catalog.to_regclass(${quoteText(quoteTable({ schema: plan.source.schema, table: index }))})`;
  const [row] = await session.query(`SELECT indisvalid AS is_valid FROM pg_catalog.pg_index WHERE indexrelid = ${oid}`, signal);
  if (row?.['is_valid'] === 't') return { kind: 'done' };
  if (row !== undefined)
    await session.execute(`DROP INDEX CONCURRENTLY ${quoteName(plan.source.schema)}.${quoteName(index)}`, signal);
  await session.execute(step.sql, signal);
  return { kind: 'done' };
}

/** See `askForLock`. */
async function askingFor(
  { observer, session, order }: { readonly observer: Session; readonly session: Session; readonly order: StepOrder },
  run: () => Promise<unknown>,
  signal: AbortSignal,
): Promise<StepOutcome> {
  const { lockTimeoutMs, step, plan } = order;
  const wait = { session, observer, table: plan.source, lockTimeoutMs, isEndedSoon: step.kind === 'brief' };
  return await askForLock(wait, run, signal);
}

/** What the rejection says; the preparations are undone where the same would happen again. */
async function refused(server: Server, order: StepOrder, error: unknown, signal: AbortSignal): Promise<unknown> {
  const report = refusalIn(error);
  if (report === null) return error;
  await order.onRefused?.(signal);
  const left = await undo(server, order, signal);
  const { schema, table } = order.plan.source;
  const isLate = / VALIDATE CONSTRAINT "(?!tableshift_)/.test(order.step.sql) && order.plan.steps[0]?.sql === order.step.sql;
  const { steps } = order.plan;
  const hasColumns = steps.some(({ sql, reason }) => reason === columnsFirst && sql !== order.step.sql);
  const asItWas = hasColumns
    ? 'The columns that came first are there, without what was to hold for them: correct the rows and run the same migrate again, or drop the columns.'
    : `The table is as it was${isLate ? ': the constraint holds for new rows only' : ''}.`;
  const state = left === null ? asItWas : `What was made ready is still there (${left}); drop it by hand.`;
  const said = `${report.message.replace(/\.$/, '')}${report.detail === null ? '' : `: ${report.detail.replace(/\.$/, '')}`}`;
  const message = `The server refuses the ALTER of ${schema}.${table}: ${said}. ${state}`;
  return new MigrationError(rowCode(report) ?? 'NO_NATIVE_WAY', message, { cause: error });
}

/** Where a row is at fault. */
function rowCode({ code }: ServerReport): ErrorCode | null {
  if (code === '23505' || code === '23P01') return 'DUPLICATE_KEY';
  return /^2[23]/.test(code) ? 'ROW_NOT_CONVERTIBLE' : null;
}

/** Null once nothing is left, else what is. */
async function undo(server: Server, order: StepOrder, signal: AbortSignal): Promise<string | null> {
  const { constraints, indexes } = undoingStatements(order.plan, order.step);
  try {
    if (constraints !== null) {
      await using session = await openWorker(server, { ...order, step: { ...order.step, kind: 'brief' } }, signal);
      await session.execute(constraints, signal);
    }
    await using session = await openWorker(server, order, signal);
    await session.execute('SET lock_timeout = 0; SET statement_timeout = 0', signal);
    for (const statement of indexes) await session.execute(statement, signal);
    return null;
  } catch {
    signal.throwIfAborted();
    return [...(constraints === null ? [] : [constraints]), ...indexes].join('; ');
  }
}
