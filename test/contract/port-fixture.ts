/** What the contract of the ports needs of a database: one table, applications that write it, and ways to be in the way. */

import { MigrationError } from '../../src/engine/errors.ts';
import type { Plan, RowKey } from '../../src/engine/model.ts';
import type { ChangeBatch, ChangeStream, Database, TableClaim } from '../../src/engine/ports.ts';

/** A row of the table: `id` is its key, `u` is unique, and the plan makes `u2` unique and `v` unable to be negative. */
export interface ContractRow {
  readonly id: number;
  readonly u: number;
  readonly u2: number;
  readonly v: number;
}

/** One statement of an application. */
export type ContractWrite =
  | { readonly kind: 'insert'; readonly row: ContractRow }
  | { readonly kind: 'update'; readonly id: number; readonly set: Partial<ContractRow> }
  | { readonly kind: 'delete'; readonly id: number };

export interface PortFixture extends AsyncDisposable {
  /** As one process of the tool sees it. */
  readonly database: Database;
  /** As another process sees it, on the same server. */
  readonly other: Database;
  readonly plan: Plan;
  readonly key: (id: number) => RowKey;
  /** Commits one transaction; resolves when the application has its answer. */
  write(...writes: readonly ContractWrite[]): Promise<void>;
  /** All rows by key, or null where there is no such table. */
  rows(table: 'source' | 'shadow' | 'retired'): Promise<readonly ContractRow[] | null>;
  /** An open transaction that has locked this row of the source. */
  lockRow(id: number): Promise<AsyncDisposable>;
  /** An open transaction that has used the source; its session may be ended by others. */
  useSource(): Promise<AsyncDisposable>;
  /** Someone has the shadow for himself. */
  lockShadow(): Promise<AsyncDisposable>;
  /** The process of `database` neither hears nor says anything any more; its sessions stay. */
  freeze(): Promise<void>;
  /** Breaks every connection of `database`; new ones can be made. */
  cutConnections(): Promise<void>;
  /** Logs a transaction that nobody sees until it is released. Absent where a server can't be made to. */
  readonly commitUnseen?: (...writes: readonly ContractWrite[]) => Promise<AsyncDisposable>;
  /** True where opening a new stream itself waits for transactions that are not visible yet. */
  readonly isOpeningBehindUnseen?: boolean;
}

/** Opens a fresh table with rows 1, 2, 3, 5, 9 and 10: `u` is the tenfold, `u2` the hundredfold, `v` 0. */
export type OpenFixture = () => Promise<PortFixture>;

export const CONTRACT_ROWS: readonly ContractRow[] = [1, 2, 3, 5, 9, 10].map((id) => ({ id, u: id * 10, u2: id * 100, v: 0 }));

/** The rows with these keys, as they are at first. */
export function rowsOf(...ids: readonly number[]): readonly ContractRow[] {
  return CONTRACT_ROWS.filter((row) => ids.includes(row.id));
}

export const EVERYTHING = { after: null, through: null } as const;

/** A signal that never aborts. */
export const never: AbortSignal = new AbortController().signal;

export function insert(id: number, values: Partial<ContractRow> = {}): ContractWrite {
  return { kind: 'insert', row: { id, u: id * 10, u2: id * 100, v: 0, ...values } };
}

export function update(id: number, set: Partial<ContractRow>): ContractWrite {
  return { kind: 'update', id, set };
}

export function remove(id: number): ContractWrite {
  return { kind: 'delete', id };
}

/** A claimed table with an empty shadow. Disposing it gives the claim back. */
export async function claimWithShadow(fixture: PortFixture): Promise<TableClaim> {
  const claim = await fixture.database.claim(fixture.plan, 'start', never);
  await claim.pair.createShadow(never);
  return claim;
}

/** Works while something is held, then lets it go. */
export async function during(held: Promise<AsyncDisposable>, work: () => Promise<void>): Promise<void> {
  const holding = await held;
  try {
    await work();
  } finally {
    await holding[Symbol.asyncDispose]();
  }
}

/** Tries again what failed for a reason that may pass, as the engine does; the test's own limit bounds it. */
async function persisting<Result>(work: () => Promise<Result>): Promise<Result> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof MigrationError) || !error.isTransient) throw error;
    }
  }
}

/** A stream that is read as far as a test wants. */
export class StreamReader {
  readonly stream: ChangeStream;
  readonly #batches: AsyncIterator<ChangeBatch>;

  constructor(stream: ChangeStream) {
    this.stream = stream;
    this.#batches = stream.batches(new AbortController().signal)[Symbol.asyncIterator]();
  }

  /** Everything up to a fence that is placed now. */
  async catchUp(): Promise<readonly ChangeBatch[]> {
    const fence = await persisting(() => this.stream.placeFence(never));
    const read: ChangeBatch[] = [];
    for (;;) {
      const batch = await this.next();
      read.push(batch);
      if (batch.fence !== null && batch.fence >= fence) return read;
    }
  }

  /** The changes up to a fence that is placed now, as `upsert KEY` and `delete KEY`. */
  async changes(): Promise<readonly string[]> {
    return changesOf(await this.catchUp());
  }

  async next(): Promise<ChangeBatch> {
    const next = await this.#batches.next();
    if (next.done === true) throw new Error('The stream ended.');
    return next.value;
  }
}

export function changesOf(batches: readonly ChangeBatch[]): readonly string[] {
  return batches.flatMap((batch) => batch.changes).map((change) => `${change.kind} ${change.key}`);
}
