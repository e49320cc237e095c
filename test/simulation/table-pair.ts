/** Source and shadow on the simulated server. Every member is one statement, with one snapshot taken when it begins. */

import type { KeyRange, RowKey } from '../../src/engine/model.ts';
import type { CollisionCause, CopyResult, KeySpan, RangeComparison, RowWriter, TablePair } from '../../src/engine/ports.ts';
import type { CallWork, Client } from './client.ts';
import { type KeyOrder, keyNumber, keyOf, type Row, rowKey, type Table } from './rows.ts';

/** Sends a statement: over a working session, or over the one that holds the cutover's lock. */
export type Send = Client['call'];

/** Members that both the working sessions and the locked session have. */
export class SimulatedRowWriter implements RowWriter {
  readonly keysPerStatement: number;
  readonly upsertRows?: NonNullable<RowWriter['upsertRows']>;
  protected readonly client: Client;
  readonly #send: Send;
  readonly #usesLock: boolean;

  /** `usesLock`: whether statements need the tables' lock; the locked session has it already. */
  constructor(client: Client, send: Send, usesLock: boolean) {
    this.client = client;
    this.#send = send;
    this.#usesLock = usesLock;
    this.keysPerStatement = client.server.scenario.keysPerStatement;
    if (client.server.scenario.changesInPlace) this.upsertRows = (keys, signal) => this.#upsert(keys, signal);
  }

  async deleteRows(keys: readonly RowKey[], signal: AbortSignal): Promise<void> {
    this.#checkSize(keys);
    await this.needKey(signal);
    const { server } = this.client;
    const begin = () => {
      // PostgreSQL does not see rows that were committed after its DELETE began; MySQL reads the present ones.
      const seen = server.scenario.dialect === 'postgres' ? new Map(server.shadowRows()) : null;
      return () => {
        const shadow = server.shadowRows();
        const isByWholeKey = server.scenario.plants.has('KD');
        for (const row of keys.flatMap((key) => server.rowsWith(keyNumber(key), shadow))) {
          const place = server.placeOf(row);
          if (isByWholeKey && server.source.visible.get(row.key)?.v !== row.v) continue;
          if (seen === null || seen.get(place) === row) shadow.delete(place);
        }
      };
    };
    await this.send({ name: `delete ${keys.join(' ')}`, isWrite: true, begin }, signal);
  }

  async insertRows(keys: readonly RowKey[], signal: AbortSignal): Promise<'inserted' | 'collided'> {
    this.#checkSize(keys);
    await this.needKey(signal);
    const { server } = this.client;
    const begin = () => {
      const rows = pickRows(server.sourceRows(), keys);
      return (): 'inserted' | 'collided' => {
        server.refuseBadRow(rows);
        if (server.insertAll(rows, server.shadowRows())) return 'inserted';
        server.world.count('inserts collided');
        return 'collided';
      };
    };
    return await this.send({ name: `insert ${keys.join(' ')}`, isWrite: true, begin }, signal);
  }

  async #upsert(keys: readonly RowKey[], signal: AbortSignal): Promise<'upserted' | 'collided'> {
    this.#checkSize(keys);
    await this.needKey(signal);
    const { server } = this.client;
    const begin = () => {
      const rows = pickRows(server.sourceRows(), keys);
      return (): 'upserted' | 'collided' => {
        if (rows.every(({ v }) => v >= 0) && server.upsertAll(rows, server.shadowRows())) return 'upserted';
        server.world.count('upserts collided');
        return 'collided';
      };
    };
    return await this.send({ name: `upsert ${keys.join(' ')}`, isWrite: true, begin }, signal);
  }

  async explainCollision(keys: readonly RowKey[], signal: AbortSignal): Promise<CollisionCause> {
    this.#checkSize(keys);
    await this.needKey(signal);
    const { server } = this.client;
    const begin = () => {
      const source = server.sourceRows();
      return () => explain(server, source, keys);
    };
    return await this.send({ name: `explain ${keys.join(' ')}`, isWrite: false, begin }, signal);
  }

  async findDifferingRows(keys: readonly RowKey[], signal: AbortSignal): Promise<readonly RowKey[]> {
    this.#checkSize(keys);
    await this.needKey(signal);
    const { server } = this.client;
    const begin = () => {
      const asked = new Map(keys.map((key) => [keyNumber(key), key]));
      const differing = server.differences(server.sourceRows(), server.shadowRows()).filter((row) => asked.has(row.key));
      const isNamedAsAsked = server.scenario.plants.has('RS');
      const found = differing.map((row) => (isNamedAsAsked ? asked.get(row.key) : undefined) ?? keyOf(row));
      return () => found;
    };
    return await this.send({ name: `compare ${keys.join(' ')}`, isWrite: false, begin }, signal);
  }

  /** Resolves when the shadow has its key. The locked session works when it has. */
  protected async needKey(_signal: AbortSignal): Promise<void> {}

  protected send<Result>(work: Omit<CallWork<Result>, 'usesTables'>, signal: AbortSignal): Promise<Result> {
    return this.#send({ ...work, usesTables: this.#usesLock }, signal);
  }

  #checkSize(keys: readonly RowKey[]): void {
    if (keys.length > this.keysPerStatement) {
      this.client.server.judge.violate('a call had more keys than a statement may have', `${keys.length}`);
    }
  }
}

