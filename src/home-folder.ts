/** The home directory, in which the servers' own clients have their files. */

import { homedir } from 'node:os';

/** Null for a user whom no file of the system knows, as in some containers, where HOME is not set either. */
export function homeOfUser(): string | null {
  try {
    return homedir();
  } catch {
    return null;
  }
}
