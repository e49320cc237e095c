/** Whether a plan has indexes built after the copy, by what the sessions of applications do meanwhile. */
import { expect, test } from 'vitest';
import { createSchema, openAdapter, openApplication, type TestSchema } from '../support/adapter-server.ts';
import { plan } from '../support/plan-request.ts';
import { startServer } from '../support/servers.ts';

/** Sessions of an application, each in a transaction nearly all of the time. */
function startTransactions(url: string, { name }: TestSchema): { stop(): Promise<void> } {
  const state = { isOver: false };
  const work = Array.from({ length: 4 }, async () => {
    await using session = await openApplication(url);
    while (!state.isOver) {
      await session.run('BEGIN');
      await session.run(`SELECT * FROM ${name}.t`);
      await session.run('SELECT SLEEP(0.002)');
      await session.run('COMMIT');
    }
  });
  return {
    async stop() {
      state.isOver = true;
      await Promise.all(work);
    },
  };
}

test('MySQL defers no index while applications keep their sessions busy, unless asked to', async () => {
  await using process = await startServer({ flavour: 'mysql' });
  await using server = await openAdapter(process.url);
  await using schema = await createSchema(process.url);
  await schema.application.run(`CREATE TABLE ${schema.name}.t (id INT PRIMARY KEY, a INT, KEY k (a))`);
  const clauses = 'ADD b INT';
  const before = await plan({ server, schema, clauses });
  expect(before.deferredIndexes).toEqual(['k']);
  const transactions = startTransactions(process.url, schema);
  try {
    await expect.poll(async () => (await plan({ server, schema, clauses })).deferredIndexes).toEqual([]);
    const busy = await plan({ server, schema, clauses });
    expect(busy.notes).toContainEqual(
      expect.stringMatching(/^The sessions of applications are busy for 30 % of the time or more:/),
    );
    const asked = await plan({ server, schema, clauses, options: { deferIndexes: 'always' } });
    expect(asked.deferredIndexes).toEqual(['k']);
  } finally {
    await transactions.stop();
  }
  const after = await plan({ server, schema, clauses });
  expect(after.deferredIndexes).toEqual(['k']);
  expect(after.notes.filter((note) => note.includes('busy'))).toEqual([]);
});
