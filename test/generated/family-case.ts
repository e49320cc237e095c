/** Changes of one or several tables with traffic of several sessions beside them, drawn from a seed. */
import type { Case } from '../support/case-folder.ts';
import type { Plays } from '../support/session-plays.ts';

/** What is changed in one table. */
export interface FamilyChange {
  readonly table: string;
  readonly clauses: string;
}

export interface FamilyCase {
  readonly name: string;
  readonly before: readonly string[];
  /** One table is changed by itself, several are swapped together. */
  readonly changes: readonly FamilyChange[];
  /** What an operator without any tool would do to get the same, given what the server shows of keys that are in the way. */
  readonly native: NativeWay;
  /** What the sessions do. */
  readonly sessions: readonly Plays[];
  /** What keeps the swap away until all sessions are done: a transaction with a lock on a table. */
  readonly gate: string | null;
  readonly run: Pick<Case, 'chunkRows' | 'cuts' | 'interruptedAt' | 'options' | 'pace' | 'writesAt'>;
}

/** `statements`: in place of the ALTERs. `renamed`: by table, columns that have another name afterwards. */
export interface NativeWay {
  readonly statements?: readonly string[];
  readonly renamed?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** Only the rows are compared, with the partition that each is in. */
  readonly isOfRows?: boolean;
}

/** What is drawn of it for one kind of server. */
export type DrawnFamily = Omit<FamilyCase, 'name' | 'run'>;
