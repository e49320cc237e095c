import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { columnsOf, oneLine, renderFrame } from '../../src/shell/live-frame.ts';
import { addEvent, noFigures } from '../../src/shell/run-figures.ts';
import { LiveView } from '../../src/shell/terminal.ts';
import { copyProgress, examplePlan, exampleRun } from '../support/run-events.ts';
import { TerminalEmulator } from '../support/terminal-emulator.ts';

const heading = { id: examplePlan.id, table: 'shop.orders', clauses: oneLine(examplePlan.clauses) };

const firstLine = /^shop\.orders {2}RENAME COLUMN/;

function startView(screen: TerminalEmulator, hasColours = false) {
  let nowMs = 0;
  const view = new LiveView(screen, { heading, level: 'info', hasColours, now: () => (nowMs += 1_700) });
  return { view, observe: (from: number, to: number) => exampleRun.slice(from, to).forEach((event) => view.observe(event)) };
}

const middleOfCopy = `\
shop.orders  RENAME COLUMN buyer TO customer, DROP COLUMN fax, ADD COLUMN note
migration k3v9x2, 19 s so far

  + prepare        3.4 s
  > copy           [=================>                        ]  41 %  ETA 34 s
    finish-shadow
    catch-up
    verify
    await-cutover
    cutover
    clean-up

rows      1,234,567 of ~3,000,000 copied    52,000 rows/s      chunks of 12,000
changes   lag 300 ms (at most 1.3 s)        412 pending        10,234 applied
throttle  running-threads: 80 of 50 threads run`;

describe('the live view', () => {
  test('shows phases, progress, lag, backlog, chunk size and the reason of a throttle on 80 by 24', () => {
    const screen = new TerminalEmulator(80, 24);
    startView(screen).observe(0, 6);
    expect(screen.text).toBe(middleOfCopy);
    expect(screen.wraps).toBe(0);
  });

  test('is not drawn anew while the terminal has not taken the last drawing; lines that stay are written all the same', () => {
    const screen = Object.assign(new TerminalEmulator(80, 24), { isBehind: false });
    const { view, observe } = startView(screen);
    observe(0, 5);
    const before = screen.text;
    screen.isBehind = true;
    observe(5, 6);
    expect(screen.text).toBe(before);
    view.printAbove('a line that stays');
    observe(0, 6);
    expect(screen.text).toBe('a line that stays');
    screen.isBehind = false;
    observe(5, 6);
    const [line, ...block] = screen.text.split('\n');
    expect(line).toBe('a line that stays');
    expect(block[0]).toMatch(firstLine);
  });

  test('says who holds the swap and how it is let go, until it has happened', () => {
    const screen = new TerminalEmulator(80, 24);
    const { view, observe } = startView(screen);
    observe(0, 6);
    view.observe({ kind: 'cutover-held', by: 'operator', reason: 'it was asked for by hand (--cutover manual)' });
    view.observe({ kind: 'cutover-held', by: 'hook', reason: 'before-cutover has not passed yet' });
    view.observe({ kind: 'cutover-held', by: 'hook', reason: 'the hook /h ended with 1: a backup runs' });
    expect(screen.text.split('\n').slice(-4)).toEqual([
      'throttle  running-threads: 80 of 50 threads run',
      'swap      held by operator: it was asked for by hand (--cutover manual)',
      '          to let it go: tableshift control k3v9x2 cutover',
      '          held by hook: the hook /h ended with 1: a backup runs',
    ]);
    expect(screen.wraps).toBe(0);
    view.observe({ kind: 'cutover-released', by: 'operator', who: 'anna' });
    expect(screen.text.split('\n').slice(-1)).toEqual(['swap      held by hook: the hook /h ended with 1: a backup runs']);
    view.observe({ kind: 'swapped', blockedMs: 12 });
    expect(screen.text).not.toContain('held by');
  });

  test('shows the same with colours', () => {
    const screen = new TerminalEmulator(80, 24);
    startView(screen, true).observe(0, 6);
    expect(screen.text).toBe(middleOfCopy);
  });

  test('keeps warnings above the block and leaves the last state behind', () => {
    const screen = new TerminalEmulator(80, 24);
    const { view, observe } = startView(screen);
    observe(0, exampleRun.length);
    view.close();
    expect(screen.text).toBe(`\
trying again (copying a chunk, attempt 1): DEADLOCK: Deadlock found when trying
to get lock.
1 row differs in pass 1: id = 42
cutover attempt 1 failed: the lock was not had within 2000 ms; blocked by sessio
n 812 (root@10.0.0.9) in a transaction for 31 s; next in 1.0 s
shop.orders  RENAME COLUMN buyer TO customer, DROP COLUMN fax, ADD COLUMN note
migration k3v9x2, 1 m 32 s so far

  + prepare        3.4 s
  + copy           26 s
  + finish-shadow  3.4 s
  + catch-up       3.4 s
  + verify         15 s
  + await-cutover  6.8 s
  + cutover        20 s
  + clean-up       3.4 s

rows      3,000,412 copied, 3,000,412 compared
changes   lag 300 ms (at most 1.3 s)        412 pending        10,234 applied
throttle  none`);
    expect(screen.hasListeners).toBe(false);
  });

  test('keeps to the phase at hand where the terminal is too low for all of them', () => {
    const screen = new TerminalEmulator(80, 10);
    startView(screen).observe(0, 6);
    expect(screen.text).toBe(`\
shop.orders  RENAME COLUMN buyer TO customer, DROP COLUMN fax, ADD COLUMN note
  > copy           [=================>                        ]  41 %  ETA 34 s
rows      1,234,567 of ~3,000,000 copied    52,000 rows/s      chunks of 12,000
changes   lag 300 ms (at most 1.3 s)        412 pending        10,234 applied
throttle  running-threads: 80 of 50 threads run`);
  });

  test('leaves nothing of the old block behind when the terminal grows', () => {
    const screen = new TerminalEmulator(60, 24);
    const { observe } = startView(screen);
    observe(0, 6);
    screen.resize(80, 24);
    expect(screen.text).toBe(middleOfCopy.replace('19 s', '20 s'));
  });
});

