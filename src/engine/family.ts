/** Several migrations that are swapped together: where they meet, who works hard now, and the one swap of all. */

import { MigrationError } from './errors.ts';
import type { Plan } from './model.ts';
import type { Cutover, CutoverOptions, CutoverOutcome, Drain, FamilyClaim } from './ports.ts';
import { Condition, followSignal, Turnstile } from './tasks.ts';

/** Where members wait for each other: ready for the cutover; about to announce an attempt; to make it; swapped, with no stream open. */
export type MeetingPlace = 'cutover' | 'attempt' | 'announced' | 'settlement';

/** What a migration has from its family. */
export interface Seat {
  /** In place of `Cutover.attempt`: waits for the drains of all. A signal that aborts meanwhile ends the whole family. */
  attempt: Cutover['attempt'];
  /**
   * Resolves when all members have come to this place, with whether all of them are ready there: for all the same, as of the moment
   * in which the last has come. Rejects with SWAP_UNKNOWN when all have come somewhere and not to the same place: some have swapped,
   * others have not.
   */
  meet(place: MeetingPlace, signal: AbortSignal, isReady?: () => boolean): Promise<boolean>;
  /** Heavy work, of one member at a time. */
  inTurn<Result>(work: () => Promise<Result>, signal: AbortSignal): Promise<Result>;
  /** The tables that this member waits for now, as `schema.table`. */
  readonly waitingFor: readonly string[];
}

/** Seats for the plans, in their order. `end` aborts when one of them must end all. */
export function seatFamily(plans: readonly Plan[], claim: Pick<FamilyClaim, 'attempt'>, end: AbortController): readonly Seat[] {
  const rendezvous = new Rendezvous(plans);
  const turns = new Turns();
  const cutover = new JointCutover(plans.length, claim, end);
  return plans.map((_, member) => ({
    attempt: (options, drain, signal) => cutover.attempt(member, { options, drain }, signal),
    meet: (place, signal, isReady) => rendezvous.meet(member, { place, isReady }, signal),
    inTurn: (work, signal) => turns.take(member, work, signal),
    get waitingFor() {
      const awaited = [turns, rendezvous, cutover].flatMap((wait) => wait.awaitedBy(member));
      return plans.filter((_, place) => awaited.includes(place)).map(({ source }) => `${source.schema}.${source.table}`);
    },
  }));
}

/** Members whom another waits for, by their places. */
interface Wait {
  awaitedBy(member: number): readonly number[];
}

/** All but those who have come, for one who has. */
function absent(member: number, present: { has(member: number): boolean }, members: number): readonly number[] {
  if (!present.has(member)) return [];
  return Array.from({ length: members }, (_, place) => place).filter((place) => !present.has(place));
}

/** One after another, in the order of asking. */
class Turns implements Wait {
  readonly #turnstile = new Turnstile();
  /** The first has its turn. */
  readonly #queue: number[] = [];

  async take<Result>(member: number, work: () => Promise<Result>, signal: AbortSignal): Promise<Result> {
    this.#queue.push(member);
    try {
      return await this.#turnstile.run(work, signal);
    } finally {
      this.#queue.splice(this.#queue.indexOf(member), 1);
    }
  }

  awaitedBy(member: number): readonly number[] {
    return this.#queue.slice(0, Math.max(0, this.#queue.indexOf(member)));
  }
}

/** Where a member has come to. */
interface Coming {
  readonly place: MeetingPlace;
  readonly isReady: (() => boolean) | undefined;
}

interface Meeting {
  readonly come: Map<number, Coming>;
  readonly changed: Condition;
  /** Null until all have come. */
  areReady: boolean | null;
}

/** The members wait for each other, as often as they like. */
class Rendezvous implements Wait {
  readonly #plans: readonly Plan[];
  #next = newMeeting();

  constructor(plans: readonly Plan[]) {
    this.#plans = plans;
  }

