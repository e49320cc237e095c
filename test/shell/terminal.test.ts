import { execFileSync, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest';
import { builtProgram, lastObject, runCli } from '../support/cli.ts';
import { openShop, type Shop } from '../support/shop.ts';

const rows = 5_000;
let shop: Shop;
beforeAll(async () => {
  shop = await openShop('mysql', rows);
  await shop.sql("CREATE USER typist@'%' IDENTIFIED BY 'geheim'", "GRANT ALL ON *.* TO typist@'%'");
});
afterAll(async () => await shop[Symbol.asyncDispose]());

/** A real terminal of that size, without anyone's configuration. */
class Terminal implements Disposable {
  readonly #socket = join(tmpdir(), `tableshift-terminal-${randomBytes(4).toString('hex')}`);

  constructor(columns: number, rows: number) {
    this.#tmux(
      '-f',
      '/dev/null',
      'new-session',
      '-d',
      '-x',
      String(columns),
      '-y',
      String(rows),
      'env PS1= TERM=screen TABLESHIFT_STRATEGY=shadow sh',
    );
    this.#tmux('set-option', '-g', 'history-limit', '10000');
  }

  /** Types a text and Enter. */
  type(text: string): void {
    this.#tmux('send-keys', '-l', text);
    this.press('Enter');
  }

  press(key: string): void {
    this.#tmux('send-keys', key);
  }

  /** Starts a command line. When it has ended, its exit code is the last line of the screen. */
  start(command: string): void {
    this.type(`${command}; echo exit=$?; tmux -S ${this.#socket} wait-for -S ended`);
  }

  run(command: string): void {
    this.start(command);
    this.awaitEnd();
  }

  /** Comes back when what was started has ended. */
  awaitEnd(): void {
    this.#tmux('wait-for', 'ended');
  }

  resize(columns: number, rows: number): void {
    this.#tmux('resize-window', '-x', String(columns), '-y', String(rows));
  }

  /** What it shows and what has scrolled out, one item a row; rows that went on in the next one are joined if asked for. */
  lines(how: { readonly joinsWrapped: boolean }): readonly string[] {
    const text = this.#tmux('capture-pane', '-p', '-S', '-', ...(how.joinsWrapped ? ['-J'] : []));
    return text
      .split('\n')
      .map((line) => line.trimEnd())
      .filter((line) => line !== '');
  }

  /** Closes it, unless it is closed already. */
  [Symbol.dispose](): void {
    spawnSync('tmux', ['-S', this.#socket, 'kill-server']);
    rmSync(this.#socket, { force: true });
  }

  #tmux(...args: readonly string[]): string {
    return execFileSync('tmux', ['-S', this.#socket, ...args], { encoding: 'utf8' });
  }
}

const command = (...args: readonly string[]): string => ['clear; node', builtProgram(), ...args].join(' ');

const heading = /^shop\.orders {2}ADD COLUMN/;

beforeEach((context) => {
  if (spawnSync('tmux', ['-V']).error !== undefined) context.skip('tmux is not installed');
});

test('on a terminal of 80 by 24 no line of the view wraps, and its last state stays readable', () => {
  using terminal = new Terminal(80, 24);
  terminal.run(command('migrate', '--url', shop.url, '--alter', "'ALTER TABLE orders ADD COLUMN first INT'"));
  const lines = terminal.lines({ joinsWrapped: false });
  expect(lines.at(-1)).toBe('exit=0');
  const start = lines.findIndex((line) => heading.test(line));
  const view = lines.slice(start, start + 10);
  expect(view).toEqual([
    'shop.orders  ADD COLUMN first INT',
    expect.stringMatching(/^migration orders\w+, .* so far$/),
    expect.stringMatching(/^ {2}\+ prepare {8}\d/),
    expect.stringMatching(/^ {2}\+ copy {11}\d/),
    expect.stringMatching(/^ {2}\+ finish-shadow {2}\d/),
    expect.stringMatching(/^ {2}\+ catch-up {7}\d/),
    expect.stringMatching(/^ {2}\+ verify {9}\d/),
    expect.stringMatching(/^ {2}\+ await-cutover {2}\d/),
    expect.stringMatching(/^ {2}\+ cutover {8}\d/),
    expect.stringMatching(/^ {2}\+ clean-up {7}\d/),
  ]);
  expect(lines.filter((line) => heading.test(line))).toHaveLength(1);
  expect(terminal.lines({ joinsWrapped: true })).toEqual(expect.arrayContaining(view));
});

test('a terminal that changes its size shows one view, not parts of several', async () => {
  await using reader = await shop.openReader();
  using terminal = new Terminal(80, 24);
  terminal.start(command('migrate', '--url', shop.url, '--alter', "'ALTER TABLE orders ADD COLUMN second INT'"));
  for (const [columns, rows] of [
    [80, 24],
    [48, 20],
    [130, 40],
    [70, 24],
  ] as const) {
    terminal.resize(columns, rows);
    const before = terminal.lines({ joinsWrapped: false });
    await expect.poll(() => terminal.lines({ joinsWrapped: false })).not.toEqual(before);
    await expect.poll(() => terminal.lines({ joinsWrapped: false }).filter((line) => heading.test(line))).toHaveLength(1);
  }
  await reader[Symbol.asyncDispose]();
  terminal.awaitEnd();
  const lines = terminal.lines({ joinsWrapped: false });
  expect(lines.at(-1)).toBe('exit=0');
  expect(lines.filter((line) => heading.test(line))).toHaveLength(1);
  expect(lines.filter((line) => line.includes('+ prepare'))).toHaveLength(1);
});

test('a run goes on while its terminal is stopped, and shows its end once that goes on', async () => {
  using terminal = new Terminal(80, 30);
  const socket = join(tmpdir(), `tableshift-stopped-${randomBytes(4).toString('hex')}`);
  const call = async (...args: readonly string[]): Promise<Readonly<Record<string, unknown>>> =>
    lastObject(await runCli([...args, '--socket', socket, '--output', 'json']));
  const secondsSoFar = async (): Promise<number> => Number((await call('status'))['elapsedMs']) / 1000;
  const alter = "'ALTER TABLE orders ADD COLUMN fourth INT'";
  terminal.start(command('migrate', '--url', shop.url, '--alter', alter, '--cutover', 'manual', '--socket', socket));
  const text = (): string => terminal.lines({ joinsWrapped: true }).join('\n');
  await expect.poll(text).toContain('held by operator');
  terminal.press('C-s');
  const stoppedAt = await secondsSoFar();
  // The view is drawn each second, so that several times it could not be.
  await expect.poll(secondsSoFar).toBeGreaterThan(stoppedAt + 3);
  await call('control', 'cutover');
  const columns =
    "SELECT COUNT(*) AS n FROM information_schema.columns WHERE table_schema = 'shop' AND table_name = 'orders' AND column_name = 'fourth'";
  await expect.poll(async () => (await shop.sql(columns))[0]?.[0]?.['n']).toBe(1);
  expect(text()).not.toContain('+ clean-up');
  terminal.press('C-q');
  terminal.awaitEnd();
  expect(terminal.lines({ joinsWrapped: false }).at(-1)).toBe('exit=0');
  expect(text()).toContain('+ clean-up');
});

test('a password that is asked for is not shown', async () => {
  using terminal = new Terminal(80, 24);
  const url = `mysql://typist@127.0.0.1:${shop.server.port}/shop`;
  terminal.start(command('list', '--ask-pass', '--url', url));
  await expect.poll(() => terminal.lines({ joinsWrapped: true })).toContain(`Password for ${url}:`);
  terminal.type('geheim');
  terminal.awaitEnd();
  const lines = terminal.lines({ joinsWrapped: true });
  expect(lines.at(-1)).toBe('exit=0');
  expect(lines).toEqual(expect.arrayContaining([expect.stringMatching(/^ID +STATE/)]));
  expect(lines.join('\n')).not.toContain('geheim');
});

test('a run whose terminal is closed saves its end and leaves an exit code, where Node alone would leave a core', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tableshift-closed-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const code = join(folder, 'code');
  execFileSync('mkfifo', [code]);
  await using reader = await shop.openReader();
  using terminal = new Terminal(100, 30);
  const alter = "'ALTER TABLE orders ADD COLUMN unseen INT'";
  terminal.type(`(trap '' HUP; ${command('migrate', '--url', shop.url, '--alter', alter)}; echo $? > ${code})`);
  await expect.poll(() => terminal.lines({ joinsWrapped: true }).join('\n')).toContain('> cutover');
  terminal[Symbol.dispose]();
  expect(await readFile(code, 'utf8')).toBe('1\n');
  await reader[Symbol.asyncDispose]();
  const { id, failure } = lastObject(await runCli(['status', '--url', shop.url, '--output', 'json']));
  expect(failure).toBe('INTERRUPTED: The run was ended by SIGHUP.');
  await runCli(['cleanup', '--url', shop.url, String(id)]);
});

test('Ctrl-C saves a checkpoint, and the last lines say in which phase that was, and how to go on', async () => {
  await using reader = await shop.openReader();
  using terminal = new Terminal(100, 30);
  terminal.start(command('migrate', '--url', shop.url, '--alter', "'ALTER TABLE orders ADD COLUMN third INT'"));
  await expect.poll(() => terminal.lines({ joinsWrapped: true }).join('\n')).toContain('> cutover');
  terminal.press('C-c');
  terminal.awaitEnd();
  await reader[Symbol.asyncDispose]();
  expect(terminal.lines({ joinsWrapped: true })).toContainEqual(expect.stringMatching(/^ {2}x \S+ +ended after \d/));
  expect(terminal.lines({ joinsWrapped: true }).slice(-5)).toEqual([
    'error INTERRUPTED: The run was ended by SIGINT.',
    '  remedy: Resume.',
    expect.stringMatching(/^ {2}to go on: {6}tableshift resume --url /),
    expect.stringMatching(/^ {2}to give it up: tableshift cleanup --url /),
    'exit=1',
  ]);
});
