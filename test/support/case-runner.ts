/** What running a case folder has in common on all servers: the sentence, the ending, the migration with the writes beside it. */
import { asMigrationError } from '../../src/engine/errors.ts';
import {
  DEFAULT_OPTIONS,
  migrate,
  type MigrationEvent,
  type MigrationOptions,
  type Plan,
  PlanRefusedError,
} from '../../src/index.ts';
import type { Case } from './case-folder.ts';

/** A case that takes longer is stuck: the slowest takes a few seconds. */
export const caseTimeoutMs = 240_000;

/** What a text like `CaseMigration.ending` must have, in any order. */
export function endingOf({ refused, fails }: Case): RegExp {
  if (refused !== undefined) return allOf([`refused: `, `${refused.obstacle}: `, ...(refused.says ?? [])]);
  if (fails !== undefined) return allOf([`failed: ${fails.code}: `, ...(fails.says ?? [])]);
  return /^swapped$/;
}

/** The case as a sentence. */
export function sentenceOf({ name, refused, fails }: Case): string {
  if (refused !== undefined) return `${name} is refused as ${refused.obstacle} and changes nothing`;
  if (fails !== undefined) return `${name} ends with ${fails.code} and leaves the source as it was`;
  return `${name} gives the table that the native ALTER gives`;
}

/** What is compared does not depend on the pace, and the other tests load the machine: no rest for their sake. */
const withoutRests: Partial<MigrationOptions> = {
  latency: null,
  cutover: { ...DEFAULT_OPTIONS.cutover, attemptsMax: 100, pauseFirstMs: 50, pauseMaxMs: 500 },
};

/** How a migration came out. */
export interface CaseMigration {
  /** `swapped`, or the code and the message, of each obstacle if it was refused. */
  readonly ending: string;
  /** Null where none was started, so that there is nothing to clean up. */
  readonly plan: Plan | null;
}

/** Where to migrate, and what happens beside. */
export interface CaseMigrating {
  readonly url: string;
  readonly item: Case;
  /** The whole statement. */
  readonly alter: string;
  /** Called once, at the event that the case names. */
  readonly write: () => Promise<void>;
}

/** Migrates, and begins the writes at the event that the case names; comes back when both are done. */
export async function migrateDuringWrites({ url, item, alter, write }: CaseMigrating): Promise<CaseMigration> {
  const { options, chunkRows, isAtUsualPace = false, writesAt = 'phase-entered:copy' } = item;
  const writing: Promise<void>[] = [];
  const observer = (event: MigrationEvent): void => {
    const name = event.kind === 'phase-entered' ? `${event.kind}:${event.phase}` : event.kind;
    if (writing.length > 0 || name !== writesAt) return;
    const started = write();
    // It is awaited below, but may fail before.
    started.catch(() => undefined);
    writing.push(started);
  };
  const plans: Plan[] = [];
  const error = await migrate({
    url,
    strategy: 'shadow',
    alter,
    ...options,
    pace: {
      ...(isAtUsualPace ? {} : withoutRests),
      ...(chunkRows === undefined ? {} : { chunkRowsFirst: chunkRows, chunkRowsMax: chunkRows }),
    },
    observer,
    onStart: (plan) => plans.push(plan),
    signal: AbortSignal.timeout(caseTimeoutMs - 20_000),
  }).then(
    // Verification makes good what the change stream missed, which it must not.
    ({ rowsRepaired }) => (rowsRepaired === 0 ? null : new Error(`${rowsRepaired} rows were repaired`)),
    (thrown: unknown) => thrown,
  );
  await Promise.all(writing);
  return { ending: endingText(error), plan: plans[0] ?? null };
}

/** Replaces the values of these columns in a row shown as `column='value' …`. */
export function withoutValues(row: string, columns: readonly string[]): string {
  return columns.reduce((text, column) => text.replace(new RegExp(`\\b${column}='[^']*'`), `${column}=…`), row);
}

function endingText(error: unknown): string {
  if (error === null) return 'swapped';
  if (error instanceof PlanRefusedError) {
    return `refused: ${error.obstacles.map(({ code, message }) => `${code}: ${message}`).join(' ')}`;
  }
  const { code, message } = asMigrationError(error);
  return `failed: ${code}: ${message}`;
}

/** Matches a text that has all of these, in any order. */
function allOf(texts: readonly string[]): RegExp {
  return new RegExp(texts.map((text) => `(?=[^]*${text.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)})`).join(''));
}
