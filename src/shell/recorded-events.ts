/** What runs left in the database, in words. */

import type { MigrationEvent } from '../engine/events.ts';
import type { RecordedEvent } from '../index.ts';
import { oneLine } from './live-frame.ts';
import { describeEvent } from './log.ts';

/** An event as programs and people read it. */
export interface ToldEvent extends RecordedEvent {
  /** One line. */
  readonly text: string;
}

/** The event with its words. */
export function tellEvent(event: RecordedEvent): ToldEvent {
  return { ...event, text: oneLine(textOf(event)) };
}

/** Lines of time and text, under a heading; nothing where there is no event. */
export function eventLines(events: readonly ToldEvent[]): string {
  if (events.length === 0) return '';
  return `\nlast events\n${events.map(({ time, text }) => `${time}  ${text}\n`).join('')}`;
}

function textOf({ kind, details }: RecordedEvent): string {
  if (kind === 'failed') {
    const { code, message } = details as { readonly code?: unknown; readonly message?: unknown };
    return `ended by ${String(code)}: ${String(message)}`;
  }
  // A run wrote it, perhaps one of another version that has other events.
  const event = { kind, ...details } as MigrationEvent;
  const text: string | undefined = describeEvent(event);
  return text ?? `${kind} ${JSON.stringify(details)}`;
}
