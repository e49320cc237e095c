/** `migrate` and `resume`: runs a migration and shows it. */

import { asMigrationError, assert, MigrationError, messageOf } from '../engine/errors.ts';
import type { Plan } from '../engine/model.ts';
import { followSignal, runWithBackground } from '../engine/tasks.ts';
import {
  cleanUp,
  migrate,
  type MigrationResult,
  type NativePlan,
  type NativeResult,
  resumeMigration,
  type RunOptions,
  type Strategy,
} from '../index.ts';
import { tellWarnings } from './cleanup-command.ts';
import { columnsOfOutput, commandText, errorText, type Invocation, printError, type Surroundings } from './invocation.ts';
import { runControlCommand } from './operator-commands.ts';
import type { ControlHandler } from './control-server.ts';
import { type LiveStatus, liveStatus } from './live-status.ts';
import { metricsText } from './metrics.ts';
import { writeNativeReport } from './native-report.ts';
import { nativePlanText, nativeSummaryText, summariseNative } from './native-summary.ts';
import { planText } from './plan-text.ts';
import { type Notifications, openNotifications } from './notifications.ts';
import { checkReportPath, makeReport, type ReportMoments, writeReport } from './report.ts';
import { createReporter, jsonLine, type Reporter } from './reporter.ts';
import { RunControl } from './run-control.ts';
import { emptyRecord, recordEvent, type RunRecord } from './run-record.ts';
import { limitsFrom } from './run-limits.ts';
import { openSteering, type Steering } from './steering.ts';
import { showError, summarise, type Summary, summaryText } from './summary.ts';

/** Plans and runs a migration. Resolves with the exit code; what went wrong is printed. */
export async function runMigrate(invocation: Invocation<'migrate'>): Promise<number> {
  const { alter, table, key, deferIndexes } = invocation.values;
  const change = { alter, table, strategy: strategyOf(invocation.values), key, deferIndexes };
  return await runAndShow(invocation, (run) => migrate({ ...invocation.server, ...change, ...run }));
}

/** A swap by hand needs a run that can be told to swap, and a swap. */
function strategyOf({ strategy, cutover }: Invocation<'migrate'>['values']): Strategy {
  if (cutover !== 'manual') return strategy;
  if (strategy !== 'native') return 'shadow';
  const message = '--cutover manual holds the swap of a shadow, and a native change has none: leave one of the two out.';
  throw new MigrationError('BAD_USAGE', message);
}

/** Goes on with a migration. Resolves with the exit code; what went wrong is printed. */
export async function runResume(invocation: Invocation<'resume'>): Promise<number> {
  return await runAndShow(invocation, (run) => resumeMigration({ ...invocation.server, id: invocation.id, ...run }));
}

type RunInvocation = Invocation<'migrate'> | Invocation<'resume'>;

type StartOptions = RunOptions & { readonly signal: AbortSignal };
type RunResult = MigrationResult | NativeResult;
type Start = (run: StartOptions) => Promise<RunResult>;

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
    plan: () => shown.plan ?? (shown.native === null ? null : { id: 'native', source: shown.native.source }),
    warn: (sentence) => shown.note(sentence),
  });
  await using control = new RunControl(handlerOf(shown, steering, abort));
  await control.openAsked(values);
  const listening: Promise<void>[] = [];
  const run = (signal: AbortSignal): Promise<RunResult> =>
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
      onNativeStart: (plan) => {
        shown.beginNative(plan);
        notifications.started({ id: 'native', source: plan.source });
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
    abort: (who: string) =>
      abort.abort(new MigrationError('ABORTED', `The operator gave the migration up, asked for by ${who}.`)),
  };
  return {
    status: () => shown.status(),
    metrics: () => shown.metrics(),
    command: async (asked) => (shown.plan === null ? null : await runControlCommand(controlled, asked)),
  };
}

