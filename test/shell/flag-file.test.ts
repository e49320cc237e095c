import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Controls } from '../../src/engine/controls.ts';
import { DEFAULT_OPTIONS } from '../../src/engine/options.ts';
import { CutoverFile, throttleFile } from '../../src/shell/flag-file.ts';
import { systemClock } from '../../src/sessions/system-clock.ts';

const never = new AbortController().signal;

function openFolder() {
  const folder = mkdtempSync(join(tmpdir(), 'tableshift-flag-'));
  return { path: join(folder, 'stop'), folder, [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }) };
}

test('a throttle file stops the copy while it exists', async () => {
  using place = openFolder();
  const signal = throttleFile(place.path);
  expect(await signal.sample(never)).toEqual({ pressure: 0, detail: `${place.path} does not exist` });
  writeFileSync(place.path, '');
  expect(await signal.sample(never)).toEqual({ pressure: 1, detail: `${place.path} exists` });
  rmSync(place.path);
  expect(await signal.sample(never)).toMatchObject({ pressure: 0 });
});

test('a throttle file whose directory is gone gives no answer, so that it goes stale', async () => {
  using place = openFolder();
  rmSync(place.folder, { recursive: true });
  await expect(throttleFile(place.path).sample(never)).rejects.toThrow(`the directory of ${place.path} cannot be read`);
});

test('a cutover file holds the cutover while it exists, and while nobody can tell', async () => {
  using place = openFolder();
  const controls = new Controls(DEFAULT_OPTIONS);
  const file = new CutoverFile(place.path, controls, systemClock);
  await file.look();
  expect(controls.cutoverHeldBy).toBeNull();
  writeFileSync(place.path, '');
  await file.look();
  expect(controls.cutoverHeldBy).toEqual({ by: 'file', reason: `${place.path} exists` });
  rmSync(place.path);
  await file.look();
  expect(controls.cutoverHeldBy).toBeNull();
  rmSync(place.folder, { recursive: true });
  await file.look();
  expect(controls.cutoverHeldBy).toEqual({ by: 'file', reason: `the directory of ${place.path} cannot be read` });
});

test('a cutover file is looked at twice a second, and one that no longer counts holds nothing', async () => {
  using place = openFolder();
  const controls = new Controls(DEFAULT_OPTIONS);
  const stop = new AbortController();
  const steps = [() => writeFileSync(place.path, ''), () => rmSync(place.path), () => stop.abort(new Error('over'))];
  const seen: unknown[] = [];
  const sleep = async (ms: number): Promise<void> => {
    seen.push([ms, controls.cutoverHeldBy?.reason ?? null]);
    steps.shift()?.();
    stop.signal.throwIfAborted();
  };
  const file = new CutoverFile(place.path, controls, { ...systemClock, sleep });
  await expect(file.keep(stop.signal)).rejects.toThrow('over');
  expect(seen).toEqual([
    [500, null],
    [500, `${place.path} exists`],
    [500, null],
  ]);
  writeFileSync(place.path, '');
  const looking = file.look();
  await file.replace(null);
  await looking;
  expect(controls.cutoverHeldBy).toBeNull();
  await file.replace(place.path);
  expect(controls.cutoverHeldBy).toEqual({ by: 'file', reason: `${place.path} exists` });
});
