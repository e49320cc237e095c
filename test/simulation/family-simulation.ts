/** A family of tables on one simulated server, each with writers, faults and a judge of its own; one process migrates all. */

import { Controls } from '../../src/engine/controls.ts';
import { asMigrationError, type ErrorCode, MigrationError } from '../../src/engine/errors.ts';
import type { MigrationEvent } from '../../src/engine/events.ts';
import { runFamily } from '../../src/engine/family-run.ts';
import type { MigrationId, Phase } from '../../src/engine/model.ts';
import { Chance } from './chance.ts';
import { simulatedPlan } from './database.ts';
import { engineOptions } from './engine-options.ts';
import { claimFamily, type FamilyTable } from './family-claim.ts';
import { Judge } from './judge.ts';
import { Operator } from './operator.ts';
import { SimulatedProcess } from './process.ts';
import { KeyOrder } from './rows.ts';
import type { Ending, Scenario } from './scenario.ts';
import { Server } from './server.ts';
import { SourceTable } from './source-table.ts';
import { StuckError, VirtualClock, World } from './world.ts';
import { rowsAtStart, shuffled, Writers } from './writers.ts';

/** What faults of the server end a run with, beside the transient codes. */
const ENDED_BY_FAULTS: readonly ErrorCode[] = ['STREAM_BROKEN', 'CUTOVER_NOT_LOCKED', 'UNSETTLED'];
const STEPS_MAX = 80_000;
const RUNS_MAX = 40;

interface Table extends FamilyTable {
  readonly judge: Judge;
  readonly writers: Writers;
}

export class FamilySimulation {
  readonly world: World;
  readonly #scenario: Scenario;
  readonly #tables: readonly Table[];
  readonly #chance: Chance;
  #process: SimulatedProcess | null = null;
  /** What the process claims. */
  #claimed: readonly Table[] = [];
  #runs = 0;
  /** How the run is to be ended, unless it ends before. */
  #planned: Ending | undefined;
  #endAt = Number.POSITIVE_INFINITY;

