/** The MySQL adapter keeps the contract of the ports on MySQL. */

import { sharedServer } from '../support/shared-servers.ts';
import { openMysqlFixture } from './mysql-fixture.ts';
import { describePortContract } from './port-contract.ts';

describePortContract('MySQL', () => openMysqlFixture(sharedServer('mysql'), null));