  /** Whoever leaves a meeting leaves the family: nobody is crossed out, as the others are to end too. */
  async meet(member: number, coming: Coming, signal: AbortSignal): Promise<boolean> {
    signal.throwIfAborted();
    if (coming.place !== 'settlement' && !this.#isWhole) throw this.#tornError();
    const meeting = this.#next;
    meeting.come.set(member, coming);
    if (meeting.come.size === this.#plans.length) {
      this.#next = newMeeting();
      meeting.areReady = [...meeting.come.values()].every(({ isReady }) => isReady?.() ?? true);
      meeting.changed.notify();
    }
    while (meeting.areReady === null) await meeting.changed.changed(signal);
    if ([...meeting.come.values()].some(({ place }) => place !== coming.place)) throw this.#tornError();
    return meeting.areReady;
  }

  awaitedBy(member: number): readonly number[] {
    return absent(member, this.#next.come, this.#plans.length);
  }

  /** Members that are missing are done already, so that the others must have swapped too. */
  get #isWhole(): boolean {
    return this.#plans.every(({ family }) => family?.members.length === this.#plans.length);
  }

  #tornError(): MigrationError {
    const tables = this.#plans[0]?.family?.members.map(({ source }) => `${source.schema}.${source.table}`) ?? [];
    return new MigrationError(
      'SWAP_UNKNOWN',
      `Of ${tables.join(', ')}, which are only swapped together, some have swapped and others have not. Look at all of them, and at what is in the place of their shadows, before doing anything.`,
    );
  }
}

function newMeeting(): Meeting {
  return { come: new Map(), changed: new Condition(), areReady: null };
}

interface Brought {
  readonly options: CutoverOptions;
  readonly drain: Drain;
}

/** One attempt of all. */
interface Attempt {
  readonly brought: Map<number, Brought>;
  readonly begun: Condition;
  /** Null until all have come. */
  outcome: Promise<CutoverOutcome> | null;
}

/**
 * The last member to come begins the attempt, and all get its outcome. A member that aborts before that begins nothing; one that
 * aborts later waits for the end, so that no statement is left running. Either way all are aborted in the same tick: to whoever is
 * not, a rejected attempt says that nothing was swapped.
 */
class JointCutover implements Wait {
  readonly #members: number;
  readonly #claim: Pick<FamilyClaim, 'attempt'>;
  readonly #end: AbortController;
  #next = newAttempt();

  constructor(members: number, claim: Pick<FamilyClaim, 'attempt'>, end: AbortController) {
    this.#members = members;
    this.#claim = claim;
    this.#end = end;
  }

  async attempt(member: number, brought: Brought, signal: AbortSignal): Promise<CutoverOutcome> {
    const stopFollowing = followSignal(signal, this.#end);
    try {
      this.#end.signal.throwIfAborted();
      const attempt = this.#next;
      attempt.brought.set(member, brought);
      if (attempt.brought.size === this.#members) this.#begin(attempt);
      while (attempt.outcome === null) await attempt.begun.changed(signal);
      return await attempt.outcome;
    } finally {
      stopFollowing();
    }
  }

  awaitedBy(member: number): readonly number[] {
    return absent(member, this.#next.brought, this.#members);
  }

  #begin(attempt: Attempt): void {
    this.#next = newAttempt();
    const all = [...attempt.brought].toSorted(([a], [b]) => a - b).map(([, brought]) => brought);
    attempt.outcome = this.#claim.attempt(
      optionsOfAll(all.map(({ options }) => options)),
      all.map(({ drain }) => drain),
      this.#end.signal,
    );
    attempt.begun.notify();
  }
}

function newAttempt(): Attempt {
  return { brought: new Map(), begun: new Condition(), outcome: null };
}

/** They are read from the same controls; where an operator has just changed them, the more careful ones hold for all. */
function optionsOfAll(options: readonly CutoverOptions[]): CutoverOptions {
  const limits: CutoverOptions = {
    lockTimeoutMs: Math.min(...options.map(({ lockTimeoutMs }) => lockTimeoutMs)),
    holdTimeoutMs: Math.min(...options.map(({ holdTimeoutMs }) => holdTimeoutMs)),
    oldSnapshots: options.every(({ oldSnapshots }) => oldSnapshots === 'ignore') ? 'ignore' : 'wait',
  };
  if (options.some(({ onBlockerEnded }) => onBlockerEnded === undefined)) return limits;
  const onBlockerEnded = (blocker: string): void => {
    for (const one of options) one.onBlockerEnded?.(blocker);
  };
  return { ...limits, onBlockerEnded };
}
