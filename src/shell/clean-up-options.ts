/** The part of the options table about old tables. */

import { SOAK_MS_MAX } from '../engine/clean-up.ts';
import { DEFAULT_SOAK_MS } from '../index.ts';
import type { OptionRow } from './options.ts';
import { formatDurationMs } from './units.ts';

/** Rows of the table; options.ts puts them into their place. */
export const CLEAN_UP_OPTIONS = {
  yes: {
    flag: 'yes',
    environment: 'TABLESHIFT_YES',
    kind: 'switch',
    default: 'off',
    placeholder: '',
    help: 'Drop all old tables whose soak is over and that nobody uses. Without it, cleanup without an ID only lists them.',
    group: 'Clean-up',
    commands: ['cleanup'],
  },
  soakMs: {
    flag: 'soak',
    environment: 'TABLESHIFT_SOAK',
    kind: 'duration',
    max: SOAK_MS_MAX,
    default: formatDurationMs(DEFAULT_SOAK_MS),
    placeholder: 'TIME',
    help: 'How long an old table is kept after the swap, by the clock of the server.',
    group: 'Clean-up',
    commands: ['list', 'status', 'cleanup'],
  },
  now: {
    flag: 'now',
    environment: 'TABLESHIFT_NOW',
    kind: 'switch',
    default: 'off',
    placeholder: '',
    help: 'Drop an old table also before its soak is over, and also if it is still used.',
    group: 'Clean-up',
    commands: ['cleanup'],
  },
} as const satisfies Readonly<Record<string, OptionRow>>;
