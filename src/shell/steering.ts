/** Who may hold a run or let it go, put together: windows, files, checks from outside, and the operator. */

import { Controls } from '../engine/controls.ts';
import type { ThrottleSignal } from '../engine/ports.ts';
import type { MigrationOptions } from '../engine/options.ts';
import type { Task } from '../engine/tasks.ts';
import { systemClock } from '../system-clock.ts';
import { CutoverFile, throttleFile } from './flag-file.ts';
import { httpCheck } from './http-check.ts';
import type { OptionsOf } from './options.ts';
import { WindowKeeper } from './window-keeper.ts';
import { parseWindows } from './window.ts';

/** By whom the person at the keyboard holds, in events and in what is shown. */
export const OPERATOR = 'operator';

type SteeringOptions = Pick<
  OptionsOf<'resume'>,
  'cutover' | 'cutoverFile' | 'throttleFile' | 'throttleHttp' | 'window' | 'windowTimezone' | 'cutoverWindow'
>;

/** What steers one run. */
export interface Steering {
  readonly controls: Controls;
  readonly windows: WindowKeeper;
  /** Of the windows; null: that of this machine. */
  readonly timeZone: string | null;
  readonly signals: readonly ThrottleSignal[];
  /** What goes on beside the run, each until its signal aborts. */
  readonly background: readonly Task[];
}

/** Everything that holds already does when this resolves. Rejects with BAD_USAGE. */
export async function openSteering(options: SteeringOptions, pace: MigrationOptions, now: () => Date): Promise<Steering> {
  const controls = new Controls(pace);
  const windows = new WindowKeeper(controls, systemClock, now);
  const cutoverFile = options.cutoverFile === null ? null : new CutoverFile(options.cutoverFile, controls, systemClock);
  const copyWindows = parseWindows(options.window, options.windowTimezone, '--window');
  const cutoverWindows = parseWindows(options.cutoverWindow, options.windowTimezone, '--cutover-window');
  if (options.cutover === 'manual') controls.holdCutover(OPERATOR, 'it was asked for by hand (--cutover manual)');
  windows.setCopy(copyWindows);
  if (options.cutoverWindow !== null) windows.setCutover(cutoverWindows);
  await cutoverFile?.look();
  return {
    controls,
    windows,
    timeZone: options.windowTimezone,
    signals: [
      ...(options.throttleFile === null ? [] : [throttleFile(options.throttleFile)]),
      ...(options.throttleHttp === null ? [] : [httpCheck(options.throttleHttp, systemClock)]),
    ],
    background: [
      (signal) => windows.keep(signal),
      ...(cutoverFile === null ? [] : [(signal: AbortSignal) => cutoverFile.keep(signal)]),
    ],
  };
}
