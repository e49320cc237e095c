import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  formatBytes,
  formatDurationMs,
  parseBytes,
  parseCount,
  parseRatio,
  parseDurationMs,
  readableBytes,
  readableCount,
  readableDuration,
} from '../../src/shell/units.ts';

describe('sizes', () => {
  test('are read with their unit, 1024 to the next', () => {
    expect(['512B', '64k', '16 KiB', '512MB', '1.5GB', '10gb', '2TB', '0', ' 1G '].map(parseBytes)).toEqual([
      ...[512, 65_536, 16_384, 536_870_912, 1_610_612_736, 10_737_418_240, 2_199_023_255_552, 0, 1_073_741_824],
    ]);
  });

  test('without a unit, with a sign, with two units or with a part of a byte are none', () => {
    expect(['10', '-1GB', '1GB512MB', '', 'GB', '1.5B', '1PB', '1e3MB', '10  GB'].map(parseBytes)).toEqual(Array(9).fill(null));
  });

  test('that were written are read as the same number', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 999_999_999 }), fc.constantFrom(1, 1_024, 1_048_576), (figure, unit) => {
        expect(parseBytes(formatBytes(figure * unit))).toBe(figure * unit);
      }),
    );
  });

  test('are written with the greatest unit that keeps them whole', () => {
    expect([0, 512, 1_536, 1_048_576, 1_610_612_736, 1_024 ** 5].map(formatBytes)).toEqual([
      ...['0B', '512B', '1536B', '1MB', '1536MB', '1024TB'],
    ]);
  });
});

describe('durations', () => {
  test('are read with their unit', () => {
    expect(['250ms', '10s', '5m', '2h', '7d', '1.5s', '0', ' 3s '].map(parseDurationMs)).toEqual([
      250, 10_000, 300_000, 7_200_000, 604_800_000, 1_500, 0, 3_000,
    ]);
  });

  test('without a unit, with a sign, with two units or with a part of a millisecond are none', () => {
    expect(['250', '-1s', '1m30s', '', 's', '1.5ms', '1 s', '1e3s', '10S'].map(parseDurationMs)).toEqual(Array(9).fill(null));
  });

  test('that were written are read as the same number', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 86_400_000 * 30 }), (ms) => {
        expect(parseDurationMs(formatDurationMs(ms))).toBe(ms);
      }),
    );
  });

  test('are written with the greatest unit that keeps them whole', () => {
    expect([0, 250, 1_000, 90_000, 300_000, 7_200_000, 86_400_000].map(formatDurationMs)).toEqual([
      '0ms',
      '250ms',
      '1s',
      '90s',
      '5m',
      '2h',
      '1d',
    ]);
  });

  test('are readable with two units at most', () => {
    expect([0, 34.4, 999, 1_234, 9_949, 9_950, 59_499, 59_500, 185_000, 7_620_000, 356_400_000].map(readableDuration)).toEqual([
      '0 ms',
      '34 ms',
      '999 ms',
      '1.2 s',
      '9.9 s',
      '10 s',
      '59 s',
      '1 m 00 s',
      '3 m 05 s',
      '2 h 07 m',
      '4 d 03 h',
    ]);
  });
});

describe('figures', () => {
  test('that are ratios may have a few decimals', () => {
    expect(['0', '1', '0.5', '100.125', '', '-1', '.5', '1.', '1e3', '50%'].map(parseRatio)).toEqual([
      ...[0, 1, 0.5, 100.125],
      ...Array.from({ length: 6 }, () => null),
    ]);
  });

  test('that count have digits only', () => {
    expect(['4', '0', '50000', '', '-1', '1.5', '1e3', '4x', '9999999999999999'].map(parseCount)).toEqual([
      4,
      0,
      50_000,
      null,
      null,
      null,
      null,
      null,
      null,
    ]);
  });

  test('are grouped by thousands', () => {
    expect([0, 999, 1_000, 1_234_567, 52_000.6].map(readableCount)).toEqual(['0', '999', '1,000', '1,234,567', '52,001']);
  });

  test('of bytes have a unit', () => {
    expect([0, 999, 1_000, 16_384, 1_610_612_736, 2 ** 41].map(readableBytes)).toEqual([
      '0 B',
      '999 B',
      '1.0 KiB',
      '16.0 KiB',
      '1.5 GiB',
      '2.0 TiB',
    ]);
  });
});
