/**
 * The cheap way: a change that the server carries out by itself on the live table, without a copy of the rows and without
 * making writers wait for longer than a lock timeout.
 */

import type { MigrationRequest, TableName } from './model.ts';

/** How a change is to be carried out. `auto`: natively where that is cheap, else by a shadow. */
export type Strategy = 'auto' | 'native' | 'shadow';

/** One statement of a native change. */
export interface NativeStep {
  /** As it is sent. */
  readonly sql: string;
  /**
   * `brief`: needs an exclusive lock for a moment, is asked for with a short lock timeout, and again. `online`: may take as long
   * as the table is large; readers and writers go on meanwhile.
   */
  readonly kind: 'brief' | 'online';
  /** Why the server does this cheaply: a sentence for the plan. */
  readonly reason: string;
}

/** All steps in their order. Between two of them the table is whole, and a plan made there has only the rest. */
export interface NativePlan {
  readonly source: TableName;
  readonly alter: string;
  /** Never empty. */
  readonly steps: readonly NativeStep[];
  /** Things worth knowing, one sentence each. */
  readonly notes?: readonly string[];
}

/** No cheap way: which clause needs the shadow, and why. */
export interface NoNativeWay {
  readonly clause: string;
  readonly reason: string;
}

export type StepOutcome = { readonly kind: 'done' } | { readonly kind: 'not-locked'; readonly blockers: readonly string[] };

/** What a database offers for it. */
export interface NativeChange {
  /** Asks the server, on an empty clone; changes nothing. Rejects with the server's own refusal of a wrong ALTER as `plan` does. */
  find(request: MigrationRequest, signal: AbortSignal): Promise<NativePlan | NoNativeWay>;
  /**
   * Runs one step. `not-locked`: its lock was not had within `lockTimeoutMs`, and nothing has changed. When it rejects, the step
   * has not happened, or is safe to repeat after another `find`. Rejects with NO_NATIVE_WAY, and nothing changed, where the server
   * refuses for the real table what it did to the empty clone.
   */
  run(step: NativeStep, plan: NativePlan, lockTimeoutMs: number, signal: AbortSignal): Promise<StepOutcome>;
}
