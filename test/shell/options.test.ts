import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { pagePath, pages } from '../../scripts/generate-docs.ts';
import type { Environment, GivenFlags } from '../../src/shell/option-values.ts';
import { readOptions } from '../../src/shell/option-values.ts';
import { allOptions, COMMANDS, flagOf, optionsOf } from '../../src/shell/options.ts';
import { formatDurationMs } from '../../src/shell/units.ts';

const required: GivenFlags = { url: 'mysql://db1/shop', alter: 'ADD COLUMN a int' };

function migrateOptions(flags: GivenFlags, environment: Environment = {}) {
  return readOptions('migrate', { ...required, ...flags }, environment).values;
}

describe('the options table', () => {
  test('has no flag and no variable twice', () => {
    const flags = allOptions().flatMap((option) => flagOf(option) ?? []);
    const variables = allOptions().map((option) => option.environment);
    expect(new Set(flags).size).toBe(flags.length);
    expect(new Set(variables).size).toBe(variables.length);
  });

  test('names each variable after its flag', () => {
    for (const option of allOptions().filter(({ flag }) => flag !== null)) {
      expect(option.environment).toBe(`TABLESHIFT_${option.flag?.toUpperCase().replaceAll('-', '_')}`);
    }
  });

  test('says of each choice what it means', () => {
    const unsaid = allOptions().flatMap(({ flag, choices = [], help }) =>
      choices.filter((choice) => !new RegExp(`\\b${choice}\\b`).test(help)).map((choice) => `${flag} ${choice}`),
    );
    expect(unsaid).toEqual([]);
  });

  test('has only defaults that its own rules allow', () => {
    for (const command of COMMANDS) expect(() => readOptions(command, required, {})).not.toThrow();
  });

  test('gives each command but control where the server is and how to log in', () => {
    for (const command of COMMANDS.filter((command) => command !== 'control')) {
      expect(optionsOf(command).map(({ name }) => name)).toEqual(
        expect.arrayContaining(['url', 'password', 'sslMode', 'output']),
      );
    }
  });

  test('is the only place that the documentation of the options is made from', () => {
    for (const [name, content] of Object.entries(pages)) {
      expect(readFileSync(pagePath(name), 'utf8'), `run: npm run docs`).toBe(content);
    }
  });

  test('is what the environment is read with: no other file reads it', () => {
    const source = join(import.meta.dirname, '..', '..', 'src');
    const readers = readdirSync(source, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts'))
      .filter((name) => readFileSync(join(source, name), 'utf8').includes('process.env'));
    expect(readers).toEqual(['shell/main.ts']);
  });
});

describe('the value of an option', () => {
  test('comes from the flag first, then from the environment, then from the table', () => {
    expect(migrateOptions({ chunkTimeMs: '1s' }, { TABLESHIFT_CHUNK_TIME: '2s' }).chunkTimeMs).toBe(1_000);
    expect(migrateOptions({}, { TABLESHIFT_CHUNK_TIME: '2s' }).chunkTimeMs).toBe(2_000);
    expect(migrateOptions({}).chunkTimeMs).toBe(10);
  });

  test('is not taken from an empty variable', () => {
    expect(migrateOptions({}, { TABLESHIFT_CHUNK_TIME: '' }).chunkTimeMs).toBe(10);
  });

  test('is null where there is neither a value nor a default', () => {
    expect(migrateOptions({}).replicas).toBeNull();
    expect(migrateOptions({}).key).toBeNull();
  });

  test('of a switch can be given both ways', () => {
    expect(migrateOptions({}).verify).toBe(true);
    expect(migrateOptions({ verify: false }).verify).toBe(false);
    expect(['off', '0', 'FALSE', 'no'].map((text) => migrateOptions({}, { TABLESHIFT_VERIFY: text }).verify)).toEqual(
      Array(4).fill(false),
    );
    expect(['on', '1', 'true', 'Yes'].map((text) => migrateOptions({}, { TABLESHIFT_ASK_PASS: text }).askPassword)).toEqual(
      Array(4).fill(true),
    );
  });

  test('NO_COLOR takes the colours away unless a nearer setting says otherwise', () => {
    expect(migrateOptions({}, { NO_COLOR: '1' }).color).toBe(false);
    expect(migrateOptions({}, { NO_COLOR: '' }).color).toBe(true);
    expect(migrateOptions({}, { NO_COLOR: '1', TABLESHIFT_COLOR: 'on' }).color).toBe(true);
  });

  test('of a choice may be written as the servers’ own clients write it', () => {
    expect(migrateOptions({ sslMode: 'VERIFY_CA' }).sslMode).toBe('verify-ca');
  });

  test('of every duration in its range is read as written', () => {
    for (const option of optionsOf('migrate').filter(({ kind }) => kind === 'duration')) {
      fc.assert(
        fc.property(fc.integer({ min: option.min ?? 0, max: option.max ?? 0 }), (ms) => {
          const values: Readonly<Record<string, unknown>> = migrateOptions({ [option.name]: formatDurationMs(ms) });
          expect(values[option.name]).toBe(ms);
        }),
      );
    }
  });
});

describe('a value that cannot be read', () => {
  test.each([
    [{ chunkTimeMs: '250' }, {}, '--chunk-time must be a time with its unit, such as 250ms, 10s or 5m, not "250".'],
    [{ maxRetainedLogBytes: '10' }, {}, '--max-retained-log must be a size with its unit, such as 512MB or 10GB, not "10".'],
    [{ maxRetainedLogBytes: '2000TB' }, {}, '--max-retained-log must be from 0B to 1024TB, not "2000TB".'],
    [{ chunkTimeMs: '1ms' }, {}, '--chunk-time must be from 10ms to 10s, not "1ms".'],
    [{ workers: '0' }, {}, '--workers must be from 1 to 24, not "0".'],
    [{ niceRatio: 'half' }, {}, '--nice-ratio must be a number such as 0.5, not "half".'],
    [{ niceRatio: '-1' }, {}, '--nice-ratio must be a number such as 0.5, not "-1".'],
    [{ niceRatio: '101' }, {}, '--nice-ratio must be from 0 to 100, not "101".'],
    [{ workers: 'many' }, {}, '--workers must be a whole number, not "many".'],
    [{}, { TABLESHIFT_WORKERS: '65' }, 'TABLESHIFT_WORKERS must be from 1 to 24, not "65".'],
    [{ output: 'xml' }, {}, '--output must be one of text, json, not "xml".'],
    [{}, { TABLESHIFT_VERIFY: 'maybe' }, 'TABLESHIFT_VERIFY must be on or off, not "maybe".'],
    [{ table: '' }, {}, '--table is empty.'],
  ] as const)('%j %j is refused by name', (flags, environment, message) => {
    expect(() => migrateOptions(flags, environment)).toThrow(expect.objectContaining({ code: 'BAD_USAGE', message }));
  });

  test('a missing one is named with its flag and its variable', () => {
    expect(() => readOptions('list', {}, {})).toThrow('--url is missing (or TABLESHIFT_URL).');
    expect(() => readOptions('plan', { url: 'mysql://db1' }, {})).toThrow('--alter is missing (or TABLESHIFT_ALTER).');
  });
});
