/** Tells others what happens in a run: each fact once, in order, without ever holding the run up. */

import { MigrationError, messageOf } from '../engine/errors.ts';
import type { MigrationEvent } from '../engine/events.ts';
import type { TableName } from '../engine/model.ts';
import { Condition } from '../engine/tasks.ts';
import { describeEvent, levelOf } from './log.ts';
import { tableText } from './plan-text.ts';

/** What is told. Plain JSON. */
export interface Notice {
  readonly time: string;
  /** A kind of event, or `started`, `ended`, `before-cutover`. */
  readonly event: string;
  readonly id: string;
  readonly table: string;
  /** One sentence. */
  readonly text: string;
  /** The event with its figures; for `ended` the summary. */
  readonly details: object;
}

/** What is told of. */
export interface Subject {
  readonly id: string;
  readonly source: TableName;
  /** All of a family, where it is told of all together. */
  readonly tables?: readonly string[];
}

/** Names of notices that are no events of the engine. */
export const OWN_NOTICES = ['started', 'ended', 'before-cutover'] as const;

/** Somebody who is told. Rejects where that failed for good. */
export interface Listener {
  readonly name: string;
  tell(notice: Notice, signal: AbortSignal): Promise<void>;
}

/** More that wait are not waited for: the oldest are left out, and the log says so. */
const WAITING_MAX = 1_000;

/** Whether an event is told at all: phases, decisions and warnings, but neither chunks nor figures. */
export function isTold(event: MigrationEvent): boolean {
  return event.kind !== 'progress' && levelOf(event) !== 'debug';
}

/** The notice of an event. */
export function noticeOf(event: MigrationEvent, plan: Subject, time: Date): Notice {
  const { kind, ...details } = event;
  return makeNotice(kind, plan, { time, text: describeEvent(event), details });
}

/** A notice by name. */
export function makeNotice(
  event: string,
  plan: Subject,
  { time, text, details }: { readonly time: Date; readonly text: string; readonly details: object },
): Notice {
  return {
    time: time.toISOString(),
    event,
    id: plan.id,
    table: plan.tables?.join(', ') ?? tableText(plan.source),
    text,
    details,
  };
}

/** One listener and what it has not been told yet. */
export class Notifier {
  readonly #listener: Listener;
  readonly #warn: (sentence: string) => void;
  readonly #waiting: Notice[] = [];
  #inHand: Notice | null = null;
  readonly #changed = new Condition();
  #isEnded = false;

  constructor(listener: Listener, warn: (sentence: string) => void) {
    this.#listener = listener;
    this.#warn = warn;
  }

  /** Returns at once. */
  tell(notice: Notice): void {
    this.#waiting.push(notice);
    if (this.#waiting.length > WAITING_MAX) {
      this.#waiting.shift();
      this.#warn(`${this.#listener.name} is too slow: a notice was left out.`);
    }
    this.#changed.notify();
  }

  /** Who has not been told yet, and of what; null where nothing is left. */
  get untold(): string | null {
    const left = [...(this.#inHand === null ? [] : [this.#inHand]), ...this.#waiting].map(({ event }) => event);
    const [first, last] = [left[0], left.at(-1)];
    if (first === undefined || last === undefined) return null;
    const what = left.length === 1 ? first : `${left.length} notices, from ${first} to ${last}`;
    return `${this.#listener.name} was not told of ${what}`;
  }

  /** Nothing more will be told: `deliver` resolves when the rest is. */
  end(): void {
    this.#isEnded = true;
    this.#changed.notify();
  }

  /** Tells one after another. What cannot be told is a warning. Rejects when `signal` aborts. */
  async deliver(signal: AbortSignal): Promise<void> {
    for (;;) {
      signal.throwIfAborted();
      const notice = this.#waiting.shift();
      if (notice === undefined) {
        if (this.#isEnded) return;
        await this.#changed.changed(signal);
        continue;
      }
      this.#inHand = notice;
      try {
        await this.#listener.tell(notice, signal);
      } catch (error) {
        signal.throwIfAborted();
        const reason = messageOf(error);
        this.#warn(`${this.#listener.name} was not told of ${notice.event}: ${reason}`);
      } finally {
        this.#inHand = null;
      }
    }
  }
}

/** The reason with which a delivery that takes too long is ended. */
export function tooLong(what: string): MigrationError {
  return new MigrationError('INTERRUPTED', `${what} took too long.`);
}
