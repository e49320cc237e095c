/** `cleanup`: drops old tables of finished migrations, and gives unfinished ones up. Nothing goes that was not named or agreed to. */

import { asMigrationError } from '../engine/errors.ts';
import { cleanUp, type CleanUpOptions, type CleanUpResult, listMigrations, type RecordedPlan } from '../index.ts';
import { commandText, type Invocation, printError, tellWarnings } from './invocation.ts';
import { togetherText } from './family-text.ts';
import { tableText } from './plan-text.ts';
import { jsonLine } from './reporter.ts';
import { findKeptTables, keepingText, type KeptTable, retiredText } from './retired-table.ts';

/** Resolves with the exit code. */
export async function runCleanup(invocation: Invocation<'cleanup'>): Promise<number> {
  if (invocation.id !== null) return await cleanUpOne(invocation, invocation.id);
  return invocation.values.yes ? await dropAll(invocation) : await listLeftovers(invocation);
}

async function cleanUpOne(invocation: Invocation<'cleanup'>, id: string): Promise<number> {
  const { values, surroundings } = invocation;
  const result = await cleanUp(optionsOf(invocation, id));
  if (values.output === 'json') printResults(invocation, [result], []);
  else surroundings.stdout.write(`${resultText(result)}\n`);
  return 0;
}

/** One after another; what fails is printed, the others go on, and the exit code is that of the first failure. */
async function dropAll(invocation: Invocation<'cleanup'>): Promise<number> {
  const { values, server, surroundings, signal } = invocation;
  const results: CleanUpResult[] = [];
  const kept: KeptTable[] = [];
  let exitCode = 0;
  const say = (line: string): void => {
    if (values.output === 'text') surroundings.stdout.write(`${line}\n`);
  };
  for (const retired of await findKeptTables(server, values.soakMs)) {
    if (!values.now && retired.reasonToKeep !== null) {
      kept.push(retired);
      say(`Kept ${retiredText(retired)}, the old table of migration ${retired.id}: ${retired.reasonToKeep}.`);
      continue;
    }
    try {
      const result = await cleanUp(optionsOf(invocation, retired.id));
      results.push(result);
      say(resultText(result));
    } catch (thrown) {
      signal.throwIfAborted();
      const error = asMigrationError(thrown);
      printError(error, values.output, surroundings);
      exitCode ||= error.exitCode;
    }
  }
  if (values.output === 'json') printResults(invocation, results, kept);
  else if (results.length + kept.length === 0 && exitCode === 0) say('Nothing is left to drop.');
  return exitCode;
}

/** What keeps a table from being dropped is told at once, for it may take minutes. */
function optionsOf({ values, server, surroundings }: Invocation<'cleanup'>, id: string): CleanUpOptions {
  return {
    ...server,
    id,
    soakMs: values.soakMs,
    isNow: values.now,
    observer: tellWarnings(surroundings),
  };
}

function printResults(
  { surroundings }: Invocation<'cleanup'>,
  results: readonly CleanUpResult[],
  kept: readonly KeptTable[],
): void {
  surroundings.stdout.write(jsonLine(surroundings.now(), { kind: 'cleanup', results, kept }));
}

async function listLeftovers(invocation: Invocation<'cleanup'>): Promise<number> {
  const { values, server, surroundings } = invocation;
  const retired = await findKeptTables(server, values.soakMs);
  const open = (await listMigrations(server)).filter(({ state, isRunning }) => state === 'open' && !isRunning);
  if (values.output === 'json') {
    const unfinished = open.map(({ id, plan }) => ({
      ...{ id, table: plan.source },
      shadow: plan.strategy === 'native' ? null : plan.shadow,
    }));
    surroundings.stdout.write(jsonLine(surroundings.now(), { kind: 'leftovers', retired, unfinished }));
    return 0;
  }
  const command = commandText(invocation, 'cleanup', '--yes');
  const lines = [
    ...(retired.length === 0 ? ['No finished migration has left an old table.'] : ['Old tables of finished migrations:']),
    ...retired.map((table) => `  ${table.id}  ${retiredText(table)}, ${keepingText(table)}`),
    ...(retired.length === 0 ? [] : [`Nothing was dropped. To drop those whose soak is over: ${command}`]),
    ...(open.length === 0 ? [] : ['Unfinished migrations, to be resumed, or given up by cleanup with their ID:']),
    ...open.map(({ id, plan }) => `  ${id}  ${tableText(plan.source)}, ${builtText(plan)}`),
  ];
  surroundings.stdout.write(`${lines.join('\n')}\n`);
  return 0;
}

function builtText(plan: RecordedPlan): string {
  return plan.strategy === 'native' ? 'a native change' : `shadow ${tableText(plan.shadow)}${togetherText(plan)}`;
}

function resultText({ id, outcome, dropped, ended, strategy }: CleanUpResult): string {
  const all = ended.join(', ');
  if (strategy === 'native' && outcome === 'given-up')
    return `Migration ${id}, a native change, is given up: the steps that were done stay, and what only they could use is gone.`;
  if (strategy === 'native' && outcome === 'found-done')
    return `Migration ${id}, a native change, had happened already, and is done.`;
  switch (outcome) {
    case 'dropped':
      return `Dropped ${dropped === null ? '' : retiredText(dropped)}, the old table of migration ${id}.`;
    case 'given-up':
      if (ended.length > 1)
        return `Migrations ${all} are given up together: their shadow tables are gone, no source was touched.`;
      return `Migration ${id} is given up: its shadow table is gone, the source was not touched.`;
    case 'found-done':
      if (ended.length > 1)
        return `Migrations ${all} had swapped already, and are done. Their old tables are kept; cleanup with the ID of each drops it after its soak, with --now at once.`;
      return `Migration ${id} had swapped already, and is done. Its old table is kept; cleanup with its ID drops it after its soak, with --now at once.`;
    case 'nothing-left':
      return `Migration ${id} has left nothing to drop.`;
  }
}
