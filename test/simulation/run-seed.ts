/** One seed: a whole migration in virtual time, with its writers, faults, ends and resumes, and the judgement on it. */

import { asMigrationError, type ErrorCode, MigrationError } from '../../src/engine/errors.ts';
import type { MigrationEvent } from '../../src/engine/events.ts';
import { Controls } from '../../src/engine/controls.ts';
import { runMigration } from '../../src/engine/migration.ts';
import type { Phase, Plan } from '../../src/engine/model.ts';
import { Chance } from './chance.ts';
import { SimulatedDatabase, simulatedPlan } from './database.ts';
import { engineOptions } from './engine-options.ts';
import { FamilySimulation } from './family-simulation.ts';
import { Judge, Violation } from './judge.ts';
import { Operator } from './operator.ts';
import { SimulatedProcess } from './process.ts';
import { KeyOrder, keyNumber, type Row } from './rows.ts';
import { type Ending, type Scenario, scenarioOf } from './scenario.ts';
import { Server, STUBBORN_KEY } from './server.ts';
import { SourceTable } from './source-table.ts';
import { StuckError, VirtualClock, World } from './world.ts';
import { rowsAtStart, shuffled, Writers } from './writers.ts';

export interface SeedResult {
  readonly seed: number;
  /** How it ended well, or null. */
  readonly ending: 'swapped' | 'duplicate found' | 'difference reported' | null;
  /** What was wrong, or null. */
  readonly failure: string | null;
  readonly steps: number;
  readonly digest: number;
  /** How often each interesting thing happened. */
  readonly counts: Readonly<Record<string, number>>;
}

export interface SeedOptions {
  readonly bias: Partial<Scenario>;
  /** Receives a line a step. */
  readonly trace: ((line: string) => void) | null;
}

/** Reasons of the data itself, which `#judgeFailure` looks into. */
const JUDGED: readonly ErrorCode[] = ['DUPLICATE_KEY', 'ROW_NOT_CONVERTIBLE', 'TABLES_DIFFER'];
/** Codes of what faults of the server end a run with, beside the transient ones. */
const ENDED_BY_FAULTS: readonly ErrorCode[] = ['STREAM_BROKEN', 'CUTOVER_NOT_LOCKED', 'UNSETTLED'];
/** Steps after which a seed counts as stuck. */
const STEPS_MAX = 40_000;
/** Runs of the tool that may end by themselves because of faults before that counts as stuck. */
const RUNS_MAX = 40;

export async function runSeed(seed: number, options: SeedOptions): Promise<SeedResult> {
  const scenario = scenarioOf(seed, options.bias);
  const simulation =
    scenario.tables > 1 ? new FamilySimulation(scenario, options.trace) : new Simulation(scenario, options.trace);
  let ending: SeedResult['ending'] = null;
  let failure: string | null = null;
  try {
    ending = await simulation.run();
  } catch (error) {
    if (error instanceof Violation) failure = error.message;
    else if (error instanceof StuckError) failure = `stuck: ${error.message}; waiting for ${simulation.waitingFor}`;
    else if (error instanceof Error) failure = `stopped: ${error.stack ?? error.message}`;
    else throw error;
  }
  const { steps, digest, counts } = simulation.world;
  return { seed, ending, failure, steps, digest, counts };
}

type RunEnd =
  | { readonly kind: 'finished' }
  | { readonly kind: 'failed'; readonly error: MigrationError }
  | { readonly kind: 'crashed' };

class Simulation {
  readonly world: World;
  readonly #scenario: Scenario;
  readonly #server: Server;
  readonly #judge: Judge;
  readonly #order: KeyOrder;
  readonly #writers: Writers;
  readonly #plan: Plan;
  readonly #chance: Chance;
  #process: SimulatedProcess | null = null;
  /** Processes that lost the claim to a successor and have not found out yet. */
  readonly #latecomers: (() => RunEnd | null)[] = [];
  #runs = 0;
  #hasDuplicates = false;
  #phase: Phase | null = null;
  /** How the run is to be ended, unless it ends before. */
  #planned: Ending | undefined;
  #endAt = Number.POSITIVE_INFINITY;
  /** Up to here the log was written when the run had its last long wait before it. */
  #loggedBefore = 0;

