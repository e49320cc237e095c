import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  createReadStream,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Controls } from '../../src/engine/controls.ts';
import { DEFAULT_OPTIONS } from '../../src/engine/options.ts';
import { CutoverGate } from '../../src/shell/cutover-gate.ts';
import { findHooks } from '../../src/shell/hook-directory.ts';
import { hookListener, runHook } from '../../src/shell/hooks.ts';
import { makeNotice, Notifier } from '../../src/shell/notifier.ts';
import { examplePlan } from '../support/run-events.ts';
import { settle, VirtualClock } from '../support/virtual-clock.ts';

const never = new AbortController().signal;
const noticeOfName = (name: string) =>
  makeNotice(name, examplePlan, { time: new Date('2026-11-21T12:00:00Z'), text: `it was ${name}`, details: { rows: 3 } });

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tableshift-hooks-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function makeHook(name: string, script: string): string {
  const path = join(folder, name);
  writeFileSync(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o755);
  return path;
}

describe('a hook', () => {
  test('is told in its environment and on its standard input, and has no password', async () => {
    const out = join(folder, 'out');
    const path = makeHook('swapped', `env | grep -E '^TABLESHIFT|^PG|^KEPT' | sort > ${out}; cat >> ${out}`);
    const secrets = [
      'TABLESHIFT_PASSWORD',
      'TABLESHIFT_REPLICAS',
      'TABLESHIFT_THROTTLE_HTTP',
      'TABLESHIFT_WEBHOOK',
      'PGPASSWORD',
    ];
    const hidden = Object.fromEntries(secrets.map((name) => [name, 'geheim']));
    const environment = { ...hidden, KEPT: 'yes', PATH: process.env['PATH'] ?? '' };
    await runHook(path, noticeOfName('swapped'), environment, never);
    expect(readFileSync(out, 'utf8').split('\n')).toEqual([
      'KEPT=yes',
      'TABLESHIFT_HOOK_EVENT=swapped',
      'TABLESHIFT_HOOK_ID=k3v9x2',
      'TABLESHIFT_HOOK_TABLE=shop.orders',
      'TABLESHIFT_HOOK_TEXT=it was swapped',
      'TABLESHIFT_HOOK_TIME=2026-11-21T12:00:00.000Z',
      '{"time":"2026-11-21T12:00:00.000Z","event":"swapped","id":"k3v9x2","table":"shop.orders","text":"it was swapped","details":{"rows":3}}',
      '',
    ]);
  });

  test('that fails says so with its last words', async () => {
    const path = makeHook('swapped', `printf 'no\\n\\033[31m  disk\\n' >&2; exit 3`);
    await expect(runHook(path, noticeOfName('swapped'), {}, never)).rejects.toThrow(
      `the hook ${path} ended with 3: no [31m disk`,
    );
    writeFileSync(path, '#!/bin/sh\nkill -SEGV $$\n');
    await expect(runHook(path, noticeOfName('swapped'), {}, never)).rejects.toThrow(`the hook ${path} was ended by SIGSEGV`);
    writeFileSync(path, '#!/no/such/shell\n');
    await expect(runHook(path, noticeOfName('swapped'), {}, never)).rejects.toThrow(`the hook ${path} did not run: `);
  });

  test('is not waited for because of what it leaves running, nor because it does not read', async () => {
    const pipe = join(folder, 'pipe');
    execFileSync('mkfifo', [pipe]);
    // What is left holds the output open until the test opens the pipe.
    const path = makeHook('swapped', `(read line < ${pipe}) & exit 0`);
    const notice = { ...noticeOfName('swapped'), text: 'x'.repeat(100_000) };
    await expect(runHook(path, notice, { PATH: process.env['PATH'] }, never)).resolves.toBeUndefined();
    writeFileSync(pipe, 'go\n');
  });

  test('that is ended takes with it what it has started, and says why it was ended', async () => {
    const pipe = join(folder, 'pipe');
    execFileSync('mkfifo', [pipe]);
    const path = makeHook('swapped', `exec 9> ${pipe}; sleep 1000 & echo ready >&9; wait`);
    const end = new AbortController();
    const run = runHook(path, noticeOfName('swapped'), { PATH: process.env['PATH'] }, end.signal);
    run.catch(() => undefined);
    const writers = createReadStream(pipe).on('data', () => end.abort(new Error('it took too long')));
    await once(writers, 'end');
    await expect(run).rejects.toThrow(`the hook ${path} was ended: it took too long`);
  });

  test('is found by its name, with or without an extension', async () => {
    const [swapped, any] = [makeHook('swapped.sh', 'exit 0'), makeHook('any', 'exit 0')];
    writeFileSync(join(folder, 'README.md'), 'about these');
    expect(await findHooks(folder)).toEqual(
      new Map([
        ['any', any],
        ['swapped', swapped],
      ]),
    );
  });

  test('with a misspelt name, or that cannot be executed, is refused', async () => {
    const path = makeHook('befor-cutover', 'exit 0');
    await expect(findHooks(folder)).rejects.toThrow(`The hook ${path} is for nothing that happens; hooks are any, started,`);
    rmSync(path);
    const other = makeHook('before-cutover', 'exit 0');
    chmodSync(other, 0o644);
    await expect(findHooks(folder)).rejects.toThrow(`The hook ${other} cannot be executed.`);
    writeFileSync(other, '#!/no/such/shell\n');
    chmodSync(other, 0o755);
    await expect(findHooks(folder)).rejects.toThrow(
      `The hook ${other} cannot be executed: its first line names "/no/such/shell", which cannot be.`,
    );
    rmSync(other);
    for (const target of ['/nowhere', folder]) {
      symlinkSync(target, other);
      await expect(findHooks(folder)).rejects.toThrow(`The hook ${other} cannot be executed.`);
      rmSync(other);
    }
    const nowhere = join(folder, 'nowhere');
    const message = `The directory of --hooks ${nowhere} cannot be read: no such file or directory.`;
    await expect(findHooks(nowhere)).rejects.toThrow(expect.objectContaining({ code: 'BAD_USAGE', message }));
  });

  test('that somebody else could have put there is refused', async () => {
    const refused = async (what: string): Promise<void> =>
      await expect(findHooks(folder)).rejects.toThrow(
        expect.objectContaining({
          code: 'BAD_USAGE',
          message: expect.stringContaining(`${what} can be written to by everybody`),
        }),
      );
    const path = makeHook('swapped', 'exit 0');
    chmodSync(path, 0o777);
    await refused(`The hook ${path}`);
    chmodSync(path, 0o755);
    chmodSync(folder, 0o1777);
    await refused(`The directory of --hooks ${folder}`);
    chmodSync(folder, 0o755);
    const elsewhere = join(folder, 'elsewhere');
    mkdirSync(elsewhere);
    writeFileSync(join(elsewhere, 'any'), '#!/bin/sh\n', { mode: 0o755 });
    const link = join(folder, 'any');
    symlinkSync(join(elsewhere, 'any'), link);
    expect([...(await findHooks(folder)).keys()].sort()).toEqual(['any', 'swapped']);
    chmodSync(elsewhere, 0o777);
    await refused(`The directory ${elsewhere}, to which the hook ${link} leads,`);
  });

  test('of another user is refused', async (context) => {
    context.skip(process.getuid?.() !== 0, 'only root can give files away');
    const path = makeHook('swapped', 'exit 0');
    chownSync(path, 65_534, 65_534);
    await expect(findHooks(folder)).rejects.toThrow(`The hook ${path} belongs to another user (65534),`);
    chownSync(path, 0, 0);
    chownSync(folder, 65_534, 65_534);
    await expect(findHooks(folder)).rejects.toThrow(`The directory of --hooks ${folder} belongs to another user (65534),`);
  });
});

