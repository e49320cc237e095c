/** The swap on the simulated server: waits for the tables' lock, drains through the session that has it, and swaps in one step. */

import { drainTogether } from '../../src/engine/drains.ts';
import { asMigrationError, MigrationError } from '../../src/engine/errors.ts';
import type { Cutover, CutoverOptions, CutoverOutcome, Drain, RowWriter } from '../../src/engine/ports.ts';
import { type CallWork, type Client, connectionLost } from './client.ts';
import type { LockRequest } from './table-lock.ts';
import { SimulatedRowWriter } from './table-pair.ts';

export class SimulatedCutover implements Cutover {
  readonly #client: Client;

  constructor(client: Client) {
    this.#client = client;
  }

  /** Holds for one attempt. */
  async prepare(signal: AbortSignal): Promise<void> {
    const { server } = this.#client;
    if (!server.scenario.hasPreparation) return;
    const begin = () => () => {
      server.isPrepared = true;
      server.world.count('preparations');
    };
    await this.#client.call({ name: 'prepare the cutover', isWrite: true, usesTables: false, begin }, signal);
  }

  async attempt(options: CutoverOptions, drain: Drain, signal: AbortSignal): Promise<CutoverOutcome> {
    const { server } = this.#client;
    if (server.scenario.hasPreparation && !server.isPrepared) server.judge.violate('an attempt was not prepared', '');
    server.isPrepared = false;
    return await attemptTogether([{ client: this.#client, drain }], options, signal);
  }

  async hasSwapped(signal: AbortSignal): Promise<boolean> {
    const { server } = this.#client;
    const begin = () => () => server.hasSwapped;
    return await this.#client.call({ name: 'has it swapped', isWrite: false, usesTables: false, begin }, signal);
  }

  async unsettled(signal: AbortSignal): Promise<readonly string[]> {
    const { server } = this.#client;
    const begin = () => () => [...server.unsettled];
    return await this.#client.call({ name: 'what is left', isWrite: false, usesTables: false, begin }, signal);
  }

  /** One statement for each thing. */
  async settle(onSettled: (what: string) => void, signal: AbortSignal): Promise<void> {
    const { server } = this.#client;
    for (const what of await this.unsettled(signal)) {
      const begin = () => () => {
        server.judge.settled();
        if (server.hasFaults && server.chance.hits(server.scenario.refusedSettlements)) {
          throw new MigrationError('ROW_NOT_CONVERTIBLE', `Refused: ${what}`);
        }
        server.unsettled.delete(what);
        server.world.count('things settled');
      };
      await this.#client.call({ name: `settle ${what}`, isWrite: true, usesTables: false, begin }, signal);
      onSettled(what);
    }
  }
}

/** A table that is to be swapped, as one process sees it. */
export interface TableToSwap {
  readonly client: Client;
  readonly drain: Drain;
}

/** One attempt for several tables: all are locked, all are drained, and one statement swaps all or none. */
export async function attemptTogether(
  tables: readonly TableToSwap[],
  options: CutoverOptions,
  signal: AbortSignal,
): Promise<CutoverOutcome> {
  const sessions = tables.map(({ client }) => new CutoverSession(client, options));
  const [first, ...others] = sessions;
  if (first === undefined) throw new Error('an attempt has tables');
  try {
    for (const session of sessions) {
      const blockers = await session.lock(signal);
      if (blockers !== null) return { kind: 'not-locked', blockers };
    }
    const drains = tables.map(({ drain }) => drain);
    await drainTogether(
      drains,
      sessions.map(({ writer }) => writer),
      signal,
    );
    for (const session of sessions) session.checkAlive();
    return await first.swapWith(others, signal);
  } finally {
    for (const session of sessions) await session.unlock();
  }
}

/** The session that holds the lock for one attempt. Its end, for whatever reason, lets writers go on. */
class CutoverSession {
  readonly #client: Client;
  readonly #options: CutoverOptions;
  readonly #ended = new AbortController();
  #request: LockRequest | null = null;
  #lockedAt = 0;

  constructor(client: Client, options: CutoverOptions) {
    this.#client = client;
    this.#options = options;
  }

  /** Null once the lock is had; else who is in the way. */
  async lock(signal: AbortSignal): Promise<readonly string[] | null> {
    const { server, process } = this.#client;
    let isOver = false;
    const begin = () => {
      const take = server.scenario.plants.has('CD') ? 'seize' : 'takeAlone';
      this.#request = server.lock[take]('cutover', () => this.#onLocked());
      const { onBlockerEnded, lockTimeoutMs } = this.#options;
      if (onBlockerEnded !== undefined) {
        server.world.after(lockTimeoutMs / 2, 'blockers end', () => {
          if (this.#request?.state === 'waiting') for (const owner of server.lock.endHolders()) onBlockerEnded(owner);
          server.source.wake();
        });
      }
      server.world.after(lockTimeoutMs, 'lock timeout', () => {
        isOver = true;
        server.source.wake();
      });
      return () => {
        if (this.#request?.state === 'granted') return null;
        server.world.count('cutover locks not had');
        this.#end('lock timeout');
        return server.lock.holders;
      };
    };
    const isReady = (): boolean => isOver || this.#request === null || this.#request.state !== 'waiting';
    server.cutovers.set(process, () => this.#end('ended by another session'));
    if (server.hasFaults && server.chance.hits(server.scenario.lockTimeouts)) this.#letReaderIn();
    try {
      return await this.#client.call({ name: 'lock tables', isWrite: true, usesTables: false, begin, isReady }, signal);
    } catch (error) {
      this.#end('lock not had');
      throw error;
    }
  }

  /** Works through the lock: when the session ends meanwhile, its statements reject. */
  get writer(): RowWriter {
    const send = <Result>(work: CallWork<Result>, inner: AbortSignal): Promise<Result> => this.#call(work, inner);
    return new SimulatedRowWriter(this.#client, send, false);
  }

  checkAlive(): void {
    if (this.#ended.signal.aborted) throw connectionLost('drain');
  }

  async swapWith(others: readonly CutoverSession[], signal: AbortSignal): Promise<CutoverOutcome> {
    const { world, chance, scenario, hasFaults } = this.#client.server;
    const sessions = [this, ...others];
    const begin = () => () => {
      if (sessions.some((session) => session.#request?.state !== 'granted')) throw connectionLost('swap');
      for (const session of sessions) session.#client.server.swap();
    };
    const isLost = hasFaults && chance.hits(scenario.lostSwaps);
    try {
      await this.#call({ name: 'swap', isWrite: true, begin }, signal);
    } catch (error) {
      const failure = asMigrationError(error);
      if (failure.code !== 'CONNECTION_LOST') throw error;
      world.count('swaps with unknown outcome');
      return { kind: 'unknown', cause: failure, blockedMs: world.now - this.#lockedAt };
    }
    if (isLost) {
      world.count('swaps with unknown outcome');
      return { kind: 'unknown', cause: connectionLost('swap'), blockedMs: world.now - this.#lockedAt };
    }
    return { kind: 'swapped', blockedMs: world.now - this.#lockedAt };
  }

  /** Lets writers go on, if they don't already. */
  async unlock(): Promise<void> {
    if (this.#request === null || this.#request.state === 'released') return;
    const begin = () => () => this.#end('unlock');
    const always = new AbortController().signal;
    try {
      await this.#client.call({ name: 'unlock tables', isWrite: false, usesTables: false, begin }, always);
    } catch {
      this.#end('unlock by the end of the session');
    }
  }

  #onLocked(): void {
    const { server, process } = this.#client;
    this.#lockedAt = server.world.now;
    server.beginDrain();
    server.world.note(() => `p${process.number} has the lock`);
    server.source.wake();
    server.world.after(this.#options.holdTimeoutMs, 'hold timeout', () => {
      if (this.#request?.state === 'granted') server.world.count('cutover locks held too long');
      this.#end('hold timeout');
    });
  }

  /** The session is gone and its lock with it. */
  #end(why: string): void {
    const { server, process } = this.#client;
    if (this.#request === null || this.#request.state === 'released') return;
    server.world.note(() => `p${process.number} cutover session ends: ${why}`);
    server.cutovers.delete(process);
    if (this.#request.state === 'granted') server.endDrain();
    server.lock.release(this.#request);
    server.world.reach(process, 0.1, 'cutover session gone', () => this.#ended.abort(connectionLost(why)));
  }

  /** A statement of this session: nothing of it happens once the lock is gone. */
  async #call<Result>(work: Pick<CallWork<Result>, 'name' | 'isWrite' | 'begin'>, signal: AbortSignal): Promise<Result> {
    const requireLock = (): void => {
      if (this.#request?.state !== 'granted') throw connectionLost(work.name);
    };
    const begin = () => {
      requireLock();
      const effect = work.begin();
      return () => {
        requireLock();
        return effect();
      };
    };
    const both = AbortSignal.any([signal, this.#ended.signal]);
    try {
      return await this.#client.call({ name: `locked ${work.name}`, isWrite: work.isWrite, usesTables: false, begin }, both);
    } catch (error) {
      if (error instanceof MigrationError && error.code === 'CONNECTION_LOST') this.#end('connection lost');
      throw error;
    }
  }

  /** Somebody's long transaction comes first. */
  #letReaderIn(): void {
    const { server } = this.#client;
    const onEnded = (): void => server.world.count('blockers ended');
    const onGranted = (): void => {
      server.world.after(server.chance.delay(this.#options.lockTimeoutMs), 'long transaction ends', () =>
        server.lock.release(reader),
      );
    };
    const reader = server.lock.share('a long transaction', onGranted, onEnded);
  }
}
