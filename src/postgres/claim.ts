/**
 * The exclusive right to migrate one table, by session-level advisory locks (rule 10).
 *
 *   claim lock   exclusive, held by the claim session, which does nothing else but ping. Its idle_session_timeout is short, so
 *                a holder that froze or lost its network loses the claim.
 *   mark         shared, held by every working session, the replication connection included, from right after it connected;
 *                only then it asks whether the claim is still ours.
 *
 * Whoever takes the claim lock then ends every holder of the mark and waits until there is none; the server frees a session's
 * locks after it has ended its transaction. A session of a predecessor that marks itself after that sees that the claim is no
 * longer its own and does nothing. So nothing of a predecessor runs once `takeClaim` has resolved, dead client or not.
 *
 * A claim session that only lost its connection takes the claim again, if nobody else had it in between (their token would be
 * in the bookkeeping) and the server's log is still on the same timeline: a restart or a cut connection need not end a long
 * run, but after a failover rows that were copied may be gone, and only a resume begins where the bookkeeping says.
 */

import { createHash, randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { asMigrationError, MigrationError } from '../engine/errors.ts';
import type { MigrationId, TableName } from '../engine/model.ts';
import {
  CLAIM_IDLE_MS,
  CLAIM_PING_MS,
  claimedError,
  type ClaimHolder,
  claimLostError,
  type ClaimSigns,
  retakeClaim,
} from '../sessions/claims.ts';
import { disposingOnFailure } from '../sessions/disposal.ts';
import { hasPassed } from '../sessions/pause.ts';
import { isoTime, readClaim, writeClaim } from './bookkeeping.ts';
import { fromClient } from './lock-holders.ts';
import { refuseStandby, type Server } from './server.ts';
import { heldLock, isSession, type LockKey } from './session-ender.ts';
import type { OwnedSession, Row, Session } from './session.ts';

/** A held claim. Disposing it gives it back; sessions opened by it are disposed before that by who opened them. */
export interface Claim extends AsyncDisposable {
  /** Aborts with CLAIM_LOST once the claim is lost for good. */
  readonly lost: AbortSignal;
  /** Opens a working session. Rejects with CLAIM_LOST if the claim is no longer ours. */
  openSession(options: { readonly settings?: readonly string[] }, signal: AbortSignal): Promise<OwnedSession>;
  /**
   * Marks a connection that was opened elsewhere (for replication), by statements that `run` sends through it, so that a
   * successor finds and ends it. To be called before anything else is done with it. Rejects with CLAIM_LOST like `openSession`.
   */
  mark(run: RunOnConnection, signal: AbortSignal): Promise<void>;
  /** Rejects with CLAIM_LOST unless, at this moment, the claim is ours. Asks through the given session, in its transaction. */
  check(session: Session, signal: AbortSignal): Promise<void>;
}

/** Runs a statement on some connection; its rows. */
export type RunOnConnection = (sql: string, signal: AbortSignal) => Promise<readonly Readonly<Record<string, unknown>>[]>;

/** Between looks at a holder that may be dead. */
const lookMs = 1_000;

/**
 * Takes the claim, and resolves after every session of an earlier holder has been ended and seen gone. The bookkeeping must
 * exist. Rejects with TABLE_CLAIMED, naming the holder, if a live run has it; a dead one is waited for (about 20 s at most). On a standby
 * with an obstacle.
 */
export async function takeClaim(
  server: Server,
  what: { readonly table: TableName; readonly migration: MigrationId },
  signal: AbortSignal,
): Promise<Claim> {
  refuseStandby(server);
  const name = claimName(what.table);
  const session = await openClaimSession(server, signal);
  return await disposingOnFailure(session, async () => {
    await awaitClaimLock(session, name, signal);
    const token = randomUUID();
    const timeline = await readTimeline(session, signal);
    const record = {
      token,
      timeline,
      migrationId: what.migration,
      connectionId: session.pid,
      host: hostname(),
      pid: process.pid,
    };
    await writeClaim(session, name, record, signal);
    await server.ender.endHolders(markKey(name));
    return new HeldClaim(server, { name, token, timeline, migration: what.migration }, session);
  });
}

/** Name of the claim on a table. */
export function claimName(table: TableName): string {
  return createHash('sha256').update(`${table.schema}\0${table.table}`).digest('hex').slice(0, 32);
}

/** The server process that holds the claim on a table, or null. */
export async function findClaimHolder(session: Session, name: string, signal: AbortSignal): Promise<number | null> {
  const [row] = await session.query(`SELECT pid FROM pg_catalog.pg_locks WHERE ${heldLock(claimKey(name))}`, signal);
  return row === undefined ? null : Number(row['pid']);
}

/** What is known of who holds the claim, or had it. `holder`: the server process that holds it. */
export async function readClaimSigns(
  session: Session,
  name: string,
  holder: number | null,
  signal: AbortSignal,
): Promise<ClaimSigns> {
  const record = await readClaim(session, name, signal);
  // What users do whom we may not look at is not shown.
  const [row] = await session.query(
    `SELECT ${isoTime('clock_timestamp()')} AS now,
       (SELECT ${isoTime('state_change')} FROM pg_catalog.pg_stat_activity WHERE pid = ${holder ?? 'NULL'}) AS pinged_at`,
    signal,
  );
  return { record, isHeld: holder !== null, pingedAt: row?.['pinged_at'] ?? null, now: row?.['now'] ?? '' };
}

function claimKey(name: string): LockKey {
  return keyFrom(`tableshift claim ${name}`);
}

function markKey(name: string): LockKey {
  return keyFrom(`tableshift mark ${name}`);
}

function keyFrom(text: string): LockKey {
  return createHash('sha256').update(text).digest().readBigInt64BE();
}

function openClaimSession(server: Server, signal: AbortSignal): Promise<OwnedSession> {
  return server.openSession(
    { applicationName: 'tableshift claim', settings: [`idle_session_timeout = ${CLAIM_IDLE_MS}`] },
    signal,
  );
}

/** The first part of a log file's name. Rejects on a standby. */
async function readTimeline(session: Session, signal: AbortSignal): Promise<string> {
  const [row] = await session.query(
    'SELECT pg_catalog.left(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 8) AS timeline',
    signal,
  );
  return row?.['timeline'] ?? '';
}

async function tryClaimLock(session: Session, name: string, signal: AbortSignal): Promise<boolean> {
  const [row] = await session.query(`SELECT pg_catalog.pg_try_advisory_lock(${claimKey(name)}) AS is_held`, signal);
  return row?.['is_held'] === 't';
}

/** A live holder is known by its pings: the moment at which its state changed moves. */
async function awaitClaimLock(session: Session, name: string, signal: AbortSignal): Promise<void> {
  const since = performance.now();
  let before: Row | undefined;
  while (!(await tryClaimLock(session, name, signal))) {
    const [holder] = await session.query(
      `SELECT l.pid, a.usename, ${fromClient} AS client, a.state_change
       FROM pg_catalog.pg_locks AS l JOIN pg_catalog.pg_stat_activity AS a USING (pid) WHERE ${heldLock(claimKey(name))}`,
      signal,
    );
    const isSame = before !== undefined && before['pid'] === holder?.['pid'];
    // What users do whom we may not look at is not shown.
    const isAlive = holder?.['state_change'] === null || (isSame && before?.['state_change'] !== holder?.['state_change']);
    if (isAlive || performance.now() - since > 2 * CLAIM_IDLE_MS) {
      throw claimedError(holderFrom(holder ?? {}), await readClaim(session, name, signal));
    }
    before = holder;
    await hasPassed(lookMs, signal);
    signal.throwIfAborted();
  }
}

function holderFrom(row: Row): ClaimHolder {
  const told = `server process ${row['pid'] ?? ''} of ${row['usename'] ?? ''}${row['client'] ?? ''}`;
  return { connectionId: Number(row['pid']), told };
}

interface TakenClaim {
  readonly name: string;
  readonly token: string;
  readonly timeline: string;
  readonly migration: MigrationId;
}

class HeldClaim implements Claim {
  readonly #server: Server;
  readonly #claim: TakenClaim;
  readonly #lost = new AbortController();
  readonly #over = new AbortController();
  readonly #keeping: Promise<void>;
  #session: OwnedSession;
  /** Under way while the claim session is asked, or the claim is being taken again. */
  #pinging: Promise<void> | null = null;

  constructor(server: Server, claim: TakenClaim, session: OwnedSession) {
    this.#server = server;
    this.#claim = claim;
    this.#session = session;
    this.#keeping = this.#keep();
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  async openSession(options: { readonly settings?: readonly string[] }, signal: AbortSignal): Promise<OwnedSession> {
    const applicationName = `tableshift ${this.#claim.migration}`;
    const session = await this.#server.openSession({ ...options, applicationName }, signal);
    return await disposingOnFailure(session, async () => {
      await this.mark((sql, signal) => session.query(sql, signal), signal);
      return session;
    });
  }

  async mark(run: RunOnConnection, signal: AbortSignal): Promise<void> {
    await run(`SELECT pg_catalog.pg_advisory_lock_shared(${markKey(this.#claim.name)})`, signal);
    await this.#check(run, signal);
  }

  async check(session: Session, signal: AbortSignal): Promise<void> {
    // Inside a transaction pg_stat_activity stays as it was first read.
    if (session.transaction !== 'none') await session.execute('SELECT pg_catalog.pg_stat_clear_snapshot()', signal);
    await this.#check((sql, signal) => session.query(sql, signal), signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over.abort();
    await this.#keeping;
    await this.#session[Symbol.asyncDispose]();
  }

  async #check(run: RunOnConnection, signal: AbortSignal): Promise<void> {
    await this.#pinging?.catch(() => undefined);
    if (await this.#isHeld(run, signal)) return;
    // The claim session may have broken without our having noticed yet, and the claim can then be taken again.
    await this.#ping();
    if (!(await this.#isHeld(run, signal))) throw claimLostError('another session holds it, or none');
  }

  async #isHeld(run: RunOnConnection, signal: AbortSignal): Promise<boolean> {
    const [row] = await run(`SELECT (${this.#isHeldExpression()})::text AS is_held`, signal);
    return row?.['is_held'] === 'true';
  }

  /** Process ids come again, so the session's beginning is asked for too. */
  #isHeldExpression(): string {
    const { identity } = this.#session;
    return (
      `EXISTS (SELECT FROM pg_catalog.pg_locks WHERE ${heldLock(claimKey(this.#claim.name))} AND pid = ${identity.pid}) AND ` +
      `EXISTS (SELECT FROM pg_catalog.pg_stat_activity WHERE ${isSession(identity)})`
    );
  }

  /** Pings until the claim is given back or lost. Never rejects. */
  async #keep(): Promise<void> {
    while (!this.#lost.signal.aborted && (await hasPassed(CLAIM_PING_MS, this.#over.signal)))
      await this.#ping().catch(() => undefined);
  }

  /** Asks the claim session whether it still has the lock, or takes the claim again. Rejects, for good, once it is lost. */
  #ping(): Promise<void> {
    this.#lost.signal.throwIfAborted();
    this.#pinging ??= this.#pingOnce().finally(() => {
      this.#pinging = null;
    });
    return this.#pinging;
  }

  async #pingOnce(): Promise<void> {
    const { signal } = new AbortController();
    try {
      if (!(await this.#isHeld((sql) => this.#session.query(sql, signal), signal))) {
        throw claimLostError('the lock is gone from its session');
      }
    } catch (error) {
      try {
        await this.#retake(asMigrationError(error));
      } catch (reason) {
        this.#lost.abort(reason);
        throw reason;
      }
    }
  }

  /** Takes the lock again in a new session, if nobody had it since. */
  async #retake(cause: MigrationError): Promise<void> {
    const { signal } = this.#over;
    const open = (): Promise<OwnedSession> => openClaimSession(this.#server, signal);
    const retake = (session: OwnedSession): Promise<void> => this.#retakeLock(session, cause);
    this.#session = await retakeClaim({ cause, open, retake }, signal);
  }

  async #retakeLock(session: OwnedSession, cause: MigrationError): Promise<void> {
    const { name, token, timeline } = this.#claim;
    const { signal } = this.#over;
    const isOurs = (await tryClaimLock(session, name, signal)) && (await readClaim(session, name, signal))?.token === token;
    if (!isOurs) throw claimLostError('another run has taken it meanwhile', cause);
    if ((await readTimeline(session, signal)) !== timeline) throw claimLostError('a standby has taken over', cause);
  }
}