  /** Rows are good, and none is spoilt: what ends a single migration is for seeds of one table. */
  constructor(scenario: Scenario, trace: ((line: string) => void) | null) {
    const good = { hasAddedUnique: false, hasDuplicates: false, hasBadRows: false, plantedRow: 'none' } as const;
    this.#scenario = { ...scenario, ...good };
    this.#chance = new Chance(scenario.seed, 'runs');
    this.world = new World(trace);
    const places = Array.from({ length: scenario.tables }, (_, place) => place);
    this.#tables = places.map((place) => this.#makeTable(place));
    this.world.after(scenario.faultsUntilMs, 'faults are over', () => {
      for (const { server } of this.#tables) server.hasFaults = false;
    });
  }

  get waitingFor(): string {
    const names = [...(this.#process?.openCalls ?? [])].map((call) => call.name);
    return names.length > 0 ? names.join('; ') : 'nothing outside the engine';
  }

  async run(): Promise<'swapped'> {
    for (const { writers } of this.#tables) writers.start();
    // What a run that died had still sent may be done only now.
    for (await this.#rest(); this.#open.length > 0; await this.#rest()) {
      if (this.#runs > RUNS_MAX) throw new StuckError(`no end after ${RUNS_MAX} runs`);
      await this.#runOnce();
      const swapped = this.#tables.filter(({ server }) => server.hasSwapped);
      if (swapped.length > 0 && swapped.length < this.#tables.length)
        this.#violate('some tables were swapped without the others');
    }
    if (this.#tables.some(({ server }) => !server.hasSwapped)) this.#violate('a run finished without a swap');
    this.#throwViolation();
    return 'swapped';
  }

  /** Those that are to be run. */
  get #open(): readonly Table[] {
    return this.#tables.filter(({ server }) => server.record?.state !== 'done');
  }

  /** One process from its claim to its end. */
  async #runOnce(): Promise<void> {
    const run = this.#runs++;
    const process = new SimulatedProcess(run);
    this.#process = process;
    const stop = new AbortController();
    const hadFaults = this.#hasFaults;
    let end: { readonly error: MigrationError | null } | null = null;
    const settled = this.#startProcess(process, stop.signal).then(
      () => {
        end = { error: null };
      },
      (error: unknown) => {
        end = { error: asMigrationError(error) };
      },
    );
    const planned = this.#scenario.endings[run];
    this.#planned = planned;
    this.#endAt = Number.POSITIVE_INFINITY;
    if (planned?.phase === null) this.#countDown(planned);
    await this.#until(() => end !== null || this.world.steps >= this.#endAt);
    if (end === null && planned !== undefined) {
      this.world.count(planned.kind);
      if (planned.kind === 'crash' || planned.kind === 'taken over') {
        process.isAlive = false;
        for (const { server } of this.#tables) server.orphan(process);
        return;
      }
      if (planned.kind === 'claim lost') process.loseClaim();
      else stop.abort(new MigrationError('INTERRUPTED', 'The run was ended by a signal.'));
      await this.#until(() => end !== null);
    }
    await settled;
    const names = [...process.openCalls].map((call) => call.name);
    if (names.length > 0) this.#violate(`a run ended and left calls open: ${names.join('; ')}`);
    process.isAlive = false;
    const ended = end as { readonly error: MigrationError | null } | null;
    if (ended?.error !== null && ended?.error !== undefined) this.#checkReason(ended.error, hadFaults, planned);
    this.#throwViolation();
  }

  async #startProcess(process: SimulatedProcess, signal: AbortSignal): Promise<void> {
    const tables = this.#open;
    const clock = new VirtualClock(this.world, process, new Chance(this.#scenario.seed, `clock ${process.number}`));
    this.#claimed = tables;
    await using claim = await claimFamily(tables, process, signal);
    const controls = new Controls(engineOptions(this.#scenario));
    controls.holdCutover('operator', 'not yet');
    const operator = new Operator({
      ...{ world: this.world, scenario: this.#scenario, process, controls },
      chance: new Chance(this.#scenario.seed, `operator ${process.number}`),
      violate: (rule) => this.#violate(rule),
    });
    if (this.#scenario.isSteered) operator.start();
    const told: Record<string, number> = {};
    const release = (): void => controls.releaseCutover('operator');
    const runs = claim.members.map((member, place) => {
      const table = tables[place];
      if (table === undefined) throw new Error('a claim has a table');
      return {
        ...{ plan: table.plan, claim: member, clock, controls, signals: [] },
        observer: (event: MigrationEvent) => {
          if (event.kind !== 'progress')
            this.world.note(() => `p${process.number} ${table.plan.id} says ${JSON.stringify(event)}`);
          if (this.#scenario.isSteered) operator.observe(event);
          if (event.kind === 'phase-entered' && process === this.#process) this.#notePhase(event.phase);
          if (!('by' in event) || event.by === 'operator') told[event.kind] = (told[event.kind] ?? 0) + 1;
          const isAsking = this.#scenario.verifiesAgain && controls.verificationsAsked === 0;
          if (isAsking && event.kind === 'phase-entered' && event.phase === 'await-cutover') controls.verifyAgain('operator');
          if (event.kind === 'cutover-awaited') this.world.reach(process, this.#scenario.hangMs, 'operator releases', release);
        },
      };
    });
    try {
      const results = await runFamily(runs, claim, signal);
      if (results.map(({ id }) => id).join() !== tables.map(({ plan }) => plan.id).join())
        this.#violate('the results of a family are not those of its members in their order');
    } finally {
      if (claim.members.some(({ streams }) => streams.some((stream) => !stream.isClosed)))
        this.#violate('a stream was left open');
      const releases = told['cutover-awaited'] === undefined ? 0 : 1;
      if (told['cutover-held'] !== 1 || (told['cutover-released'] ?? 0) > releases)
        this.#violate('an event of the controls was not told once');
    }
  }

  #notePhase(phase: Phase): void {
    if (this.#planned?.phase === phase && this.#endAt === Number.POSITIVE_INFINITY) this.#countDown(this.#planned);
  }

  #countDown({ afterSteps }: Ending): void {
    this.#endAt = this.world.steps + afterSteps;
  }

  /** Runs may end by themselves only for what happened to them. */
  #checkReason({ code, isTransient, message, stack }: MigrationError, hadFaults: boolean, planned: Ending | undefined): void {
    this.world.count(`ended: ${code}`);
    const isPlanned =
      (code === 'CLAIM_LOST' && planned?.kind === 'claim lost') || (code === 'INTERRUPTED' && planned?.kind === 'interrupt');
    const isFault = hadFaults && (isTransient || ENDED_BY_FAULTS.includes(code));
    // What a process that died had still sent may conclude one of them between the look at what is open and the claim.
    const isConcluded = code === 'MIGRATION_NOT_FOUND' && this.#claimed.some(({ server }) => server.record?.state === 'done');
    if (!isPlanned && !isFault && !isConcluded)
      this.#violate(`a run ended without a reason: ${code} ${message} ${stack ?? ''}`);
  }

  #makeTable(place: number): Table {
    const scenario = { ...this.#scenario, seed: this.#scenario.seed + place * 10_000_000 };
    const chance = new Chance(scenario.seed, 'table');
    const keys = Array.from({ length: scenario.keysMax }, (_, key) => key);
    const order = new KeyOrder(scenario.isOrderKnown ? keys : shuffled(keys, chance));
    const judge = new Judge(order);
    const source = new SourceTable(this.world, rowsAtStart(scenario, chance), scenario.isVisibilityOrdered);
    const server = new Server({ world: this.world, scenario, source, judge });
    judge.watch(server);
    return { server, judge, order, writers: new Writers(server), plan: familyPlan(server, place) };
  }

  get #hasFaults(): boolean {
    return this.#tables.some(({ server }) => server.hasFaults);
  }

  async #rest(): Promise<void> {
    let isOver = false;
    this.world.after(this.#chance.delay(this.#scenario.hangMs), 'operator', () => {
      isOver = true;
    });
    await this.#until(() => isOver);
  }

  async #until(isOver: () => boolean): Promise<void> {
    await this.world.runUntil(() => this.#violation !== null || isOver(), STEPS_MAX);
    this.#throwViolation();
  }

  get #violation(): Judge['violation'] {
    return this.#tables.map(({ judge }) => judge.violation).find((violation) => violation !== null) ?? null;
  }

  #violate(rule: string): void {
    this.#tables[0]?.judge.violate(rule, '');
  }

  #throwViolation(): void {
    if (this.#violation !== null) throw this.#violation;
  }
}

function familyPlan(server: Server, place: number): FamilyTable['plan'] {
  const options = { deferIndexes: 'never', key: null } as const;
  const planOf = (member: number): FamilyTable['plan'] => ({
    ...simulatedPlan(server, { table: { schema: 'app', table: `table${member}` }, clauses: 'ENGINE=simulated', options }),
    id: `simulated${member}` as MigrationId,
  });
  const members = Array.from({ length: server.scenario.tables }, (_, member) => planOf(member));
  return { ...planOf(place), family: { id: 'simulated0' as MigrationId, members } };
}
