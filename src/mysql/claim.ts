/**
 * The exclusive right to migrate one table, by user-level locks (rule 10).
 *
 *   claim lock   one a table, held by the claim session, which does nothing else but ping. Its wait_timeout is short, so a
 *                holder that froze or lost its network loses the claim.
 *   slot locks   a bounded number a table. Every working session holds one as its mark, from right after it connected, and
 *                only then asks whether the claim is still ours.
 *
 * Whoever takes the claim lock then ends every holder of a slot and waits until the slots are free; the server frees them
 * after it has rolled the session back. A session of a predecessor that takes its slot after that sees that the claim is no
 * longer its own and does nothing. So nothing of a predecessor runs once `takeClaim` has resolved, dead client or not.
 *
 * A claim session that only lost its connection takes the claim again, if nobody else had it in between (their token would be
 * in the bookkeeping): a server restart or a cut connection need not end a long run.
 */

import { createHash, randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { asMigrationError, MigrationError } from '../engine/errors.ts';
import type { MigrationId, TableName } from '../engine/model.ts';
import {
  CLAIM_IDLE_MS,
  CLAIM_PING_MS,
  claimedError,
  claimLostError,
  type ClaimSigns,
  retakeClaim,
} from '../sessions/claims.ts';
import { disposingOnFailure } from '../sessions/disposal.ts';
import { hasPassed } from '../sessions/pause.ts';
import { isoTime, readClaim, writeClaim } from './bookkeeping.ts';
import { lowerCase } from './name-case.ts';
import { type OpenOptions, readIdentity, type Server } from './server.ts';
import type { OwnedSession, Session } from './session.ts';
import { quoteText } from './statements.ts';

type SlotOptions = Omit<OpenOptions, 'mark' | 'schema'>;

/** A held claim. Disposing it gives it back; sessions opened by it are disposed before that by who opened them. */
export interface Claim extends AsyncDisposable {
  /** Aborts with CLAIM_LOST once the claim is lost for good. */
  readonly lost: AbortSignal;
  /**
   * Opens a working session in a free slot; its default database is the table's. Rejects with CLAIM_LOST if the claim is no
   * longer ours, CONNECTION_LOST while it is taken again.
   */
  openSession(options: SlotOptions, signal: AbortSignal): Promise<OwnedSession>;
  /**
   * Rejects with CLAIM_LOST or CONNECTION_LOST unless, at this moment, the claim is ours. Asks through the given session, under
   * its locks.
   */
  check(session: Session, signal: AbortSignal): Promise<void>;
}

/** Sessions that one migration may have at the same time. */
const slotCount = 64;
const claimIdleSeconds = CLAIM_IDLE_MS / 1000;

/**
 * Takes the claim, and resolves after every session of an earlier holder has been ended and seen gone. The bookkeeping must
 * exist. Rejects with TABLE_CLAIMED, naming the holder, if a live run has it; a dead one is waited for (about 20 s at most).
 */
export async function takeClaim(
  server: Server,
  what: { readonly table: TableName; readonly migration: MigrationId },
  signal: AbortSignal,
): Promise<Claim> {
  const name = claimName(server, what.table);
  const session = await openClaimSession(server, signal);
  return await disposingOnFailure(session, async () => {
    await awaitClaimLock(session, name, signal);
    const token = randomUUID();
    const record = {
      token,
      migrationId: what.migration,
      connectionId: session.connectionId,
      host: hostname(),
      pid: process.pid,
    };
    await writeClaim(session, name, record, signal);
    await server.ender.endHolders(slots(name));
    return new HeldClaim(server, { name, token, schema: what.table.schema }, session);
  });
}

/** Name of the claim lock of a table: the same for every spelling that the server takes for the same table. */
export function claimName(server: Pick<Server, 'ignoresNameCase'>, table: TableName): string {
  const spelled = `${table.schema}\0${table.table}`;
  const text = server.ignoresNameCase ? lowerCase(spelled) : spelled;
  return `tableshift:${createHash('sha256').update(text).digest('hex').slice(0, 32)}`;
}

/** The connection that holds the claim on a table, or null. */
export async function findClaimHolder(session: Session, name: string, signal: AbortSignal): Promise<number | null> {
  const [row] = await session.query(`SELECT IS_USED_LOCK(${quoteText(name)}) AS holder`, signal);
  const holder = row?.['holder'] ?? null;
  return holder === null ? null : Number(holder);
}

/** For how long each session that we may see has rested, in seconds by its connection, at the time `now` of the server. */
export interface RestedSessions {
  readonly now: string;
  readonly seconds: ReadonlyMap<number, number>;
}

/** Reads the process list, once for all claims that are looked at: it has each session of the server. */
export async function readRestedSessions(session: Session, signal: AbortSignal): Promise<RestedSessions> {
  const [row] = await session.query(`SELECT ${isoTime('UTC_TIMESTAMP(3)')} AS now`, signal);
  const processes = await session.query('SHOW PROCESSLIST', signal);
  const seconds = new Map(processes.map((process) => [Number(process['Id']), Number(process['Time'])]));
  return { now: row?.['now'] ?? '', seconds };
}

/** What is known of who holds the claim, or had it. `holder`: the connection that holds it, found before the sessions were read. */
export async function readClaimSigns(
  session: Session,
  { name, holder, sessions }: { readonly name: string; readonly holder: number | null; readonly sessions: RestedSessions },
  signal: AbortSignal,
): Promise<ClaimSigns> {
  const record = await readClaim(session, name, signal);
  const rested = holder === null ? undefined : sessions.seconds.get(holder);
  const pingedAt = rested === undefined ? null : new Date(Date.parse(sessions.now) - 1_000 * rested).toISOString();
  return { record, isHeld: holder !== null, pingedAt, now: sessions.now };
}

function slots(name: string): readonly string[] {
  return Array.from({ length: slotCount }, (_, slot) => `${name}:${slot}`);
}

/** A migration can be given up also where its rows could not be logged any more. */
function openClaimSession(server: Server, signal: AbortSignal): Promise<OwnedSession> {
  return server.openSession({ settings: [`wait_timeout = ${claimIdleSeconds}`], isolation: 'REPEATABLE READ' }, signal);
}

/** A live holder is known by its pings: its idle time falls back. */
async function awaitClaimLock(session: Session, name: string, signal: AbortSignal): Promise<void> {
  let idleBefore = Number.NEGATIVE_INFINITY;
  for (;;) {
    const [row] = await session.query(`SELECT GET_LOCK(${quoteText(name)}, 1) AS isHeld`, signal);
    if (row?.['isHeld'] === '1') return;
    const holder = await findClaimHolder(session, name, signal);
    if (holder === null) continue;
    const processes = await session.query('SHOW PROCESSLIST', signal);
    const process = processes.find((row) => row['Id'] === String(holder));
    // A session that is not listed has ended but still rolls back, or belongs to a user whose sessions we may not see.
    const idle = Number(process?.['Time'] ?? idleBefore + 1);
    const isAlive = idle < idleBefore || process === undefined;
    if (isAlive || idle > 2 * claimIdleSeconds) {
      const from = process === undefined ? '' : ` of ${process['User'] ?? ''} from ${process['Host'] ?? ''}`;
      const told = `connection ${holder}${from}`;
      throw claimedError({ connectionId: holder, told }, await readClaim(session, name, signal));
    }
    idleBefore = idle;
  }
}

interface HeldName {
  readonly name: string;
  readonly token: string;
  readonly schema: string;
}

class HeldClaim implements Claim {
  readonly #server: Server;
  readonly #name: string;
  readonly #token: string;
  readonly #schema: string;
  readonly #lost = new AbortController();
  readonly #over = new AbortController();
  readonly #slots: (OwnedSession | 'opening' | null)[] = Array.from({ length: slotCount }, () => null);
  readonly #keeping: Promise<void>;
  #session: OwnedSession;
  /** Settled while the claim is held; pending while it is being taken again. */
  #held: Promise<void> = Promise.resolve();

  constructor(server: Server, claim: HeldName, session: OwnedSession) {
    this.#server = server;
    this.#name = claim.name;
    this.#token = claim.token;
    this.#schema = claim.schema;
    this.#session = session;
    this.#keeping = this.#keep();
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  async openSession(options: SlotOptions, signal: AbortSignal): Promise<OwnedSession> {
    for (const [slot, user] of this.#slots.entries()) {
      if (user === 'opening' || (user !== null && user.isUsable)) continue;
      this.#slots[slot] = 'opening';
      try {
        const session = await this.#openInSlot(slot, options, signal);
        this.#slots[slot] = session;
        return session;
      } catch (error) {
        this.#slots[slot] = null;
        // Not ours and not gone yet: a broken session of ours that is being ended, or a late one that will see that it is late.
        if (!(error instanceof MigrationError) || error.code !== 'LOCK_WAIT') throw error;
      }
    }
    throw new MigrationError('SERVER_BUSY', `All ${slotCount} session slots of the table are in use.`);
  }

  async check(session: Session, signal: AbortSignal): Promise<void> {
    await this.#held;
    const [row] = await session.query(`SELECT ${this.#isHeldExpression()} AS isHeld`, signal);
    if (row?.['isHeld'] === '1') return;
    if (this.#lost.signal.aborted || (await this.#isTaken(signal))) throw claimLostError('another session holds it');
    // The claim session broke, which the next ping finds out, and nobody else has come: it may be had again in a moment.
    throw new MigrationError('CONNECTION_LOST', 'The session that holds the claim on the table broke and is opened again.');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over.abort();
    await this.#keeping;
    await this.#session[Symbol.asyncDispose]();
  }

  async #openInSlot(slot: number, options: SlotOptions, signal: AbortSignal): Promise<OwnedSession> {
    // What is written to a shadow is neither refused for another table's sake nor carried on into one.
    const settings = ['foreign_key_checks = 0', ...(options.settings ?? [])];
    const mark = `${this.#name}:${slot}`;
    const session = await this.#server.openSession({ ...options, settings, mark, schema: this.#schema }, signal);
    return await disposingOnFailure(session, async () => {
      await this.check(session, signal);
      return session;
    });
  }

  /** Connection ids begin anew when a server restarts, so the claim session's own mark is asked for too. */
  #isHeldExpression(): string {
    const { connectionId, mark } = this.#session.identity;
    return `IS_USED_LOCK(${quoteText(this.#name)}) = ${connectionId} AND IS_USED_LOCK(${quoteText(mark)}) = ${connectionId}`;
  }

  /** Pings until the claim is given back or lost. Never rejects. */
  async #keep(): Promise<void> {
    while (await hasPassed(CLAIM_PING_MS, this.#over.signal)) {
      try {
        const [row] = await this.#session.query(`SELECT ${this.#isHeldExpression()} AS isHeld`, new AbortController().signal);
        if (row?.['isHeld'] !== '1') throw claimLostError('the lock is gone from its session');
      } catch (error) {
        try {
          const retaking = this.#retake(asMigrationError(error));
          this.#held = retaking;
          await retaking;
        } catch (reason) {
          this.#lost.abort(reason);
          return;
        }
      }
    }
  }

  /** Whether another run has had the claim since. Asked in a session of its own: the one at hand may have locked other tables. */
  async #isTaken(signal: AbortSignal): Promise<boolean> {
    await using session = await this.#server.openSession({}, signal);
    return (await readClaim(session, this.#name, signal))?.token !== this.#token;
  }

  /** Takes the lock again in a new session, if nobody had it since. */
  async #retake(cause: MigrationError): Promise<void> {
    const { signal } = this.#over;
    const open = (): Promise<OwnedSession> => openClaimSession(this.#server, signal);
    const retake = (session: OwnedSession): Promise<void> => this.#retakeLock(session, cause);
    this.#session = await retakeClaim({ cause, open, retake }, signal);
  }

  async #retakeLock(session: OwnedSession, cause: MigrationError): Promise<void> {
    const { signal } = this.#over;
    const { flavour, identity } = this.#server;
    // The replica that has taken over has our record too, but not yet all that its predecessor confirmed.
    if ((await readIdentity(session, flavour, signal)) !== identity) throw claimLostError('another server has taken over');
    const [row] = await session.query(`SELECT GET_LOCK(${quoteText(this.#name)}, 0) AS isHeld`, signal);
    const isOurs = row?.['isHeld'] === '1' && (await readClaim(session, this.#name, signal))?.token === this.#token;
    if (!isOurs) throw claimLostError('another run has taken it meanwhile', cause);
  }
}
