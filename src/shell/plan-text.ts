/** A plan and its obstacles as text for people. */

import type { Plan, TableName } from '../engine/model.ts';
import { type Obstacle, remedyOf } from '../engine/obstacles.ts';
import { breakLine } from './line-breaks.ts';
import { oneLine } from './live-frame.ts';
import { readableBytes, readableCount } from './units.ts';

const LABEL_COLUMNS = 12;

/** `schema.table`, as an operator writes it. */
export function tableText({ schema, table }: TableName): string {
  return `${schema}.${table}`;
}

/** The plan, several lines, of which none is longer than `columnsMax` unless a word is. */
export function planText(plan: Plan, columnsMax = Number.POSITIVE_INFINITY): string {
  const { estimate } = plan;
  const renamed = plan.columns.filter(({ source, shadow }) => source !== shadow);
  const lines: readonly (readonly [label: string, text: string | null])[] = [
    ['table', `${tableText(plan.source)} on ${plan.server.flavour} ${plan.server.version}`],
    ['change', oneLine(plan.clauses)],
    [
      'strategy',
      `copy into the shadow table ${tableText(plan.shadow)}, then swap; the old table is kept as ${tableText(plan.retired)}`,
    ],
    ['key', keyText(plan)],
    ['columns', `${plan.columns.length} carried over`],
    ['renamed', listText(renamed.map(({ source, shadow }) => `${source} to ${shadow}`))],
    ['dropped', listText(plan.droppedColumns)],
    ['added', listText(plan.addedColumns)],
    ['new uniques', listText(plan.addedUniques)],
    ['deferred', plan.deferredIndexes.length === 0 ? null : `${plan.deferredIndexes.join(', ')} (built after the copy)`],
    [
      'size',
      `~${readableCount(estimate.rows)} rows, ${readableBytes(estimate.dataBytes)} of data, ${readableBytes(estimate.indexBytes)} of indexes`,
    ],
    ['space', `about ${readableBytes(estimate.dataBytes + estimate.indexBytes)} more, until the old table is dropped`],
    ...plan.notes.map((note) => ['note', oneLine(note)] as const),
  ];
  return labelledLines(lines, columnsMax);
}

/** Lines with a label each; those without a text are left out. */
export function labelledLines(lines: readonly (readonly [label: string, text: string | null])[], columnsMax: number): string {
  return lines
    .flatMap(([label, text]) =>
      text === null ? [] : breakLine(`${label.padEnd(LABEL_COLUMNS)}${text}`, columnsMax, LABEL_COLUMNS),
    )
    .map((line) => `${line}\n`)
    .join('');
}

/** Every obstacle with its code, its sentence and its remedy. */
export function obstaclesText(obstacles: readonly Obstacle[]): string {
  return obstacles
    .map((obstacle) => `obstacle ${obstacle.code}: ${oneLine(obstacle.message)}\n  remedy: ${remedyOf(obstacle)}\n`)
    .join('');
}

function keyText({ key }: Plan): string {
  const columns = `${key.index} (${key.columns.join(', ')})`;
  return key.isOrderKnown ? columns : `${columns}, whose order only the server knows`;
}

function listText(names: readonly string[]): string | null {
  return names.length === 0 ? null : names.join(', ');
}
