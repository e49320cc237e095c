/** `migrate` and `resume`: runs a migration and shows it. */

import { asMigrationError, MigrationError, messageOf } from '../engine/errors.ts';
import type { Plan } from '../engine/model.ts';
import { followSignal, runWithBackground } from '../engine/tasks.ts';
import { cleanUp, migrate, type MigrationResult, resumeMigration, type RunOptions } from '../index.ts';
import { columnsOfOutput, commandText, errorText, type Invocation, printError, type Surroundings } from './invocation.ts';
import { runControlCommand } from './operator-commands.ts';
import type { ControlHandler } from './control-server.ts';
import { type LiveStatus, liveStatus } from './live-status.ts';
import { metricsText } from './metrics.ts';
import { planText } from './plan-text.ts';
import { type Notifications, openNotifications } from './notifications.ts';
import { checkReportPath, makeReport, writeReport } from './report.ts';
import { createReporter, jsonLine, type Reporter } from './reporter.ts';
import { RunControl } from './run-control.ts';
import { emptyRecord, recordEvent, type RunRecord } from './run-record.ts';
import { limitsFrom } from './run-limits.ts';
import { openSteering, type Steering } from './steering.ts';
import { showError, summarise, type Summary, summaryText } from './summary.ts';

/** Plans and runs a migration. Resolves with the exit code; what went wrong is printed. */
export async function runMigrate(invocation: Invocation<'migrate'>): Promise<number> {
  const { alter, table, key, deferIndexes } = invocation.values;
  return await runAndShow(invocation, (run) => migrate({ ...invocation.server, alter, table, key, deferIndexes, ...run }));
}

/** Goes on with a migration. Resolves with the exit code; what went wrong is printed. */
export async function runResume(invocation: Invocation<'resume'>): Promise<number> {
  return await runAndShow(invocation, (run) => resumeMigration({ ...invocation.server, id: invocation.id, ...run }));
}

type RunInvocation = Invocation<'migrate'> | Invocation<'resume'>;

type StartOptions = RunOptions & { readonly signal: AbortSignal };
type Start = (run: StartOptions) => Promise<MigrationResult>;

async function runAndShow(invocation: RunInvocation, start: Start): Promise<number> {
  const { values, surroundings } = invocation;
  const { pace, ...limits } = limitsFrom(values);
  const steering = await openSteering(values, pace, surroundings.now);
  if (values.report !== null) await checkReportPath(values.report);
  const abort = new AbortController();
  const stopFollowing = followSignal(invocation.signal, abort);
  const shown = new ShownRun(invocation, steering);
  const notifications = await openNotifications(values, {
    controls: steering.controls,
    environment: surroundings.environment,
    now: surroundings.now,
    plan: () => shown.plan,
    warn: (sentence) => shown.note(sentence),
  });
  await using control = new RunControl(handlerOf(shown, steering, abort));
  await control.openAsked(values);
  const listening: Promise<void>[] = [];
  const run = (signal: AbortSignal): Promise<MigrationResult> =>
    start({
      ...limits,
      controls: steering.controls,
      signals: steering.signals,
      signal,
      onStart: (plan) => {
        shown.begin(plan);
        notifications.started(plan);
        for (const place of control.places) shown.note(`Listening at ${place}.`);
        listening.push(openUsualSocket(control, plan, shown, surroundings));
      },
      observer: (event) => {
        shown.observe(event);
        notifications.observe(event);
      },
    });
  try {
    const background = [...steering.background, ...notifications.background];
    const result = await runWithBackground(run, background, abort.signal);
    return await shown.end(result, notifications);
  } catch (thrown) {
    return await shown.end(await giveUpIfAborted(asMigrationError(thrown), shown, invocation), notifications);
  } finally {
    stopFollowing();
    await Promise.all(listening);
  }
}

async function openUsualSocket(control: RunControl, plan: Plan, shown: ShownRun, { environment }: Surroundings): Promise<void> {
  const reason = await control.openUsual(plan.id, environment);
  if (reason !== null) shown.note(`This run cannot be controlled from another terminal: ${reason}`);
}

function handlerOf(shown: ShownRun, steering: Steering, abort: AbortController): ControlHandler {
  const controlled = {
    steering,
    abort: () => abort.abort(new MigrationError('ABORTED', 'The operator gave the migration up.')),
    note: (sentence: string) => shown.note(sentence),
  };
  return {
    status: () => shown.status(),
    metrics: () => shown.metrics(),
    command: (command, setting) => (shown.plan === null ? null : runControlCommand(controlled, command, setting)),
  };
}

/** After an abort nothing of the migration is to be left, unless the swap was faster. */
async function giveUpIfAborted(
  error: MigrationError,
  shown: ShownRun,
  { server, surroundings }: RunInvocation,
): Promise<MigrationResult | MigrationError> {
  const { plan } = shown;
  if (error.code !== 'ABORTED' || plan === null) return error;
  try {
    const { outcome } = await cleanUp({ ...server, id: plan.id });
    if (outcome === 'given-up' || outcome === 'nothing-left') return error;
    surroundings.stderr.write('The swap had happened before the migration could be given up: it is done.\n');
    return shown.resultSoFar(plan);
  } catch (thrown) {
    const cause = asMigrationError(thrown);
    const message = `The run ended, but its migration could not be given up: ${cause.message}`;
    return new MigrationError(cause.code, message, { cause });
  }
}

