import { expect, test } from 'vitest';
import { judgeAnswer, judgeLoad, limitedNames, DEFAULT_LOAD_LIMITS } from '../../src/engine/load.ts';

const limits = {
  ...DEFAULT_LOAD_LIMITS,
  max: { Threads_running: 20, Threads_connected: 100 },
  critical: { Threads_running: 50 },
};
const figures = (running: number, connected: number) =>
  new Map([
    ['threads_running', running],
    ['threads_connected', connected],
  ]);

test('the figure that is nearest to its limit is the pressure', () => {
  expect(judgeLoad(figures(5, 50), limits)).toEqual({ pressure: 0.5, detail: 'Threads_connected is 50, the limit is 100' });
  expect(judgeLoad(figures(20, 50), limits)).toEqual({ pressure: 1, detail: 'Threads_running is 20, the limit is 20' });
});

test('a figure at its critical limit ends the run', () => {
  expect(judgeLoad(figures(49, 0), limits)).not.toHaveProperty('isCritical');
  expect(judgeLoad(figures(50, 0), limits)).toEqual({
    pressure: 1,
    detail: 'Threads_running is 50, the critical limit is 50',
    isCritical: true,
  });
});

test('a figure that the server no longer tells is a stop', () => {
  expect(judgeLoad(new Map(), limits)).toEqual({ pressure: 1, detail: 'the server does not tell Threads_running' });
});

test('each figure is asked for once, whatever the case in which it is written', () => {
  expect(limitedNames({ ...limits, critical: { THREADS_RUNNING: 50 } })).toEqual(['threads_running', 'threads_connected']);
});

test.each([
  ['0', 0],
  ['-3', 0],
  ['1', 1],
  ['0.5', 1],
  [null, 1],
  [undefined, 1],
  ['', 1],
  ['yes', 1],
  ['t', 1],
  ['f', 0],
])('a query that gives %j is a pressure of %i', (value, pressure) => {
  expect(judgeAnswer(value).pressure).toBe(pressure);
});
