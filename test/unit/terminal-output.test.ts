import { execFileSync } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, read, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { TerminalOutput } from '../../src/shell/terminal-output.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tableshift-terminal-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function outputTo(fd: number): { readonly output: TerminalOutput; readonly errors: readonly string[] } {
  const errors: string[] = [];
  const terminal = { fd, columns: 80, rows: 24, on: () => {}, off: () => {} };
  return { output: new TerminalOutput(terminal, ({ code }) => errors.push(code ?? '')), errors };
}

const caughtUp = async (output: TerminalOutput): Promise<void> =>
  await expect.poll(() => output.isBehind, { interval: 1 }).toBe(false);

/** A pipe takes 64 KiB, and then nothing until it is read: as a terminal that is stopped. */
function stoppedTerminal(): number {
  const path = join(folder, 'fifo');
  execFileSync('mkfifo', [path]);
  return openSync(path, constants.O_RDWR);
}

test('texts come out in their order, each whole', async () => {
  const fd = openSync(join(folder, 'out'), 'w');
  const { output } = outputTo(fd);
  const texts = Array.from({ length: 500 }, (_, number) => `${number} ${'ü'.repeat(number)}\n`);
  for (const text of texts) output.write(text);
  expect(output.isBehind).toBe(true);
  await caughtUp(output);
  closeSync(fd);
  expect(readFileSync(join(folder, 'out'), 'utf8')).toBe(texts.join(''));
});

test('what is left at the end of the process is written then', async () => {
  const fd = openSync(join(folder, 'out'), 'w');
  const { output } = outputTo(fd);
  for (const text of ['one\n', 'two\n', 'three\n']) output.write(text);
  output.flush();
  await expect.poll(() => readFileSync(join(folder, 'out'), 'utf8').split('\n').sort()).toEqual(['', 'one', 'three', 'two']);
  closeSync(fd);
});

test('a terminal that takes nothing keeps nobody waiting; of what comes in hours a megabyte is kept, and the rest is counted', async () => {
  const fd = stoppedTerminal();
  const { output } = outputTo(fd);
  const text = `${'x'.repeat(65_535)}\n`;
  for (let count = 0; count < 40; count += 1) output.write(text);
  expect(output.isBehind).toBe(true);
  let shown = '';
  const buffer = Buffer.alloc(65_536);
  while (!shown.endsWith('left out.\n')) {
    const { bytesRead } = await promisify(read)(fd, buffer, 0, buffer.length, null);
    shown += buffer.toString('utf8', 0, bytesRead);
  }
  await caughtUp(output);
  closeSync(fd);
  const lines = shown.split('\n');
  expect(lines.filter((line) => line === text.trimEnd())).toHaveLength(16);
  expect(lines.at(-2)).toBe('warning: The terminal took nothing for a while, and 24 texts were left out.');
});

test('a terminal that is gone is told of once, and nothing is written any more', async () => {
  const fd = openSync('/dev/null', 'r');
  const { output, errors } = outputTo(fd);
  output.write('one\n');
  output.write('two\n');
  await caughtUp(output);
  output.write('three\n');
  expect(output.isBehind).toBe(false);
  closeSync(fd);
  expect(errors).toEqual(['EBADF']);
});
