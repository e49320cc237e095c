import { describe, expect, test } from 'vitest';
import type { Checkpoint, Phase } from '../../src/engine/model.ts';
import { firstPhase, hasPerhapsSwapped } from '../../src/engine/phases.ts';
import { NOTHING_VERIFIED } from '../../src/engine/verifier.ts';

const SAVED = ['copy', 'finish-shadow', 'catch-up', 'verify', 'await-cutover', 'cutover', 'clean-up'] as const;

function checkpointIn(phase: Phase, isClean: boolean): Checkpoint {
  return {
    ...{ planHash: 'one', phase, copiedThrough: null, isCopyComplete: true, rowsCopied: 0, position: '0' },
    verification: { ...NOTHING_VERIFIED, isClean },
  };
}

describe('a resume', () => {
  test('that is to verify compares what was not compared, also where the cutover was announced', () => {
    const phases = SAVED.map((phase) => firstPhase(checkpointIn(phase, false), true));
    expect(phases).toEqual(['copy', 'finish-shadow', 'catch-up', 'verify', 'verify', 'verify', 'clean-up']);
  });

  test('that need not compare anything goes on where the run before it was', () => {
    for (const isVerifying of [true, false])
      expect(SAVED.map((phase) => firstPhase(checkpointIn(phase, true), isVerifying))).toEqual(SAVED);
    expect(SAVED.map((phase) => firstPhase(checkpointIn(phase, false), false))).toEqual(SAVED);
    expect(firstPhase(null, true)).toBe('prepare');
  });

  test('asks the catalog whether the swap has happened from the announcement on', () => {
    expect(SAVED.filter(hasPerhapsSwapped)).toEqual(['cutover', 'clean-up']);
  });
});
