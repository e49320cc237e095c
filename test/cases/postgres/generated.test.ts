/** Tables, changes and writes that are drawn by chance (test/generated), whole and interrupted; `npm run generated` runs more of them. */
import { describeGenerated } from '../../generated/describe-generated.ts';

describeGenerated([
  ['postgres-15', [1, 3, 4, 9]],
  ['postgres-18', [1, 3, 4, 5]],
]);
