/** Tables, changes and writes that are drawn by chance (test/generated), interrupted, and cut off from the server; `npm run generated` runs more of them. */
import { describeGenerated } from '../../generated/describe-generated.ts';

describeGenerated([
  ['postgres-15', [4, 6, 12, 15]],
  ['postgres-18', [8, 12, 13, 21]],
]);
