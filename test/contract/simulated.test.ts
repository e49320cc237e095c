/** The simulated database keeps the contract of the ports, so that what the engine does on it means something. */

import { describePortContract } from './port-contract.ts';
import { openSimulatedFixture } from './simulated-fixture.ts';

describePortContract('the simulated MySQL', () => openSimulatedFixture({ dialect: 'mysql', isVisibilityOrdered: false }));

describePortContract('the simulated MariaDB', () =>
  openSimulatedFixture({ dialect: 'mysql', isVisibilityOrdered: true, barrier: 'heartbeat' }),
);

describePortContract('the simulated PostgreSQL', () =>
  openSimulatedFixture({ dialect: 'postgres', isVisibilityOrdered: false }),
);
