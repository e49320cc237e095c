/** Several tables that are swapped together, in words. */

import type { CarriedForeignKey, Plan, TableName } from '../engine/model.ts';
import { labelledLines, planText, tableText } from './plan-text.ts';

/** What one calls the tables of a run together. */
export interface FamilyName {
  /** That of its first migration. */
  readonly id: string;
  readonly tables: readonly string[];
}

/** Of those members that are there: a resume may be about some of a family only. */
export function familyOf(members: readonly [Member, ...Member[]]): FamilyName {
  const [{ plan }] = members;
  return { id: plan.family?.id ?? plan.id, tables: members.map(({ plan }) => tableText(plan.source)) };
}

interface Member {
  readonly plan: Plan;
}

/** Every member's plan, and the foreign keys between them. */
export function familyPlanText(plans: readonly Plan[], columnsMax = Number.POSITIVE_INFINITY): string {
  const keys = keysBetween(plans);
  const names = plans.map(({ source }) => tableText(source)).join(', ');
  const shared: readonly (readonly [string, string | null])[] = [
    ['together', `${names}: copied one after another, swapped in one step, all or none`],
    ...keys.map((key): readonly [string, string] => ['key', keyText(key)]),
  ];
  return [...plans.map((plan) => planText(plan, columnsMax)), labelledLines(shared, columnsMax)].join('\n');
}

/** Foreign keys whose both ends are members, each once. */
function keysBetween(plans: readonly Plan[]): readonly CarriedForeignKey[] {
  const members = new Set(plans.map(({ source }) => idOf(source)));
  const keys = plans
    .flatMap(({ foreignKeys = [] }) => foreignKeys)
    .filter(({ child, parent }) => members.has(idOf(child)) && members.has(idOf(parent)));
  return [...new Map(keys.map((key) => [`${idOf(key.child)} ${key.name}`, key])).values()];
}

/** With which others a table is swapped, for the end of a line; empty where it is swapped alone. */
export function togetherText({ id, family }: Plan): string {
  const others = (family?.members ?? []).filter((member) => member.id !== id);
  return others.length === 0 ? '' : `, together with ${others.map(({ source }) => tableText(source)).join(' and ')}`;
}

function keyText({ name, child, columns, parent, parentColumns }: CarriedForeignKey): string {
  return `${name}: ${tableText(child)} (${columns.join(', ')}) refers to ${tableText(parent)} (${parentColumns.join(', ')})`;
}

function idOf({ schema, table }: TableName): string {
  return JSON.stringify([schema, table]);
}
