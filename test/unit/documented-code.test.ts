/** The TypeScript that the documents show, as a reader's compiler sees it. */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { allOptions } from '../../src/shell/options.ts';

const root = join(import.meta.dirname, '..', '..');
/** What the reader has of his own. */
const given = 'declare const url: string;\ndeclare const password: string;\n';

// The compiler reads all sources.
test('the examples of the library compile', { timeout: 120_000 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tableshift-documents-'));
  try {
    const texts = await Promise.all(['README.md', 'docs/operating.md'].map((name) => readFile(join(root, name), 'utf8')));
    const examples = texts.flatMap((text) => [...text.matchAll(/^```ts\n(.*?)^```/gms)].map(([, code]) => `${given}${code}`));
    expect(examples).toHaveLength(2);
    for (const [at, code] of examples.entries()) await writeFile(join(folder, `example${at}.mts`), code);
    const compilerOptions = {
      typeRoots: [join(root, 'node_modules', '@types')],
      noUnusedLocals: false,
      paths: { tableshift: [join(root, 'src', 'index.ts')] },
    };
    const config = { extends: join(root, 'tsconfig.json'), compilerOptions, include: [join(folder, '*.mts')] };
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(config));
    const compiler = join(root, 'node_modules', '.bin', 'tsc');
    const faults = await promisify(execFile)(compiler, ['-p', folder]).then(
      () => '',
      ({ stdout }: { readonly stdout: string }) => stdout,
    );
    expect(faults).toBe('');
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('the options that other tools are compared with are ours', async () => {
  const text = await readFile(join(root, 'docs', 'coming-from.md'), 'utf8');
  const rows = text.split('\n').flatMap((line) => /^\| .* \|(.*)\|$/.exec(line)?.[1] ?? []);
  const flags = rows.flatMap((cell) => [...cell.matchAll(/--([a-z-]+)/g)].map(([, flag = '']) => flag));
  const known = allOptions().flatMap(({ flag }) => (flag === null ? [] : [flag, `no-${flag}`]));
  expect(flags.length).toBeGreaterThan(15);
  expect(flags.filter((flag) => !known.includes(flag))).toEqual([]);
});
