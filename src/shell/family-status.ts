/** What a run of several tables says of itself when it is asked, and the same in words. */

import type { Progress } from '../engine/events.ts';
import { type RunMembers, sumFigures } from './family-figures.ts';
import { familyOf } from './family-text.ts';
import { type LiveStatus, liveStatus, liveStatusText } from './live-status.ts';
import { describeProgress } from './log.ts';
import type { Steering } from './steering.ts';
import { readableDuration } from './units.ts';

/** Plain JSON. Times in milliseconds. */
export interface FamilyStatus {
  readonly kind: 'family-status';
  /** That of the family's first migration. */
  readonly id: string;
  readonly state: 'running';
  readonly elapsedMs: number;
  /** Of all together; null before the first. */
  readonly progress: Progress | null;
  /** In the order in which the tables were asked for. */
  readonly members: readonly LiveStatus[];
}

/** The status at this moment. */
export function familyStatus(
  members: RunMembers,
  steering: Pick<Steering, 'controls' | 'settings'>,
  nowMs: number,
): FamilyStatus {
  const { progress, startedAtMs } = sumFigures(members);
  return {
    kind: 'family-status',
    id: familyOf(members).id,
    state: 'running',
    elapsedMs: Math.round(nowMs - startedAtMs),
    progress,
    members: members.map(({ plan, record }) => liveStatus(plan, record, steering, nowMs)),
  };
}

/** A few lines for all, and a few for each. Who holds is said once, for it holds them all. */
export function familyStatusText({ id, elapsedMs, progress, members }: FamilyStatus): string {
  const { pausedBy = [], cutoverHeldBy = [] } = members[0] ?? {};
  const lines: readonly (readonly [string, string | null])[] = [
    ['family', `${id}, ${members.length} tables that are swapped together`],
    ['state', `running for ${readableDuration(elapsedMs)}`],
    ['figures', progress === null ? null : describeProgress(progress)],
    ...pausedBy.map(({ by, reason }) => ['paused', `by ${by}: ${reason}`] as const),
    ...cutoverHeldBy.map(({ by, reason }) => ['swap held', `by ${by}: ${reason}`] as const),
  ];
  const shared = lines.map(([label, text]) => (text === null ? '' : `${label.padEnd(14)}${text}\n`)).join('');
  return [shared, ...members.map((one) => liveStatusText({ ...one, pausedBy: [], cutoverHeldBy: [] }))].join('\n');
}
