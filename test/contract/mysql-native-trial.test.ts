/** Trying an ALTER on an empty clone of a table of MySQL and MariaDB, beside others who hold locks. */
import { expect, test, vi } from 'vitest';
import { NativeTrials } from '../../src/mysql/native-trial.ts';
import { createSchema, never, openAdapter, openApplication } from '../support/adapter-server.ts';
import { sharedServer } from '../support/shared-servers.ts';
import { describeSideBySide } from '../support/side-by-side.ts';

describeSideBySide(['mysql', 'mariadb'], 'on', (flavour) => {
  test('a statement that is the victim of a deadlock is repeated, and one that waits for somebody names him', async () => {
    const url = sharedServer(flavour);
    await using schema = await createSchema(url);
    await schema.application.run(`CREATE TABLE ${schema.name}.things (id INT PRIMARY KEY)`);
    await using server = await openAdapter(url);
    await using session = await server.openSession({}, never);
    const source = { schema: schema.name, table: 'things' };
    const trials = await NativeTrials.open(session, { source, flavour: server.flavour }, never);
    await using other = await openApplication(url);
    await other.run(`LOCK TABLES ${schema.name}.things WRITE`);
    const executed = vi.spyOn(session, 'execute');
    const outcome = trials.try('ADD c INT', [], never);
    // The trials have this lock, and wait for the table of who waits for it.
    const mark = `tableshift:${trials.clone.table}:${schema.name}`.slice(0, 64);
    expect(await other.run(`SELECT GET_LOCK('${mark}', 1) AS isHeld`)).toEqual([{ isHeld: 0 }]);
    const outcomes = executed.mock.settledResults.map(({ value }) => value);
    expect(outcomes).toContainEqual(expect.objectContaining({ code: 'DEADLOCK' }));
    await other.run('UNLOCK TABLES');
    expect(await outcome).toMatchObject({ kind: 'accepted', definition: expect.stringContaining('`c` int') });
    expect(await schema.application.run(`SHOW TABLES FROM ${schema.name}`)).toHaveLength(1);

    await session.execute('SET SESSION lock_wait_timeout = 1', never);
    await other.run(`LOCK TABLES ${schema.name}.things WRITE`);
    await expect(trials.try('ADD c INT', [], never)).rejects.toMatchObject({
      code: 'LOCK_WAIT',
      message: expect.stringContaining(` In the way: connection ${other.connectionId} of root from `),
    });
    await other.run('UNLOCK TABLES');
  });
});
