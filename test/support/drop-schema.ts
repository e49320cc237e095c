/** Dropping a schema on MySQL or MariaDB. */
import { serverErrno } from '../../src/mysql/errors.ts';
import { quoteName } from '../../src/mysql/statements.ts';

/** ER_DB_DROP_RMDIR: the directory is not empty. */
const directoryInUse = 1010;

/**
 * Drops a schema, if there is one. Where MariaDB's purge had begun to drop the same table as the statement did, it takes the file
 * away a moment after the statement wanted the directory empty: the schema is still there then, and is dropped by the next.
 */
export async function dropSchema(run: (sql: string) => Promise<unknown>, name: string): Promise<void> {
  for (;;) {
    try {
      await run(`DROP DATABASE IF EXISTS ${quoteName(name)}`);
      return;
    } catch (error) {
      if (serverErrno(error) !== directoryInUse) throw error;
    }
  }
}
