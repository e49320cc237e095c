/**
 * The cheap way: a change that the server carries out by itself on the live table, without a copy of the rows and without
 * making writers wait for longer than a lock timeout.
 */

import type { MigrationId, MigrationRequest, Plan, PlanOptions, TableName } from './model.ts';
import type { Obstacle } from './obstacles.ts';
import type { CheckpointStore } from './ports.ts';

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
  /** It writes all rows of the table, a few at a time: not cheap, so that only who asks for the native way gets it. */
  readonly isBackfill?: true;
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

/** A native change as a migration: what is recorded, and what a resume looks for the missing steps with. Plain JSON. */
export interface NativeMigration {
  readonly id: MigrationId;
  readonly strategy: 'native';
  readonly source: TableName;
  readonly clauses: string;
  readonly options: PlanOptions;
  /** As it was when the migration began. */
  readonly native: NativePlan;
  /** It is always of one table. */
  readonly family?: never;
}

/** What is recorded of a migration, by whichever way it goes. */
export type RecordedPlan = Plan | NativeMigration;

/** The step that a native migration has begun last, or is about to. Plain JSON. */
export interface NativePlace {
  /** Counts from 1, of `steps`; anew in each run. */
  readonly step: number;
  readonly steps: number;
  readonly sql: string;
  /** The definition of the table before it, as `NativeClaim.readDefinition` says. Null: it has not happened. */
  readonly definition: string | null;
}

/**
 * Records that the step that was begun last has not happened. To be awaited before anything that was made ready for it is removed,
 * for from then on another definition of the table says nothing.
 */
export async function denyLastStep(checkpoints: CheckpointStore<NativePlace>, signal: AbortSignal): Promise<void> {
  const place = await checkpoints.load(signal);
  if (place !== null) await checkpoints.save({ ...place, definition: null }, signal);
}

/** No cheap way: which clause needs the shadow, and why. */
export interface NoNativeWay {
  readonly clause: string;
  readonly reason: string;
}

/** Of an ALTER with so many clauses, those that are not cheap take the others along. `dear` has at least one. */
export function takingAlong(dear: readonly NoNativeWay[], clausesInAll: number): NoNativeWay {
  const others = clausesInAll - dear.length;
  const along = `the ${others === 1 ? 'other clause goes' : `other ${others} clauses go`} with it, so that all change in one swap`;
  const reason = dear[0]?.reason ?? '';
  return { clause: dear.map(({ clause }) => clause).join(', '), reason: others === 0 ? reason : `${reason}; ${along}` };
}

/** How a step ended. */
export type StepOutcome = (
  | { readonly kind: 'done' }
  | { readonly kind: 'not-locked'; readonly blockers: readonly string[] }
) & {
  /** How long a good moment to ask for the lock was looked for, while nobody waited; absent: not at all. */
  readonly soughtMs?: number;
};

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
  /** The name of a new migration of the table. */
  newId(table: TableName): MigrationId;
  /** Takes the claim on the table as `Database.claim` does, and records the migration or finds it recorded. */
  claim(plan: NativeMigration, purpose: 'start' | 'resume', signal: AbortSignal): Promise<NativeClaim>;
  /** What keeps any change from being recorded, and so from being made. Changes nothing. */
  findObstacles(signal: AbortSignal): Promise<readonly Obstacle[]>;
}

/** The exclusive right to change a table natively. Disposing it gives the right back. */
export interface NativeClaim extends AsyncDisposable {
  /** Aborts, with a MigrationError as reason, once the claim cannot be shown to be held any more. */
  readonly lost: AbortSignal;
  readonly checkpoints: CheckpointStore<NativePlace>;
  /** As `NativeChange.run`, in sessions that the next holder of the claim ends. */
  run: NativeChange['run'];
  /** A text that is another one when the definition of the table is. */
  readDefinition(signal: AbortSignal): Promise<string>;
  /** Removes what the steps have made ready and nothing can use, such as a constraint for new rows only. Safe to repeat. */
  discard(plan: NativePlan, lockTimeoutMs: number, signal: AbortSignal): Promise<StepOutcome>;
}
