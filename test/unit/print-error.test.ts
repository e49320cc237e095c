/** Errors without a run. */
import { expect, test } from 'vitest';
import { MigrationError } from '../../src/engine/errors.ts';
import { PlanRefusedError } from '../../src/engine/obstacles.ts';
import { printError } from '../../src/shell/invocation.ts';

function print(error: MigrationError): { readonly stdout: string; readonly stderr: string } {
  const written = { stdout: '', stderr: '' };
  const stream = (name: keyof typeof written) => ({ write: (text: string) => (written[name] += text) !== '' });
  const surroundings = { stdout: stream('stdout'), stderr: stream('stderr'), now: () => new Date(0) };
  printError(error, 'json', surroundings as never);
  return written;
}

test.each([
  ['CONNECTION_LOST', 'Run the command again when the server can be reached.'],
  ['LOCK_WAIT', 'Look who holds it; run the command again.'],
] as const)('%s sends nobody to a resume where nothing is recorded to resume', (code, remedy) => {
  const written = print(new MigrationError(code, 'It happened.'));
  expect(written.stderr).toBe(`error ${code}: It happened.\n  remedy: ${remedy}\n`);
  expect(JSON.parse(written.stdout)).toMatchObject({ error: { code, remedy } });
});

test('a command that a remedy names stays as it is', () => {
  const open = new PlanRefusedError([{ code: 'MIGRATION_OPEN', message: 'Migration m1 is unfinished.' }]);
  const remedy = expect.stringContaining('`tableshift resume ID`');
  expect(JSON.parse(print(open).stdout)).toMatchObject({ error: { remedy }, obstacles: [{ remedy }] });
});
