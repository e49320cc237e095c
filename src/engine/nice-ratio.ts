/** For how long copying and verifying rest between two chunks. */

/** With a rest of half of each chunk the slowest transactions of an application that writes the table get a third less slow. */
const WRITTEN = 0.5;

export interface NiceRatioParts {
  /** What the operator asked for; null: nothing. */
  readonly asked: number | null;
  /** Whether there is a limit on the application's latency. */
  readonly isGentle: boolean;
  readonly isTableWritten: boolean;
}

/** So many times as long as a chunk took, its worker rests after it, also at full pace. */
export function niceRatio({ asked, isGentle, isTableWritten }: NiceRatioParts): number {
  return asked ?? (isGentle && isTableWritten ? WRITTEN : 0);
}
