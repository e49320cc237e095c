/** Whether other servers follow this one. */

import { unlessDenied } from '../engine/errors.ts';
import type { Flavour } from './flavour.ts';
import type { Session } from './session.ts';

/** True where a replica is attached or the server is a member of a cluster, and also where the user may not ask. */
export async function hasReplicas(session: Session, flavour: Flavour, signal: AbortSignal): Promise<boolean> {
  if (await isInCluster(session, signal)) return true;
  if (flavour.isMariaDb) {
    const [row] = await session.query(`SHOW GLOBAL STATUS LIKE 'Slaves_connected'`, signal);
    return row?.['Value'] !== '0';
  }
  const listed = await unlessDenied(() => session.query(flavour.shows.replicas, signal), null);
  return listed === null || listed.length > 0;
}

/** Galera or group replication. */
async function isInCluster(session: Session, signal: AbortSignal): Promise<boolean> {
  const rows = await session.query(
    `SHOW GLOBAL VARIABLES WHERE Variable_name = 'wsrep_on' AND Value = 'ON'
      OR Variable_name = 'group_replication_group_name' AND Value <> ''`,
    signal,
  );
  return rows.length > 0;
}
