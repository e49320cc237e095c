/** Bundles the engine and its simulation into one module: for speed, and with source faults planted that the judge must catch. */

import { randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { build, type Plugin } from 'esbuild';

/** A change of one place of the engine's text. `find` stands there exactly once. */
export interface SourceFault {
  /** File name in src/engine. */
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

const ENGINE = join(import.meta.dirname, '../../src/engine');

/** A bundle in a temporary file; disposing it removes the file. */
export interface Bundle extends Disposable {
  readonly path: string;
}

/** Bundles seed-worker.ts with these faults planted. Throws where a fault no longer fits the engine's text. */
export async function bundleSimulation(faults: readonly SourceFault[]): Promise<Bundle> {
  return await bundleEngine(join(import.meta.dirname, 'seed-worker.ts'), faults);
}

/** Bundles a module and the engine that it imports, with these faults planted. */
export async function bundleEngine(entry: string, faults: readonly SourceFault[]): Promise<Bundle> {
  const texts = plant(faults);
  const folder = join(tmpdir(), `simulation-${process.pid}-${randomUUID()}`);
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `${basename(entry, '.ts')}.mjs`);
  const planting: Plugin = {
    name: 'planting',
    setup(setup) {
      setup.onLoad({ filter: /\/src\/engine\/[^/]+\.ts$/ }, ({ path: source }) => {
        const text = texts.get(source);
        return text === undefined ? null : { contents: text, loader: 'ts' };
      });
    },
  };
  await build({
    entryPoints: [entry],
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'esm',
    outfile: path,
    plugins: [planting],
    logLevel: 'error',
  });
  return { path, [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }) };
}

function plant(faults: readonly SourceFault[]): ReadonlyMap<string, string> {
  const texts = new Map<string, string>();
  for (const { file, find, replace } of faults) {
    const path = join(ENGINE, file);
    const text = texts.get(path) ?? readFileSync(path, 'utf8');
    const places = text.split(find).length - 1;
    if (places !== 1) throw new Error(`The fault for ${file} fits ${places} places instead of one: ${find}`);
    texts.set(
      path,
      text.replace(find, () => replace),
    );
  }
  return texts;
}
