/** Which change is for which table: `--alter` and `--table` as pairs. */

import { MigrationError } from '../engine/errors.ts';
import type { Strategy, TableChange } from '../index.ts';
import type { OptionsOf } from './options.ts';

/** The options that say what to change. */
type AskedOptions = Pick<OptionsOf<'plan'>, 'alter' | 'table' | 'key' | 'deferIndexes' | 'materializedViews'>;

/** One change or several, in the order of the command line. Throws BAD_USAGE where they make no pairs. */
export function pairChanges({ alter, table, key, deferIndexes, materializedViews }: AskedOptions): readonly TableChange[] {
  if (table.length > 0 && table.length !== alter.length) {
    const pairs = '--table A --alter … --table B --alter …';
    const whole = "--alter 'ALTER TABLE A …' --alter 'ALTER TABLE B …'";
    throw new MigrationError(
      'BAD_USAGE',
      `${times('--alter', alter.length)} and ${times('--table', table.length)}. Write one --table for each --alter (${pairs}), or none (${whole}).`,
    );
  }
  return alter.map((alter, at) => ({ alter, table: table[at] ?? null, key, deferIndexes, materializedViews }));
}

function times(flag: string, count: number): string {
  return `${flag} is given ${count === 1 ? 'once' : `${count} times`}`;
}

/**
 * The way to ask for: a swap by hand needs a run that can be told to swap, and a swap. Throws BAD_USAGE where several tables are
 * to be changed in a way that cannot be one step, or the swap of a native change is to be held.
 */
export function strategyFor({ strategy, cutover }: Pick<OptionsOf<'plan'>, 'strategy' | 'cutover'>, tables: number): Strategy {
  if (strategy === 'native' && tables > 1) {
    const message = '--strategy native is for one table: several are swapped together, which only their shadows can be.';
    throw new MigrationError('BAD_USAGE', message);
  }
  if (cutover !== 'manual') return strategy;
  if (strategy !== 'native') return 'shadow';
  const message = '--cutover manual holds the swap of a shadow, and a native change has none: leave one of the two out.';
  throw new MigrationError('BAD_USAGE', message);
}
