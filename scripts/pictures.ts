/**
 * Makes the pictures in docs/pictures: the live view of a real migration under traffic, in terminals of several sizes that tmux
 * keeps, and what the same run writes into a pipe. Needs tmux. Usage: npm run pictures
 */
import { execFile, execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { startServer } from '../test/support/servers.ts';
import { prepareTraffic, startTraffic } from '../test/support/traffic.ts';

const root = join(import.meta.dirname, '..');
const folder = join(root, 'docs', 'pictures');
const alter = 'ALTER COLUMN amount TYPE bigint';
const pollMs = 50;

interface Picture {
  readonly name: string;
  readonly columns: number;
  readonly rows: number;
  readonly args: readonly string[];
  /** What the terminal must show. */
  readonly moment: RegExp;
  /** Whether the throttle file is there from the beginning. */
  readonly isHeld?: boolean;
}

const pictures: readonly Picture[] = [
  { name: 'copying-80x24', columns: 80, rows: 24, args: [], moment: /> copy .* [2-9]\d %/ },
  { name: 'copying-200x50-no-colour', columns: 200, rows: 50, args: ['--no-color'], moment: /> copy .* [2-9]\d %/ },
  { name: 'throttled-80x24', columns: 80, rows: 24, args: [], moment: /throttle +throttle/, isHeld: true },
  { name: 'done-80x24', columns: 80, rows: 24, args: [], moment: /exit \d/ },
];

const traffic = {
  schema: 'shop',
  seed: 1,
  rows: 300_000,
  writesPerSecond: 100,
  readsPerSecond: 50,
  writers: 4,
  hasTwin: false,
};

/** Migrates in a terminal of that size until the moment has come, and keeps what the terminal shows then. */
async function take({ name, columns, rows, args, moment, isHeld = false }: Picture): Promise<void> {
  await using server = await startServer({ flavour: 'postgres', extraFlags: [] });
  const load = { ...traffic, url: server.url };
  const { schema, table } = await prepareTraffic(load);
  await using application = startTraffic(load);
  await application.acknowledged(100);
  const work = mkdtempSync(join(tmpdir(), 'tableshift-pictures-'));
  if (isHeld) writeFileSync(join(work, 'hold'), '');
  const words = [
    'tableshift',
    'migrate',
    '--table',
    `${schema}.${table}`,
    '--alter',
    `'${alter}'`,
    '--throttle-file',
    'hold',
    ...args,
  ];
  const program = `tableshift() { ${quoted(process.execPath)} ${quoted(join(root, 'dist', 'shell', 'main.js'))} "$@"; }`;
  const script = `PS1=; cd ${quoted(work)}; export TABLESHIFT_URL=${quoted(server.url)}; ${program}; clear; ${words.join(' ')}; echo "exit $?"; read -r _`;
  const tmux = (...command: readonly string[]): string =>
    execFileSync('tmux', ['-S', join(work, 'tmux'), '-f', '/dev/null', ...command], { encoding: 'utf8' });
  try {
    tmux('new-session', '-d', '-x', String(columns), '-y', String(rows), 'bash', '--norc', '-c', script);
    tmux('set', '-g', 'status', 'off');
    let screen = '';
    while (!moment.test(plain(screen))) {
      await delay(pollMs);
      if (/exit \d/.test(plain(screen))) throw new Error(`${name}: the moment did not come.\n${plain(screen)}`);
      screen = tmux('capture-pane', '-e', '-p');
    }
    writeFileSync(join(folder, `${name}.svg`), drawing(screen, columns, rows));
    console.log(`${name}\n${plain(screen).trimEnd()}\n`);
  } finally {
    tmux('kill-server');
    rmSync(work, { recursive: true });
  }
}

/** What a scheduled run leaves in its log. */
async function writePipe(): Promise<void> {
  await using server = await startServer({ flavour: 'postgres', extraFlags: [] });
  const load = { ...traffic, url: server.url };
  const { schema, table } = await prepareTraffic(load);
  await using application = startTraffic(load);
  await application.acknowledged(100);
  const program = join(root, 'dist', 'shell', 'main.js');
  const args = [program, 'migrate', '--table', `${schema}.${table}`, '--alter', alter];
  // Waited for without standing still: the application runs in this process.
  const { stdout: text } = await promisify(execFile)(process.execPath, args, {
    env: { ...process.env, TABLESHIFT_URL: server.url },
  });
  writeFileSync(join(folder, 'pipe.txt'), text);
  console.log(text);
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

// oxlint-disable-next-line no-control-regex -- what a terminal shows is painted with the escape character
const PAINT = /\u001B\[([\d;]*)m/;

function plain(screen: string): string {
  return screen.replaceAll(new RegExp(PAINT, 'g'), '');
}

const CHARACTER = { width: 8.4, height: 18, size: 14, margin: 12 };
const COLOURS: Readonly<Record<string, string>> = { 32: '#7ec98f', 33: '#e6c36a', 36: '#6cc3d5' };

/** The screen as an SVG. Every cell is one column wide: the view writes no wide characters of its own. */
function drawing(screen: string, columns: number, rows: number): string {
  const { width, height, size, margin } = CHARACTER;
  const lines = screen.split('\n').slice(0, rows);
  const texts = lines.flatMap((line, row) =>
    spans(line).map(({ text, column, style }) => {
      const x = (margin + column * width).toFixed(1);
      return `<text x="${x}" y="${margin + row * height + size}" textLength="${(text.length * width).toFixed(1)}"${style}>${escaped(text)}</text>`;
    }),
  );
  const [w, h] = [Math.ceil(columns * width + 2 * margin), rows * height + 2 * margin];
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${w}" height="${h}" viewBox="0 0 ${w} ${h}">`,
    `<rect width="100%" height="100%" rx="6" fill="#1d2329"/>`,
    `<g font-family="ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="${size}" fill="#d8dee4" xml:space="preserve">`,
    ...texts,
    '</g>',
    '</svg>',
    '',
  ].join('\n');
}

interface Span {
  readonly text: string;
  readonly column: number;
  readonly style: string;
}

/** The parts of a line that look alike; empty ones are left out. */
function spans(line: string): readonly Span[] {
  const found: Span[] = [];
  const on = new Set<string>();
  let column = 0;
  for (const [index, part] of line.split(PAINT).entries()) {
    if (index % 2 === 1) {
      for (const code of part.split(';')) {
        if (code === '' || code === '0') on.clear();
        else if (code === '39') for (const colour of Object.keys(COLOURS)) on.delete(colour);
        else on.add(code);
      }
    } else {
      if (part.trim() !== '') found.push({ text: part, column, style: styleOf(on) });
      column += part.length;
    }
  }
  return found;
}

function styleOf(on: ReadonlySet<string>): string {
  const colour = [...on].map((code) => COLOURS[code]).find((known) => known !== undefined);
  const styles = [colour === undefined ? '' : ` fill="${colour}"`, on.has('1') ? ' font-weight="bold"' : ''];
  return `${styles.join('')}${on.has('2') ? ' opacity="0.6"' : ''}`;
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

mkdirSync(folder, { recursive: true });
for (const picture of pictures) await take(picture);
await writePipe();
