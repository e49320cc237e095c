/** Errors without a run. */
import { expect, test } from 'vitest';
import { MigrationError } from '../../src/engine/errors.ts';
import { PlanRefusedError } from '../../src/engine/obstacles.ts';
import { printError } from '../../src/shell/invocation.ts';

test.each([
  ['CONNECTION_LOST', 'Run the command again when the server can be reached.'],
  ['LOCK_WAIT', 'Look who holds it; run the command again.'],
  [
    'SERVER_BUSY',
    'Make room where a disk or a limit that the message names is full, or wait until it is no more; run the command again.',
  ],
] as const)('%s sends nobody to a resume where nothing is recorded to resume', (code, remedy) => {
  const { stdout, stderr } = printed(new MigrationError(code, 'It happened.'));
  expect(stderr).toBe(`error ${code}: It happened.\n  remedy: ${remedy}\n`);
  expect(JSON.parse(stdout)).toMatchObject({ error: { code, remedy } });
});

test('a refusal for a migration that is open names the commands that resume it and give it up, with its ID', () => {
  const remedy = 'Go on with `tableshift resume m2`, or give it up with `tableshift cleanup m2`.';
  const { stdout, stderr } = printed(
    new PlanRefusedError([{ code: 'MIGRATION_OPEN', message: 'It is open.', migration: 'm2' }]),
  );
  expect(stderr).toContain(`obstacle MIGRATION_OPEN: It is open.\n  remedy: ${remedy}\n`);
  expect(JSON.parse(stdout)).toMatchObject({ error: { remedy }, obstacles: [{ remedy }] });
});

function printed(error: MigrationError): { readonly stdout: string; readonly stderr: string } {
  const written = { stdout: '', stderr: '' };
  const stream = (name: keyof typeof written) => ({ write: (text: string) => (written[name] += text) !== '' });
  const surroundings = { stdout: stream('stdout'), stderr: stream('stderr'), now: () => new Date(0) };
  printError(error, 'json', surroundings as never);
  return written;
}
