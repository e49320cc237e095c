/**
 * The change stream of the simulated server: transactions arrive one by one in log order, at once or much later, whole or in
 * parts; now and then the connection breaks and reading goes on behind the last wholly received transaction.
 */

import { MigrationError } from '../../src/engine/errors.ts';
import type { Change, Fence, Position } from '../../src/engine/model.ts';
import type { ChangeBatch, ChangeStream } from '../../src/engine/ports.ts';
import { Chance } from './chance.ts';
import type { Client } from './client.ts';
import { type KeyOrder, keyNumber } from './rows.ts';
import type { Server } from './server.ts';
import type { LogEntry } from './source-table.ts';

/** Received pieces that wait for the consumer beyond which no more is read. */
const PIECES_MAX = 6;

/** What one receipt brought: a whole entry of the log or a part of one. Places are indexes into the log. */
interface Piece {
  readonly changes: readonly Change[];
  readonly position: number;
  readonly resumeFrom: number;
  readonly reach: number;
  readonly fence: number | null;
  readonly isWhole: boolean;
}

export class SimulatedChangeStream implements ChangeStream {
  readonly start: Position;
  readonly #client: Client;
  readonly #order: KeyOrder;
  readonly #server: Server;
  readonly #chance: Chance;
  readonly #id: number;
  readonly #startIndex: number;
  /** Positions of different streams can't be compared; so each counts from somewhere else. */
  readonly #origin: number;
  readonly #forget: () => void;
  readonly #break = (): void => this.#reconnect();
  /** To a reader the RENAME of the swap is as foreign as any other. */
  readonly #readSwap = (): void => this.#failAtSwap();
  /** Prepared XA transactions whose end has not been received, by place. */
  readonly #undecided = new Map<number, readonly Change[]>();
  #next: number;
  #changesTaken = 0;
  #furthest: number;
  #fencesPlaced = 0;
  #fenceSeen: number | null = null;
  #pieces: Piece[] = [];
  #isReceiving = false;
  #isClosed = false;
  #isConsumed = false;
  #failure: MigrationError | null = null;
  #wakeConsumer: (() => void) | null = null;
  #heartbeat: number | null = null;

  constructor(client: Client, order: KeyOrder, startIndex: number) {
    this.#client = client;
    this.#order = order;
    this.#server = client.server;
    this.#id = ++client.server.streamsOpened;
    this.#chance = new Chance(client.server.scenario.seed, `stream ${this.#id}`);
    this.#origin = this.#chance.between(1, 1000);
    this.#startIndex = startIndex;
    this.#next = startIndex;
    this.#furthest = startIndex;
    this.start = this.#position(startIndex);
    this.#forget = this.#server.source.listen(() => this.#receiveLater());
    this.#server.streams.add(this.#break);
    this.#server.swapReaders.add(this.#readSwap);
    this.#receiveLater();
  }