describe('a frame', () => {
  test('never has a line that wraps nor more lines than the terminal, whatever its size and the names in it', () => {
    const text = fc.string({ unit: 'grapheme', maxLength: 100 });
    fc.assert(
      fc.property(
        fc.record({ columns: fc.integer({ min: 2, max: 250 }), rows: fc.integer({ min: 2, max: 60 }) }),
        fc.record({ id: text, table: text, clauses: text }),
        fc.integer({ min: 0, max: exampleRun.length }),
        fc.tuple(text, fc.nat(Number.MAX_SAFE_INTEGER)),
        (size, heading, events, [detail, number]) => {
          let figures = noFigures(0);
          const progress = { ...copyProgress, rowsCopied: number, keysPending: number, etaMs: number, throttledBy: detail };
          for (const event of exampleRun.slice(0, events)) {
            figures = addEvent(figures, event.kind === 'progress' ? { ...event, progress } : event, 5);
          }
          const lines = renderFrame(heading, figures, 10, { ...size, hasColours: true });
          expect(lines.length).toBeLessThan(size.rows);
          for (const line of lines) expect(columnsOf(line)).toBeLessThan(size.columns);
        },
      ),
    );
  });

  test('has no colours where none are wanted', () => {
    const figures = exampleRun.reduce((figures, event) => addEvent(figures, event, 5), noFigures(0));
    const lines = renderFrame(heading, figures, 10, { columns: 80, rows: 24, hasColours: false });
    expect(lines.join('')).not.toContain('\u001B');
  });

  test('has no control character of a name in it', () => {
    const evil = { id: 'x', table: 'a\u001B[2Jb', clauses: 'c\nd\te' };
    const lines = renderFrame(evil, noFigures(0), 0, { columns: 80, rows: 24, hasColours: false });
    expect(lines[0]).toBe('a [2Jb  c d e');
  });
});
