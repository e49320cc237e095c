import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { faultOfWriting, FlagFile, writeOutside } from '../../src/shell/outside-files.ts';

function openFolder() {
  const folder = mkdtempSync(join(tmpdir(), 'tableshift-outside-'));
  return { path: join(folder, 'a file'), folder, [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }) };
}

/** Of the shells that look at this path. */
function shellsOf(path: string): readonly number[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid);
  const commandLine = (pid: string): string => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
    } catch {
      return '';
    }
  };
  return pids.filter((pid) => commandLine(pid).split('\0').includes(path)).map(Number);
}

describe('a flag file', () => {
  test('is there or not, each time anew', async () => {
    using place = openFolder();
    using file = new FlagFile(place.path);
    expect(await file.exists()).toBe(false);
    writeFileSync(place.path, '');
    expect(await Promise.all([file.exists(), file.exists()])).toEqual([true, true]);
    rmSync(place.path);
    expect(await file.exists()).toBe(false);
    expect(shellsOf(place.path)).toHaveLength(1);
  });

  test('on a file system that does not answer is not known, and known again when that does', async () => {
    using place = openFolder();
    using file = new FlagFile(place.path);
    expect(await file.exists()).toBe(false);
    const [shell = 0] = shellsOf(place.path);
    process.kill(shell, 'SIGSTOP');
    await expect(file.exists()).rejects.toThrow(`whether ${place.path} exists is not told within 2 s`);
    await expect.poll(() => file.exists().catch(() => 'not yet')).toBe(false);
  });
});

test('a file that cannot be written is told before, and what goes wrong then is told in the words of the system', async () => {
  using place = openFolder();
  expect(await faultOfWriting(place.path)).toBe('');
  expect(await faultOfWriting(place.folder)).toBe('that is a directory');
  expect(await faultOfWriting(`${place.path}/`)).toBe('that is a directory');
  expect(await faultOfWriting(join(place.path, 'x'))).toBe('there is no such directory');
  // Where root may write by its rights.
  expect(await faultOfWriting('/proc/a file')).toBe('in its directory nothing can be written: Directory nonexistent');
  expect(readdirSync(place.folder)).toEqual([]);
  await writeOutside(place.path, 'a text\n');
  expect(readFileSync(place.path, 'utf8')).toBe('a text\n');
  await expect(writeOutside('/dev/full', 'a text\n')).rejects.toThrow(/^No space left on device$/);
});

test('a file that cannot be written whole keeps what it had, and nothing is left beside it', async () => {
  using place = openFolder();
  writeFileSync(place.path, 'the older text\n');
  chmodSync(place.path, 0o640);
  const script = `
    import { writeOutside } from ${JSON.stringify(join(import.meta.dirname, '../../src/shell/outside-files.ts'))};
    await writeOutside(${JSON.stringify(place.path)}, 'x'.repeat(1_000_000)).catch(() => console.log('refused'));`;
  // A limit on the size of a file does what a full disk does.
  const limited = ['-c', 'ulimit -f 1000; exec "$0" "$@"', process.execPath];
  const args = [...limited, '--import', 'tsx', '--input-type=module', '-e', script];
  expect(execFileSync('/bin/sh', args, { encoding: 'utf8' })).toBe('refused\n');
  expect(readFileSync(place.path, 'utf8')).toBe('the older text\n');
  await writeOutside(place.path, 'a text\n');
  expect(readFileSync(place.path, 'utf8')).toBe('a text\n');
  expect(statSync(place.path).mode & 0o777).toBe(0o640);
  expect(readdirSync(place.folder)).toEqual(['a file']);
});

test('a link to a file stays one when that is written', async () => {
  using place = openFolder();
  const target = join(place.folder, 'target');
  writeFileSync(target, '');
  symlinkSync(target, place.path);
  await writeOutside(place.path, 'a text\n');
  expect(readFileSync(target, 'utf8')).toBe('a text\n');
  expect(readdirSync(place.folder)).toEqual(['a file', 'target']);
});

test('a process that has looked at a file that hangs ends when it is done', () => {
  using place = openFolder();
  const script = `
    import { readFileSync } from 'node:fs';
    import { FlagFile } from ${JSON.stringify(join(import.meta.dirname, '../../src/shell/outside-files.ts'))};
    const file = new FlagFile(${JSON.stringify(place.path)});
    await file.exists();
    const children = readFileSync('/proc/self/task/' + process.pid + '/children', 'utf8');
    for (const pid of children.trim().split(' ')) process.kill(Number(pid), 'SIGSTOP');
    await file.exists().catch(({ message }) => console.log(message));`;
  const args = ['--import', 'tsx', '--input-type=module', '-e', script];
  expect(execFileSync(process.execPath, args, { encoding: 'utf8' })).toBe(
    `whether ${place.path} exists is not told within 2 s\n`,
  );
});
