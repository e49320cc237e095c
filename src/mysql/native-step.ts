/**
 * Runs one step of a native change. Its ALTER asks for the metadata lock twice, at its begin and at its end, and later statements on
 * the table wait behind it meanwhile; a transaction that has only read the table, and now writes it, is ended by the server then
 * (table-lock.ts says why). What is done at once when the lock is had is therefore asked for at a moment at which nobody can come to
 * that, where one is found; a new index as it is, since nobody chooses the moment at which that is built.
 */

import { MigrationError, messageOf, unlessDenied } from '../engine/errors.ts';
import type { TableName } from '../engine/model.ts';
import type { NativePlan, NativeStep, StepOutcome } from '../engine/native-change.ts';
import { readAccount } from './account.ts';
import { readTable } from './catalog.ts';
import { ordinaryClient } from './client-settings.ts';
import { isConnectionLoss, serverErrno } from './errors.ts';
import { readForeignKeys } from './foreign-keys.ts';
import { findHopelessHolders } from './lock-holders.ts';
import { askForLock } from './lock-wait.ts';
import { isUnsupported } from './native-trial.ts';
import type { Server } from './server.ts';
import type { Session } from './session.ts';
import { type AtItsMoment, atAGoodMoment, lockAtAGoodMoment, unlessRead, wholeSeconds } from './table-lock.ts';
import { readTriggerNames } from './triggers.ts';

/** What to run. */
export interface StepOrder {
  readonly step: NativeStep;
  readonly plan: NativePlan;
  readonly lockTimeoutMs: number;
}

/**
 * See `NativeChange.run`. Each lock is waited for `lockTimeoutMs` in whole seconds at most, after a good moment was looked for as long;
 * none is asked for while a session that holds one has rested for longer than that: others would wait in vain behind us.
 * An ALTER that was begun is done wholly or not at all. Its session is closed in any case, and with it goes its lock.
 */
export async function runStep(server: Server, order: StepOrder, signal: AbortSignal): Promise<StepOutcome> {
  const { step, plan, lockTimeoutMs } = order;
  await using observer = await server.openSession({}, signal);
  const startedAt = performance.now();
  const search = { flavour: server.flavour, except: observer.connectionId, longerMs: lockTimeoutMs };
  const { resting } = await findHopelessHolders(observer, [plan.source], search, signal);
  if (resting.length > 0) return { kind: 'not-locked', blockers: resting, soughtMs: performance.now() - startedAt };
  const before = await definitionOf(observer, plan.source, signal);
  const way = step.kind === 'brief' ? await briefWay(observer, { server, table: plan.source }, signal) : 'plain';
  const seconds = wholeSeconds(lockTimeoutMs);
  // If this process freezes under the lock, the server ends the idle session.
  const settings = ['lock_wait_timeout', 'innodb_lock_wait_timeout', 'wait_timeout'].map((name) => `${name} = ${seconds}`);
  const { schema } = plan.source;
  const takesSeveral = way !== 'plain';
  await using session = await server.openSession({ settings, schema, takesSeveral }, signal);
  await session.execute(`SET ${ordinaryClient.begin}`, signal);
  const asked = { server, order, session, observer };
  try {
    const lookedFrom = performance.now();
    const outcome = await runAtAGoodMoment(asked, way, signal);
    if (outcome !== null) return outcome;
    const soughtMs = performance.now() - lookedFrom;
    return { ...(await run(asked, step.sql, signal)), soughtMs };
  } catch (error) {
    signal.throwIfAborted();
    if (isConnectionLoss(error) && (await hasChanged(server, plan.source, before, signal))) return { kind: 'done' };
    throw refusedForReal(error, plan);
  }
}

/**
 * How a moment is found. `locked`: under a lock that was had at such a moment, as the ALTER works for milliseconds before it wants the
 * table for itself, and MariaDB's would want such a moment twice. `guarded`: begun at one.
 */
type Way = 'locked' | 'guarded' | 'plain';

/**
 * MySQL's LOCK TABLES keeps others from what foreign keys tie to the table, and what its triggers name, which an ALTER leaves alone. Needs
 * more privileges than the ALTER, and one to see all triggers.
 */
