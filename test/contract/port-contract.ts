/** The contract of src/engine/ports.ts, one sentence a test, for every database that implements it. */

import { describe } from 'vitest';
import { describeClaimContract } from './claim-contract.ts';
import { describeCutoverContract } from './cutover-contract.ts';
import type { OpenFixture } from './port-fixture.ts';
import { describeRowWriterContract } from './row-writer-contract.ts';
import { describeStreamContract } from './stream-contract.ts';
import { describeTablePairContract } from './table-pair-contract.ts';

export function describePortContract(name: string, open: OpenFixture): void {
  describe(`${name} keeps the contract of`, () => {
    describeClaimContract(open);
    describeRowWriterContract(open);
    describeTablePairContract(open);
    describeStreamContract(open);
    describeCutoverContract(open);
  });
}
