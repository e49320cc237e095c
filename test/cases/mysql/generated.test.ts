/** Tables, changes and writes that are drawn by chance (test/generated), interrupted, and cut off from the server; `npm run generated` runs more of them. */
import { describeGenerated } from '../../generated/describe-generated.ts';

describeGenerated([
  ['mysql', [2, 12, 14, 15]],
  ['mariadb', [2, 6, 18, 20]],
]);
