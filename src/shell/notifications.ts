/** Hooks and webhooks of one run, put together. */

import type { Controls } from '../engine/controls.ts';
import { MigrationError } from '../engine/errors.ts';
import type { MigrationEvent } from '../engine/events.ts';
import type { Task } from '../engine/tasks.ts';
import { systemClock } from '../sessions/system-clock.ts';
import { CutoverGate } from './cutover-gate.ts';
import { findHooks } from './hook-directory.ts';
import { hookListener, runHook } from './hooks.ts';
import { isTold, makeNotice, type Notice, Notifier, noticeOf, type Subject, tooLong } from './notifier.ts';
import type { Environment } from './option-values.ts';
import type { OptionsOf } from './options.ts';
import type { NativeSummary } from './native-summary.ts';
import type { Summary } from './summary.ts';
import { webhookListener } from './webhook.ts';

/** At the end of a run the rest is told within this time. */
const FAREWELL_MS = 30_000;

/** What notifications need of the run around them. */
export interface NotificationParts {
  readonly controls: Controls;
  readonly environment: Environment;
  readonly now: () => Date;
  /** What the run is about, once it has begun; all of a family. */
  readonly plan: () => Subject | null;
  readonly warn: (sentence: string) => void;
}

/** Rejects with BAD_USAGE where a hook or the address is wrong. */
export async function openNotifications(
  { hooks: directory, webhook }: Pick<OptionsOf<'resume'>, 'hooks' | 'webhook'>,
  parts: NotificationParts,
): Promise<Notifications> {
  const hooks = directory === null ? null : await findHooks(directory);
  const listeners = [
    ...(hooks === null ? [] : [hookListener(hooks, parts.environment)]),
    ...(webhook === null ? [] : [webhookListener(webhook, systemClock, parts.now)]),
  ];
  const gateHook = hooks?.get('before-cutover');
  return new Notifications(
    listeners.map((listener) => new Notifier(listener, parts.warn)),
    gateHook ?? null,
    parts,
  );
}

/** The notices of one run, to everybody who is told. */
export class Notifications {
  readonly #notifiers: readonly Notifier[];
  readonly #parts: NotificationParts;
  readonly #gate: CutoverGate | null;
  readonly #end = new AbortController();
  readonly #delivered: Promise<unknown>;

  constructor(notifiers: readonly Notifier[], gateHook: string | null, parts: NotificationParts) {
    this.#notifiers = notifiers;
    this.#parts = parts;
    const check = async (signal: AbortSignal): Promise<void> => {
      const plan = parts.plan();
      if (gateHook === null || plan === null)
        throw new MigrationError('INTERNAL', 'The cutover was checked before the run began.');
      const text = 'everything is ready to swap';
      const notice = makeNotice('before-cutover', plan, { time: parts.now(), text, details: {} });
      await runHook(gateHook, notice, parts.environment, signal);
    };
    this.#gate =
      gateHook === null ? null : new CutoverGate(parts.controls, check, systemClock, () => parts.plan()?.tables?.length ?? 1);
    this.#delivered = Promise.allSettled(notifiers.map((notifier) => notifier.deliver(this.#end.signal)));
  }

  /** What goes on beside the run until its signal aborts. */
  get background(): readonly Task[] {
    const gate = this.#gate;
    return gate === null ? [] : [(signal) => gate.keep(signal)];
  }

  started(plan: Subject): void {
    this.#tell(makeNotice('started', plan, { time: this.#parts.now(), text: 'the run has begun', details: { plan } }));
  }

  /** `about`: the member of a family that the event is about; null where there is one table, or it is about all of them. */
  observe(event: MigrationEvent, about: Subject | null = null): void {
    const plan = about ?? this.#parts.plan();
    this.#gate?.observe(event, plan?.id);
    if (plan !== null && isTold(event)) this.#tell(noticeOf(event, plan, this.#parts.now()));
  }

  ended(plan: Subject, summary: Summary | NativeSummary): void {
    const text = summary.error === null ? 'done' : `${summary.error.code}: ${summary.error.message}`;
    this.#tell(makeNotice('ended', plan, { time: this.#parts.now(), text, details: { summary } }));
  }

  /** Resolves when everybody was told of everything, or after a while. */
  async finish(): Promise<void> {
    for (const notifier of this.#notifiers) notifier.end();
    const limit = new AbortController();
    const timer = systemClock.sleep(FAREWELL_MS, limit.signal).then(
      () => {
        const untold = this.#notifiers.flatMap((notifier) => notifier.untold ?? []);
        this.#parts.warn(`The end of the run waits no longer: ${untold.join('; ')}.`);
        this.#end.abort(tooLong('Telling of the end of the run'));
      },
      () => undefined,
    );
    await this.#delivered;
    limit.abort(tooLong('Nothing'));
    await timer;
  }

  /** Nobody is told of anything more, and a hook that runs is ended, before this returns. */
  abandon(reason: MigrationError): void {
    this.#end.abort(reason);
  }

  #tell(notice: Notice): void {
    for (const notifier of this.#notifiers) notifier.tell(notice);
  }
}
