import { describe, expect, test } from 'vitest';
import { parseCommandLine } from '../../src/shell/cli.ts';
import { flagOf, optionsOf } from '../../src/shell/options.ts';

const parse = (...args: readonly string[]) => parseCommandLine(args, '1.2.3', 100);

function pageOf(...args: readonly string[]): string {
  const line = parse(...args);
  if (line.kind !== 'page') throw new Error('no page');
  return line.text;
}

describe('the command line', () => {
  test('gives the command, its ID and only the flags that were given', () => {
    expect(parse('migrate', '--url', 'mysql://h/d', '--alter=ADD b int', '--no-verify', '--workers', '3')).toEqual({
      kind: 'command',
      command: 'migrate',
      id: null,
      flags: { url: 'mysql://h/d', alter: ['ADD b int'], verify: false, workers: '3' },
    });
    expect(parse('resume', 'k3v9x2')).toEqual({ kind: 'command', command: 'resume', id: 'k3v9x2', flags: {} });
    expect(parse('cleanup', '--yes')).toEqual({ kind: 'command', command: 'cleanup', id: null, flags: { yes: true } });
  });

  test('joins what a flag that may be repeated was given', () => {
    expect(parse('resume', '--window', '22:00-24:00', '--window', 'Sun 00:00-06:00')).toMatchObject({
      flags: { window: '22:00-24:00,Sun 00:00-06:00' },
    });
  });

  test.each([
    [[], 'No command was given: plan, migrate, resume, list, status, control, cleanup or config.'],
    [['frob'], "Unknown command 'frob'."],
    [['plan', '--chunk-time=1s'], 'plan takes no --chunk-time, which is for migrate, resume.'],
    [['migrate', '--soak', '1d'], 'migrate takes no --soak, which is for list, status, cleanup.'],
    [['migrate', '--no-verify=on'], '--no-verify takes no value.'],
    [['config', 'check', '--no-verify=on'], '--no-verify takes no value.'],
    [['--yes', 'cleanup'], '--yes stands behind the command: cleanup.'],
    [['plan', '--chunk', '1s'], "Unknown option '--chunk'."],
    [['migrate', '--wrokers', '1'], "Unknown option '--wrokers'. (Did you mean --workers?)"],
    [['list', 'x'], "Too many arguments for 'list'. Expected 0 arguments but got 1."],
    [
      ['plan', '--alter', 'ADD', 'COLUMN', 'x', 'INT'],
      'plan takes only options: the change goes behind --alter, in quotes, the table into it or behind --table.',
    ],
    [['plan', '--alter'], "Option '--alter <SQL>' argument missing."],
  ])('%j is bad usage', (args, message) => {
    expect(() => parse(...args)).toThrow(expect.objectContaining({ code: 'BAD_USAGE', message }));
  });

  test('what follows an unknown flag is not repeated, for it may be a password', () => {
    expect(() => parse('list', '--password=se=cret')).toThrow("Unknown option '--password'.");
  });
});

describe('help', () => {
  test('of the program names every command, has examples and the exit codes', () => {
    const help = pageOf('--help');
    for (const text of [
      'plan',
      'migrate',
      'resume',
      'list',
      'status',
      'control',
      'cleanup',
      'Examples:',
      'Exit codes: 0 done',
    ]) {
      expect(help).toContain(text);
    }
  });

  test.each(['plan', 'migrate', 'resume', 'list', 'status', 'control', 'cleanup'] as const)(
    'of %s names each of its flags',
    (command) => {
      const help = pageOf(command, '--help');
      for (const flag of optionsOf(command).flatMap((option) => flagOf(option) ?? [])) expect(help).toContain(`  ${flag} `);
      expect(help).toContain('Examples:');
    },
  );

  test('of control says how its words stand, and of status that no server is needed', () => {
    expect(pageOf('control', '--help')).toMatch(/^Usage: tableshift control \[options\] \[ID\] COMMAND\n/);
    expect(pageOf('--help')).toMatch(/^ {2}control \[options\] \[ID\] COMMAND  tell a run/m);
    expect(pageOf('--help')).toMatch(/^ {2}config check \[options\] +check a configuration file/m);
    expect(pageOf('list', '--help')).toContain('(required)');
    expect(pageOf('status', '--help')).not.toContain('(required)');
  });

  test.each(['help', 'plan', 'migrate', 'resume', 'list', 'status', 'control', 'cleanup', 'config'])(
    'of %s has no line but examples that a terminal of 80 columns would break, nor two breaks for one',
    (command) => {
      const line = parseCommandLine([command, '--help'], '1.2.3', 80);
      const lines = line.kind === 'page' ? line.text.split('\n') : [];
      expect(lines.filter((text) => text.length > 80 && !/tableshift \w+ --/.test(text))).toEqual([]);
      // The word that begins the next line would still have fitted.
      const ragged = lines.filter((text, at) => {
        const next = lines[at + 1] ?? '';
        const [word = ''] = next.trim().split(' ');
        return /^\S.*[^.:]$/.test(text) && /^[a-z]/.test(next) && text.length + 1 + word.length <= 80;
      });
      expect(ragged).toEqual([]);
    },
  );

  test('of control puts what goes on under the text of its word', () => {
    const line = parseCommandLine(['control', '--help'], '1.2.3', 80);
    expect(line.kind === 'page' ? line.text : '').toContain(
      '  abort             end the run and give the migration up: its shadow is\n                    dropped, exit code 4\n',
    );
  });

  test('shows the version', () => {
    expect(pageOf('--version')).toBe('1.2.3\n');
  });
});