test('every notice is told once and in order, by its own hook and then by any, and one that fails is a warning', async () => {
  const out = join(folder, 'out');
  makeHook('any', `echo "any $TABLESHIFT_HOOK_EVENT" >> ${out}`);
  makeHook('swapped', `echo "own" >> ${out}`);
  const failing = makeHook('throttled', 'exit 1');
  const warnings: string[] = [];
  const notifier = new Notifier(hookListener(await findHooks(folder), {}), (text) => warnings.push(text));
  const delivered = notifier.deliver(never);
  for (const name of ['started', 'throttled', 'swapped', 'ended']) notifier.tell(noticeOfName(name));
  notifier.end();
  await delivered;
  expect(readFileSync(out, 'utf8')).toBe('any started\nown\nany swapped\nany ended\n');
  expect(warnings).toEqual([`a hook was not told of throttled: the hook ${failing} ended with 1`]);
});

test('who has not been told in time is named with what is left', async () => {
  const answers: (() => void)[] = [];
  const tell = (): Promise<void> => new Promise((resolve) => answers.push(resolve));
  const notifier = new Notifier({ name: 'the webhook', tell }, () => undefined);
  expect(notifier.untold).toBe(null);
  const delivered = notifier.deliver(never);
  for (const name of ['started', 'swapped', 'ended']) notifier.tell(noticeOfName(name));
  notifier.end();
  await settle();
  expect(notifier.untold).toBe('the webhook was not told of 3 notices, from started to ended');
  for (const left of ['2 notices, from swapped to ended', 'ended']) {
    answers.shift()?.();
    await settle();
    expect(notifier.untold).toBe(`the webhook was not told of ${left}`);
  }
  answers.shift()?.();
  await delivered;
  expect(notifier.untold).toBe(null);
});

