/** How loaded the server may be, by its own figures, its replicas, and a query of the operator. */

import type { ThrottleSample } from './ports.ts';

/** Limits by the name of a figure, as the server calls it (MySQL: a status variable). */
export type LoadFigures = Readonly<Record<string, number>>;

/** What adapters hold copying back for. It may change while a run goes on, so adapters ask for it each time. */
export interface LoadLimits {
  /** Copying and verifying rest while the server has this many running threads (PostgreSQL: active sessions). */
  readonly runningThreadsMax: number;
  /** How far a replica may be behind, milliseconds. */
  readonly replicaLagMaxMs: number;
  /** Copying and verifying rest while one of these figures is at its limit or above. */
  readonly max: LoadFigures;
  /** The run ends, resumably, when one of these figures is at its limit or above. */
  readonly critical: LoadFigures;
  /** A SELECT: copying and verifying rest while its first value is above 0. */
  readonly query: string | null;
  /** Copying and verifying rest while more log than this lies behind what was applied; null: the adapter's default; 0: no limit. */
  readonly retainedLogBytesMax: number | null;
}

/** What adapters look at anyway: more statements than that at the same moment only wait for each other. */
export const DEFAULT_LOAD_LIMITS: LoadLimits = {
  runningThreadsMax: 64,
  replicaLagMaxMs: 5_000,
  max: {},
  critical: {},
  query: null,
  retainedLogBytesMax: null,
};

/** The names of all figures that are limited, each once, in lower case. */
export function limitedNames({ max, critical }: Pick<LoadLimits, 'max' | 'critical'>): readonly string[] {
  return [...new Set([...Object.keys(max), ...Object.keys(critical)].map((name) => name.toLowerCase()))];
}

/** The figure that is nearest to its limit, or one that is critical. `figures` by names in lower case; one that is missing is a stop. */
export function judgeLoad(
  figures: ReadonlyMap<string, number>,
  { max, critical }: Pick<LoadLimits, 'max' | 'critical'>,
): ThrottleSample {
  for (const [name, limit] of Object.entries(critical)) {
    const value = figures.get(name.toLowerCase());
    if (value !== undefined && value >= limit) {
      return { pressure: value / limit, detail: `${name} is ${value}, the critical limit is ${limit}`, isCritical: true };
    }
  }
  let worst: ThrottleSample = { pressure: 0, detail: 'nothing is limited' };
  for (const [name, limit] of Object.entries(max)) {
    const value = figures.get(name.toLowerCase());
    if (value === undefined) return { pressure: 1, detail: `the server does not tell ${name}` };
    if (value / limit >= worst.pressure)
      worst = { pressure: value / limit, detail: `${name} is ${value}, the limit is ${limit}` };
  }
  return worst;
}

/** As PostgreSQL writes them: what a comparison gives, which is 1 or 0 on MySQL and MariaDB. */
const booleans: ReadonlyMap<string, number> = new Map([
  ['t', 1],
  ['f', 0],
]);

/** What the first value of the operator's query says; undefined: there was no row. What is neither a number nor a boolean is a stop. */
export function judgeAnswer(value: string | null | undefined): ThrottleSample {
  const isEmpty = value === null || value === undefined || value.trim() === '';
  const number = isEmpty ? Number.NaN : (booleans.get(value) ?? Number(value));
  const shown = value === undefined ? 'no row' : (value ?? 'NULL');
  if (Number.isNaN(number)) return { pressure: 1, detail: `the query gives ${shown}, which is no number` };
  return { pressure: number > 0 ? 1 : 0, detail: `the query gives ${shown}` };
}
