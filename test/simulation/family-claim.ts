/** Several simulated tables that one process has claimed and that are swapped together. */

import type { Plan } from '../../src/engine/model.ts';
import type { CutoverOptions, CutoverOutcome, Drain, FamilyClaim } from '../../src/engine/ports.ts';
import { Client } from './client.ts';
import { attemptTogether } from './cutover.ts';
import { SimulatedDatabase, type SimulatedTableClaim } from './database.ts';
import type { SimulatedProcess } from './process.ts';
import type { KeyOrder } from './rows.ts';
import type { Server } from './server.ts';

/** A table of the family. */
export interface FamilyTable {
  readonly server: Server;
  readonly order: KeyOrder;
  readonly plan: Plan;
}

/** Claims one after another; those that were never recorded are begun. */
export async function claimFamily(
  tables: readonly FamilyTable[],
  process: SimulatedProcess,
  signal: AbortSignal,
): Promise<SimulatedFamilyClaim> {
  const members: SimulatedTableClaim[] = [];
  for (const { server, order, plan } of tables) {
    const database = new SimulatedDatabase(server, process, order);
    const purpose = server.record === null ? 'start' : 'resume';
    members.push(await database.claim(plan, purpose, signal));
  }
  return new SimulatedFamilyClaim(
    tables.map(({ server }) => new Client(server, process)),
    members,
  );
}

class SimulatedFamilyClaim implements FamilyClaim {
  readonly members: readonly SimulatedTableClaim[];
  readonly #clients: readonly Client[];

  constructor(clients: readonly Client[], members: readonly SimulatedTableClaim[]) {
    this.#clients = clients;
    this.members = members;
  }

  /** A table for which no drain was brought is swapped as it is: the judge sees it. */
  async attempt(options: CutoverOptions, drains: readonly Drain[], signal: AbortSignal): Promise<CutoverOutcome> {
    const tables = this.#clients.map((client, place) => ({ client, drain: drains[place] ?? (async () => undefined) }));
    return await attemptTogether(tables, options, signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const member of this.members) await member[Symbol.asyncDispose]();
  }
}
