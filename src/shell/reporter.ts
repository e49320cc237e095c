/** Shows a run while it goes on: as a live view, as lines of a log, or as lines of JSON. */

import type { MigrationEvent } from '../engine/events.ts';
import type { Plan } from '../engine/model.ts';
import { oneLine } from './live-frame.ts';
import { type RunMembers, sumProgress } from './family-figures.ts';
import { describeEvent, describeProgress, isShown, type Level, levelOf } from './log.ts';
import { tableText } from './plan-text.ts';
import { LiveView, type Screen } from './terminal.ts';

/** What a run tells while it goes on. */
export interface Reporter {
  /** `about`: the member of a family; null where there is one table, or the event is about all of them. */
  observe(event: MigrationEvent, about?: Plan | null): void;
  /** A sentence of the shell itself, such as that a signal came. */
  note(sentence: string): void;
  /** The same of what needs a look. `about`: what it is about, in a word or two. */
  warn(about: string, sentence: string): void;
  /** Called once, after the last event. */
  close(): void;
}

/** How to report. */
export interface ReporterOptions {
  readonly output: 'text' | 'json';
  readonly level: Level;
  readonly hasColours: boolean;
  /** A terminal that cannot draw anything again gets lines. */
  readonly isDumb: boolean;
  /** Null: a native change, which has no figures for a live view. */
  readonly plan: Plan | null;
  /** Several tables that are swapped together, as they are now. */
  readonly family?: () => RunMembers;
}

/** Where to write. `now` and `monotonicMs` are clocks. */
export interface ReporterTarget {
  readonly stdout: Screen & { readonly isTTY?: boolean };
  readonly now: () => Date;
  readonly monotonicMs: () => number;
}

/** A log has a line of figures this often. */
const PROGRESS_LINE_MS = 10_000;

/** The reporter for this output. */
export function createReporter(options: ReporterOptions, target: ReporterTarget): Reporter {
  const { level } = options;
  if (options.output === 'json') return new JsonReporter(level, target);
  const { plan } = options;
  if (target.stdout.isTTY === true && !options.isDumb && plan !== null)
    return liveReporter(level, { ...options, plan }, target);
  return new LogReporter(level, target, options.family);
}

/** One line of JSON, with the time first. Numbers have three decimals at most. */
export function jsonLine(time: Date, fields: object): string {
  const short = (_: string, value: unknown): unknown => (typeof value === 'number' ? Math.round(value * 1_000) / 1_000 : value);
  return `${JSON.stringify({ time: time.toISOString(), ...fields }, short)}\n`;
}

class JsonReporter implements Reporter {
  readonly #level: Level;
  readonly #target: ReporterTarget;

  constructor(level: Level, target: ReporterTarget) {
    this.#level = level;
    this.#target = target;
  }

  observe(event: MigrationEvent, about: Plan | null = null): void {
    const fields = about === null ? event : { table: tableText(about.source), ...event };
    if (isShown(levelOf(event), this.#level)) this.#write(fields);
  }

  note(sentence: string): void {
    this.#write({ kind: 'note', message: sentence });
  }

  warn(about: string, sentence: string): void {
    this.#write({ kind: 'warning', about, message: sentence });
  }

  close(): void {}

  #write(fields: object): void {
    this.#target.stdout.write(jsonLine(this.#target.now(), fields));
  }
}

class LogReporter implements Reporter {
  readonly #level: Level;
  readonly #target: ReporterTarget;
  readonly #family: ReporterOptions['family'];
  #figuresAtMs: number;

  constructor(level: Level, target: ReporterTarget, family: ReporterOptions['family']) {
    this.#level = level;
    this.#target = target;
    this.#family = family;
    this.#figuresAtMs = target.monotonicMs();
  }

  observe(event: MigrationEvent, about: Plan | null = null): void {
    if (!isShown(levelOf(event), this.#level)) return;
    if (event.kind === 'progress') {
      const nowMs = this.#target.monotonicMs();
      if (nowMs - this.#figuresAtMs < PROGRESS_LINE_MS) return;
      this.#figuresAtMs = nowMs;
      const total = this.#family === undefined ? null : sumProgress(this.#family());
      if (total !== null) return this.#write('info', describeProgress(total));
    }
    this.#write(levelOf(event), `${prefixOf(about)}${describeEvent(event)}`);
  }

  note(sentence: string): void {
    this.#write('info', sentence);
  }

  warn(_about: string, sentence: string): void {
    this.#write('warn', sentence);
  }

  close(): void {}

  #write(level: Level, text: string): void {
    const time = this.#target
      .now()
      .toISOString()
      .replace(/\.\d+Z$/, 'Z');
    this.#target.stdout.write(`${time} ${level.padEnd(5)} ${oneLine(text)}\n`);
  }
}

function liveReporter(
  level: Level,
  { hasColours, plan, family }: ReporterOptions & { readonly plan: Plan },
  target: ReporterTarget,
): Reporter {
  const view = new LiveView(target.stdout, {
    heading: { id: plan.id, table: `${plan.source.schema}.${plan.source.table}`, clauses: oneLine(plan.clauses) },
    level,
    hasColours,
    ...(family === undefined ? {} : { family }),
    now: target.monotonicMs,
  });
  return {
    observe: (event, about = null) => view.observe(event, prefixOf(about)),
    note: (sentence) => view.printAbove(sentence),
    warn: (_about, sentence) => view.printAbove(`warning: ${sentence}`),
    close: () => view.close(),
  };
}

function prefixOf(about: Plan | null): string {
  return about === null ? '' : `${tableText(about.source)}: `;
}
