/** What the engine tells its observer: one event per fact, fields with units, no formatted text. */

import type { ErrorCode } from './errors.ts';
import type { MigrationId, Phase } from './model.ts';

export type MigrationEvent =
  | { readonly kind: 'phase-entered'; readonly phase: Phase }
  | { readonly kind: 'resumed'; readonly phase: Phase; readonly rowsCopied: number }
  | { readonly kind: 'chunk-copied'; readonly rows: number; readonly durationMs: number; readonly isCollided: boolean }
  | { readonly kind: 'changes-applied'; readonly keys: number; readonly durationMs: number; readonly rowsInTheWay: number }
  | { readonly kind: 'range-verified'; readonly rows: number; readonly durationMs: number; readonly isEqual: boolean }
  | { readonly kind: 'difference-found'; readonly keys: readonly string[]; readonly pass: number }
  | { readonly kind: 'verification-passed'; readonly pass: number; readonly rows: number; readonly repaired: number }
  | {
      readonly kind: 'retrying';
      readonly what: string;
      readonly attempt: number;
      readonly code: ErrorCode;
      readonly message: string;
    }
  | { readonly kind: 'checkpoint-saved'; readonly phase: Phase }
  | { readonly kind: 'throttled'; readonly signal: string; readonly detail: string }
  | { readonly kind: 'throttle-released'; readonly throttledMs: number }
  /** Nothing stops for it, but someone should look; `about` names the throttle signal or the part of the run that noticed. */
  | { readonly kind: 'warning'; readonly about: string; readonly message: string }
  /** Nobody needs to look: what the throttle signal `about` has found, or decided. */
  | { readonly kind: 'noticed'; readonly about: string; readonly message: string }
  | { readonly kind: 'paused'; readonly by: string; readonly reason: string }
  /** `who` is the person that asked for it, as far as that is known. */
  | { readonly kind: 'unpaused'; readonly by: string; readonly who?: string }
  | { readonly kind: 'cutover-held'; readonly by: string; readonly reason: string }
  | { readonly kind: 'cutover-released'; readonly by: string; readonly who?: string }
  | { readonly kind: 'cutover-awaited'; readonly by: string; readonly reason: string }
  /** All rows are to be compared once more before the swap. */
  | { readonly kind: 'verification-asked'; readonly by: string }
  | { readonly kind: 'options-changed'; readonly by: string; readonly changes: readonly SettingChange[] }
  | { readonly kind: 'cutover-attempt'; readonly attempt: number; readonly lockTimeoutMs: number }
  | {
      readonly kind: 'cutover-failed';
      readonly attempt: number;
      readonly reason: string;
      readonly blockers: readonly string[];
      readonly nextInMs: number;
    }
  /** A session that held a lock in the way was ended, which had been asked for. */
  | { readonly kind: 'blocker-ended'; readonly attempt: number; readonly blocker: string }
  /** How long writers were blocked; at most, where the server's answer was lost. */
  | { readonly kind: 'swapped'; readonly blockedMs: number }
  /** What the swap has left to be done, a sentence for each thing, is now begun. */
  | { readonly kind: 'settling'; readonly left: readonly string[] }
  | { readonly kind: 'settled'; readonly what: string }
  | {
      readonly kind: 'native-step-begun';
      /** Counts from 1, of `steps`. */
      readonly step: number;
      readonly steps: number;
      readonly attempt: number;
      readonly sql: string;
      /** Whether writers wait for as long as an attempt takes, but for the time in which its moment is looked for. */
      readonly isBrief: boolean;
      readonly lockTimeoutMs: number;
    }
  | {
      readonly kind: 'native-step-done';
      readonly step: number;
      readonly attempt: number;
      readonly durationMs: number;
      /** Of `durationMs`, the part for which nobody waited: a good moment to ask for the lock was looked for. */
      readonly soughtMs: number;
    }
  | {
      readonly kind: 'native-step-blocked';
      readonly step: number;
      readonly attempt: number;
      /** As of one that is done. */
      readonly soughtMs: number;
      readonly blockers: readonly string[];
      /** 0 after the last attempt. */
      readonly nextInMs: number;
    }
  | {
      readonly kind: 'drop-blocked';
      readonly table: string;
      readonly attempt: number;
      readonly blockers: readonly string[];
      /** 0 after the last attempt. */
      readonly nextInMs: number;
    }
  | { readonly kind: 'progress'; readonly progress: Progress }
  | { readonly kind: 'finished'; readonly id: MigrationId };

/**
 * One setting before and after, null: none. Its name is its path among the options (`cutover.lockTimeoutMs`), or that of its
 * owner (`window`).
 */
export interface SettingChange {
  readonly name: string;
  readonly before: SettingValue;
  readonly after: SettingValue;
}

export type SettingValue = string | number | boolean | null;

/** A snapshot of the run, emitted about once a second. */
export interface Progress {
  readonly phase: Phase;
  readonly rowsCopied: number;
  readonly rowsEstimated: number;
  readonly rowsPerSecond: number;
  /** Milliseconds to the end of the present phase, or null when it cannot be told. */
  readonly etaMs: number | null;
  readonly rowsVerified: number;
  readonly keysPending: number;
  readonly keysApplied: number;
  /** Age of the newest fence that is wholly applied, milliseconds; null before the first. */
  readonly lagMs: number | null;
  readonly lagMaxMs: number;
  readonly chunkRows: number;
  readonly throttledBy: string | null;
  /** Share of full work that the signals leave to copying and verifying, 0 to 1. */
  readonly pace: number;
  /** The signal that presses most while the pace is held down but not stopped, with its figures; or that none does any more. */
  readonly slowedBy: string | null;
  /** Tables of the family that this one waits for (`schema.table`): they work hard first, or are not ready for the next step. */
  readonly waitingFor: readonly string[];
  readonly elapsedMs: number;
}

export type Observer = (event: MigrationEvent) => void;
