/** Tables, changes and writes that are drawn by chance (test/generated), whole and interrupted; `npm run generated` runs more of them. */
import { describeGenerated } from '../../generated/describe-generated.ts';

describeGenerated([
  ['mysql', [2, 3, 4, 8]],
  ['mariadb', [1, 2, 3, 4]],
]);
