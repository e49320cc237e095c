/** Tables, changes and writes that are drawn by chance (test/generated), interrupted, and cut off from the server; `npm run generated` runs more of them. */
import { describeGenerated } from '../../generated/describe-generated.ts';

describeGenerated([
  ['mysql', 'table', [2, 12, 19]],
  ['mysql', 'family', [12]],
  ['mariadb', 'table', [2, 6, 18]],
  ['mariadb', 'partitions', [3]],
]);