async function briefWay(
  session: Session,
  { server, table }: { readonly server: Server; readonly table: TableName },
  signal: AbortSignal,
): Promise<Way> {
  if (server.flavour.isMariaDb) return 'locked';
  const { grants } = await readAccount(session, signal);
  if (!['SELECT', 'LOCK TABLES', 'TRIGGER'].every((privilege) => grants.has(privilege, table.schema))) return 'guarded';
  if ((await readTriggerNames(session, table, signal)).length > 0) return 'guarded';
  const keys = await unlessDenied(() => readForeignKeys(session, { server, table }, signal), null);
  return keys?.length === 0 ? 'locked' : 'guarded';
}

/** Whose turn it is. */
interface Asked {
  readonly server: Server;
  readonly order: StepOrder;
  /** Runs the step. */
  readonly session: Session;
  /** Looks around meanwhile. */
  readonly observer: Session;
}

/** Null where no moment was found: then nothing has changed. */
async function runAtAGoodMoment(asked: Asked, way: Way, signal: AbortSignal): Promise<StepOutcome | null> {
  const { step, plan, lockTimeoutMs } = asked.order;
  if (way === 'plain') return null;
  if (way === 'locked') return await runUnderLock(asked, signal);
  const { sql, notNow } = unlessRead([plan.source], step.sql);
  return outcomeOf(await atAGoodMoment({ lockTimeoutMs, notNow, run: () => run(asked, sql, signal) }, signal));
}

/** ER_TABLE_NOT_LOCKED: MariaDB wants the sequences of defaults, too. */
const wantsMore = 1100;

async function runUnderLock(asked: Asked, signal: AbortSignal): Promise<StepOutcome | null> {
  const { server, session, observer } = asked;
  const { step, plan, lockTimeoutMs } = asked.order;
  const tables = [plan.source];
  const request = { locker: session, observer, flavour: server.flavour, tables, used: tables, options: { lockTimeoutMs } };
  const lock = await lockAtAGoodMoment(request, signal);
  if (lock === null) return null;
  const { result, soughtMs } = lock;
  if (result.kind === 'not-locked') return { ...result, soughtMs };
  try {
    return { ...(await run(asked, step.sql, signal)), soughtMs };
  } catch (error) {
    if (serverErrno(error) !== wantsMore) throw error;
    await session.execute('UNLOCK TABLES', signal);
    return null;
  }
}

function outcomeOf(found: AtItsMoment<StepOutcome> | null): StepOutcome | null {
  return found === null ? null : { ...found.result, soughtMs: found.soughtMs };
}

async function run({ server, order, session, observer }: Asked, sql: string, signal: AbortSignal): Promise<StepOutcome> {
  const { plan, lockTimeoutMs } = order;
  const wait = { session, observer, flavour: server.flavour, tables: [plan.source], lockTimeoutMs };
  return await askForLock(wait, () => session.execute(sql, signal), signal);
}

/** Looked at in a session of its own, after the lost one was seen gone. */
async function hasChanged(server: Server, source: TableName, before: string, signal: AbortSignal): Promise<boolean> {
  await using session = await server.openSession({}, signal);
  return (await definitionOf(session, source, signal)) !== before;
}

/** Without the next AUTO_INCREMENT value, which writers change. */
export async function definitionOf(session: Session, source: TableName, signal: AbortSignal): Promise<string> {
  const table = await readTable(session, source, signal);
  return table?.createStatement.replace(/ AUTO_INCREMENT=\d+/, '') ?? '';
}

/** ER_DROP_INDEX_FK, ER_FK_COLUMN_CANNOT_DROP, …_DROP_CHILD, …_CHANGE, …_CHANGE_CHILD. */
const neededByForeignKey: readonly number[] = [1553, 1828, 1829, 1832, 1833];

function refusedForReal(error: unknown, { source, alter }: NativePlan): unknown {
  const errno = serverErrno(error);
  if (errno === null || (!isUnsupported(error) && !neededByForeignKey.includes(errno))) return error;
  const reason = messageOf(error);
  return new MigrationError(
    'NO_NATIVE_WAY',
    `The server did “${alter}” cheaply on an empty clone of ${source.schema}.${source.table}, but refuses for the table itself: ${reason}`,
    { cause: error },
  );
}
