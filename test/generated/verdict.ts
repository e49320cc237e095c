/** Runs a generated case and judges it by the server itself: what its own ALTER makes of the same table and the same writes. */
import { isDeepStrictEqual } from 'node:util';
import type { MigratedTo } from '../support/case-runner.ts';

/** A case in databases of its own. */
export interface JudgedRun {
  migrate(): Promise<MigratedTo<unknown>>;
  /** In the other database: the writes, then the server's own ALTER, or only one of them. */
  twin(what: { readonly isWritten: boolean; readonly isAltered: boolean }): Promise<unknown>;
  /** What the server finds wrong with what is in the first database now. */
  faults(): Promise<readonly string[]>;
}

/**
 * `same`: both made the same table. `both-refuse`: neither made one. `stricter`: we refused, or ended, what the server does. The others
 * must not be: we made another table, or indexes that lack a row, or one where the server makes none, or left the source otherwise than its application did, or
 * ended for a reason that has nothing to do with the change.
 */
export type Verdict = 'same' | 'both-refuse' | 'stricter' | 'different' | 'looser' | 'spoilt' | 'broken';

export const BAD_VERDICTS: readonly Verdict[] = ['different', 'looser', 'spoilt', 'broken'];

export interface Judgement {
  readonly verdict: Verdict;
  /** How ours ended, and what the server said or made of it. */
  readonly detail: string;
  /** How many times the run was ended, and resumed. */
  readonly interrupted: number;
}

/** What rows and definitions can be refused for, before or after they were copied. */
const REASONS = /^(?:refused: |failed: (?:ROW_NOT_CONVERTIBLE|DUPLICATE_KEY|SOURCE_CHANGED): )/;

export async function judge(run: JudgedRun): Promise<Judgement> {
  const migrated = await run.migrate();
  return { ...(await judgeOutcome(run, migrated)), interrupted: migrated.interrupted };
}

async function judgeOutcome(
  run: JudgedRun,
  { ending, hasWritten, outcome }: MigratedTo<unknown>,
): Promise<Omit<Judgement, 'interrupted'>> {
  if (ending === 'swapped') {
    const native = await attempted(() => run.twin({ isWritten: true, isAltered: true }));
    if ('error' in native) return { verdict: 'looser', detail: `the server: ${native.error}` };
    if (!isDeepStrictEqual(outcome, native.outcome)) {
      return { verdict: 'different', detail: differenceOf(outcome, native.outcome) };
    }
    const faults = await run.faults();
    return faults.length > 0 ? { verdict: 'different', detail: faults.join('\n') } : { verdict: 'same', detail: ending };
  }
  const kept = await run.twin({ isWritten: hasWritten, isAltered: false });
  if (!isDeepStrictEqual(outcome, kept)) return { verdict: 'spoilt', detail: `${ending}\n${differenceOf(outcome, kept)}` };
  if (!REASONS.test(ending)) return { verdict: 'broken', detail: ending };
  const native = await attempted(() => run.twin({ isWritten: !hasWritten, isAltered: true }));
  if ('error' in native) return { verdict: 'both-refuse', detail: `${ending}\nthe server: ${native.error}` };
  return { verdict: 'stricter', detail: ending };
}

async function attempted(alter: () => Promise<unknown>): Promise<{ readonly outcome: unknown } | { readonly error: string }> {
  try {
    return { outcome: await alter() };
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  }
}

/** The lines that only one of them has, or has more often, at most eight of each. */
function differenceOf(ours: unknown, native: unknown): string {
  const [left = [], right = []] = [ours, native].map((value) => JSON.stringify(value, null, 1).split('\n'));
  const only = (some: readonly string[], others: readonly string[]): readonly string[] => {
    const rest = [...others];
    const found = some.filter((line) => {
      const place = rest.indexOf(line);
      if (place >= 0) rest.splice(place, 1);
      return place < 0;
    });
    return found.slice(0, 8);
  };
  const shown = [
    ...only(left, right).map((line) => `  ours:   ${line}`),
    ...only(right, left).map((line) => `  server: ${line}`),
  ];
  if (shown.length > 0) return shown.join('\n');
  const place = left.findIndex((line, at) => line !== right[at]);
  return [
    ...left.slice(place, place + 4).map((line) => `  ours:   ${line}`),
    ...right.slice(place, place + 4).map((line) => `  server: ${line}`),
  ].join('\n');
}