/** After an abort nothing of the migration is to be left, unless the swap was faster. */
async function giveUpIfAborted(
  error: MigrationError,
  shown: ShownRun,
  { server, surroundings }: RunInvocation,
): Promise<RunResult | MigrationError> {
  const { plan } = shown;
  if (error.code !== 'ABORTED' || plan === null) return error;
  try {
    const { outcome } = await cleanUp({ ...server, id: plan.id, observer: tellWarnings(surroundings) });
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
  #native: { readonly plan: NativePlan; readonly reporter: Reporter } | null = null;
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

  /** Null before a native change has begun, and after it gave way to a shadow. */
  get native(): NativePlan | null {
    return this.#native?.plan ?? null;
  }

  status(): LiveStatus | null {
    if (this.#begun === null) return null;
    const nowMs = this.#invocation.surroundings.monotonicMs();
    return liveStatus(this.#begun.plan, this.#record, this.#steering, nowMs);
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
    (this.#begun ?? this.#native)?.reporter.note(sentence);
  }

  beginNative(plan: NativePlan): void {
    const columns = columnsOfOutput(this.#invocation.surroundings);
    this.#show({ kind: 'plan', strategy: 'native', native: plan, plan: null }, () => nativePlanText(plan, columns));
    this.#native = { plan, reporter: this.#createReporter(null) };
  }

  begin(plan: Plan): void {
    const { values, surroundings, signal } = this.#invocation;
    this.#native?.reporter.close();
    this.#native = null;
    const shown = { kind: 'plan', strategy: 'shadow', native: null, plan };
    this.#show(shown, () => planText(plan, columnsOfOutput(surroundings)));
    const reporter = this.#createReporter(plan);
    this.#begun = { plan, reporter };
    if (!values.verify) reporter.note('Verification is off: nothing will prove that no row was lost.');
    signal.addEventListener('abort', () => reporter.note('Interrupted: saving a checkpoint. Once more ends the run at once.'), {
      once: true,
    });
  }

  observe(event: Parameters<Reporter['observe']>[0]): void {
    const { now, monotonicMs } = this.#invocation.surroundings;
    this.#record = recordEvent(this.#record, event, { time: now(), nowMs: monotonicMs() });
    (this.#begun ?? this.#native)?.reporter.observe(event);
  }

  async end(outcome: RunResult | MigrationError, notifications: Notifications): Promise<number> {
    const { values, surroundings } = this.#invocation;
    const error = outcome instanceof Error ? outcome : null;
    if (this.#native !== null || 'steps' in outcome) return await this.#endNative(outcome, notifications);
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
    const record = this.#record;
    await this.#writeReport(plan.id, (path, moments) => writeReport(path, makeReport({ plan, record, summary, ...moments })));
    return summary.exitCode;
  }

  async #endNative(outcome: RunResult | MigrationError, notifications: Notifications): Promise<number> {
    const { surroundings } = this.#invocation;
    const native = this.#native;
    assert(native !== null && (outcome instanceof Error || 'steps' in outcome), 'a native change ends as one');
    const summary = summariseNative({ plan: native.plan, record: this.#record, nowMs: surroundings.monotonicMs() }, outcome);
    notifications.ended({ id: 'native', source: native.plan.source }, summary);
    await notifications.finish();
    native.reporter.close();
    if (outcome instanceof Error && this.#invocation.values.output === 'text') {
      surroundings.stderr.write(`\n${errorText(showError(outcome))}`);
    } else this.#show(summary, () => `\n${nativeSummaryText(summary)}`);
    const [{ plan }, { notable }] = [native, this.#record];
    await this.#writeReport('', (path, { startedAt, endedAt, commandLine }) => {
      const moments = { startedAt: startedAt.toISOString(), endedAt: endedAt.toISOString() };
      return writeNativeReport(path, { kind: 'native-report', ...moments, commandLine, plan, summary, events: notable });
    });
    return summary.exitCode;
  }

  #show(fields: object, text: () => string): void {
    const { values, surroundings } = this.#invocation;
    const isJson = values.output === 'json';
    surroundings.stdout.write(isJson ? jsonLine(surroundings.now(), fields) : `${text()}\n`);
  }

  #createReporter(plan: Plan | null): Reporter {
    const { values, surroundings } = this.#invocation;
    const options = { output: values.output, level: values.logLevel, hasColours: values.color, plan };
    return createReporter(options, surroundings);
  }

  /** A report that cannot be written changes nothing about the migration. */
  async #writeReport(id: string, write: (path: string, parts: ReportMoments) => Promise<void>): Promise<void> {
    const { values, command, surroundings } = this.#invocation;
    if (values.report === null) return;
    const [startedAt, endedAt] = [this.#startedAt, surroundings.now()];
    const commandLine = commandText(this.#invocation, command, command === 'resume' ? id : '').trimEnd();
    try {
      await write(values.report, { startedAt, endedAt, commandLine });
    } catch (error) {
      surroundings.stderr.write(`warning: The report ${values.report} could not be written: ${messageOf(error)}\n`);
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
          ...(error.code === 'UNSETTLED' ? [] : [`  to give it up: ${this.#command('cleanup', plan)}`]),
        ];
    this.#invocation.surroundings.stderr.write(`\n${errorText(showError(error))}${next.join('\n')}\n`);
  }

  #command(command: 'resume' | 'cleanup', plan: Plan): string {
    return commandText(this.#invocation, command, plan.id);
  }
}
