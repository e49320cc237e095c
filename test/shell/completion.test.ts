import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { fishCompletion } from '../../scripts/generate-completion.ts';
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
  expect(offered('control', 'k3v9x2', 'set', 'work')).toEqual(['workers=']);
  expect(offered('migrate', '--workers', '')).toEqual([]);
});

test('a value is completed behind an equals sign too, which is a word of its own in bash, and none in zsh', () => {
  expect(offered('migrate', '--cutover', '=')).toEqual(['auto', 'manual']);
  expect(offered('migrate', '--cutover', '=', 'ma')).toEqual(['manual']);
  expect(offered('migrate', '--cutover=ma')).toEqual(['--cutover=manual']);
  expect(offered('migrate', '--workers', '=')).toEqual([]);
  expect(offered('control', 'k3v9x2', 'set', 'old-snapshots', '=', 'i')).toEqual(['ignore']);
  expect(offered('migrate', '--cutover', '=', 'manual', '--cutover-w')).toEqual(['--cutover-window']);
});

test('every flag of a command is offered', () => {
  expect(offered('resume', '--')).toEqual(
    expect.arrayContaining(optionsOf('resume').flatMap((option) => flagOf(option) ?? [])),
  );
});

test('files are completed where a flag wants one', () => {
  const root = join(import.meta.dirname, '..', '..');
  // As it stands, with spaces and all.
  const folder = mkdtempSync(join(tmpdir(), 'table shift '));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  expect(offered('migrate', '--hooks', folder.slice(0, -1))).toEqual([folder]);
  expect(offered('migrate', '--config', join(root, 'packa'))).toEqual(
    expect.arrayContaining([join(root, 'package.json'), join(root, 'package-lock.json')]),
  );
});

test('zsh understands what is written for bash', (context) => {
  context.skip(spawnSync('zsh', ['--version']).status !== 0, 'zsh is not installed');
  // As bashcompinit calls it, with every word offered.
  const script = `emulate sh; complete() { :; }; compgen() { echo "$2"; }; . "$1"
    COMP_WORDS=(tableshift control k3v9x2 un); COMP_CWORD=3; _tableshift; printf '%s\\n' "\${COMPREPLY[@]}"`;
  expect(execFileSync('zsh', ['-fc', script, 'zsh', file], { encoding: 'utf8' }).split('\n')).toContain('unpause');
});

test('fish is offered every command, and every flag with its choices', () => {
  const script = fishCompletion();
  expect(script).toContain("-n __fish_use_subcommand -a 'plan migrate resume list status control cleanup config help'\n");
  const words = 'pause unpause verify cutover postpone abort set';
  expect(script).toContain(
    `-n '__fish_seen_subcommand_from control; and not __fish_seen_subcommand_from ${words}' -a '${words}'\n`,
  );
  expect(script).toContain("-n '__fish_seen_subcommand_from control; and __fish_seen_subcommand_from set' -a 'workers= ");
  expect(script).toMatch(/seen_subcommand_from migrate' -l output -x -a 'text json' -d '/);
  expect(script).toMatch(/seen_subcommand_from resume' -l report -r -F -d '/);
  expect(script).toContain(" -l cutover -x -a 'auto manual' -d 'auto, manual'\n");
  expect(script).toContain(" running threads (PostgreSQL: active sessions)'\n");
  for (const flag of optionsOf('migrate').flatMap((option) => flagOf(option) ?? [])) {
    expect(script).toContain(`seen_subcommand_from migrate' -l ${flag.slice(2)} `);
  }
  // An apostrophe would end the text in which it stands.
  for (const line of script.split('\n').slice(1)) expect(line.replaceAll("\\'", '').split("'").length % 2, line).toBe(1);
});
