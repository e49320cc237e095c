/** Settings that were changed, as an operator writes them: by the names of their flags, with units. */

import type { SettingChange, SettingValue } from '../engine/events.ts';
import { DEFAULT_OPTIONS } from '../engine/options.ts';
import { type OptionName, OPTIONS, type OptionRow } from './options.ts';
import { formatBytes, formatDurationMs } from './units.ts';

/** The options that may change, by their names in events. */
const NAMES: Readonly<Record<string, OptionName>> = {
  copyWorkers: 'workers',
  applyWorkers: 'applyWorkers',
  chunkTargetMs: 'chunkTimeMs',
  chunkRowsMax: 'chunkRowsMax',
  niceRatio: 'niceRatio',
  checkpointIntervalMs: 'checkpointIntervalMs',
  'cutover.lockTimeoutMs': 'cutoverLockTimeoutMs',
  'cutover.holdTimeoutMs': 'cutoverHoldTimeoutMs',
  'cutover.attemptsMax': 'cutoverAttempts',
  'cutover.killBlockersAfter': 'killBlockersAfter',
  'cutover.oldSnapshots': 'oldSnapshots',
  'load.runningThreadsMax': 'maxRunningThreads',
  'load.replicaLagMaxMs': 'maxLagMs',
  'load.query': 'throttleQuery',
  'load.retainedLogBytesMax': 'maxRetainedLogBytes',
  window: 'window',
  cutoverWindow: 'cutoverWindow',
  throttleFile: 'throttleFile',
  throttleHttp: 'throttleHttp',
  cutoverFile: 'cutoverFile',
};

/** What no value means, where that is not `none`. */
const WITHOUT_VALUE: Partial<Record<OptionName, string>> = {
  niceRatio: 'default',
  maxRetainedLogBytes: 'default',
  window: 'any',
  cutoverWindow: 'default',
};

/** `workers from 2 to 7, chunk-time from 10ms to 1s`. */
export function changesText(changes: readonly SettingChange[]): string {
  const latency = latencyChange(changes);
  const others = changes.filter(({ name }) => !name.startsWith('latency.')).map(changeText);
  return [...others, ...(latency === null ? [] : [latency])].join(', ');
}

function changeText({ name, before, after }: SettingChange): string {
  const [, group, figure] = /^load\.(max|critical)\.(.+)$/s.exec(name) ?? [];
  if (group !== undefined) return fromTo(`${group}-load ${figure}`, String(before ?? 'none'), String(after ?? 'none'));
  const option = NAMES[name];
  if (option === undefined) return fromTo(name, String(before ?? 'none'), String(after ?? 'none'));
  const text = (value: SettingValue): string =>
    value === null ? (WITHOUT_VALUE[option] ?? 'none') : valueOf(OPTIONS[option], value);
  return fromTo(OPTIONS[option].flag ?? option, text(before), text(after));
}

/** A limit is a factor with a floor where it is the default, and a floor alone where it was asked for. */
function latencyChange(changes: readonly SettingChange[]): string | null {
  const [factor, floor] = ['latency.factor', 'latency.floorMs'].map((path) => changes.find(({ name }) => name === path));
  if (factor === undefined && floor === undefined) return null;
  const text = (side: 'before' | 'after'): string => {
    if (factor !== undefined && factor[side] === null) return '0';
    if (factor !== undefined && factor[side] !== 0) return 'default';
    return formatDurationMs(Number(floor?.[side] ?? DEFAULT_OPTIONS.latency?.floorMs ?? 0));
  };
  return fromTo('max-latency', text('before'), text('after'));
}

function valueOf({ kind }: OptionRow, value: NonNullable<SettingValue>): string {
  if (kind === 'duration') return formatDurationMs(Number(value));
  return kind === 'size' ? formatBytes(Number(value)) : String(value);
}

function fromTo(flag: string, before: string, after: string): string {
  return `${flag} from ${before} to ${after}`;
}
