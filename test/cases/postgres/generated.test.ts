/** Tables, changes and writes that are drawn by chance (test/generated), interrupted, and cut off from the server; `npm run generated` runs more of them. */
import { describeGenerated } from '../../generated/describe-generated.ts';

describeGenerated([
  ['postgres-15', 'table', [4, 6, 12]],
  ['postgres-15', 'partitions', [3]],
  ['postgres-18', 'table', [8, 12, 13]],
  ['postgres-18', 'family', [4]],
]);
