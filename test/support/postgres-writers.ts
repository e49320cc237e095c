/** Applications that write, for as long as a migration goes on. */
import { openPostgresApplication } from './postgres-adapter.ts';

/** What they have done by then. */
export interface Written {
  /** How often each statement was done, in their order. */
  readonly counts: readonly number[];
  /** How often a foreign key refused one. */
  readonly refusals: number;
  /** What they were refused for another reason. */
  readonly errors: readonly string[];
}

/** Writers, one for each statement, which gets the number of its turn from 1 on, until `work` has ended. */
export async function whileWriting(
  url: string,
  statements: readonly ((turn: number) => string)[],
  work: () => Promise<unknown>,
): Promise<Written> {
  const done = new AbortController();
  const errors: string[] = [];
  let refusals = 0;
  const write = async (statement: (turn: number) => string): Promise<number> => {
    await using writer = await openPostgresApplication(url);
    let written = 0;
    for (let turn = 1; !done.signal.aborted; turn += 1) {
      try {
        await writer.run(statement(turn));
        written += 1;
      } catch (error) {
        // Statements sent together are one transaction, and a refused one is over.
        if ((error as { readonly code?: string }).code === '23503') refusals += 1;
        else errors.push(String(error));
      }
    }
    return written;
  };
  const writers = Promise.all(statements.map(write));
  try {
    await work();
  } finally {
    done.abort();
  }
  const counts = await writers;
  return { counts, refusals, errors };
}
