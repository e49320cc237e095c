/** Many cutovers under writers that never rest, and cutovers that lose their connections at every step. */
import { describe, expect, test } from 'vitest';
import type { CutoverOutcome } from '../../src/engine/ports.ts';
import { migrate } from '../../src/index.ts';
import { createSchema, never, openAdapter } from '../support/adapter-server.ts';
import { createBusyTable, drainBusyRows, readBusyRows, startWriters } from '../support/busy-rows.ts';
import { claimTable, reclaimTable } from '../support/claimed-table.ts';
import { sharedServer } from '../support/shared-servers.ts';
import { startProxy, type Fate, type Wire } from '../support/tcp-proxy.ts';

/** Transactions of tests beside these, on the same server, are no matter. */
const limits = { lockTimeoutMs: 2_000, holdTimeoutMs: 5_000, oldSnapshots: 'ignore' } as const;
const cutovers = 50;

describe.each(['mysql', 'mariadb'] as const)('cutovers under traffic on %s', (flavour) => {
  const url = sharedServer(flavour);

  test(`lose no write and fail no writer in ${cutovers} swaps`, async () => {
    await using schema = await createSchema(url);
    await createBusyTable(schema.application, schema.name);
    await using server = await openAdapter(url);
    const writers = startWriters(url, schema.name, 1);
    const outcomes: string[] = [];
    for (let round = 0; round < cutovers; round += 1) {
      await using orders = await claimTable(server, {
        schema: schema.name,
        table: 'orders',
        clauses: round % 2 === 0 ? 'ADD COLUMN extra INT NOT NULL DEFAULT 7' : 'DROP COLUMN extra',
      });
      outcomes.push((await orders.cutover.attempt(limits, drainBusyRows, never)).kind);
      await schema.application.run(`DROP TABLE ${schema.name}.${orders.plan.retired.table}`);
    }
    await writers.stop();
    expect(outcomes).toEqual(Array.from({ length: cutovers }, () => 'swapped'));
    expect(writers.writes).toBeGreaterThan(cutovers);
    expect(await readBusyRows(schema.application, schema.name)).toEqual(writers.expected);
  });

  test('a swap whose answer was lost is told with the time that writers were blocked at most', async () => {
    await using schema = await createSchema(url);
    await createBusyTable(schema.application, schema.name);
    const lost: string[] = [];
    await using proxy = await startProxy(url, (sent) => {
      if (lost.length > 0 || !sent.includes('TableShift swaps')) return 'pass';
      lost.push(sent);
      return 'cut-answer';
    });
    const told: number[] = [];
    const result = await migrate({
      ...{
        url: `${proxy.url}?ssl-mode=DISABLED`,
        alter: `ALTER TABLE ${schema.name}.orders MODIFY v BIGINT`,
        strategy: 'shadow',
      },
      observer: (event) => event.kind === 'swapped' && told.push(event.blockedMs),
    });
    expect(lost).toHaveLength(1);
    expect(result).toMatchObject({ blockedMs: told[0] });
    expect(told).toEqual([expect.any(Number)]);
    expect(told[0]).toBeGreaterThan(0);
  });

  // Where an attempt can break: the first statement that looks like this, before the server gets it or right after.
  const statements = ['LOCK TABLES', 'DELETE FROM', 'RENAME TABLE', 'PROCESSLIST WHERE STATE', 'DROP TABLE', 'UNLOCK TABLES'];
  const places = statements
    .filter((statement) => flavour === 'mariadb' || !/PROCESSLIST|DROP/.test(statement))
    .flatMap((statement) => (['cut-before', 'cut-after'] as const).map((fate) => ({ statement, fate })));
  const victims = flavour === 'mysql' ? (['itself', 'all'] as const) : (['itself', 'locker', 'renamer', 'all'] as const);

  describe.each(places)('when a connection breaks at $statement ($fate)', ({ statement, fate }) => {
    test.each(victims)('and it is that of %s, no write is lost and the outcome is the truth', async (victim) => {
      await using schema = await createSchema(url);
      await createBusyTable(schema.application, schema.name);
      const fault = createFault({ statement, fate, victim });
      await using proxy = await startProxy(`${url}?ssl-mode=DISABLED`, fault.judge);
      await using far = await openAdapter(proxy.url);
      await using server = await openAdapter(url);
      const writers = startWriters(url, schema.name, 2);
      const orders = await claimTable(far, {
        schema: schema.name,
        table: 'orders',
        clauses: 'ADD COLUMN extra INT NOT NULL DEFAULT 7',
      });
      fault.arm();
      const refusals: unknown[] = [];
      const attempt = orders.cutover.attempt(limits, drainBusyRows, never);
      const outcome = await attempt.catch((error: unknown): CutoverOutcome | null => {
        refusals.push(error);
        return null;
      });
      fault.disarm();
      await orders[Symbol.asyncDispose]();
      expect(fault.hasStruck).toBe(true);
      // Another attempt follows.
      for (const refusal of refusals) expect(refusal).toMatchObject({ isTransient: true });

      await using successor = await reclaimTable(server, orders.plan);
      const hasSwapped = await successor.cutover.hasSwapped(never);
      const seen = writers.writes;
      await expect.poll(() => writers.writes).toBeGreaterThan(seen + 20);
      await writers.stop();
      expect(await readBusyRows(schema.application, schema.name)).toEqual(writers.expected);
      // `unknown` and a rejection leave the answer to the catalog, as `hasSwapped` gives it; a stated outcome must be the truth.
      const stated = outcome === null || outcome.kind === 'unknown' ? hasSwapped : outcome.kind === 'swapped';
      expect(hasSwapped).toBe(stated);
    });
  });
});

interface Fault {
  readonly judge: (sent: string, wire: Wire) => Fate;
  readonly hasStruck: boolean;
  arm(): void;
  disarm(): void;
}

/** Cuts, at the first statement that has the text, the connection that sent it, or the one of a role, or all of the process. */
function createFault(what: {
  readonly statement: string;
  readonly fate: 'cut-before' | 'cut-after';
  readonly victim: 'itself' | 'locker' | 'renamer' | 'all';
}): Fault {
  const state = { isArmed: false, hasStruck: false };
  const roles = new Map<'locker' | 'renamer', Wire>();
  const wires = new Set<Wire>();
  return {
    get hasStruck() {
      return state.hasStruck;
    },
    arm() {
      state.isArmed = true;
    },
    disarm() {
      state.isArmed = false;
    },
    judge(sent, wire) {
      wires.add(wire);
      if (!state.isArmed) return 'pass';
      if (sent.includes('UNLOCK TABLES')) roles.set('locker', wire);
      else if (sent.includes('LOCK TABLES')) roles.set('locker', wire);
      if (sent.includes('RENAME TABLE')) roles.set('renamer', wire);
      const isHere = sent.includes(what.statement) && (what.statement !== 'LOCK TABLES' || !sent.includes('UNLOCK'));
      if (state.hasStruck || !isHere) return 'pass';
      state.hasStruck = true;
      if (what.victim === 'itself') return what.fate;
      const role = what.victim === 'all' ? undefined : roles.get(what.victim);
      const victims = what.victim === 'all' ? [...wires].filter((other) => other !== wire) : role === undefined ? [] : [role];
      for (const victim of victims) if (victim !== wire) victim.cut();
      return what.victim === 'all' || role === wire ? what.fate : 'pass';
    },
  };
}
