/** The time zone of this machine, where TZ names it in a way that Node.js does not know. */

import { existsSync, realpathSync } from 'node:fs';
import { isAbsolute } from 'node:path';

/**
 * TZ by the name of the zone where it has a file of the time zones, as `:/etc/localtime`, which spares programs a look at that file each
 * time; as it is otherwise.
 */
export function namedTimeZone(zone: string): string {
  const path = zone.replace(/^:/, '');
  if (!isAbsolute(path) || !existsSync(path)) return zone;
  return /\/zoneinfo\/(?:posix\/|right\/)?(.+)$/.exec(realpathSync(path))?.[1] ?? zone;
}
