/** The operator of a run: holds, asks and changes the pace at any moment, and lets go of all that he holds. */

import type { ChangeableOptions, Controls } from '../../src/engine/controls.ts';
import type { MigrationEvent } from '../../src/engine/events.ts';
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

/** He also judges that he is heard: what he held or asked for before an attempt of the swap begins is in force at that attempt. */
export class Operator {
  readonly #parts: OperatorParts;
  #deeds = 0;
  #isHolding = false;
  #isHoldTold = false;
  #isAwaitingComparison = false;

  constructor(parts: OperatorParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#soon(this.#parts.scenario.writerPauseMs * 4);
  }

  /** To be told of every event. */
  observe(event: MigrationEvent): void {
    switch (event.kind) {
      case 'resumed':
      case 'phase-entered':
        if (event.phase === 'verify') this.#isAwaitingComparison = false;
        if (event.phase === 'await-cutover') this.#soonAgain();
        return;
      case 'cutover-held':
        if (event.by === NAME) this.#isHoldTold = true;
        return;
      case 'cutover-awaited':
        if (event.by === NAME && !this.#isHoldTold) this.#parts.violate('a hold of the swap was not told');
        return;
      case 'cutover-released':
        this.#soonAgain();
        return;
      case 'cutover-attempt':
        if (this.#isHolding) this.#parts.violate('an attempt of the swap began although it was held');
        if (this.#isAwaitingComparison)
          this.#parts.violate('an attempt of the swap began before what was asked for was compared');
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
        this.#isHolding = true;
        controls.holdCutover(NAME, 'not now');
        this.#later(() => {
          this.#isHolding = false;
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
        this.#isAwaitingComparison = true;
        controls.verifyAgain(NAME);
        break;
      case 'change':
        controls.change(this.#someChange(), NAME);
        break;
    }
    this.#soon(scenario.writerPauseMs * 10);
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
