/**
 * What must hold, whatever the engine does: checked from outside, at the moment when it would be broken. The judge sees the truth,
 * so it finds a fault also where a later change happens to mend it.
 */

import type { Checkpoint } from '../../src/engine/model.ts';
import type { MigrationState } from '../../src/engine/ports.ts';
import type { KeyOrder, Row } from './rows.ts';
import { hasEqualColumns, keyNumber, showRow } from './rows.ts';
import type { Server } from './server.ts';

/** A rule that was broken; it ends the seed. */
export class Violation extends Error {
  override readonly name = 'Violation';
  readonly rule: string;

  constructor(rule: string, detail: string) {
    super(`${rule}: ${detail}`);
    this.rule = rule;
  }
}

export class Judge {
  readonly #order: KeyOrder;
  /** Keys whose shadow row was spoilt on purpose, to see whether verification finds it. */
  readonly #spoilt = new Set<number>();
  #violation: Violation | null = null;
  #server: Server | null = null;
  /** Place in the log up to which the shadow was said to hold every change. */
  #durableThrough = 0;

  constructor(order: KeyOrder) {
    this.#order = order;
  }

  /** The first rule that was broken, or null. */
  get violation(): Violation | null {
    return this.#violation;
  }

  watch(server: Server): void {
    this.#server = server;
  }

  violate(rule: string, detail: string): void {
    this.#violation ??= new Violation(rule, detail);
    this.#server?.world.note(() => `VIOLATION ${rule}: ${detail}`);
  }

  /** From now on this key is verification's to mend. */
  spoil(key: number): void {
    this.#spoilt.add(key);
  }

  isSpoilt(key: number): boolean {
    return this.#spoilt.has(key);
  }

  /** A row went into the shadow: it must not be older than what was said to be there. */
  shadowWritten(row: Row): void {
    const missed = this.#changeBetween(row.key, row.version, this.#durableThrough);
    if (missed !== null)
      this.violate('an old row was written over an acknowledged change', `${showRow(row)}, change at ${missed}`);
  }

  /** A position was acknowledged, or became durable in a checkpoint. */
  positionDurable(index: number, how: string): void {
    const server = this.#server;
    if (server === null || server.hasSwapped) return;
    this.#durableThrough = Math.max(this.#durableThrough, index);
    for (const row of server.committedShadow()?.values() ?? []) {
      const missed = this.#changeBetween(row.key, row.version, index);
      if (missed !== null && !this.#spoilt.has(row.key) && !this.#isDeletedFrom(row.key, index)) {
        this.violate(
          `a position was ${how} ahead of the shadow`,
          `${index}, but the shadow has ${showRow(row)}, changed at ${missed}`,
        );
      }
    }
    this.#checkXa(index, how);
  }

  /** A checkpoint became durable: what it claims must be so. */
  checkpointSaved(checkpoint: Checkpoint): void {
    const server = this.#server;
    if (server === null || server.hasSwapped) return;
    const index = Number(checkpoint.position);
    this.positionDurable(index, 'saved');
    const { copiedThrough, isCopyComplete, verification, phase } = checkpoint;
    const isAtSwap = phase === 'await-cutover' || phase === 'cutover';
    if (isAtSwap && server.scenario.isVerifying && !verification.isClean)
      this.violate('a swap was awaited before all rows were compared', JSON.stringify(checkpoint));
    if (copiedThrough === null && !isCopyComplete) return;
    for (const row of server.source.truth.values()) {
      const isClaimed =
        isCopyComplete || (copiedThrough !== null && this.#order.compareNumbers(row.key, keyNumber(copiedThrough)) <= 0);
      // A row that is being repaired is absent for a moment; then the pass must still come by it.
      const isUnverified =
        !verification.isClean &&
        (verification.repairedInPass > 0 ||
          verification.verifiedThrough === null ||
          this.#order.compareNumbers(row.key, keyNumber(verification.verifiedThrough)) > 0);
      const isPending = row.version >= index || this.#spoilt.has(row.key);
      if (!isClaimed || isPending || server.rowsWith(row.key, server.committedShadow() ?? new Map()).length > 0) continue;
      if (isUnverified && phase !== 'copy') continue;
      this.violate(
        'a checkpoint claimed a row that is not there',
        `${showRow(row)}, position ${index}, ${JSON.stringify(checkpoint)}`,
      );
    }
  }

  /** The tables are about to be swapped. */
  swapped(): void {
    const server = this.#server;
    if (server === null) return;
    const shadow = server.shadowRowsOrNone();
    if (server.shadow === null) this.violate('a shadow that is not there was swapped in', '');
    if (!server.isShadowFinished) this.violate('a shadow that was not finished was swapped in', '');
    for (const row of server.source.truth.values()) {
      const [other, twin] = server.rowsWith(row.key, shadow);
      if (other === undefined) this.violate('a row was lost', showRow(row));
      else if (twin !== undefined) this.violate('a row was swapped in twice', `${showRow(other)}, ${showRow(twin)}`);
      else if (!hasEqualColumns(row, other))
        this.violate('a row is not up to date', `${showRow(row)}, shadow ${showRow(other)}`);
    }
    for (const row of shadow.values()) {
      if (!server.source.truth.has(row.key)) this.violate('a row that is gone was swapped in', showRow(row));
    }
  }

  /** Something that the swap leaves to be done is being done. */
  settled(): void {
    if (this.#server?.hasSwapped === false) this.violate('something was settled before the swap', '');
  }

  /** The migration gets another state. */
  concluded(state: MigrationState): void {
    const left = [...(this.#server?.unsettled ?? [])];
    if (state === 'done' && left.length > 0) this.violate('a migration was done with something left to do', left.join(' '));
  }

  /** Keys that the engine reported as different. */
  differencesReported(keys: readonly number[]): void {
    for (const key of keys) {
      if (!this.#spoilt.has(key)) this.violate('a false alarm of the verification', `key ${key}`);
    }
  }

  /** A position between XA PREPARE and XA COMMIT: a reader from there never receives the rows, so they must be in the shadow already. */
  #checkXa(index: number, how: string): void {
    const server = this.#server;
    if (server === null) return;
    const shadow = server.committedShadow() ?? new Map<number, Row>();
    for (const entry of server.source.log) {
      if (entry.kind !== 'xa-prepare' || entry.index >= index || entry.index < server.streamsBeganAt) continue;
      const end = server.source.endOfXa(entry.index);
      const isUndone = (rows: readonly Row[]): boolean =>
        end === undefined || rows.some((row) => row.version < end.index && !this.#isDeletedFrom(row.key, index));
      const isSplit = end === undefined || (end.kind === 'xa-commit' && end.index >= index);
      if (isSplit && entry.changes.some((change) => isUndone(server.rowsWith(keyNumber(change.key), shadow)))) {
        this.violate(`a position was ${how} inside an XA transaction`, `${index}, prepared at ${entry.index}`);
      }
    }
  }

  /** A row that was gone when its change was looked up stays until its delete comes by, which then is still to be read. */
  #isDeletedFrom(key: number, index: number): boolean {
    return (this.#server?.source.versions(key) ?? []).some((one) => one.row === null && one.index >= index);
  }

  /** Place of the first change of this key behind `version` and before `index`, or null. */
  #changeBetween(key: number, version: number, index: number): number | null {
    const versions = this.#server?.source.versions(key) ?? [];
    return versions.find((one) => one.index > version && one.index < index)?.index ?? null;
  }
}
