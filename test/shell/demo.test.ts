/** The first thing that a new user runs, in a clone where nothing was built. */
import { execFile } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const root = join(import.meta.dirname, '..', '..');

test('scripts/demo builds the program, migrates a table that is written, and finds every row', async () => {
  rmSync(join(root, 'dist'), { recursive: true, force: true });
  const { stdout } = await promisify(execFile)(join(root, 'scripts', 'demo'), ['postgres', '--rows', '2000']);
  expect(stdout).toMatch(/^Done: shop\.accounts has its new definition after /m);
  expect(stdout).toMatch(/^ {2}errors that the application saw: none$/m);
  expect(stdout).toMatch(/^ {2}lost, altered or invented rows: none$/m);
});