  constructor(scenario: Scenario, trace: SeedOptions['trace']) {
    this.#scenario = scenario;
    this.#chance = new Chance(scenario.seed, 'runs');
    this.world = new World(trace);
    const places = Array.from({ length: scenario.keysMax }, (_, key) => key);
    this.#order = new KeyOrder(scenario.isOrderKnown ? places : shuffled(places, this.#chance));
    this.#judge = new Judge(this.#order);
    const rows = rowsAtStart(scenario, this.#chance);
    const source = new SourceTable(this.world, rows, scenario.isVisibilityOrdered);
    this.#server = new Server({ world: this.world, scenario, source, judge: this.#judge });
    this.#judge.watch(this.#server);
    if (scenario.hasStubbornRow) this.#judge.spoil(STUBBORN_KEY);
    this.#writers = new Writers(this.#server);
    this.#plan = simulatedPlan(this.#server, {
      table: { schema: 'app', table: 'orders' },
      clauses: 'ENGINE=simulated',
      options: { deferIndexes: 'never', key: null },
    });
    source.listen(() => this.#lookForDuplicates());
    this.#lookForDuplicates();
    this.world.after(scenario.faultsUntilMs, 'faults are over', () => {
      this.#server.hasFaults = false;
    });
  }

  get waitingFor(): string {
    const names = [...(this.#process?.openCalls ?? [])].map((call) => call.name);
    return names.length > 0 ? names.join('; ') : 'nothing outside the engine';
  }

  async run(): Promise<SeedResult['ending']> {
    const ending = await this.#migrate();
    await this.#until(() => this.#latecomers.every((end) => end() !== null));
    return ending;
  }

  async #migrate(): Promise<SeedResult['ending']> {
    this.#writers.start();
    // Something is already logged, and not visible, when the first process comes.
    let isOver = false;
    this.world.after(this.#chance.delay(this.#scenario.writerPauseMs), 'operator', () => {
      isOver = true;
    });
    await this.#until(() => isOver);
    for (;;) {
      const end = await this.#runOnce();
      // What is done can't be resumed, although the run that did it died right then.
      if (end.kind !== 'finished' && this.#server.record?.state === 'done') return this.#finished();
      if (this.#runs > RUNS_MAX) throw new StuckError(`no end after ${RUNS_MAX} runs`);
      if (end.kind === 'finished') return this.#finished();
      if (end.kind === 'failed') {
        const ending = this.#judgeFailure(end.error);
        if (ending !== null) return ending;
      }
      await this.#rest();
    }
  }

  #finished(): SeedResult['ending'] {
    if (!this.#server.hasSwapped) this.#judge.violate('a run finished without a swap', '');
    if (this.#server.record?.state !== 'done') this.#judge.violate('a finished migration was not recorded as done', '');
    this.#throwViolation();
    return 'swapped';
  }

  /** One process from its claim to its end. */
  async #runOnce(): Promise<RunEnd> {
    const run = this.#runs++;
    const process = new SimulatedProcess(this.#server.processes.length);
    this.#process = process;
    const stop = new AbortController();
    const hadFaults = this.#server.hasFaults;
    let end: RunEnd | null = null;
    const settled = this.#startProcess(process, stop.signal).then(
      () => {
        end ??= { kind: 'finished' };
      },
      (error: unknown) => {
        end ??= { kind: 'failed', error: asMigrationError(error) };
      },
    );
    const planned = this.#scenario.endings[run];
    this.#planned = planned;
    this.#endAt = Number.POSITIVE_INFINITY;
    if (planned?.phase === null) this.#countDown(planned);
    await this.#until(() => end !== null || this.world.steps >= this.#endAt);
    if (end === null && planned !== undefined) {
      this.world.count(planned.kind);
      this.world.note(() => `p${process.number} ${planned.kind}`);
      if (planned.kind === 'crash' || (planned.kind === 'taken over' && !process.hasClaim)) {
        process.isAlive = false;
        this.#server.orphan(process);
        return { kind: 'crashed' };
      }
      if (planned.kind === 'taken over') {
        // The session with the claim is gone, and the process goes on until its successor ends its other sessions.
        this.#server.holder = null;
        this.#latecomers.push(() => end);
        settled
          .then(() => this.#judgeLatecomer(process, end))
          .catch((error: unknown) => this.#judge.violate('unexpected', String(error)));
        return { kind: 'crashed' };
      }
      if (planned.kind === 'claim lost') process.loseClaim();
      else stop.abort(new MigrationError('INTERRUPTED', 'The run was ended by a signal.'));
      await this.#until(() => end !== null);
    }
    await settled;
    this.#checkQuiet(process);
    this.#throwViolation();
    const ended = end as RunEnd | null;
    if (ended === null) throw new Error('a run ended and did not say how');
    if (ended.kind === 'failed') this.#checkReason(ended.error, hadFaults, planned);
    return ended;
  }

  #judgeLatecomer(process: SimulatedProcess, end: RunEnd | null): void {
    this.#checkQuiet(process);
    if (end?.kind !== 'failed') return;
    const { code, isTransient, message } = end.error;
    this.world.count(`taken over, ended: ${code}`);
    const isOwnReason = isTransient || ENDED_BY_FAULTS.includes(code) || JUDGED.includes(code);
    if (code !== 'CLAIM_LOST' && !isOwnReason) {
      this.#judge.violate('a run that was taken over ended for another reason', `${code} ${message}`);
    }
  }

  async #startProcess(process: SimulatedProcess, signal: AbortSignal): Promise<void> {
    const database = new SimulatedDatabase(this.#server, process, this.#order);
    const clock = new VirtualClock(this.world, process, new Chance(this.#scenario.seed, `clock ${process.number}`));
    const purpose = this.#server.record === null ? 'start' : 'resume';
    await using claim = await database.claim(this.#plan, purpose, signal);
    const controls = new Controls(engineOptions(this.#scenario));
    const operator = new Operator({
      ...{ world: this.world, scenario: this.#scenario, process, controls },
      chance: new Chance(this.#scenario.seed, `operator ${process.number}`),
      violate: (rule) => this.#judge.violate(rule, ''),
    });
    if (this.#scenario.isSteered) operator.start();
    const told: string[] = [];
    const observer = (event: MigrationEvent): void => {
      this.#observe(process, event);
      if (event.kind === 'phase-entered' || event.kind === 'finished') told.push('phase' in event ? event.phase : event.kind);
      if (this.#scenario.isSteered) operator.observe(event);
      if (event.kind === 'phase-entered' && process === this.#process) this.#verifyAgain(event.phase, controls);
      if (event.kind === 'resumed' && process === this.#process) this.#verifyAfterResume(event.phase, controls);
    };
    try {
      await runMigration({ plan: this.#plan, claim, clock, controls, signals: [], observer }, signal);
      const isAwaited = told.every((phase, place) => phase !== 'cutover' || place === 0 || told[place - 1] === 'await-cutover');
      if (told.slice(-3).join(' ') !== 'clean-up done finished' || !isAwaited)
        this.#judge.violate('a run that finished did not say how it came there', told.join(' '));
    } finally {
      if (claim.streams.some((stream) => !stream.isClosed)) this.#judge.violate('a stream was left open', '');
    }
  }

  #observe(process: SimulatedProcess, event: MigrationEvent): void {
    if (event.kind !== 'progress') this.world.note(() => `p${process.number} says ${JSON.stringify(event)}`);
    switch (event.kind) {
      case 'changes-applied':
        if (event.rowsInTheWay > 0) this.world.count('rows in the way');
        break;
      case 'chunk-copied':
        this.world.count(event.isCollided ? 'chunks handed over' : 'chunks copied');
        break;
      case 'difference-found':
        this.world.count('differences found');
        this.#judge.differencesReported(event.keys.map((key) => keyNumber(key.replace('id = ', '') as never)));
        break;
      case 'range-verified':
        if (this.#phase === 'finish-shadow') this.world.count('ranges compared while the shadow was finished');
        break;
      case 'blocker-ended':
        if (event.attempt <= engineOptions(this.#scenario).cutover.killBlockersAfter)
          this.#judge.violate('somebody in the way was ended in an attempt that only shows who is', '');
        break;
      case 'retrying':
        this.world.count('retries');
        break;
      case 'phase-entered':
        if (process === this.#process) this.#notePhase(event.phase);
        break;
      case 'resumed':
        this.#phase = event.phase;
        this.#loggedBefore = this.#server.source.log.length;
        break;
      case 'cutover-attempt':
        if (process === this.#process) this.#checkReleased();
        break;
      default:
    }
  }

  #notePhase(phase: Phase): void {
    const { counts } = this.world;
    this.#phase = phase;
    if (phase === 'catch-up') this.#loggedBefore = this.#server.source.log.length;
    if (phase === 'finish-shadow') {
      // Rows may be compared from here on.
      if (!this.#scenario.verifiesAgain) this.#spoilRow();
      counts['transactions before copying ended'] ??= counts['transactions'] ?? 0;
    }
    if (this.#planned?.phase === phase && this.#endAt === Number.POSITIVE_INFINITY) this.#countDown(this.#planned);
  }

  /** The backlog was small, and that an attempt comes was saved: so the server may forget what was logged long before. */
  #checkReleased(): void {
    const { acknowledged, scenario } = this.#server;
    if (acknowledged < this.#loggedBefore && !scenario.hasXa)
      this.#judge.violate('the log was not released', `up to ${acknowledged}, not up to ${this.#loggedBefore}`);
  }

  #countDown({ afterSteps }: Ending): void {
    this.#endAt = this.world.steps + afterSteps;
  }

  /** At most once in each run of the tool. That it was asked for is durable when the phase is entered. */
  #verifyAgain(phase: Phase, controls: Controls): void {
    if (!this.#scenario.verifiesAgain) return;
    const isAsked = controls.verificationsAsked > 0;
    if (phase === 'verify' && isAsked) {
      this.world.count('verified again');
      if (this.#server.record?.checkpoint?.verification.isClean === true)
        this.#judge.violate('a resume would not compare what was to be compared once more', '');
      this.#spoilRow();
    } else if (phase === 'await-cutover' && !isAsked) controls.verifyAgain('operator');
  }

  /** Of what a predecessor compared nothing counts then. Whoever dies before that is durable is followed by one that asks, too. */
  #verifyAfterResume(phase: Phase, controls: Controls): void {
    if (!this.#scenario.verifiesAgain || phase !== 'verify') return;
    controls.verifyAgain('operator');
    this.#spoilRow();
  }

  /** Plants the row that verification must find. */
  #spoilRow(): void {
    const { plantedRow, keysMax } = this.#scenario;
    const shadow = this.#server.shadow;
    if (plantedRow === 'none' || shadow === null || this.world.counts['rows spoilt'] !== undefined) return;
    const row = this.#chance.some([...shadow.values()]);
    const free = Array.from({ length: keysMax }, (_, key) => key).find(
      (key) => this.#server.rowsWith(key, shadow).length === 0 && !this.#server.source.truth.has(key),
    );
    if (plantedRow === 'invented' && free !== undefined) {
      this.#judge.spoil(free);
      const invented: Row = { key: free, spelling: 0, u: 900, u2: 900, v: 0, version: this.#server.source.log.length };
      shadow.set(this.#server.placeOf(invented), invented);
    } else if (row !== undefined && plantedRow !== 'invented') {
      this.#judge.spoil(row.key);
      const altered = { ...row, v: row.v + 7 };
      shadow.delete(this.#server.placeOf(row));
      if (plantedRow === 'altered') shadow.set(this.#server.placeOf(altered), altered);
    } else {
      return;
    }
    this.world.count('rows spoilt');
    this.world.note(() => `a row of the shadow is ${plantedRow}`);
  }

  #lookForDuplicates(): void {
    if (!this.#scenario.hasAddedUnique || this.#hasDuplicates) return;
    const values = [...this.#server.source.visible.values()].map((row) => row.u2);
    this.#hasDuplicates = new Set(values).size < values.length;
  }

  /** An error must have a reason, and some mean the end. */
  #judgeFailure(error: MigrationError): SeedResult['ending'] {
    switch (error.code) {
      case 'DUPLICATE_KEY':
        this.world.count('stopped for duplicates');
        if (!this.#hasDuplicates) this.#judge.violate('stopped for duplicates that were never there', error.message);
        this.#throwViolation();
        if (this.#chance.hits(0.5)) return 'duplicate found';
        this.#writers.correctRows();
        return null;
      case 'ROW_NOT_CONVERTIBLE':
        if (!this.#scenario.hasBadRows) this.#judge.violate('stopped for a row that fits', error.message);
        this.#throwViolation();
        this.#writers.correctRows();
        return null;
      case 'TABLES_DIFFER':
        if (!this.#scenario.hasStubbornRow)
          this.#judge.violate('stopped for a difference that can be repaired, or is none', error.message);
        this.#throwViolation();
        return 'difference reported';
      default:
        return null;
    }
  }

  /** Runs may end by themselves only for what happened to them. */
  #checkReason(error: MigrationError, hadFaults: boolean, planned: Ending | undefined): void {
    this.world.count(`ended: ${error.code}`);
    const isPlanned =
      (error.code === 'CLAIM_LOST' && planned?.kind === 'claim lost') ||
      (error.code === 'INTERRUPTED' && planned?.kind === 'interrupt');
    const isFault = hadFaults && (error.isTransient || ENDED_BY_FAULTS.includes(error.code));
    const isJudged = JUDGED.includes(error.code);
    const isDone = error.code === 'MIGRATION_NOT_FOUND' && this.#server.record?.state === 'done';
    if (!isPlanned && !isFault && !isJudged && !isDone) {
      this.#judge.violate('a run ended without a reason', `${error.code} ${error.message} ${error.stack ?? ''}`);
      this.#throwViolation();
    }
  }

  /** Nothing of an ended run may still be on its way. */
  #checkQuiet(process: SimulatedProcess): void {
    const names = [...process.openCalls].map((call) => call.name);
    if (names.length > 0) this.#judge.violate('a run ended and left calls open', names.join('; '));
    process.isAlive = false;
  }

  async #rest(): Promise<void> {
    let isOver = false;
    this.world.after(this.#chance.delay(this.#scenario.hangMs), 'operator resumes', () => {
      isOver = true;
    });
    await this.#until(() => isOver);
  }

  async #until(isOver: () => boolean): Promise<void> {
    await this.world.runUntil(() => this.#judge.violation !== null || isOver(), STEPS_MAX);
    this.#throwViolation();
  }

  #throwViolation(): void {
    if (this.#judge.violation !== null) throw this.#judge.violation;
  }
}
