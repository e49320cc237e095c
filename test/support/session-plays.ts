/** Sessions of an application that play what was drawn for them beside a run, each at the moments of the run that it waits for. */

/** A statement, or a wait for an event of the run, or its end. */
export type Step = { readonly sql: string } | { readonly until: Moment };

/** So many events of a kind; or one of those that come after all of these, for a run may have none of a kind. */
export interface Moment {
  readonly event: string;
  readonly count: number;
  readonly or?: readonly string[];
}

/** Begun when its moment has come, and repeated as a whole where the server ends it for the sake of another. */
export interface Play {
  readonly at: Moment;
  readonly steps: readonly Step[];
  /** What ends it before it is repeated, however far it has come: `ROLLBACK` unless given. */
  readonly undo?: readonly string[];
}

/** What one session does, one after the other. */
export type Plays = readonly Play[];

/** What an error says to an application. `refused`: of this statement, which can be told beforehand. */
export type ErrorMeaning = 'refused' | 'repeat' | 'while-swapping' | 'unexpected';

export interface PlayingSession extends AsyncDisposable {
  run(sql: string): Promise<unknown>;
  meaningOf(error: unknown): { readonly meaning: ErrorMeaning; readonly code: string };
}

/** The event that stands for the end of the run. */
const END = 'ended';
const swapBegins: readonly string[] = ['cutover-attempt', 'resumed'];
const swapEnds: readonly string[] = ['cutover-failed', 'finished', END];

/** How often events of a run have been seen, and who waits for them. */
export class Moments {
  readonly #seen = new Map<string, number>();
  #waiting: { readonly isThere: () => boolean; readonly resolve: () => void }[] = [];
  #isSwapping = false;

  see(event: string): void {
    this.#seen.set(event, (this.#seen.get(event) ?? 0) + 1);
    if (swapBegins.includes(event)) this.#isSwapping = true;
    if (swapEnds.includes(event)) this.#isSwapping = false;
    const come = this.#waiting.filter(({ isThere }) => isThere());
    this.#waiting = this.#waiting.filter((one) => !come.includes(one));
    for (const { resolve } of come) resolve();
  }

  end(): void {
    this.see(END);
  }

  /** The end of the run stands for each. */
  async of({ event, count, or = [] }: Moment): Promise<void> {
    await this.#until(() => (this.#seen.get(event) ?? 0) >= count || [...or, END].some((one) => this.#seen.has(one)));
  }

  /** From an attempt to what settles it. */
  get isSwapping(): boolean {
    return this.#isSwapping;
  }

  async ofRest(): Promise<void> {
    await this.#until(() => !this.#isSwapping);
  }

  async #until(isThere: () => boolean): Promise<void> {
    if (isThere()) return;
    await new Promise<void>((resolve) => this.#waiting.push({ isThere, resolve }));
  }
}

/** Codes of what was refused in each session, in their order; and what no application should have seen. */
export interface Played {
  readonly refused: readonly string[];
  readonly unexpected: readonly string[];
}

export async function play(plays: Plays, open: () => Promise<PlayingSession>, moments: Moments): Promise<Played> {
  await using session = await open();
  const refused: string[] = [];
  const unexpected: string[] = [];
  for (const one of plays) {
    await moments.of(one.at);
    for (;;) {
      const outcome = await playOnce(one, session, moments);
      if (outcome === 'repeat') continue;
      refused.push(...outcome.refused);
      unexpected.push(...outcome.unexpected);
      break;
    }
  }
  return { refused, unexpected };
}

async function playOnce(
  { steps, undo = ['ROLLBACK'] }: Play,
  session: PlayingSession,
  moments: Moments,
): Promise<Played | 'repeat'> {
  const refused: string[] = [];
  const unexpected: string[] = [];
  for (const step of steps) {
    if ('until' in step) {
      await moments.of(step.until);
      continue;
    }
    let { isSwapping } = moments;
    try {
      await session.run(step.sql);
    } catch (error) {
      const { meaning, code } = session.meaningOf(error);
      isSwapping ||= moments.isSwapping;
      const isDoubtful = meaning === 'while-swapping' && isSwapping;
      if (meaning === 'repeat' || isDoubtful) {
        for (const sql of undo) await session.run(sql).catch(() => undefined);
        if (isDoubtful) await moments.ofRest();
        return 'repeat';
      }
      if (meaning === 'unexpected') unexpected.push(`${code} by ${step.sql}: ${String(error)}`);
      else refused.push(code);
    }
  }
  return { refused, unexpected };
}
