/**
 * The build: types by tsc, and the program and the library each as few files by esbuild, as Node spends more time on finding and
 * opening four hundred small ones than the program on planning. Dependencies stay outside.
 *
 *   npm run build                   into dist
 *   tsx scripts/build.ts FOLDER     into another, beside which package.json lies
 */

import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { build } from 'esbuild';

const root = join(import.meta.dirname, '..');
const folder = resolve(process.argv[2] ?? join(root, 'dist'));

rmSync(folder, { recursive: true, force: true });
const compiler = join(root, 'node_modules', '.bin', 'tsc');
const types = spawnSync(compiler, ['-p', join(root, 'tsconfig.build.json'), '--outDir', folder], { stdio: 'inherit' });
if (types.error !== undefined) throw types.error;
process.exitCode = types.status ?? 1;

await build({
  absWorkingDir: root,
  entryPoints: ['src/index.ts', 'src/shell/main.ts'],
  outbase: 'src',
  outdir: folder,
  bundle: true,
  // What only one kind of server needs is loaded for that one, and what both entries need is there once.
  splitting: true,
  chunkNames: 'parts/[name]-[hash]',
  format: 'esm',
  platform: 'node',
  target: 'node20.19',
  packages: 'external',
  logLevel: 'warning',
});
