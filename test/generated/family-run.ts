/** Runs a family on one database while the sessions play, and on its twin one session after the other, before the server's own ALTERs. */
import { cleanUp } from '../../src/index.ts';
import { type MigratedTo, migrateDuringWrites } from '../support/case-runner.ts';
import { Moments, play, type Played, type PlayingSession } from '../support/session-plays.ts';
import type { FamilyCase } from './family-case.ts';

/** The database that is migrated, or its twin. */
export type Side = 'ours' | 'twin';

/** What differs between the servers. */
export interface FamilyServer extends AsyncDisposable {
  readonly url: string;
  /** Makes both databases. */
  prepare(): Promise<void>;
  /** As TableShift is told of a table. */
  nameOf(table: string): string;
  /** As an application. */
  open(side: Side): Promise<PlayingSession>;
  /** With the server's own means. */
  alterTwin(): Promise<void>;
  /** Everything there is. */
  read(side: Side): Promise<unknown>;
  /** What the server finds wrong with the indexes of the database that was migrated. */
  indexFaults(): Promise<readonly string[]>;
}

/** In the end: everything, and what each session was told. */
export interface FamilyOutcome {
  readonly content: unknown;
  readonly played: readonly Played[];
}

export class FamilyRun implements AsyncDisposable {
  readonly #item: FamilyCase;
  readonly #server: FamilyServer;

  private constructor(item: FamilyCase, server: FamilyServer) {
    this.#item = item;
    this.#server = server;
  }

  static async prepare(item: FamilyCase, server: FamilyServer): Promise<FamilyRun> {
    try {
      await server.prepare();
    } catch (error) {
      await server[Symbol.asyncDispose]();
      throw error;
    }
    return new FamilyRun(item, server);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server[Symbol.asyncDispose]();
  }

  async migrate(): Promise<MigratedTo<FamilyOutcome>> {
    const { changes, gate, run, sessions } = this.#item;
    const moments = new Moments();
    await using gateway = await this.#server.open('ours');
    if (gate !== null) await gateway.run('BEGIN');
    if (gate !== null) await gateway.run(`SELECT 1 FROM ${gate} LIMIT 1`);
    let played: readonly Played[] = [];
    const write = async (): Promise<void> => {
      try {
        played = await Promise.all(sessions.map((plays) => play(plays, () => this.#server.open('ours'), moments)));
      } finally {
        await gateway.run('ROLLBACK');
      }
    };
    const { plans, ...came } = await migrateDuringWrites({
      ...{ url: this.#server.url, item: run, write, onEvent: (name: string) => moments.see(name) },
      changes: changes.map(({ table, clauses }) => ({ table: this.#server.nameOf(table), alter: clauses })),
    });
    await gateway.run('ROLLBACK');
    try {
      for (const { id } of plans) await cleanUp({ url: this.#server.url, id, isNow: true });
    } catch (error) {
      return { ...came, ending: `${came.ending}; then clean-up: ${String(error)}`, outcome: { content: null, played } };
    }
    return { ...came, outcome: { content: await this.#server.read('ours'), played } };
  }

  async faults(): Promise<readonly string[]> {
    return await this.#server.indexFaults();
  }

  async twin({ isWritten, isAltered }: { readonly isWritten: boolean; readonly isAltered: boolean }): Promise<FamilyOutcome> {
    const played: Played[] = [];
    const moments = new Moments();
    moments.see('ended');
    if (isWritten) {
      for (const plays of this.#item.sessions) played.push(await play(plays, () => this.#server.open('twin'), moments));
    }
    if (isAltered) await this.#server.alterTwin();
    return { content: await this.#server.read('twin'), played };
  }
}
