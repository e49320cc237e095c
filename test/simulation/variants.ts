/** The variants that the rule book ran one by one, as overrides of a seed: each has to come out well on every seed. */

import type { SourceFault } from './bundle.ts';
import { crashes, NO_JUDGEMENT, SHIFTS, STUBBORN } from './planted-fault.ts';
import type { Scenario } from './scenario.ts';

const ANY_ORDER: Partial<Scenario> = { isVisibilityOrdered: false, barrier: 'per-transaction' };
const BUSY: Partial<Scenario> = { keysMax: 14, rowsAtStart: 12, writers: 3, transactionsMax: 40, writerPauseMs: 5 };

export interface Variant {
  readonly code: string;
  readonly what: string;
  readonly bias: Partial<Scenario>;
  /** Places of the engine's text that are changed, where what it is about would take more than a small table. */
  readonly source?: readonly SourceFault[];
}

export const VARIANTS: readonly Variant[] = [
  { code: 'N0', what: 'busy writers, small chunks', bias: { ...BUSY, chunkRows: 1 } },
  {
    code: 'N1',
    what: 'unique values swapped, commits visible in any order',
    bias: { ...BUSY, ...ANY_ORDER, hasUniqueSwaps: true },
  },
  {
    code: 'N2',
    what: 'a unique key added on MySQL, with and without duplicates',
    bias: { ...BUSY, dialect: 'mysql', hasAddedUnique: true },
  },
  {
    code: 'NF',
    what: 'two tables that are swapped together',
    bias: { tables: 2, lostSwaps: 0.3, lockTimeouts: 0.3, thingsToSettle: 1 },
  },
  {
    code: 'NO',
    what: 'two tables that are swapped together, and an operator who steers',
    bias: { tables: 2, isSteered: true },
  },
  {
    code: 'NP',
    what: 'something to prepare before each attempt of the swap',
    bias: { hasPreparation: true, lockTimeouts: 0.5, lostSwaps: 0.5, transientFaults: 0.1 },
  },
  { code: 'N3', what: 'a unique key added on PostgreSQL', bias: { ...BUSY, dialect: 'postgres', hasAddedUnique: true } },
  {
    code: 'NK',
    what: 'a longer key on PostgreSQL, under which two versions of a row do not collide',
    bias: { ...BUSY, dialect: 'postgres', hasLongerKey: true, hasAddedUnique: false },
  },
  {
    code: 'N4',
    what: 'a heartbeat for a barrier, keys equal under the collation, unique values swapped',
    bias: { ...BUSY, isVisibilityOrdered: true, barrier: 'heartbeat', hasCollation: true, hasUniqueSwaps: true },
  },
  {
    code: 'N5',
    what: 'verification, with rows that it must find, and values that go to and fro',
    bias: { ...ANY_ORDER, isVerifying: true, plantedRow: 'altered', hasToggles: true, transactionsMax: 200, writerPauseMs: 15 },
  },
  {
    code: 'NV',
    what: 'every difference left open until the lock is had, and a row that is put right under it',
    bias: { isVerifying: true, plantedRow: 'altered', lockTimeouts: 0.3, lostSwaps: 0.3 },
    source: NO_JUDGEMENT,
  },
  { code: 'NU', what: 'a row that no repair puts right', bias: { ...STUBBORN, lockTimeouts: 0.3, lostSwaps: 0.3 } },
  { code: 'N6', what: 'XA transactions and an added unique key', bias: { ...BUSY, hasXa: true, hasAddedUnique: true } },
  {
    code: 'N8',
    what: 'PostgreSQL with verification and nothing to find',
    bias: { ...BUSY, dialect: 'postgres', isVerifying: true, plantedRow: 'none', hasToggles: true, hasHotRows: true },
  },
  {
    code: 'NL',
    what: 'all unique values shifted by one at once, received in parts',
    bias: { ...ANY_ORDER, ...SHIFTS, keysPerStatement: 4, chunkRows: 10, splitTransactions: 0.9, hasBadRows: false },
  },
  { code: 'NC', what: 'three processes die', bias: { ...BUSY, ...crashes(100, 100, 100), hangMs: 500 } },
];
