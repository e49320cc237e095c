/**
 * Notices that somebody else altered the shadow before it takes the source's place. What we do to it ourselves until it is finished is
 * none: its definition is compared with what it was when it was made.
 */

import { MigrationError } from '../engine/errors.ts';
import type { Plan } from '../engine/model.ts';
import { readTable, type TableDescription } from './catalog.ts';
import { readUninvited } from './event-triggers.ts';
import type { Session } from './session.ts';
import { fingerprintOf, frameOf, indexesOf, isMadeFrom, readUnfinished, type Unfinished, writeUnfinished } from './shadow.ts';

/**
 * Rejects with SHADOW_CHANGED where it is gone, or not what was made, or does something of its own. Not where the source has changed, too,
 * which is told by who looks at that: a type of both is another one, for instance. Reads the catalog only.
 */
export async function checkShadow(session: Session, plan: Plan, unfinished: Unfinished, signal: AbortSignal): Promise<void> {
  if (unfinished.made === undefined) return;
  const shadow = await readShadow(session, plan, signal);
  if (unfinished.made.frame !== frameOf(shadow)) {
    const source = await readTable(session, plan.source, signal);
    if (source === null || !isMadeFrom(unfinished, source)) return;
    // It may have been finished since `unfinished` was read, and was as it was made then.
    const { finished } = await readUnfinished(session, plan, signal);
    throw altered(plan, typeof finished === 'string' ? 'finished' : 'made');
  }
  const [uninvited] = await readUninvited(session, plan.shadow.schema, signal);
  if (uninvited !== undefined) throw shadowChanged(plan, uninvited);
}

/**
 * Keeps what the shadow is once it is finished: whatever makes another one of it until the swap is somebody else's. Rejects with
 * SHADOW_CHANGED where it has become another one already. Safe to repeat.
 */
export async function noteFinished(session: Session, plan: Plan, signal: AbortSignal): Promise<void> {
  const unfinished = await readUnfinished(session, plan, signal);
  await checkShadow(session, plan, unfinished, signal);
  const shadow = await readShadow(session, plan, signal);
  if (unfinished.made !== undefined && unfinished.made.indexes !== indexesOf(shadow)) throw altered(plan, 'made');
  const { following } = unfinished;
  const nothingLeft = following === undefined ? {} : { following: { ...following, surplus: [] } };
  await writeUnfinished(session, plan, { ...unfinished, ...nothingLeft, finished: fingerprintOf(shadow) }, signal);
}

/** The shadow as it is now; throws SHADOW_CHANGED where somebody has altered it since it was finished, or where it is gone. */
export function checkFinished(plan: Plan, { finished }: Unfinished, now: TableDescription | null): TableDescription {
  const shadow = there(plan, now);
  if (typeof finished === 'string' && finished !== fingerprintOf(shadow)) throw altered(plan, 'finished');
  return shadow;
}

async function readShadow(session: Session, plan: Plan, signal: AbortSignal): Promise<TableDescription> {
  return there(plan, await readTable(session, plan.shadow, signal));
}

function there(plan: Plan, shadow: TableDescription | null): TableDescription {
  if (shadow === null) throw shadowChanged(plan, `Somebody has dropped or renamed ${names(plan)}`);
  return shadow;
}

function altered(plan: Plan, since: 'made' | 'finished'): MigrationError {
  return shadowChanged(plan, `Somebody has altered ${names(plan)}, since it was ${since}`);
}

function names({ source, shadow }: Plan): string {
  return `${shadow.schema}.${shadow.table}, the shadow of ${source.schema}.${source.table}`;
}

function shadowChanged({ id }: Plan, what: string): MigrationError {
  return new MigrationError('SHADOW_CHANGED', `${what}. Give migration ${id} up and start anew.`);
}
