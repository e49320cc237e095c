import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { flagOf, optionsOf } from '../../src/shell/options.ts';

const file = join(import.meta.dirname, '..', '..', 'completions', 'tableshift.bash');

/** What bash offers behind these words; the last one is being typed. */
function offered(...words: readonly string[]): readonly string[] {
  const script = 'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _tableshift; printf "%s\\n" "${COMPREPLY[@]}"';
  return execFileSync('bash', ['-c', script, 'bash', file, 'tableshift', ...words], { encoding: 'utf8' })
    .split('\n')
    .filter((word) => word !== '');
}

test('commands, their flags and the choices of a flag are completed', () => {
  expect(offered('m')).toEqual(['migrate']);
  expect(offered('migrate', '--cutover-w')).toEqual(['--cutover-window']);
  expect(offered('plan', '--cutover-w')).toEqual([]);
  expect(offered('migrate', '--cutover', '')).toEqual(['auto', 'manual']);
  expect(offered('control', 'k3v9x2', 'un')).toEqual(['unpause']);
  expect(offered('migrate', '--workers', '')).toEqual([]);
});

test('every flag of a command is offered', () => {
  expect(offered('resume', '--')).toEqual(
    expect.arrayContaining(optionsOf('resume').flatMap((option) => flagOf(option) ?? [])),
  );
});

test('files are completed where a flag wants one', () => {
  const root = join(import.meta.dirname, '..', '..');
  expect(offered('migrate', '--config', join(root, 'packa'))).toEqual(
    expect.arrayContaining([join(root, 'package.json'), join(root, 'package-lock.json')]),
  );
});
