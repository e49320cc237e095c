/** A run on its way to the operator: first its plans, then its events, at last its summary or its error. */

import { assert, type MigrationError, messageOf } from '../engine/errors.ts';
import type { MigrationEvent } from '../engine/events.ts';
import type { Plan } from '../engine/model.ts';
import type { MigrationResult, NativeMigration, NativeResult, RecordedPlan } from '../index.ts';
import type { RunMember, RunMembers } from './family-figures.ts';
import { familyReportMarkdown, makeFamilyReport } from './family-report.ts';
import { type FamilyStatus, familyStatus } from './family-status.ts';
import { familySummaryText, summariseFamily } from './family-summary.ts';
import { familyOf, familyPlanText } from './family-text.ts';
import { columnsOfOutput, commandText, errorText, type Invocation, printError } from './invocation.ts';
import { type LiveStatus, liveStatus } from './live-status.ts';
import { familyMetricsText, metricsText, nativeMetricsText } from './metrics.ts';
import { makeNativeReport, nativeReportMarkdown } from './native-report.ts';
import { type NativeStatus, nativeStatus } from './native-status.ts';
import { nativePlanText, nativeSummaryText, summariseNative } from './native-summary.ts';
import type { Notifications } from './notifications.ts';
import type { Subject } from './notifier.ts';
import { labelledLines, planText } from './plan-text.ts';
import { makeReport, type Report, reportMarkdown, type ReportMoments, writeReport } from './report.ts';
import { createReporter, jsonLine, type Reporter } from './reporter.ts';
import { emptyRecord, endRecord, recordEvent, type RunRecord } from './run-record.ts';
import type { Steering } from './steering.ts';
import { showError, summarise, type Summary, summaryText } from './summary.ts';

/** The commands that run a migration. */
export type RunInvocation = Invocation<'migrate'> | Invocation<'resume'>;

/** What came of a run: of each table that is swapped, or of a native change. */
export type RunResult = readonly MigrationResult[] | NativeResult;

/** What is told of one member of a family, and is about the controls that all share. */
const SHARED: ReadonlySet<MigrationEvent['kind']> = new Set<MigrationEvent['kind']>([
  ...(['paused', 'unpaused', 'cutover-held', 'cutover-released', 'verification-asked', 'options-changed'] as const),
]);

/** What `--no-verify` means. */
const UNVERIFIED = {
  migrate: 'Verification is off: nothing will prove that no row was lost.',
  resume: 'Verification is off: unless it has begun before, nothing will prove that no row was lost.',
} as const;

/** How a run ends: whom it notifies, what it tells at last, and its report. */
interface Ending {
  readonly exitCode: number;
  readonly notify: (notifications: Notifications) => void;
  readonly tell: () => void;
  readonly report: () => Promise<void>;
}

/** Follows a run and shows it. */
export class ShownRun {
  readonly #invocation: RunInvocation;
  readonly #steering: Steering;
  readonly #startedAt: Date;
  #begun: { readonly plans: readonly [Plan, ...Plan[]]; readonly reporter: Reporter } | null = null;
  #native: { readonly plan: NativeMigration; readonly reporter: Reporter } | null = null;
  #ending: Ending | null = null;
  #isEndTold = false;
  /** By the id of the migration; that of a native change under ''. */
  readonly #records = new Map<string, RunRecord>();

  constructor(invocation: RunInvocation, steering: Steering) {
    this.#invocation = invocation;
    this.#steering = steering;
    this.#startedAt = invocation.surroundings.now();
    this.#records.set('', emptyRecord(invocation.surroundings.monotonicMs()));
  }

