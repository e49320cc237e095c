/** Old tables as the commands show them: with the end of their soak. */

import type { RetiredTable } from '../engine/ports.ts';
import { listRetiredTables, reasonToKeep, type ServerOptions, soakEndOf } from '../index.ts';
import { tableText } from './plan-text.ts';
import { readableBytes } from './units.ts';

/** As JSON has it. */
export interface KeptTable extends RetiredTable {
  /** Server time, ISO 8601 in UTC. */
  readonly soakEndsAt: string;
  /** Why `cleanup` keeps it for now, in clauses; null: it may go. */
  readonly reasonToKeep: string | null;
}

/** All old tables that still exist. */
export async function findKeptTables(server: ServerOptions, soakMs: number): Promise<readonly KeptTable[]> {
  return (await listRetiredTables(server)).map((retired) => ({
    ...retired,
    soakEndsAt: soakEndOf(retired, soakMs),
    reasonToKeep: reasonToKeep(retired, soakMs),
  }));
}

/** `shop.orders_ts_old_8f3kq2zd (1.5 GiB)`. */
export function retiredText({ table, bytes }: RetiredTable): string {
  return `${tableText(table)} (${readableBytes(bytes)})`;
}

/** `its soak ends at 2026-11-29T12:00:00.000Z`, or `its soak is over`; and its use. */
export function keepingText({ reasonToKeep }: KeptTable): string {
  return reasonToKeep ?? 'its soak is over';
}
