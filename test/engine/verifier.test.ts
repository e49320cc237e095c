import { expect, test } from 'vitest';
import type { RowKey, VerificationProgress } from '../../src/engine/model.ts';
import type { RowWriter } from '../../src/engine/ports.ts';
import { NOTHING_VERIFIED, Verifier, type VerifierParts } from '../../src/engine/verifier.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const never = new AbortController().signal;
const key = (text: string): RowKey => text as RowKey;

function openVerifier(progress: VerificationProgress): Verifier {
  const parts = { pair: { describeKey: (one: RowKey) => one } } as unknown as VerifierParts;
  return new Verifier(parts, progress, { clock: new VirtualClock(), observer: () => undefined });
}

test('keys that stayed open are compared under the lock after a resume too', async () => {
  const saved = openVerifier({ ...NOTHING_VERIFIED, isClean: true, open: [key('7'), key('9')] }).progress;
  const resumed = openVerifier(JSON.parse(JSON.stringify(saved)) as VerificationProgress);
  const compared: RowKey[][] = [];
  const reApplied: RowKey[] = [];
  const locked = {
    keysPerStatement: 10,
    findDifferingRows: async (keys: readonly RowKey[]) => {
      compared.push([...keys]);
      return compared.length === 1 ? [key('9')] : [];
    },
  } as unknown as RowWriter;
  await resumed.settle(locked, async (keys) => void reApplied.push(...keys), never);
  expect(compared).toEqual([['7', '9'], ['9']]);
  expect(reApplied).toEqual(['9']);
});
