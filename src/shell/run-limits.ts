/** The pace and the limits of a run, from the options. */

import { MigrationError, messageOf } from '../engine/errors.ts';
import type { CutoverLimits } from '../engine/options.ts';
import { DEFAULT_OPTIONS, type LoadFigures, type LoadLimits, type MigrationOptions, type RunOptions } from '../index.ts';
import { parseServerUrl } from '../server-url.ts';
import type { OptionsOf } from './options.ts';

/** The options that `migrate` and `resume` have in common. */
type RunValues = Omit<OptionsOf<'resume'>, 'url'>;

/** What the library is told. */
export function limitsFrom(values: RunValues): Required<Pick<RunOptions, 'replicas' | 'isFindingReplicas'>> & {
  readonly pace: MigrationOptions;
} {
  return {
    pace: paceFrom(values),
    replicas: parseReplicas(values.replicas),
    isFindingReplicas: values.replicaDiscovery,
  };
}

function loadFrom(values: RunValues): LoadLimits {
  return {
    runningThreadsMax: values.maxRunningThreads,
    replicaLagMaxMs: values.maxLagMs,
    max: parseFigures(values.maxLoad, '--max-load'),
    critical: parseFigures(values.criticalLoad, '--critical-load'),
    query: values.throttleQuery === null ? null : checkSelect(values.throttleQuery, '--throttle-query'),
    retainedLogBytesMax: values.maxRetainedLogBytes,
  };
}

/** Throws BAD_USAGE, naming `origin`, where it is no query. */
export function checkSelect(query: string, origin: string): string {
  if (/^\s*(?:select|with)\b/i.test(query)) return query;
  throw new MigrationError('BAD_USAGE', `${origin} must be a SELECT.`);
}

/** `Threads_running=25,Threads_connected=500`. Throws BAD_USAGE, naming `origin`. */
export function parseFigures(text: string | null, origin: string): LoadFigures {
  const parts = (text ?? '').split(',').map((part) => part.trim());
  const figures: Record<string, number> = {};
  for (const part of parts.filter((part) => part !== '')) {
    const [, name, limit] = /^(\w+)\s*=\s*(\d{1,15}(?:\.\d+)?)$/.exec(part) ?? [];
    if (name === undefined || Number(limit) === 0) {
      throw new MigrationError('BAD_USAGE', `${origin} must be names with limits such as Threads_running=25, not "${part}".`);
    }
    // Servers tell their figures in any case of the letters. One that is named twice is mostly a limit that somebody meant to replace.
    if (Object.keys(figures).some((known) => known.toLowerCase() === name.toLowerCase())) {
      throw new MigrationError('BAD_USAGE', `${origin} has two limits for ${name}: one of them would not be kept to.`);
    }
    figures[name] = Number(limit);
  }
  return figures;
}

/** The URLs of a list with commas. Throws BAD_USAGE, without repeating it, where one is none. */
export function parseReplicas(text: string | null): readonly string[] {
  const urls = splitUrls(text ?? '');
  try {
    urls.forEach(parseServerUrl);
  } catch (cause) {
    throw new MigrationError('BAD_USAGE', `--replicas: ${messageOf(cause)}`, { cause });
  }
  return urls;
}

/** The URLs of a list with commas. */
export function splitUrls(text: string): readonly string[] {
  return text
    .split(',')
    .map((url) => url.trim())
    .filter((url) => url !== '');
}

function paceFrom(values: RunValues): MigrationOptions {
  return {
    ...DEFAULT_OPTIONS,
    copyWorkers: values.workers,
    applyWorkers: values.applyWorkers,
    chunkTargetMs: values.chunkTimeMs,
    chunkRowsMax: values.chunkRowsMax,
    chunkRowsFirst: Math.min(DEFAULT_OPTIONS.chunkRowsFirst, values.chunkRowsMax),
    niceRatio: values.niceRatio,
    checkpointIntervalMs: values.checkpointIntervalMs,
    isVerifying: values.verify,
    latency: latencyLimit(values.maxLatencyMs),
    load: loadFrom(values),
    cutover: checkCutoverLimits({
      ...DEFAULT_OPTIONS.cutover,
      lockTimeoutMs: values.cutoverLockTimeoutMs,
      holdTimeoutMs: values.cutoverHoldTimeoutMs,
      attemptsMax: values.cutoverAttempts,
      killBlockersAfter: values.killBlockersAfter,
      oldSnapshots: values.oldSnapshots,
    }),
  };
}

/** Throws BAD_USAGE where no attempt would be left that could end anybody. */
export function checkCutoverLimits(limits: CutoverLimits): CutoverLimits {
  const { attemptsMax, killBlockersAfter } = limits;
  if (killBlockersAfter > 0 && killBlockersAfter >= attemptsMax) {
    const message = `--kill-blockers-after must be below --cutover-attempts (${killBlockersAfter} and ${attemptsMax}): no attempt would be left that could end anybody.`;
    throw new MigrationError('BAD_USAGE', message);
  }
  return limits;
}

/** A limit that was asked for is absolute; 0 is none; null is that of the library. */
export function latencyLimit(maxLatencyMs: number | null): MigrationOptions['latency'] {
  if (maxLatencyMs === null) return DEFAULT_OPTIONS.latency;
  return maxLatencyMs === 0 ? null : { factor: 0, floorMs: maxLatencyMs };
}