export class SimulatedTablePair extends SimulatedRowWriter implements TablePair {
  readonly isFinishedWhileCompared = true;
  readonly compareKeys?: (a: RowKey, b: RowKey) => number;
  readonly #order: KeyOrder;
  /** Null where only the server knows. */
  #hasKey: boolean | null;

  constructor(client: Client, order: KeyOrder) {
    super(client, (work, signal) => client.call(work, signal), true);
    this.#order = order;
    this.#hasKey = client.server.scenario.leavesKeyOut ? null : true;
    if (client.server.scenario.isOrderKnown) this.compareKeys = (a, b) => order.compare(a, b);
  }

  async createShadow(signal: AbortSignal): Promise<void> {
    const { server } = this.client;
    const begin = () => {
      server.sourceRows();
      return () => {
        server.shadow = new Map();
        server.hasShadowKey = !server.scenario.leavesKeyOut;
        server.isShadowFinished = false;
      };
    };
    await this.send({ name: 'create shadow', isWrite: true, begin }, signal);
    this.#hasKey = !server.scenario.leavesKeyOut;
  }

  async dropShadow(signal: AbortSignal): Promise<void> {
    const { server } = this.client;
    const begin = () => () => {
      if (!server.hasSwapped) server.shadow = null;
    };
    await this.send({ name: 'drop shadow', isWrite: true, begin }, signal);
  }

