/** `cleanup`: drops old tables of finished migrations, and gives unfinished ones up. Nothing goes that was not named or agreed to. */

import { asMigrationError } from '../engine/errors.ts';
import type { RetiredTable } from '../engine/ports.ts';
import { cleanUp, type CleanUpResult, listMigrations, listRetiredTables } from '../index.ts';
import { commandText, type Invocation, printError } from './invocation.ts';
import { tableText } from './plan-text.ts';
import { jsonLine } from './reporter.ts';
import { readableBytes } from './units.ts';

/** Resolves with the exit code. */
export async function runCleanup(invocation: Invocation<'cleanup'>): Promise<number> {
  if (invocation.id !== null) return await cleanUpOne(invocation, invocation.id);
  return invocation.values.yes ? await dropAll(invocation) : await listLeftovers(invocation);
}

async function cleanUpOne({ values, server, surroundings }: Invocation<'cleanup'>, id: string): Promise<number> {
  const result = await cleanUp({ ...server, id });
  if (values.output === 'json') surroundings.stdout.write(jsonLine(surroundings.now(), { kind: 'cleanup', results: [result] }));
  else surroundings.stdout.write(`${resultText(result)}\n`);
  return 0;
}

/** One after another; what fails is printed, the others go on, and the exit code is that of the first failure. */
async function dropAll({ values, server, surroundings, signal }: Invocation<'cleanup'>): Promise<number> {
  const results: CleanUpResult[] = [];
  let exitCode = 0;
  for (const { id } of await listRetiredTables(server)) {
    try {
      const result = await cleanUp({ ...server, id });
      results.push(result);
      if (values.output === 'text') surroundings.stdout.write(`${resultText(result)}\n`);
    } catch (thrown) {
      signal.throwIfAborted();
      const error = asMigrationError(thrown);
      printError(error, values.output, surroundings);
      exitCode ||= error.exitCode;
    }
  }
  if (values.output === 'json') surroundings.stdout.write(jsonLine(surroundings.now(), { kind: 'cleanup', results }));
  else if (results.length === 0 && exitCode === 0) surroundings.stdout.write('Nothing is left to drop.\n');
  return exitCode;
}

async function listLeftovers(invocation: Invocation<'cleanup'>): Promise<number> {
  const { values, server, surroundings } = invocation;
  const retired = await listRetiredTables(server);
  const open = (await listMigrations(server)).filter(({ state, isRunning }) => state === 'open' && !isRunning);
  if (values.output === 'json') {
    const unfinished = open.map(({ id, plan }) => ({ id, table: plan.source, shadow: plan.shadow }));
    surroundings.stdout.write(jsonLine(surroundings.now(), { kind: 'leftovers', retired, unfinished }));
    return 0;
  }
  const lines = [
    ...(retired.length === 0 ? ['No finished migration has left an old table.'] : ['Old tables of finished migrations:']),
    ...retired.map((table) => `  ${table.id}  ${retiredText(table)}`),
    ...(retired.length === 0
      ? []
      : [`Nothing was dropped. To drop all of them: ${commandText(invocation, 'cleanup', '--yes')}`]),
    ...(open.length === 0 ? [] : ['Unfinished migrations, to be resumed, or given up by cleanup with their ID:']),
    ...open.map(({ id, plan }) => `  ${id}  ${tableText(plan.source)}, shadow ${tableText(plan.shadow)}`),
  ];
  surroundings.stdout.write(`${lines.join('\n')}\n`);
  return 0;
}

function resultText({ id, outcome, dropped }: CleanUpResult): string {
  switch (outcome) {
    case 'dropped':
      return `Dropped ${dropped === null ? '' : retiredText(dropped)}, the old table of migration ${id}.`;
    case 'given-up':
      return `Migration ${id} is given up: its shadow table is gone, the source was not touched.`;
    case 'found-done':
      return `Migration ${id} had swapped already, and is done. Its old table is kept; cleanup with its ID drops it now.`;
    case 'nothing-left':
      return `Migration ${id} has left nothing to drop.`;
  }
}

function retiredText({ table, bytes }: RetiredTable): string {
  return `${tableText(table)} (${readableBytes(bytes)})`;
}
