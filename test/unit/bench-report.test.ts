/** What the benches print, keep and draw, and what they take from a command line. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { readCount, readCounts, readFlavours, readNamed, readVersion } from '../../bench/arguments.ts';
import { shortText, svgOf, ticksTo } from '../../bench/chart.ts';
import { filled } from '../../bench/peers.ts';
import { benchReport, reportOf } from '../../bench/report.ts';
import { type BenchResult, type Chart, markdownTable, textTable } from '../../bench/result.ts';
import { readWrite } from '../../bench/staged-writes.ts';
import { copyForStaging } from '../../bench/staging.ts';

const columns = [
  { title: 'seconds', digits: 1 },
  { title: 'rows/s', digits: 0 },
];
const lines = [
  { name: 'native', cells: [1.25, 1234567] },
  { name: 'a|b', cells: [null, 'many'] },
];
const bars: Chart = {
  kind: 'bars',
  name: 'seconds',
  title: 'Time <of> all & more',
  unit: 's',
  bars: [
    { name: 'native', value: 2, isOurs: false },
    { name: 'ours', value: 1, isOurs: true },
  ],
};
const curves: Chart = {
  kind: 'curves',
  name: 'time',
  title: 'Time per row',
  unit: 'µs',
  xUnit: 'million rows',
  curves: [
    {
      name: 'narrow',
      points: [
        [1, 3],
        [8, 3.1],
      ],
    },
    {
      name: 'wide',
      points: [
        [1, 3],
        [8, 3.1],
      ],
    },
  ],
};

function result(changes: Partial<BenchResult>): BenchResult {
  return {
    format: 1,
    bench: 'copy',
    flavour: 'mysql',
    server: 'MySQL 9.7.4',
    title: '5 rows',
    machine: { processors: 2, model: 'Some', memoryGib: 24, load: [1, 2, 3.5], node: 'v20.20.2' },
    commit: 'abc1234',
    madeAt: '2026-11-22T10:00:00.000Z',
    command: 'npm run bench -- copy',
    settings: { rows: 5 },
    columns,
    lines,
    charts: [bars],
    notes: ['A note.'],
    runs: [],
    ...changes,
  };
}

test('a table is aligned as text and escaped as Markdown, with a dash where there is no figure', () => {
  expect(textTable(columns, lines).split('\n')).toEqual([
    '        seconds     rows/s',
    'native      1.3  1,234,567',
    'a|b           -       many',
  ]);
  expect(markdownTable(columns, lines).split('\n')).toEqual([
    '|  | seconds | rows/s |',
    '| --- | --: | --: |',
    '| native | 1.3 | 1,234,567 |',
    '| a\\|b | - | many |',
  ]);
});

test('ticks are round, begin at 0 and reach the greatest value', () => {
  expect(ticksTo(8, 8)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
  expect(ticksTo(0.31, 5)).toEqual([0, 0.1, 0.2, 0.3, 0.4]);
  expect(ticksTo(73, 5)).toEqual([0, 20, 40, 60, 80]);
  expect(ticksTo(0, 5)).toEqual([0, 1]);
  expect([0, 3, 0.0025, 3.14159, 31.4159, 314.159, 1234567].map(shortText)).toEqual([
    ...['0', '3', '0.0025', '3.14', '31.4', '314', '1,234,567'],
  ]);
});

test('a chart has its figures in words, its markup escaped, and colours for light and dark', () => {
  const drawn = svgOf(bars);
  expect(drawn).toContain('Time &lt;of&gt; all &amp; more');
  expect(drawn).toContain('prefers-color-scheme: dark');
  const lengths = [...drawn.matchAll(/<rect class="(\w+)"[^>]* width="([\d.]+)" height="18"/g)].map(([, kind, width]) => [
    kind,
    Number(width),
  ]);
  expect(lengths).toHaveLength(2);
  expect(lengths[0]?.[0]).toBe('others');
  expect(lengths[1]?.[0]).toBe('ours');
  expect(Number(lengths[0]?.[1]) / Number(lengths[1]?.[1])).toBeCloseTo(2);
});

test('labels of curves that end in the same place do not lie on each other', () => {
  const ys = [...svgOf(curves).matchAll(/y="([\d.]+)"[^>]*>(?:narrow|wide)</g)].map(([, y]) => Number(y));
  expect(ys).toHaveLength(2);
  expect(Math.abs(Number(ys[0]) - Number(ys[1]))).toBeGreaterThan(12);
});

test('a report is the same for the same results in any order, and keeps two of the same bench apart', () => {
  const results = [
    result({ flavour: 'postgres', server: 'PostgreSQL 18.4' }),
    result({ bench: 'scale', charts: [curves] }),
    result({ madeAt: '2026-11-22T11:00:00.000Z' }),
    result({}),
  ];
  const files = reportOf(results);
  expect(reportOf(results.toReversed())).toEqual(files);
  expect(files.map(({ name }) => name)).toEqual([
    'results.md',
    'copy-mysql-seconds.svg',
    'copy-mysql-2-seconds.svg',
    'copy-postgres-seconds.svg',
    'scale-mysql-time.svg',
  ]);
  const [{ content } = { content: '' }] = files;
  expect(content.match(/^## .*$/gm)).toEqual([
    '## copy, MySQL 9.7.4',
    '## copy, MySQL 9.7.4',
    '## copy, PostgreSQL 18.4',
    '## scale, MySQL 9.7.4',
  ]);
  for (const part of [
    'commit abc1234',
    'load 1.0 2.0 3.5',
    'npm run bench -- copy',
    'rows 5',
    'A note.',
    '(copy-mysql-2-seconds.svg)',
  ])
    expect(content).toContain(part);
});

test('a report replaces the one before, leaves other files, and refuses what no bench wrote', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tableshift-report-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const [into, good, bad] = [join(folder, 'out'), join(folder, 'good.json'), join(folder, 'bad.json')];
  writeFileSync(good, JSON.stringify([result({}), result({ bench: 'scale', charts: [curves] })]));
  await benchReport(['--into', into, good]);
  writeFileSync(join(into, 'other.txt'), '');
  writeFileSync(good, JSON.stringify([result({})]));
  await benchReport(['--into', into, good]);
  expect(readdirSync(into).sort()).toEqual(['copy-mysql-seconds.svg', 'other.txt', 'results.md']);
  writeFileSync(bad, JSON.stringify({ rows: 5 }));
  await expect(async () => await benchReport(['--into', into, bad])).rejects.toThrow(
    `${bad} was not written by a bench's --json`,
  );
  await expect(async () => await benchReport(['--into', into])).rejects.toThrow('Say which files');
  expect(readFileSync(join(into, 'results.md'), 'utf8')).toContain('## copy');
});

test('a wrong option is refused with what there is', () => {
  expect(readCounts('rows', '1_000_000,2', { min: 1, max: 2_000_000 })).toEqual([1_000_000, 2]);
  for (const text of ['', '1e3', '-1', '0', '11', '1.5', 'ten'])
    expect(() => readCount('rounds', text, { min: 1, max: 10 }), text).toThrow('--rounds');
  expect(readFlavours('all')).toEqual(['mysql', 'mariadb', 'postgres']);
  expect(() => readFlavours('mysql,oracle')).toThrow('there is no oracle');
  expect(() => readVersion('14')).toThrow('15, 16, 17, 18');
  expect(readNamed('variant', 'one=--workers 1=2')).toEqual({ name: 'one', text: '--workers 1=2' });
  expect(() => readNamed('variant', '=x')).toThrow('NAME=TEXT');
});

test('a command of another tool is filled in and quoted, without the password', () => {
  const target = { url: 'mysql://me:s%20cret@db:3307/shop', schema: 'shop', table: "o'brien", alter: 'ADD c INT' };
  expect(filled('go --at {host}:{port} {user}@{url} {schema}.{table} {alter}', target)).toBe(
    "go --at 'db':'3307' 'me'@'mysql://me@db:3307/shop' 'shop'.'o'\\''brien' 'ADD c INT'",
  );
  expect(() => filled('go {password}', target)).toThrow('there is no {password}');
});

test('a write of an application gets its values by column', () => {
  expect(readWrite('UPDATE {table} SET n = {n} WHERE id = {id}', 'a.t', ['id', 'n'])).toEqual({
    sql: 'UPDATE a.t SET n = ? WHERE id = ?',
    columns: ['n', 'id'],
  });
  expect(() => readWrite('DELETE FROM {table} WHERE x = {x}', 'a.t', ['id'])).toThrow('{x} is no column');
});

test('nothing is done on a server of others before they say that it is not production', async () => {
  const asked = { url: 'mysql://me:secret@127.0.0.1:1/shop', table: 'shop.orders', alter: 'ADD c INT', 'rows-max': '5' };
  const staged = (changes: object): Promise<unknown> =>
    copyForStaging({ ...asked, 'yes-this-is-not-production': false, ...changes });
  await expect(staged({})).rejects.toThrow(/^(?!.*secret).*--yes-this-is-not-production/);
  await expect(staged({ table: undefined })).rejects.toThrow('belong together');
  await expect(staged({ table: 'orders' })).rejects.toThrow('SCHEMA.NAME');
  await expect(staged({ table: 'shop.orders; DROP TABLE x' })).rejects.toThrow('SCHEMA.NAME');
});
