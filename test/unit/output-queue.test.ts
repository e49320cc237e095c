import { execFileSync } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, read, readFileSync, rmSync } from 'node:fs';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { areSame, isWaitedFor, OutputQueue, PipeOutput } from '../../src/shell/output-queue.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tableshift-output-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function outputTo(fd: number): { readonly output: OutputQueue; readonly errors: readonly string[] } {
  const errors: string[] = [];
  const terminal = { fd, columns: 80, rows: 24, on: () => {}, off: () => {} };
  return { output: new OutputQueue(terminal, ({ code, message }) => errors.push(code ?? message)), errors };
}

const caughtUp = async (output: OutputQueue): Promise<void> =>
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
  const { output, errors } = outputTo(fd);
  const text = `${'x'.repeat(65_535)}\n`;
  for (let count = 0; count < 40; count += 1) output.write(text);
  expect(output.isBehind).toBe(true);
  let shown = '';
  const buffer = Buffer.alloc(65_536);
  while (shown.length < 16 * text.length) {
    const { bytesRead } = await promisify(read)(fd, buffer, 0, buffer.length, null);
    shown += buffer.toString('utf8', 0, bytesRead);
  }
  await caughtUp(output);
  closeSync(fd);
  expect(shown).toBe(text.repeat(16));
  expect(errors).toEqual(['24 texts, while nothing could be written']);
});

test('of what is written into a pipe that nobody reads, eight megabytes are kept, and the rest is counted', async () => {
  const fd = stoppedTerminal();
  // A pipe is blocking or not by each opening.
  const reader = openSync(join(folder, 'fifo'), 'r');
  const pipe = new Socket({ fd, readable: false, writable: true });
  const errors: string[] = [];
  const output = new PipeOutput(Object.assign(pipe, { fd }), ({ message }) => errors.push(message));
  const text = `${'x'.repeat(1024 * 1024 - 1)}\n`;
  for (let count = 0; count < 20; count += 1) output.write(text);
  expect(pipe.writableLength).toBe(8 * text.length);
  const buffer = Buffer.alloc(text.length);
  for (let left = 8 * text.length; left > 0; )
    left -= (await promisify(read)(reader, buffer, 0, buffer.length, null)).bytesRead;
  await expect.poll(() => errors, { interval: 1 }).toEqual(['12 texts, while nothing could be written']);
  pipe.destroy();
  closeSync(reader);
});

test('a text that cannot be written is told of, and the next one is tried all the same', async () => {
  const fd = openSync('/dev/full', 'w');
  const { output, errors } = outputTo(fd);
  output.write('one\n');
  output.write('two\n');
  await caughtUp(output);
  closeSync(fd);
  expect(errors).toEqual(['ENOSPC', 'ENOSPC']);
});

test('who is told of a loss may write to the same place, and what comes then is written', async () => {
  const full = openSync('/dev/full', 'w');
  const errors: string[] = [];
  const terminal = { fd: full, on: () => {}, off: () => {} };
  const output: OutputQueue = new OutputQueue(terminal, ({ code }) => {
    if (errors.push(code ?? '') === 1) output.write('lost\n');
  });
  output.write('one\n');
  output.write('two\n');
  await caughtUp(output);
  closeSync(full);
  expect(errors).toEqual(['ENOSPC', 'ENOSPC', 'ENOSPC']);
});

test('terminals and files are waited for by Node, pipes are not; a stream that is closed is neither', () => {
  const file = openSync(join(folder, 'out'), 'w');
  const pipe = stoppedTerminal();
  expect([isWaitedFor({ fd: file }), isWaitedFor({ fd: pipe }), isWaitedFor({ fd: pipe, isTTY: true })]).toEqual([
    true,
    false,
    true,
  ]);
  const again = openSync(join(folder, 'out'), 'a');
  expect([areSame(file, again), areSame(file, pipe)]).toEqual([true, false]);
  for (const fd of [file, pipe, again]) closeSync(fd);
  expect([isWaitedFor({ fd: file }), areSame(file, file)]).toEqual([false, false]);
});