/** A run on its way to the operator: first its plan, then its events, at last its summary or its error. */
class ShownRun {
  readonly #invocation: RunInvocation;
  readonly #steering: Steering;
  #begun: { readonly plan: Plan; readonly reporter: Reporter } | null = null;
  readonly #startedAt: Date;
  #record: RunRecord;

  constructor(invocation: RunInvocation, steering: Steering) {
    this.#invocation = invocation;
    this.#steering = steering;
    this.#startedAt = invocation.surroundings.now();
    this.#record = emptyRecord(invocation.surroundings.monotonicMs());
  }

  /** Null before the run has begun. */
  get plan(): Plan | null {
    return this.#begun?.plan ?? null;
  }

  status(): LiveStatus | null {
    if (this.#begun === null) return null;
    const nowMs = this.#invocation.surroundings.monotonicMs();
    return liveStatus(this.#begun.plan, this.#record, this.#steering.controls, nowMs);
  }

  metrics(): string | null {
    const status = this.status();
    return status === null ? null : metricsText(status, this.#record);
  }

  /** The figures of a run that did not live to tell its own. */
  resultSoFar({ id }: Plan): MigrationResult {
    const { progress, verification, rowsCopied, blockedMs, startedAtMs } = this.#record.figures;
    return {
      ...{ id, rowsCopied, blockedMs: blockedMs ?? 0, keysApplied: progress?.keysApplied ?? 0 },
      ...{ rowsVerified: verification?.rows ?? 0, rowsRepaired: verification?.repaired ?? 0 },
      lagMaxMs: progress?.lagMaxMs ?? 0,
      elapsedMs: this.#invocation.surroundings.monotonicMs() - startedAtMs,
    };
  }

  note(sentence: string): void {
    this.#begun?.reporter.note(sentence);
  }

  begin(plan: Plan): void {
    const { values, surroundings, signal } = this.#invocation;
    if (values.output === 'json') surroundings.stdout.write(jsonLine(surroundings.now(), { kind: 'plan', plan }));
    else surroundings.stdout.write(`${planText(plan, columnsOfOutput(surroundings))}\n`);
    const options = { output: values.output, level: values.logLevel, hasColours: values.color, plan };
    const reporter = createReporter(options, surroundings);
    this.#begun = { plan, reporter };
    if (!values.verify) reporter.note('Verification is off: nothing will prove that no row was lost.');
    signal.addEventListener('abort', () => reporter.note('Interrupted: saving a checkpoint. Once more ends the run at once.'), {
      once: true,
    });
  }

  observe(event: Parameters<Reporter['observe']>[0]): void {
    const { now, monotonicMs } = this.#invocation.surroundings;
    this.#record = recordEvent(this.#record, event, { time: now(), nowMs: monotonicMs() });
    this.#begun?.reporter.observe(event);
  }

  async end(outcome: MigrationResult | MigrationError, notifications: Notifications): Promise<number> {
    const { values, surroundings } = this.#invocation;
    const error = outcome instanceof Error ? outcome : null;
    if (this.#begun === null) {
      if (error !== null) printError(error, values.output, surroundings);
      return error?.exitCode ?? 0;
    }
    const { plan, reporter } = this.#begun;
    const summary = this.#summarise(plan, outcome);
    notifications.ended(plan, summary);
    await notifications.finish();
    reporter.close();
    if (values.output === 'json') surroundings.stdout.write(jsonLine(surroundings.now(), summary));
    else if (error === null) surroundings.stdout.write(`\n${summaryText(summary, this.#command('cleanup', plan))}`);
    if (error !== null) this.#printFailure(error, plan);
    await this.#writeReport(plan, summary);
    return summary.exitCode;
  }

  /** A report that cannot be written changes nothing about the migration. */
  async #writeReport(plan: Plan, summary: Summary): Promise<void> {
    const { values, command, surroundings } = this.#invocation;
    if (values.report === null) return;
    const [record, startedAt, endedAt] = [this.#record, this.#startedAt, surroundings.now()];
    const commandLine = commandText(this.#invocation, command, command === 'resume' ? plan.id : '').trimEnd();
    try {
      await writeReport(values.report, makeReport({ plan, record, summary, startedAt, endedAt, commandLine }));
    } catch (error) {
      const reason = messageOf(error);
      surroundings.stderr.write(`warning: The report ${values.report} could not be written: ${reason}\n`);
    }
  }

  #summarise(plan: Plan, outcome: MigrationResult | MigrationError): Summary {
    const { command, surroundings } = this.#invocation;
    const resumeCommand = this.#command('resume', plan);
    return summarise({
      command,
      plan,
      figures: this.#record.figures,
      nowMs: surroundings.monotonicMs(),
      outcome,
      resumeCommand,
    });
  }

  #printFailure(error: MigrationError, plan: Plan): void {
    const isGone = error.code === 'ABORTED';
    const next = isGone
      ? []
      : [
          ...(error.isResumable ? [`  to go on:      ${this.#command('resume', plan)}`] : []),
          `  to give it up: ${this.#command('cleanup', plan)}`,
        ];
    this.#invocation.surroundings.stderr.write(`\n${errorText(showError(error))}${next.join('\n')}\n`);
  }

  #command(command: 'resume' | 'cleanup', plan: Plan): string {
    return commandText(this.#invocation, command, plan.id);
  }
}