  /** Of what is going on; null before it has begun. */
  get subject(): Subject | null {
    if (this.#native !== null) return this.#native.plan;
    if (this.#begun === null) return null;
    const [first, ...others] = this.#begun.plans;
    return others.length === 0 ? first : { source: first.source, ...familyOf(this.#members(this.#begun.plans)) };
  }

  /** Of the tables that are swapped: none before the run has begun. */
  get plans(): readonly Plan[] {
    return this.#begun?.plans ?? [];
  }

  /** What is recorded of what is going on; null before it has begun. */
  get recorded(): RecordedPlan | null {
    return this.#native?.plan ?? this.#begun?.plans[0] ?? null;
  }

  /** By which the run is named: of a family, all that belong to it, also those that are done; none before it has begun. */
  get ids(): readonly string[] {
    const recorded: readonly RecordedPlan[] = this.#native === null ? this.plans : [this.#native.plan];
    return [...new Set(recorded.flatMap(({ id, family }) => family?.members.map((member) => member.id) ?? id))];
  }

  /** The way that it goes; null before it has begun. */
  get strategy(): 'native' | 'shadow' | null {
    if (this.#native !== null) return 'native';
    return this.#begun === null ? null : 'shadow';
  }

  status(): LiveStatus | FamilyStatus | NativeStatus | null {
    const native = this.#nativeStatus();
    if (native !== null || this.#begun === null) return native;
    const nowMs = this.#invocation.surroundings.monotonicMs();
    const members = this.#members(this.#begun.plans);
    const [{ plan, record }, ...others] = members;
    if (others.length > 0) return familyStatus(members, this.#steering, nowMs);
    return liveStatus(plan, record, this.#steering, nowMs);
  }

  metrics(): string | null {
    const native = this.#nativeStatus();
    if (native !== null) return nativeMetricsText(native);
    if (this.#begun === null) return null;
    const nowMs = this.#invocation.surroundings.monotonicMs();
    const all = this.#members(this.#begun.plans).map(({ plan, record }) => ({
      status: liveStatus(plan, record, this.#steering, nowMs),
      record,
    }));
    const [first] = all;
    return all.length === 1 && first !== undefined ? metricsText(first.status, first.record) : familyMetricsText(all);
  }

  /** The figures of a run that did not live to tell its own. */
  resultsSoFar(): RunResult {
    if (this.#native !== null) {
      const { attempts, stepsDone } = this.#recordOf('').native;
      return { strategy: 'native', id: this.#native.plan.id, steps: stepsDone, attempts, elapsedMs: 0 };
    }
    return this.plans.map((plan) => this.#resultSoFar(plan));
  }

  note(sentence: string): void {
    (this.#begun ?? this.#native)?.reporter.note(sentence);
  }

  /** Something that needs a look; `about` says what it is about in a word or two. */
  warn(about: string, sentence: string): void {
    (this.#begun ?? this.#native)?.reporter.warn(about, sentence);
  }

  beginNative(plan: NativeMigration): void {
    const columns = columnsOfOutput(this.#invocation.surroundings);
    const { id, native } = plan;
    this.#show({ kind: 'plan', strategy: 'native', id, native, plan: null }, () => nativePlanText(native, columns));
    this.#native = { plan, reporter: this.#createReporter([]) };
    this.note(`The migration is recorded as ${id}.`);
  }

  /** `members`: of a family all that this run carries out, `plan` the first of them; else just the one. */
  begin(plan: Plan, members: readonly Plan[]): void {
    const plans: readonly [Plan, ...Plan[]] = [plan, ...members.filter((member) => member !== plan)];
    const { command, values, surroundings, signal } = this.#invocation;
    this.#native?.reporter.close();
    this.#native = null;
    const columns = columnsOfOutput(surroundings);
    if (plans.length === 1) {
      const named = labelledLines([['migration', plan.id]], columns);
      this.#show({ kind: 'plan', strategy: 'shadow', native: null, plan }, () => `${planText(plan, columns)}${named}`);
    } else {
      const named = labelledLines([['migrations', plans.map(({ id }) => id).join(', ')]], columns);
      this.#show({ kind: 'family-plan', plans }, () => `${familyPlanText(plans, columns)}${named}`);
    }
    for (const { id } of plans) this.#records.set(id, this.#recordOf(''));
    const reporter = this.#createReporter(plans);
    this.#begun = { plans, reporter };
    if (!values.verify) reporter.note(UNVERIFIED[command]);
    signal.addEventListener('abort', () => reporter.note('Interrupted: saving a checkpoint. Once more ends the run at once.'), {
      once: true,
    });
  }

  /** The member of a family that the event of `plan` is about; null where there is one table, or it is about all of them. */
  aboutOf(event: MigrationEvent, plan: Plan | null): Plan | null {
    return this.plans.length < 2 || SHARED.has(event.kind) ? null : plan;
  }

  /** `about` as `aboutOf` says. */
  observe(event: MigrationEvent, about: Plan | null): void {
    const { now, monotonicMs } = this.#invocation.surroundings;
    const moment = { time: now(), nowMs: monotonicMs() };
    const all = this.#begun === null ? [''] : this.#begun.plans.map(({ id }) => id);
    for (const id of about === null ? all : [about.id]) this.#records.set(id, recordEvent(this.#recordOf(id), event, moment));
    (this.#begun ?? this.#native)?.reporter.observe(event, about);
  }

  /** Resolves with the exit code. */
  async end(outcome: RunResult | MigrationError, notifications: Notifications): Promise<number> {
    this.#ending = this.#endingOf(outcome);
    const { exitCode, notify, report } = this.#ending;
    notify(notifications);
    await notifications.finish();
    this.#tellEnd(this.#ending);
    await report();
    return exitCode;
  }

  /** What is told where a second signal ends the process, which waits for no report and no notice. Gives the exit code. */
  endAtOnce(error: MigrationError): number {
    this.#ending ??= this.#endingOf(error);
    this.#tellEnd(this.#ending);
    return this.#ending.exitCode;
  }

  #tellEnd({ tell }: Ending): void {
    if (this.#isEndTold) return;
    this.#isEndTold = true;
    (this.#native ?? this.#begun)?.reporter.close();
    tell();
  }

  #endingOf(outcome: RunResult | MigrationError): Ending {
    const { values, surroundings } = this.#invocation;
    const error = outcome instanceof Error ? outcome : null;
    for (const [id, record] of this.#records) this.#records.set(id, endRecord(record, surroundings.monotonicMs()));
    if (this.#native !== null || 'steps' in outcome) return this.#endingOfNative(outcome);
    if (this.#begun === null) {
      const tell = (): void => (error === null ? undefined : printError(error, values.output, surroundings));
      return { exitCode: error?.exitCode ?? 0, notify: () => undefined, tell, report: () => Promise.resolve() };
    }
    const { plans } = this.#begun;
    const ends = plans.map((plan) => ({ plan, summary: this.#summarise(plan, outcome) }));
    const [one, ...others] = ends;
    assert(one !== undefined, 'a run has one table at least');
    const members = this.#members(plans);
    const notify = (notifications: Notifications): void => {
      for (const { plan, summary } of ends) notifications.ended(plan, summary);
    };
    if (others.length === 0) return { notify, ...this.#endingOfOne(members[0], one.summary, error) };
    const summaries = ends.map(({ summary }) => summary);
    return { notify, ...this.#endingOfFamily(members, summaries, error) };
  }

  #endingOfOne({ plan, record }: RunMember, summary: Summary, error: MigrationError | null): Omit<Ending, 'notify'> {
    return {
      exitCode: summary.exitCode,
      tell: () => this.#conclude(summary, () => summaryText(summary, this.#command('cleanup', plan)), error),
      report: () =>
        this.#writeReport(plan.id, (path, moments) =>
          writeReport(path, makeReport({ plan, record, summary, ...moments }), reportMarkdown),
        ),
    };
  }

  #endingOfFamily(members: RunMembers, summaries: readonly Summary[], error: MigrationError | null): Omit<Ending, 'notify'> {
    const nowMs = this.#invocation.surroundings.monotonicMs();
    const summary = summariseFamily({ members, summaries, nowMs }, error);
    const commands = members.map(({ plan }) => this.#command('cleanup', plan));
    return {
      exitCode: summary.exitCode,
      tell: () => this.#conclude(summary, () => familySummaryText(summary, commands), error),
      report: () =>
        this.#writeReport(members[0].plan.id, async (path, moments) => {
          const reports = members.flatMap(({ plan, record }, at): readonly Report[] => {
            const summary = summaries[at];
            return summary === undefined ? [] : [makeReport({ plan, record, summary, ...moments })];
          });
          await writeReport(path, makeFamilyReport(summary, reports, moments), familyReportMarkdown);
        }),
    };
  }

  /** For JSON the summary, else the text of a success; and what to do after a failure. */
  #conclude(summary: object, text: () => string, error: MigrationError | null): void {
    const { values, surroundings } = this.#invocation;
    if (values.output === 'json') surroundings.stdout.write(jsonLine(surroundings.now(), summary));
    else if (error === null) surroundings.stdout.write(`\n${text()}`);
    if (error !== null) this.#printFailure(error);
  }

  #endingOfNative(outcome: RunResult | MigrationError): Ending {
    const { surroundings, values, command } = this.#invocation;
    const native = this.#native;
    assert(native !== null && (outcome instanceof Error || 'steps' in outcome), 'a native change ends as one');
    const { plan } = native;
    const record = this.#recordOf('');
    const [nowMs, resumeCommand] = [surroundings.monotonicMs(), this.#command('resume', plan)];
    const summary = summariseNative({ command, plan, record, nowMs, outcome, resumeCommand });
    return {
      exitCode: summary.exitCode,
      notify: (notifications) => notifications.ended(plan, summary),
      tell: () => {
        const isShown = !(outcome instanceof Error) || values.output === 'json';
        if (isShown) this.#show(summary, () => `\n${nativeSummaryText(summary)}`);
        if (!(outcome instanceof Error)) return;
        const next = summary.state === 'open' ? this.#nextAfter(outcome, plan) : '';
        surroundings.stderr.write(`${errorText(showError(outcome))}${next}`);
      },
      report: () =>
        this.#writeReport(plan.id, (path, moments) =>
          writeReport(path, makeNativeReport({ plan, record, summary, ...moments }), nativeReportMarkdown),
        ),
    };
  }

  #nativeStatus(): NativeStatus | null {
    if (this.#native === null) return null;
    const nowMs = this.#invocation.surroundings.monotonicMs();
    return nativeStatus(this.#native.plan, this.#recordOf(''), this.#steering, nowMs);
  }

  #members([first, ...others]: readonly [Plan, ...Plan[]]): RunMembers {
    const memberOf = (plan: Plan): RunMember => ({ plan, record: this.#recordOf(plan.id) });
    return [memberOf(first), ...others.map(memberOf)];
  }

  #recordOf(id: string): RunRecord {
    const record = this.#records.get(id);
    assert(record !== undefined, 'every table of a run has a record');
    return record;
  }

  #resultSoFar({ id, retired }: Plan): MigrationResult {
    const { progress, verification, rowsCopied, blockedMs, startedAtMs } = this.#recordOf(id).figures;
    return {
      ...{ id, retired, rowsCopied, blockedMs: blockedMs ?? 0, keysApplied: progress?.keysApplied ?? 0 },
      ...{ rowsVerified: verification?.rows ?? 0, rowsRepaired: verification?.repaired ?? 0 },
      lagMaxMs: progress?.lagMaxMs ?? 0,
      elapsedMs: this.#invocation.surroundings.monotonicMs() - startedAtMs,
    };
  }

  #show(fields: object, text: () => string): void {
    const { values, surroundings } = this.#invocation;
    const isJson = values.output === 'json';
    surroundings.stdout.write(isJson ? jsonLine(surroundings.now(), fields) : `${text()}\n`);
  }

  #createReporter(plans: readonly Plan[]): Reporter {
    const { values, surroundings } = this.#invocation;
    const [plan = null, second] = plans;
    const isDumb = surroundings.environment['TERM'] === 'dumb';
    const options = { output: values.output, level: values.logLevel, hasColours: values.color, isDumb, plan };
    if (plan === null || second === undefined) return createReporter(options, surroundings);
    const family = (): RunMembers => this.#members([plan, ...plans.slice(1)]);
    return createReporter({ ...options, family }, surroundings);
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

  /** A member of a family that was done before the run failed is done. */
  #summarise(plan: Plan, outcome: readonly MigrationResult[] | MigrationError): Summary {
    const { command, surroundings } = this.#invocation;
    const { figures } = this.#recordOf(plan.id);
    const result = outcome instanceof Error ? null : (outcome.find(({ id }) => id === plan.id) ?? this.#resultSoFar(plan));
    const isDone = result === null && figures.phase === 'done' && this.plans.length > 1;
    return summarise({
      command,
      plan,
      figures,
      nowMs: surroundings.monotonicMs(),
      outcome: outcome instanceof Error && !isDone ? outcome : (result ?? this.#resultSoFar(plan)),
      resumeCommand: this.#command('resume', plan),
    });
  }

  #printFailure(error: MigrationError): void {
    const [plan] = this.plans;
    const next = error.code === 'ABORTED' || plan === undefined ? '' : this.#nextAfter(error, plan);
    this.#invocation.surroundings.stderr.write(`${errorText(showError(error))}${next}`);
  }

  /** What can be done with a migration that is open still. */
  #nextAfter(error: MigrationError, plan: RecordedPlan): string {
    const isSwapped = error.code === 'UNSETTLED' || this.#records.get(plan.id)?.figures.phase === 'clean-up';
    const next = [
      ...(error.isResumable ? [`  to go on:      ${this.#command('resume', plan)}`] : []),
      ...(isSwapped || error.code === 'RECORDS_LOST' ? [] : [`  to give it up: ${this.#command('cleanup', plan)}`]),
    ];
    return next.map((line) => `${line}\n`).join('');
  }

  #command(command: 'resume' | 'cleanup', plan: RecordedPlan): string {
    return commandText(this.#invocation, command, plan.id);
  }
}
