/** Errors without a run. */
import { expect, test } from 'vitest';
import { MigrationError } from '../../src/engine/errors.ts';
import { printError } from '../../src/shell/invocation.ts';

test.each([
  ['CONNECTION_LOST', 'Run the command again when the server can be reached.'],
  ['LOCK_WAIT', 'Look who holds it; run the command again.'],
] as const)('%s sends nobody to a resume where nothing is recorded to resume', (code, remedy) => {
  const written = { stdout: '', stderr: '' };
  const stream = (name: keyof typeof written) => ({ write: (text: string) => (written[name] += text) !== '' });
  const surroundings = { stdout: stream('stdout'), stderr: stream('stderr'), now: () => new Date(0) };
  printError(new MigrationError(code, 'It happened.'), 'json', surroundings as never);
  expect(written.stderr).toBe(`error ${code}: It happened.\n  remedy: ${remedy}\n`);
  expect(JSON.parse(written.stdout)).toMatchObject({ error: { code, remedy } });
});
