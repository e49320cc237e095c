/** A process that may open no further file. */
import { expect, test } from 'vitest';
import { translateConnecting as ofMysql } from '../../src/mysql/errors.ts';
import { translateConnecting as ofPostgres } from '../../src/postgres/errors.ts';

test.each([ofMysql, ofPostgres])('is told so when it connects, and not that the server is away', (translate) => {
  const thrown = Object.assign(new Error('connect EMFILE 10.0.0.1:3306 - Local (undefined:undefined)'), { code: 'EMFILE' });
  expect(translate(thrown, 'Connecting to db1:3306', 'again').message).toBe(
    'Connecting to db1:3306 failed: this process has as many files and connections open as it may (EMFILE): raise that limit (ulimit -n).',
  );
});
