/** The MySQL adapter keeps the contract of the ports on MySQL and MariaDB. */

import { sharedServer } from '../support/shared-servers.ts';
import { describeSideBySide } from '../support/side-by-side.ts';
import { openMysqlFixture } from './mysql-fixture.ts';
import { describePortContract } from './port-contract.ts';

describeSideBySide(['mysql', 'mariadb'], 'on', (flavour) => {
  describePortContract(flavour === 'mysql' ? 'MySQL' : 'MariaDB', () => openMysqlFixture(sharedServer(flavour), null));
});
