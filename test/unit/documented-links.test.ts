/** Where the documents send their reader to: files and headings that are there. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { expect, test } from 'vitest';

const root = join(import.meta.dirname, '..', '..');
const pages = [
  ...readdirSync(root).filter((name) => name.endsWith('.md')),
  ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' }).flatMap((name) =>
    name.endsWith('.md') ? [join('docs', name)] : [],
  ),
];

test('each link of a document leads to a file, and to a heading of it', () => {
  const links = pages.flatMap((page) =>
    [...read(page).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => ({ page, target })),
  );
  const broken = links.filter(({ target }) => !/^https?:/.test(target)).filter((link) => !isThere(link));
  expect(links.length).toBeGreaterThan(100);
  expect(broken).toEqual([]);
});

test('each document that the code names is there', () => {
  const named = ['src', 'test', 'bench', 'scripts'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts'))
      .flatMap((name) => [...read(join(folder, name)).matchAll(/\bdocs\/[\w/-]+\.(?:md|json)\b/g)].map(([path]) => path)),
  );
  expect(named.length).toBeGreaterThan(10);
  expect(named.filter((path) => !existsSync(join(root, path)))).toEqual([]);
});

function isThere({ page, target }: { readonly page: string; readonly target: string }): boolean {
  const [file = '', heading] = target.split('#');
  const path = file === '' ? join(root, page) : join(root, dirname(page), file);
  if (!existsSync(path)) return false;
  return heading === undefined || headingsOf(relative(root, path)).includes(heading);
}

/** As GitHub makes them: lower case, without signs, a dash for each blank. */
function headingsOf(page: string): readonly string[] {
  const text = read(page).replaceAll(/^```.*?^```/gms, '');
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, title = '']) =>
    title
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\-_ ]/gu, '')
      .replaceAll(' ', '-'),
  );
}

function read(page: string): string {
  return readFileSync(join(root, page), 'utf8');
}