  protected override async needKey(signal: AbortSignal): Promise<void> {
    if (this.#hasKey === true) return;
    // Whoever comes meanwhile needs it too.
    this.#hasKey = null;
    const { server } = this.client;
    const begin = () => {
      server.shadowRows();
      return () => {
        if (!server.hasShadowKey) server.world.count('keys made late');
        server.hasShadowKey = true;
      };
    };
    await this.send({ name: 'make key', isWrite: true, begin }, signal);
    this.#hasKey = true;
  }

  async finishShadow(signal: AbortSignal): Promise<void> {
    await this.needKey(signal);
    const { server } = this.client;
    const begin = () => {
      server.shadowRows();
      return () => {
        server.isShadowFinished = true;
      };
    };
    await this.send({ name: 'finish shadow', isWrite: true, begin, takesMs: server.scenario.finishMs }, signal);
  }

  async greatestShadowKey(signal: AbortSignal): Promise<RowKey | null> {
    await this.needKey(signal);
    const { server } = this.client;
    const begin = () => {
      const last = this.#order.within(server.shadowRows(), { after: null, through: null }).at(-1);
      return () => (last === undefined ? null : keyOf(last));
    };
    return await this.send({ name: 'greatest shadow key', isWrite: false, begin }, signal);
  }

  async readKeySpan(signal: AbortSignal): Promise<KeySpan | null> {
    const { server } = this.client;
    const begin = (): (() => KeySpan | null) => {
      const keys = [...server.sourceRows().values()].map(({ key }) => key).sort((a, b) => a - b);
      const [first, last] = [keys[0], keys.at(-1)];
      if (!server.scenario.isOrderKnown || first === undefined || last === undefined) return () => null;
      const keyAt = (value: bigint): RowKey => {
        server.world.count('chunk ends computed');
        return rowKey(Number(value), 0);
      };
      return () => ({ first: BigInt(first), last: BigInt(last), valueOf: (key) => BigInt(keyNumber(key)), keyAt });
    };
    return await this.send({ name: 'key span', isWrite: false, begin }, signal);
  }

  async findChunkEnd(after: RowKey | null, limitRows: number, signal: AbortSignal): Promise<RowKey | null> {
    const { server } = this.client;
    const begin = () => {
      const row = this.#order.within(server.sourceRows(), { after, through: null })[limitRows - 1];
      return () => (row === undefined ? null : keyOf(row));
    };
    return await this.send({ name: `chunk end after ${after ?? 'start'}`, isWrite: false, begin }, signal);
  }

  async copyRange(range: KeyRange, existing: 'collide' | 'skip', signal: AbortSignal): Promise<CopyResult> {
    const { server } = this.client;
    const isRepeatedBlindly = existing === 'skip' && server.scenario.plants.has('KL');
    if (!isRepeatedBlindly && (existing === 'skip' || this.#hasKey !== false)) await this.needKey(signal);
    const begin = () => {
      const rows = this.#order.within(server.sourceRows(), range);
      return (): CopyResult => {
        server.refuseBadRow(rows);
        const shadow = server.shadowRows();
        server.checkNew(rows);
        const isSkipped = (row: Row): boolean =>
          (existing === 'skip' && shadow.has(server.placeOf(row))) ||
          (server.scenario.plants.has('WI') && !server.fits(row, shadow));
        const wanted = rows.filter((row) => !isSkipped(row));
        if (server.insertAll(wanted, shadow)) return { kind: 'copied', rows: wanted.length };
        server.world.count('chunks collided');
        return { kind: 'collided' };
      };
    };
    server.rangesInFlight.add(range);
    try {
      return await this.send({ name: `copy ${showRange(range)}`, isWrite: true, begin }, signal);
    } finally {
      server.rangesInFlight.delete(range);
    }
  }

  async findSourceKeys(range: KeyRange, signal: AbortSignal): Promise<readonly RowKey[]> {
    const { server } = this.client;
    const begin = () => {
      const keys = this.#order.within(server.sourceRows(), range).map(keyOf);
      return () => keys;
    };
    return await this.send({ name: `keys of ${showRange(range)}`, isWrite: false, begin }, signal);
  }

  async compareRange(range: KeyRange, signal: AbortSignal): Promise<RangeComparison> {
    await this.needKey(signal);
    const { server } = this.client;
    const begin = () => {
      const differing = this.#differencesWithin(range);
      const sourceRows = this.#order.within(server.sourceRows(), range).length;
      const shadowRows = this.#order.within(server.shadowRows(), range).length;
      if (differing.length > 0) server.world.count('ranges differed');
      return () => ({ isEqual: differing.length === 0, sourceRows, shadowRows });
    };
    return await this.send({ name: `compare ${showRange(range)}`, isWrite: false, begin }, signal);
  }

  async findDifferences(range: KeyRange, limitRows: number, signal: AbortSignal): Promise<readonly RowKey[]> {
    await this.needKey(signal);
    const begin = () => {
      const keys = this.#differencesWithin(range).slice(0, limitRows).map(keyOf);
      return () => keys;
    };
    return await this.send({ name: `differences in ${showRange(range)}`, isWrite: false, begin }, signal);
  }

  describeKey(key: RowKey): string {
    return `id = ${key}`;
  }

  #differencesWithin(range: KeyRange): readonly Row[] {
    const { server } = this.client;
    return server.differences(server.sourceRows(), server.shadowRows()).filter((row) => this.#order.includes(range, row.key));
  }
}

/** Rows with these keys, as the server compares keys, each once. */
function pickRows(source: Table, keys: readonly RowKey[]): readonly Row[] {
  const rows = new Map<number, Row>();
  for (const key of keys) {
    const row = source.get(keyNumber(key));
    if (row !== undefined) rows.set(row.key, row);
  }
  return [...rows.values()];
}

function explain(server: Client['server'], source: Table, asked: readonly RowKey[]): CollisionCause {
  const rows = pickRows(source, asked);
  const shadow = server.shadowRows();
  const keys = new Map<number, RowKey>();
  for (const row of rows) {
    const twin = server.scenario.hasAddedUnique
      ? [...source.values()].find((other) => other.key !== row.key && other.u2 === row.u2)
      : undefined;
    if (twin !== undefined) return { kind: 'duplicates', index: 'u2', values: String(row.u2), rows: [keyOf(row), keyOf(twin)] };
    for (const other of server.inTheWayOf(row, shadow)) keys.set(other.key, keyOf(other));
  }
  const found = [...keys.values()];
  const own = rows.map(keyOf);
  const respelled = found.filter((key) => own.includes(key) && !asked.includes(key));
  return respelled.length === 0 ? { kind: 'in-the-way', keys: found } : { kind: 'in-the-way', keys: found, respelled };
}

function showRange(range: KeyRange): string {
  return `(${range.after ?? ''}, ${range.through ?? ''}]`;
}
