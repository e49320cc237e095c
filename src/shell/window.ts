/** Windows of the day and of the week in which work is allowed, in a time zone, as an operator writes them. */

import { MigrationError } from '../engine/errors.ts';

const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'] as const;
const MINUTES_PER_DAY = 1_440;
const MS_PER_MINUTE = 60_000;
/** A window of one weekday whose hour the clock skips once a year opens in two weeks at the latest. */
const SEARCH_MINUTES_MAX = 15 * MINUTES_PER_DAY;

/** One line of a time table. It belongs to the day on which it begins, also where it ends on the next. */
interface Window {
  /** Sunday is 0. */
  readonly days: ReadonlySet<number>;
  readonly fromMinute: number;
  /** Exclusive; at most that of `fromMinute` where the window ends on the next day. */
  readonly toMinute: number;
}

/** What the clock on the wall shows. */
interface WallClock {
  readonly day: number;
  readonly minute: number;
}

/**
 * A time table, read by the clock on the wall. Where that clock is put forward, a window within the hour that is left out does
 * not open on that day; where it is put back, a window within the hour that comes twice opens twice.
 */
export class Windows {
  /** As it was written. */
  readonly text: string;
  readonly #windows: readonly Window[];
  readonly #timeZone: string;
  readonly #format: Intl.DateTimeFormat;

  /** `text` such as `22:00-06:00, Sat Sun 00:00-24:00`. Throws BAD_USAGE, naming `origin`, where it cannot be read. */
  constructor(text: string, timeZone: string, origin: string) {
    this.text = text.trim();
    this.#windows = text.split(/[,;]/).map((part) => parseWindow(part.trim(), origin));
    this.#timeZone = timeZone;
    this.#format = formatOf(timeZone);
  }

  /** Whether work is allowed at this moment. */
  isOpen(moment: Date): boolean {
    const { day, minute } = this.#wallClock(moment);
    const yesterday = (day + 6) % 7;
    return this.#windows.some(({ days, fromMinute, toMinute }) => {
      const isOverMidnight = toMinute <= fromMinute;
      if (!isOverMidnight) return days.has(day) && minute >= fromMinute && minute < toMinute;
      return (days.has(day) && minute >= fromMinute) || (days.has(yesterday) && minute < toMinute);
    });
  }

  /** The first whole minute behind `moment` at which `isOpen` is another; null where there is none. */
  nextChange(moment: Date): Date | null {
    const isOpen = this.isOpen(moment);
    const first = Math.floor(moment.getTime() / MS_PER_MINUTE) + 1;
    for (let minute = first; minute < first + SEARCH_MINUTES_MAX; minute++) {
      const candidate = new Date(minute * MS_PER_MINUTE);
      if (this.isOpen(candidate) !== isOpen) return candidate;
    }
    return null;
  }

  /** A moment by the clock of these windows: `2026-11-21 22:00 Europe/Berlin`. */
  describe(moment: Date): string {
    // Sweden writes dates as ISO 8601 does.
    const text = new Intl.DateTimeFormat('sv-SE', { timeZone: this.#timeZone, dateStyle: 'short', timeStyle: 'short' });
    return `${text.format(moment)} ${this.#timeZone}`;
  }

  #wallClock(moment: Date): WallClock {
    const [, day = '', hour, minute] = /(\w+)\W+(\d+):(\d+)/.exec(this.#format.format(moment)) ?? [];
    return { day: DAYS.findIndex((name) => name === day), minute: Number(hour) * 60 + Number(minute) };
  }
}

/** Windows from options; null where work is allowed at any time (nothing, or `any`). `tz` is that variable. Throws BAD_USAGE. */
export function parseWindows(text: string | null, timeZone: string | null, origin: string, tz?: string): Windows | null {
  if (text === null || text.trim().toLowerCase() === 'any') return null;
  return new Windows(text, timeZone ?? zoneOfThisMachine(origin, tz), origin);
}

/** Throws BAD_USAGE where TZ is empty or names none: the windows would open at other hours than who wrote them has in mind. */
function zoneOfThisMachine(origin: string, tz: string | undefined): string {
  const { timeZone }: Partial<Intl.ResolvedDateTimeFormatOptions> = Intl.DateTimeFormat().resolvedOptions();
  if (timeZone !== undefined && timeZone !== 'Etc/Unknown') return timeZone;
  const given = tz === undefined ? '' : `, "${tz}",`;
  const message = `${origin}: the time zone of this machine is not known, as TZ${given} names none. Mend that, or say --window-timezone.`;
  throw new MigrationError('BAD_USAGE', message);
}

/** Throws BAD_USAGE where it is none; null is that of this machine. */
export function checkTimeZone(timeZone: string | null): void {
  if (timeZone !== null) formatOf(timeZone);
}

function formatOf(timeZone: string): Intl.DateTimeFormat {
  try {
    return new Intl.DateTimeFormat('en-US', {
      timeZone,
      weekday: 'short',
      hour: '2-digit',
      minute: '2-digit',
      hourCycle: 'h23',
    });
  } catch (cause) {
    const message = `--window-timezone must be a time zone such as Europe/Berlin or UTC, not "${timeZone}".`;
    throw new MigrationError('BAD_USAGE', message, { cause });
  }
}

function parseWindow(text: string, origin: string): Window {
  const match = /^((?:[a-z]{3}(?:-[a-z]{3})?\s+)*)(\d{1,2}):(\d\d)\s*-\s*(\d{1,2}):(\d\d)$/i.exec(text);
  const fromMinute = match === null ? null : minuteOf(match[2], match[3], MINUTES_PER_DAY - 1);
  const toMinute = match === null ? null : minuteOf(match[4], match[5], MINUTES_PER_DAY);
  const days = parseDays(match?.[1] ?? '');
  if (fromMinute === null || toMinute === null || days === null || fromMinute === toMinute) {
    const examples = '"22:00-06:00" or "Mon-Fri 22:00-06:00, Sat Sun 00:00-24:00"';
    throw new MigrationError('BAD_USAGE', `${origin} must be windows such as ${examples}, or any, not "${text}".`);
  }
  return { days, fromMinute, toMinute };
}

function minuteOf(hour: string | undefined, minute: string | undefined, max: number): number | null {
  const total = Number(hour) * 60 + Number(minute);
  return Number(minute) < 60 && total <= max ? total : null;
}

/** Every day where none is named; null where a name is none. */
function parseDays(text: string): ReadonlySet<number> | null {
  const names = text.split(/\s+/).filter((name) => name !== '');
  if (names.length === 0) return new Set(DAYS.keys());
  const days = new Set<number>();
  for (const name of names) {
    const [from, to = from] = name.split('-').map(dayOf);
    if (from === undefined || to === undefined || from < 0 || to < 0) return null;
    for (let day = from; ; day = (day + 1) % 7) {
      days.add(day);
      if (day === to) break;
    }
  }
  return days;
}

function dayOf(name: string): number {
  return DAYS.findIndex((day) => day.toLowerCase() === name.toLowerCase());
}
