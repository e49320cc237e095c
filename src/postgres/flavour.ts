/** Every difference between the versions of PostgreSQL that matters here, as named capabilities in one table. */

import { MigrationError } from '../engine/errors.ts';

/** What a server is and can do. Read once, when the first connection is made. */
export interface Flavour {
  readonly name: 'postgres';
  /** As the server prints it. */
  readonly version: string;
  /** When a table was read last is in its statistics (16). */
  readonly tellsLastScan: boolean;
  /** A slot can be kept on standbys, and a logical message can be flushed by itself (17). */
  readonly hasFailoverSlots: boolean;
  /** transaction_timeout ends a session whose transaction takes too long (17). */
  readonly hasTransactionTimeout: boolean;
  /** Constraints of their own for NOT NULL, virtual generated columns (18). */
  readonly hasNotNullConstraints: boolean;
  /** A publication leaves generated columns out unless it says otherwise, and a replica identity may have none that are left out (18). */
  readonly leavesGeneratedOut: boolean;
  /** Settings of each session beside those that all servers share, as assignments for SET. */
  readonly sessionSettings: readonly string[];
}

/** Column lists of publications, and SNAPSHOT options of slots, begin here. */
const oldest = 15_00_00;

/** The flavour from `server_version` and `server_version_num`. Rejects versions that lack too much. */
export function flavourOf(version: string, versionNumber: number): Flavour {
  if (!(versionNumber >= oldest)) {
    throw new MigrationError(
      'UNREACHABLE',
      `The server is PostgreSQL ${version}; PostgreSQL 15 is the oldest that can be used.`,
    );
  }
  return {
    name: 'postgres',
    version,
    tellsLastScan: versionNumber >= 16_00_00,
    hasFailoverSlots: versionNumber >= 17_00_00,
    hasTransactionTimeout: versionNumber >= 17_00_00,
    hasNotNullConstraints: versionNumber >= 18_00_00,
    leavesGeneratedOut: versionNumber >= 18_00_00,
    sessionSettings: [
      ...(versionNumber >= 17_00_00 ? ['transaction_timeout = 0'] : []),
      // It starts a process for each query, some of which are asked while writers wait.
      `${versionNumber >= 16_00_00 ? 'debug_parallel_query' : 'force_parallel_mode'} = off`,
    ],
  };
}
