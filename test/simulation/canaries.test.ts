/** The judge is only worth something if it sees what is wrong: each planted fault has to show within its seeds. */

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { runCanary } from './canary.ts';
import { ABSENT_FAULTS, PLANTED_FAULTS } from './planted-faults.ts';

describe('the simulation catches', () => {
  test.for(PLANTED_FAULTS)('$code: $what', async (fault, { annotate }) => {
    const { failure, seeds } = await runCanary(fault);
    expect(failure, `${fault.code} was not seen in ${seeds} seeds`).not.toBeNull();
    await annotate(`seen after ${seeds} seeds: ${failure?.split('\n')[0]}`);
  });

  test('each fault of the rule book is planted or said to be absent', () => {
    const codes = [...PLANTED_FAULTS.map((fault) => fault.code), ...ABSENT_FAULTS.flatMap((fault) => fault.codes)];
    expect(new Set(codes).size).toBe(codes.length);
    expect(RULE_BOOK.filter((code) => !codes.includes(code))).toEqual([]);
  });

  test('each canary that the page on correctness names is planted', () => {
    const page = readFileSync(join(import.meta.dirname, '../../docs/correctness.md'), 'utf8');
    const named = [...page.matchAll(/canar(?:y|ies) ((?:[A-Z0-9]+(?:, )?)+)/g)].flatMap(([, codes]) =>
      (codes ?? '').split(', '),
    );
    const planted = PLANTED_FAULTS.map((fault) => fault.code);
    expect(named.length).toBeGreaterThan(20);
    expect(named.filter((code) => !planted.includes(code))).toEqual([]);
  });
});

test('each sentence of the contract that the page on correctness quotes is tested', () => {
  const read = (path: string): string => readFileSync(join(import.meta.dirname, path), 'utf8');
  const quoted = [...read('../../docs/correctness.md').matchAll(/«([^»]+)»/g)].map(([, sentence]) => sentence ?? '');
  const folder = '../contract';
  const contracts = readdirSync(join(import.meta.dirname, folder)).filter((name) => name.endsWith('-contract.ts'));
  const tested = contracts.map((name) => read(`${folder}/${name}`)).join('\n');
  expect(quoted.length).toBeGreaterThan(4);
  expect(quoted.filter((sentence) => !tested.includes(`'${sentence}'`))).toEqual([]);
});

/** The faults that the algorithm was first tried against, as variants of it. */
const RULE_BOOK = [
  ...[
    'B',
    'DB',
    'B2',
    'H',
    'H2',
    'H3',
    'VA',
    'VJ',
    'VJR',
    'R',
    'R2',
    'S',
    'BP',
    'BPD',
    'MA',
    'MD',
    'RW',
    'RM',
    'AK',
    'AS',
    'F',
  ],
  ...[
    'Z',
    'ZK',
    'ZL',
    'ZLK',
    'ZC',
    'ZCK',
    'DN',
    'GN',
    'DS',
    'DI',
    'DIR',
    'GI',
    'FD',
    'ED',
    'WR',
    'WRC',
    'WI',
    'UO',
    'KM',
    'KR',
  ],
  ...['XN', 'XS', 'XA', 'NX', 'NT', 'CE', 'CD', 'CF', 'TA', 'TU', 'TM', 'TH', 'CV', 'BC', 'B2C', 'SC', 'LH', 'FL', 'LF'],
];
