/** The rules of house style that a machine can see but the linter does not. Each test names the files that break its rule. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join, relative } from 'node:path';
import { expect, test } from 'vitest';

const root = join(import.meta.dirname, '..', '..');

interface SourceFile {
  /** From the root of the repository: `src/engine/plan.ts`. */
  readonly path: string;
  readonly text: string;
}

const files: readonly SourceFile[] = ['src', 'test', 'bench', 'scripts'].flatMap(readFolder);
const product = files.filter((file) => file.path.startsWith('src/'));
const tests = files.filter((file) => file.path.endsWith('.test.ts'));

test('there are files to look at', () => {
  expect(product.length).toBeGreaterThan(0);
  expect(tests.length).toBeGreaterThan(0);
});

test('a product file has at most 500 lines', () => {
  expect(pathsOf(product.filter((file) => file.text.trimEnd().split('\n').length > 500))).toEqual([]);
});

test('a file is named after its subject', () => {
  const vague = ['utils', 'util', 'helpers', 'helper', 'common', 'misc', 'lib', 'types', 'interfaces', 'constants', 'index'];
  const named = files.filter((file) => vague.includes(basename(file.path, '.ts')) && file.path !== 'src/index.ts');
  expect(pathsOf(named)).toEqual([]);
});

test('the same role has the same file name in every adapter', () => {
  const roles = ['database', 'session', 'catalog', 'statements', 'table-pair', 'change-stream', 'position', 'cutover'];
  roles.push('checkpoint-store', 'throttle-signals', 'errors');
  // An adapter that cannot be opened yet is still being built.
  const adapters = ['src/mysql', 'src/postgres'].filter((folder) => existsSync(join(root, folder, 'database.ts')));
  const hasRole = (folder: string, role: string): boolean => product.some((file) => file.path === `${folder}/${role}.ts`);
  const uneven = roles.filter((role) => new Set(adapters.map((folder) => hasRole(folder, role))).size > 1);
  expect(uneven).toEqual([]);
});

test('nothing is left to be done in a comment', () => {
  expect(linesWith(files, /\b(?:TO[D]O|FIX[M]E|XX[X])\b/)).toEqual([]);
});

test('a line of a comment in the product has at most 140 columns', () => {
  expect(linesWith(product, /^(?=.{141}) *(?:\/\*\*|\/\/|\*)/)).toEqual([]);
});

test('the environment enters in one place, from where the options table gets it', () => {
  const others = product.filter((file) => file.path !== 'src/shell/main.ts');
  expect(linesWith(others, /\bprocess\.env\b/)).toEqual([]);
});

test('a test waits for something that happens, not for time to pass', () => {
  expect(
    linesWith(
      tests,
      /node:timers|from 'timers|\bnew Promise\b.*\bset(?:Timeout|Immediate)\b|\bresolve,\s*\d|\bAtomics\.wait\b/,
    ),
  ).toEqual([]);
});

test('a skipped test says why, and none runs alone', () => {
  expect(linesWith(tests, /\b(?:test|it|describe)\.(?:only|todo|skip)\b|\.skip\(\s*\)/)).toEqual([]);
});

test('a test uses our own modules as they are, once', () => {
  expect(linesWith(tests, /\bvi\.(?:do)?[mM]ock\(|\bretry:/)).toEqual([]);
});

function readFolder(folder: string): SourceFile[] {
  if (!existsSync(join(root, folder))) return [];
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => path !== import.meta.filename)
    .map((path) => ({ path: relative(root, path), text: readFileSync(path, 'utf8') }));
}

function pathsOf(found: readonly SourceFile[]): readonly string[] {
  return found.map((file) => file.path);
}

function linesWith(searched: readonly SourceFile[], pattern: RegExp): readonly string[] {
  return searched.flatMap((file) =>
    file.text.split('\n').flatMap((line, index) => (pattern.test(line) ? [`${file.path}:${index + 1}: ${line.trim()}`] : [])),
  );
}
