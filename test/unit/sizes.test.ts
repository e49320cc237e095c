/** Sizes in the sentences of both adapters. */
import { expect, test } from 'vitest';
import { mebibytes } from '../../src/sessions/sizes.ts';

test.each([
  [0, '0 MiB'],
  [1, '1 B'],
  [1_000, '1 KiB'],
  [10 * 1024, '10 KiB'],
  [300_000, '0.3 MiB'],
  [1536 * 1024 ** 2, '1536 MiB'],
] as const)('%i bytes are told as %s', (bytes, text) => {
  expect(mebibytes(bytes)).toBe(text);
});