test('whoever is told waits for what comes, and of more than a thousand that wait the oldest are left out', async () => {
  const told: string[] = [];
  const answers: (() => void)[] = [];
  const tell = ({ event }: { readonly event: string }): Promise<void> => {
    told.push(event);
    return new Promise((resolve) => answers.push(resolve));
  };
  const warnings: string[] = [];
  const notifier = new Notifier({ name: 'the webhook', tell }, (text) => warnings.push(text));
  const delivered = notifier.deliver(never);
  await settle();
  notifier.tell(noticeOfName('started'));
  await settle();
  expect(told).toEqual(['started']);
  for (let place = 1; place <= 1_002; place++) notifier.tell(noticeOfName(`${place}`));
  expect(warnings).toEqual(Array.from({ length: 2 }, () => 'the webhook is too slow: a notice was left out.'));
  while (told.length < 1_001) {
    answers.shift()?.();
    await settle();
  }
  expect([told[1], told.at(-1)]).toEqual(['3', '1002']);
  answers.shift()?.();
  await settle();
  notifier.end();
  await delivered;
});

describe('the gate before the cutover', () => {
  function openGate(members = 1) {
    const clock = new VirtualClock();
    const controls = new Controls(DEFAULT_OPTIONS);
    const state: { failure: string | null; checks: number } = { failure: null, checks: 0 };
    const check = async (): Promise<void> => {
      state.checks += 1;
      if (state.failure !== null) throw new Error(state.failure);
    };
    const gate = new CutoverGate(controls, check, clock, () => members);
    controls.announceTo((event) => gate.observe(event));
    const end = new AbortController();
    const kept = gate.keep(end.signal).catch(() => {});
    const awaited = (member = '') => gate.observe({ kind: 'cutover-awaited', by: 'hook', reason: '' }, member);
    const stop = async (): Promise<void> => {
      end.abort(new Error('over'));
      await kept;
    };
    return { clock, controls, gate, state, awaited, stop };
  }

  test('opens when its check passes, and not before the run is ready', async () => {
    const { controls, state, awaited, stop } = openGate();
    await settle();
    expect(state.checks).toBe(0);
    expect(controls.cutoverHeldBy).toEqual({ by: 'hook', reason: 'before-cutover has not passed yet' });
    awaited();
    await settle();
    expect(state.checks).toBe(1);
    expect(controls.cutoverHeldBy).toBeNull();
    await stop();
  });

  test('makes its check once for several tables, when all of them are ready, and again after an attempt of theirs', async () => {
    const { controls, gate, state, awaited, stop } = openGate(2);
    awaited('k3v9x2');
    awaited('k3v9x2');
    await settle();
    expect([state.checks, controls.cutoverHeldBy?.by]).toEqual([0, 'hook']);
    awaited('m4w8y1');
    await settle();
    expect([state.checks, controls.cutoverHeldBy]).toEqual([1, null]);
    for (const member of ['k3v9x2', 'm4w8y1']) {
      gate.observe({ kind: 'cutover-attempt', attempt: 1, lockTimeoutMs: 2_000 }, member);
      gate.observe({ kind: 'cutover-failed', attempt: 1, reason: 'no lock', blockers: [], nextInMs: 1_000 }, member);
    }
    awaited('m4w8y1');
    await settle();
    expect(state.checks).toBe(1);
    awaited('k3v9x2');
    await settle();
    expect(state.checks).toBe(2);
    await stop();
  });

  test('closes again when somebody has come to hold after its check has passed, and before an attempt was made', async () => {
    const { controls, gate, state, awaited, stop } = openGate();
    awaited();
    await settle();
    controls.holdCutover('operator', 'not now');
    gate.observe({ kind: 'cutover-awaited', by: 'operator', reason: 'not now' });
    controls.releaseCutover('operator');
    expect(controls.cutoverHeldBy).toEqual({ by: 'hook', reason: 'before-cutover has not passed yet' });
    await settle();
    expect([state.checks, controls.cutoverHeldBy]).toEqual([2, null]);
    await stop();
  });

  test('stays closed while its check fails, with the reason, and tries again', async () => {
    const { clock, controls, state, awaited, stop } = openGate();
    state.failure = 'a backup runs';
    awaited();
    await clock.advance(29_000);
    expect(controls.cutoverHeldBy).toEqual({ by: 'hook', reason: 'a backup runs' });
    expect(state.checks).toBe(1);
    state.failure = null;
    await clock.advance(1_000);
    expect(controls.cutoverHeldBy).toBeNull();
    await stop();
  });

  test('waits until nobody else holds, and closes again after an attempt that failed', async () => {
    const { controls, gate, state, awaited, stop } = openGate();
    controls.holdCutover('operator', 'lunch');
    awaited();
    await settle();
    expect(state.checks).toBe(0);
    controls.releaseCutover('operator');
    await settle();
    expect(state.checks).toBe(1);
    gate.observe({ kind: 'cutover-attempt', attempt: 1, lockTimeoutMs: 2_000 });
    gate.observe({ kind: 'cutover-failed', attempt: 1, reason: 'no lock', blockers: [], nextInMs: 1_000 });
    expect(controls.cutoverHeldBy?.by).toBe('hook');
    await settle();
    expect(state.checks).toBe(1);
    awaited();
    await settle();
    expect([state.checks, controls.cutoverHeldBy]).toEqual([2, null]);
    await stop();
  });
});
