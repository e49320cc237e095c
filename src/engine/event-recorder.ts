/** Leaves in the database what an operator wants to read of a run later, from any host. It is never in the way of the run. */

import { type ErrorCode, messageOf, MigrationError } from './errors.ts';
import type { MigrationEvent, Observer } from './events.ts';
import type { MigrationId } from './model.ts';
import type { Clock, EventLog, LogEntry } from './ports.ts';
import { withinTime } from './tasks.ts';

/** What stands in the log: events, and the failure that ended a run. */
export type LoggedEvent = MigrationEvent | { readonly kind: 'failed'; readonly code: ErrorCode; readonly message: string };

/** Events are gathered for so long: each write goes through the log of the server, and to its replicas. */
const WRITE_EACH_MS = 1_000;
/** A write that takes longer is given up. */
const WRITE_MS_MAX = 3_000;
/** A stop that is over sooner is not told. */
const STOP_MS_MIN = 5_000;
/** More that wait are not waited for: the oldest are left out. */
const WAITING_MAX = 200;
/** Longer texts and lists are cut. */
const TEXT_CHARS_MAX = 500;
const LIST_ITEMS_MAX = 10;

/** What a recorder needs of its surroundings. */
export interface RecorderParts {
  readonly log: EventLog;
  readonly id: MigrationId;
  readonly clock: Clock;
  /** Takes passwords out of a text. */
  readonly hide: (text: string) => string;
  /** Told of a write that failed, once for as long as they go on failing. */
  readonly observer: Observer;
}

/** The recorder of one run. Each entry is written in one attempt; what fails is left out, with a warning. */
export class EventRecorder {
  readonly #parts: RecorderParts;
  readonly #waiting: (Omit<LogEntry, 'ageMs'> & { readonly at: number })[] = [];
  /** A stop that may still turn out to be short. */
  #stop: { readonly event: MigrationEvent; readonly at: number } | null = null;
  #isFailing = false;

  constructor(parts: RecorderParts) {
    this.#parts = parts;
  }

  /** Returns at once. */
  observe(event: MigrationEvent): void {
    if (event.kind === 'throttled') {
      this.#stop = { event, at: this.#parts.clock.now() };
      return;
    }
    if (event.kind === 'throttle-released') {
      this.#tellLongStop();
      const wasTold = this.#stop === null;
      this.#stop = null;
      if (wasTold) this.#add(event);
      return;
    }
    if (isKept(event)) this.#add(event);
  }

  /** What ended the run. */
  failed({ code, message }: MigrationError): void {
    this.#add({ kind: 'failed', code, message });
  }

  /** Writes what has come, about once a second, until `signal` aborts. */
  async keep(signal: AbortSignal): Promise<void> {
    for (;;) {
      await this.#parts.clock.sleep(WRITE_EACH_MS, signal);
      this.#tellLongStop();
      await this.#write();
    }
  }

  /** Writes the rest, within the usual limit: also when the run was aborted. Never rejects. */
  async finish(): Promise<void> {
    this.#tellLongStop();
    await this.#write();
  }

  #tellLongStop(): void {
    if (this.#stop === null || this.#parts.clock.now() - this.#stop.at < STOP_MS_MIN) return;
    this.#add(this.#stop.event, this.#stop.at);
    this.#stop = null;
  }

  /** `at`: when it happened. */
  #add({ kind, ...details }: LoggedEvent, at = this.#parts.clock.now()): void {
    this.#waiting.push({ kind, at, details: JSON.stringify(details, (_, value: unknown) => this.#cut(value)) });
    if (this.#waiting.length > WAITING_MAX) this.#waiting.shift();
  }

  #cut(value: unknown): unknown {
    if (Array.isArray(value)) return value.slice(0, LIST_ITEMS_MAX);
    if (typeof value !== 'string') return value;
    const text = this.#parts.hide(value);
    return text.length <= TEXT_CHARS_MAX ? text : `${text.slice(0, TEXT_CHARS_MAX)}…`;
  }

  /** Has a limit of its own and no other: whether an aborted write has happened nobody would know. */
  async #write(): Promise<void> {
    const waiting = this.#waiting.splice(0);
    if (waiting.length === 0) return;
    const { log, id, clock } = this.#parts;
    const now = clock.now();
    const entries = waiting.map(({ kind, details, at }) => ({ kind, details, ageMs: now - at }));
    const limit = { ms: WRITE_MS_MAX, clock, lateMessage: 'it took too long' };
    try {
      await withinTime(limit, (signal) => log.append(id, entries, signal), new AbortController().signal);
      this.#isFailing = false;
    } catch (error) {
      if (!this.#isFailing) this.#warn(messageOf(error));
      this.#isFailing = true;
    }
  }

  #warn(reason: string): void {
    const message = `Events are missing in the database, for they could not be written there: ${reason}`;
    this.#parts.observer({ kind: 'warning', about: ABOUT, message });
  }
}

/** What the warnings of a recorder are about: they are not written themselves. */
const ABOUT = 'event log';

/** Phases, decisions and warnings; neither chunks nor figures, and no attempt that is told by its end. */
function isKept(event: MigrationEvent): boolean {
  switch (event.kind) {
    case 'chunk-copied':
    case 'changes-applied':
    case 'range-verified':
    case 'checkpoint-saved':
    case 'progress':
    case 'cutover-attempt':
      return false;
    case 'warning':
      return event.about !== ABOUT;
    default:
      return true;
  }
}
