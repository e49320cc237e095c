/** For how long copying and verifying rest between two chunks. */

/** With a rest of half of each chunk the slowest transactions of an application that writes the table get a third less slow. */
export const DEFAULT_REST_RATIO = 0.5;

export interface NiceRatioParts {
  /** What the operator asked for; null: nothing. */
  readonly asked: number | null;
  /** Whether there is a limit on the application's latency. */
  readonly isGentle: boolean;
  readonly isTableWritten: boolean;
  /** What holds while it is. */
  readonly whileWritten: number;
}

/** So many times as long as a chunk took, its worker rests after it, also at full pace. */
export function niceRatio({ asked, isGentle, isTableWritten, whileWritten }: NiceRatioParts): number {
  return asked ?? (isGentle && isTableWritten ? whileWritten : 0);
}
