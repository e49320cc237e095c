/** What an application felt of one run of the program. */
import type { LiveMeasurement } from '../test/support/live-measure.ts';
import type { OutputLine } from '../test/support/tableshift-process.ts';
import type { PeriodReport, TrafficReport } from '../test/support/traffic-record.ts';
import { RunFailedError } from './errors.ts';
import type { CpuSeconds } from './machine.ts';
import type { ToolRun } from './tool.ts';

export const afterMs = 1_000;
/** The server is warm after this. */
export const warmUpMs = 3_000;

export interface Variant {
  readonly name: string;
  readonly options: readonly string[];
}

export interface Load {
  readonly writesPerSecond: number;
  readonly beforeMs: number;
  /** Write transactions a second that the server can do, where that was measured. */
  readonly capacity?: number;
}

/** One run of one variant. */
export interface Felt extends CpuSeconds {
  readonly variant: string;
  readonly seconds: number;
  readonly throttledSeconds: number;
  readonly lagMaxMs: number;
  readonly blockedMs: number;
  readonly peakMib: number | null;
  /** The largest process of the server, with the memory that it shares; null for a server that is not on this machine. */
  readonly serverMib: number | null;
  readonly before: PeriodReport['writes'];
  readonly during: PeriodReport['writes'];
  readonly longestAtCutoverMs: number;
  readonly phases: readonly FeltPhase[];
  readonly failed: number;
  /** Rows that are not as the application left them; null where only the tool's own verification looked. */
  readonly differences: number | null;
}

/** What the application felt of one phase of the run. */
export interface FeltPhase {
  readonly phase: string;
  readonly seconds: number;
  readonly p99: number;
}

export interface Measured {
  readonly run: ToolRun;
  readonly cpu: CpuSeconds;
  readonly serverMib: number | null;
}

export type WritesBetween = LiveMeasurement['writesBetween'];

/** From the beginning of each phase to that of the next. */
function feltPhases({ lines }: ToolRun, writesBetween: WritesBetween): readonly FeltPhase[] {
  const entered = lines.filter(({ kind }) => kind === 'phase-entered');
  const at = (line: OutputLine): number => Date.parse(String(line['time']));
  return entered.flatMap((line, place) => {
    const next = entered[place + 1];
    if (next === undefined) return [];
    const [from, through] = [at(line), at(next)];
    return [{ phase: String(line['phase']), seconds: (through - from) / 1000, p99: writesBetween(from, through).p99 }];
  });
}

export function feltBy(
  variant: Variant,
  { cpu, run, serverMib }: Measured,
  seen: {
    readonly report: TrafficReport;
    readonly writesBetween: WritesBetween;
    readonly longestMs: number;
    readonly differences: number | null;
  },
): Felt {
  const { before, during } = seen.report.periods;
  if (before === undefined || during === undefined || before.writes.count === 0) {
    throw new RunFailedError(`No write of the application succeeded: ${JSON.stringify(seen.report.errors)}.`);
  }
  const { blockedMs, lagMaxMs, peakMib, seconds, throttledSeconds } = run;
  return {
    variant: variant.name,
    ...cpu,
    ...{ seconds, throttledSeconds, lagMaxMs, blockedMs, peakMib, serverMib },
    before: before.writes,
    during: during.writes,
    longestAtCutoverMs: seen.longestMs,
    phases: feltPhases(run, seen.writesBetween),
    failed: seen.report.failed,
    differences: seen.differences,
  };
}
