/** The operator of a run: holds, asks and changes the pace at any moment, and lets go of all that he holds. */

import type { ChangeableOptions, Controls } from '../../src/engine/controls.ts';
import type { MigrationEvent } from '../../src/engine/events.ts';
import type { Phase } from '../../src/engine/model.ts';
import type { Chance } from './chance.ts';
import type { SimulatedProcess } from './process.ts';
import type { Scenario } from './scenario.ts';
import type { World } from './world.ts';

const NAME = 'steerer';
/** After so many deeds he leaves the run alone. */
const DEEDS_MAX = 12;

interface OperatorParts {
  readonly world: World;
  readonly scenario: Scenario;
  readonly process: SimulatedProcess;
  readonly controls: Controls;
  readonly chance: Chance;
  readonly violate: (rule: string) => void;
}

/** What one table of the run has told. */
interface Told {
  phase: Phase | null;
  /** Whether saving goes on after a failure, with no statement of it under way. */
  isSavingAgain: boolean;
}

/**
 * He also judges that he is heard: what he held or asked for before the attempt of a swap was announced is in force at that attempt.
 * It is announced by a checkpoint, so what he did while one was being saved may have come too late.
 */
export class Operator {
  readonly #parts: OperatorParts;
  readonly #tables = new Map<string, Told>();
  #deeds = 0;
  #isHeldInTime = false;
  #isAskedInTime = false;

  constructor(parts: OperatorParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#soon(this.#parts.scenario.writerPauseMs * 4);
  }

  /** To be told of every event. `table`: whose it is. */
  observe(event: MigrationEvent, table: string): void {
    const told = this.#tables.get(table) ?? { phase: null, isSavingAgain: false };
    this.#tables.set(table, told);
    switch (event.kind) {
      case 'retrying':
        if (event.what === 'saving a checkpoint' || event.what === 'acknowledging') told.isSavingAgain = true;
        return;
      case 'checkpoint-saved':
        told.isSavingAgain = false;
        return;
      case 'resumed':
      case 'phase-entered':
        told.phase = event.phase;
        if (event.phase === 'verify') this.#isAskedInTime = false;
        if (event.phase === 'await-cutover') this.#soonAgain();
        return;
      case 'cutover-released':
        this.#soonAgain();
        return;
      case 'cutover-attempt':
        if (this.#isHeldInTime) this.#parts.violate('an attempt of the swap began although it was held');
        if (this.#isAskedInTime) this.#parts.violate('an attempt of the swap began before what was asked for was compared');
        return;
      default:
    }
  }

  /** The wait for the backlog is short; he comes into it. */
  #soonAgain(): void {
    this.#soon(this.#parts.scenario.statementMs * 4);
  }

  #soon(meanMs: number): void {
    const { world, process, chance } = this.#parts;
    world.reach(process, chance.delay(meanMs), 'operator steers', () => this.#act());
  }

  #act(): void {
    const { scenario, controls, chance, world } = this.#parts;
    if (this.#deeds >= DEEDS_MAX || world.now > scenario.writersUntilMs) return;
    this.#deeds += 1;
    const deed = chance.pick(['hold', 'hold', 'pause', 'verify', 'change'] as const);
    world.count(`operator: ${deed}`);
    switch (deed) {
      case 'hold':
        this.#isHeldInTime ||= this.#isInTime;
        controls.holdCutover(NAME, 'not now');
        this.#later(() => {
          this.#isHeldInTime = false;
          controls.releaseCutover(NAME);
        });
        break;
      case 'pause':
        controls.pause(NAME, 'lunch');
        this.#later(() => controls.unpause(NAME));
        break;
      case 'verify':
        // Where the scenario asks by itself a row is spoilt then, which an earlier comparison would not see.
        if (scenario.verifiesAgain || controls.verificationsAsked > 2) break;
        this.#isAskedInTime ||= this.#isInTime;
        controls.verifyAgain(NAME);
        break;
      case 'change':
        controls.change(this.#someChange(), NAME);
        break;
    }
    this.#soon(scenario.writerPauseMs * 10);
  }

  /** No table saves, so none has announced the attempt that comes next. */
  get #isInTime(): boolean {
    const isSaving = [...this.#parts.process.openCalls].some(({ name }) => /^(save|acknowledge) /.test(name));
    return !isSaving && [...this.#tables.values()].every(({ phase, isSavingAgain }) => phase !== 'cutover' && !isSavingAgain);
  }

  #later(letGo: () => void): void {
    const { world, process, scenario, chance } = this.#parts;
    world.reach(process, chance.delay(scenario.hangMs), 'operator lets go', letGo);
  }

  #someChange(): Partial<ChangeableOptions> {
    const { chance, controls } = this.#parts;
    return chance.pick<Partial<ChangeableOptions>>([
      { copyWorkers: chance.between(1, 4) },
      { applyWorkers: chance.between(1, 4) },
      { chunkRowsMax: chance.between(1, 6) },
      { flushIntervalMs: chance.between(1, 60) },
      { checkpointIntervalMs: chance.between(20, 200) },
      { cutover: { ...controls.options.cutover, holdTimeoutMs: chance.between(200, 1000) } },
    ]);
  }
}