  async *batches(signal: AbortSignal): AsyncGenerator<ChangeBatch, void, undefined> {
    if (this.#isConsumed) this.#server.judge.violate('a stream was consumed twice', '');
    this.#isConsumed = true;
    const wake = (): void => this.#wakeConsumer?.();
    signal.addEventListener('abort', wake, { once: true });
    try {
      while (!signal.aborted) {
        const batch = this.#take();
        if (batch !== null) yield batch;
        else if (this.#failure !== null) throw this.#failure;
        else await this.#untilWoken();
      }
    } finally {
      signal.removeEventListener('abort', wake);
    }
  }

  async placeFence(signal: AbortSignal): Promise<Fence> {
    const number = ++this.#fencesPlaced;
    const begin = () => () => {
      const { source, scenario } = this.#server;
      source.note({ kind: 'fence', stream: this.#id, number }, this.#chance.delay(scenario.visibilityLagMs * 0.3));
      return number as Fence;
    };
    return await this.#client.call({ name: `place fence ${number}`, isWrite: true, usesTables: false, begin }, signal);
  }

  async awaitVisible(reach: Position, signal: AbortSignal): Promise<void> {
    const index = this.#index(reach);
    let isReady: () => boolean = () => true;
    const begin = () => {
      const { world } = this.#server;
      isReady = this.#server.scenario.barrier === 'heartbeat' ? this.#heartbeatBarrier() : this.#transactionBarrier(index);
      if (!isReady()) world.count('barriers that waited');
      return () => {};
    };
    await this.#client.call(
      { name: `await visible ${index}`, isWrite: false, usesTables: false, begin, isReady: () => isReady() },
      signal,
    );
  }

  async acknowledge(position: Position, signal: AbortSignal): Promise<void> {
    const index = this.#index(position);
    const begin = () => () => {
      this.#server.acknowledged = Math.max(this.#server.acknowledged, index);
      this.#server.judge.positionDurable(index, 'acknowledged');
    };
    await this.#client.call({ name: `acknowledge ${index}`, isWrite: true, usesTables: false, begin }, signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    this.#forget();
    this.#server.streams.delete(this.#break);
    this.#server.swapReaders.delete(this.#readSwap);
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  // Visibility.

  #transactionBarrier(index: number): () => boolean {
    const { source, scenario } = this.#server;
    const hasOldXa = (): boolean => !scenario.plants.has('XS') && source.hasPreparedBefore(this.#server.streamsBeganAt);
    return () => source.isVisibleBefore(index) && !hasOldXa();
  }

  /** A row of our own, sent now: when it is visible, so is everything logged before it. Planted `VJ` joins one on its way. */
  #heartbeatBarrier(): () => boolean {
    const { source, scenario } = this.#server;
    const isOnItsWay = this.#heartbeat !== null && !source.isVisible(this.#heartbeat);
    if (!scenario.plants.has('VJ') || !isOnItsWay) {
      this.#heartbeat = source.note({ kind: 'heartbeat' }, this.#chance.delay(scenario.visibilityLagMs));
    }
    const place = this.#heartbeat ?? 0;
    const hasOldXa = (): boolean => !scenario.plants.has('XS') && source.hasPreparedBefore(this.#server.streamsBeganAt);
    return () => source.isVisible(place) && !hasOldXa();
  }

  // Receiving.

  #receiveLater(): void {
    if (this.#isReceiving || this.#isClosed || this.#failure !== null || this.#pieces.length >= PIECES_MAX) return;
    if (this.#server.source.log[this.#next] === undefined) return;
    this.#isReceiving = true;
    const { world, scenario } = this.#server;
    const lagMs = this.#chance.hits(0.5) ? 0.1 : this.#chance.delay(scenario.deliveryLagMs);
    world.reach(this.#client.process, lagMs, 'receive', () => {
      this.#isReceiving = false;
      if (this.#isClosed) return;
      this.#receive();
      this.#receiveLater();
    });
  }

  #receive(): void {
    const { hasFaults, scenario, source } = this.#server;
    if (hasFaults && this.#chance.hits(scenario.brokenStreams)) {
      this.#server.world.count('broken streams');
      this.#fail(new MigrationError('STREAM_BROKEN', 'The connection of the change stream broke again and again.'));
      return;
    }
    if (hasFaults && this.#chance.hits(scenario.reconnects)) {
      this.#reconnect();
      return;
    }
    const entry = source.log[this.#next];
    if (entry === undefined) return;
    const piece = this.#pieceOf(entry);
    this.#pieces.push(piece);
    this.#server.world.note(() => `p${this.#client.process.number} receives ${entry.index}${piece.isWhole ? '' : ' in part'}`);
    // Now and then several pieces gather before they are handed over.
    const lagMs = this.#chance.hits(0.7) ? 0 : this.#chance.delay(this.#server.scenario.deliveryLagMs);
    if (lagMs === 0) this.#wakeConsumer?.();
    else this.#server.world.reach(this.#client.process, lagMs, 'hand over', () => this.#wakeConsumer?.());
  }

  #fail(failure: MigrationError): void {
    this.#failure = failure;
    this.#wakeConsumer?.();
  }

  #failAtSwap(): void {
    const { process } = this.#client;
    this.#server.world.reach(process, 0.1, 'receive the swap', () => {
      if (this.#isClosed || process.isFenced) return;
      this.#server.world.count('swaps seen in the log');
      this.#fail(new MigrationError('SOURCE_CHANGED', 'The table was renamed.'));
    });
  }

  /** Goes on behind the last wholly received transaction. Planted `RW` and `RM` go back to what was acknowledged. */
  #reconnect(): void {
    const { world, scenario, acknowledged } = this.#server;
    world.count('reconnects');
    world.note(() => `p${this.#client.process.number} stream reconnects at ${this.#next}`);
    while (this.#pieces.at(-1)?.isWhole === false) this.#pieces.pop();
    this.#changesTaken = 0;
    if (scenario.plants.has('RW') || scenario.plants.has('RM')) this.#next = Math.max(this.#startIndex, acknowledged);
  }

  #pieceOf(entry: LogEntry): Piece {
    switch (entry.kind) {
      case 'transaction':
        return this.#part(entry.changes, entry.index, () => {});
      case 'xa-prepare':
        if (this.#server.scenario.plants.has('XN')) return this.#part(entry.changes, entry.index, () => {});
        this.#undecided.set(entry.index, entry.changes);
        return this.#whole([], entry.index);
      case 'xa-commit': {
        if (this.#server.scenario.plants.has('XN')) return this.#whole([], entry.index);
        // Without its PREPARE: prepared before the first stream, whose barrier waited for it, or applied before the checkpoint.
        const changes = this.#undecided.get(entry.prepare) ?? [];
        return this.#part(changes, entry.prepare, () => this.#undecided.delete(entry.prepare));
      }
      case 'xa-rollback':
        this.#undecided.delete(entry.prepare);
        return this.#whole([], entry.index);
      case 'fence':
        if (entry.stream === this.#id) this.#fenceSeen = Math.max(this.#fenceSeen ?? 0, entry.number);
        return this.#whole([], entry.index);
      case 'heartbeat':
        return this.#whole([], entry.index);
    }
  }

  /** All changes that are left of an entry, or only some of them. `onWhole` runs when the last is out. */
  #part(changes: readonly Change[], from: number, onWhole: () => void): Piece {
    const { hasFaults, scenario, world } = this.#server;
    const left = changes.slice(this.#changesTaken);
    const isSplit = left.length > 1 && hasFaults && this.#chance.hits(scenario.splitTransactions);
    if (!isSplit) {
      onWhole();
      this.#changesTaken = 0;
      return this.#whole(left, from);
    }
    world.count('half-received transactions');
    const taken = left.slice(0, this.#chance.between(1, left.length - 1));
    this.#changesTaken += taken.length;
    return this.#piece({ changes: taken, from, behind: this.#next, isWhole: false });
  }

  #whole(changes: readonly Change[], from: number): Piece {
    this.#next += 1;
    return this.#piece({ changes, from, behind: this.#next, isWhole: true });
  }

  #piece({
    changes,
    from,
    behind,
    isWhole,
  }: {
    changes: readonly Change[];
    from: number;
    behind: number;
    isWhole: boolean;
  }): Piece {
    const { plants } = this.#server.scenario;
    this.#furthest = Math.max(this.#furthest, behind);
    const wholly = plants.has('RM') ? this.#furthest : behind;
    const reach = isWhole ? this.#next : this.#next + 1;
    const position = plants.has('AS') ? reach : plants.has('XA') ? wholly : Math.min(wholly, ...this.#undecided.keys());
    const resumeFrom = Math.min(plants.has('NX') ? position : from, position);
    return { changes, position, resumeFrom, reach, fence: this.#fenceSeen, isWhole };
  }

  // Handing over.

  /** Some or all of the pieces that have been received, as one batch. */
  #take(): ChangeBatch | null {
    if (this.#pieces.length === 0) return null;
    const taken = this.#pieces.splice(0, this.#chance.between(1, this.#pieces.length));
    const last = taken.at(-1);
    if (last === undefined) return null;
    this.#receiveLater();
    const changes = taken.flatMap((piece) => piece.changes);
    this.#countOverlaps(changes);
    const resumeFrom = Math.min(
      last.position,
      ...taken.filter((piece) => piece.changes.length > 0).map((piece) => piece.resumeFrom),
    );
    return {
      changes,
      position: this.#position(last.position),
      resumeFrom: this.#position(resumeFrom),
      reach: this.#position(last.reach),
      fence: last.fence as Fence | null,
    };
  }

  /** How often there is something to hold back. */
  #countOverlaps(changes: readonly Change[]): void {
    const ranges = [...this.#server.rangesInFlight];
    for (const { key } of changes) {
      if (ranges.some((range) => this.#order.includes(range, keyNumber(key))))
        this.#server.world.count('changes under a chunk in flight');
    }
  }

  async #untilWoken(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wakeConsumer = resolve;
    });
    this.#wakeConsumer = null;
  }

  #position(index: number): Position {
    return { order: this.#origin + index, token: String(index) };
  }

  #index(position: Position): number {
    const index = position.order - this.#origin;
    if (String(index) !== position.token) this.#server.judge.violate('a position of another stream was used', position.token);
    return index;
  }
}
