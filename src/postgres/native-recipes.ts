/**
 * How PostgreSQL does without an exclusive lock what it would do under one: a constraint is added for new rows first and proven
 * for the old ones later; a unique key is built as an index beside the writers and then becomes the constraint. Pure builders.
 *
 *   CHECK, FOREIGN KEY, NOT NULL (18)   add NOT VALID → VALIDATE
 *   SET NOT NULL (17 and before)        a CHECK of ours as above → SET NOT NULL, which finds it proven, and drop the CHECK
 *   ADD COLUMN, NOT NULL, with a        add it without a value → the default for new rows → fill the others → NOT NULL as above
 *     default of each row's own
 *   UNIQUE, PRIMARY KEY                 NOT NULL of its columns as above → an index of ours, CONCURRENTLY → USING INDEX
 *
 * Everything else of the ALTER is in the last statement. Until that one, only new rows notice anything. But columns that are
 * added come first where a constraint is over them.
 */

import { createHash } from 'node:crypto';
import type { NativePlan, NativeStep } from '../engine/native-change.ts';
import type { TableName } from '../engine/model.ts';
import type { Index } from './catalog.ts';
import { backfillStatement } from './native-backfill.ts';
import { quoteName, quoteTable } from './statements.ts';

/** `not-valid`, `valid`: an earlier run has come so far. */
export type Reached = 'nothing' | 'not-valid' | 'valid';

/** What is made ready before the last statement. */
export type Recipe =
  /** A constraint that stays. `clause`: adds it, without NOT VALID. `becomes`: its name in the end, where another one has that yet. */
  | {
      readonly kind: 'constraint';
      readonly name: string;
      readonly becomes: string | null;
      readonly clause: string;
      readonly reached: Reached;
    }
  /** A constraint that the operator asks to prove. */
  | { readonly kind: 'validate'; readonly name: string }
  /** A CHECK of ours that lets SET NOT NULL do without reading the rows. */
  | { readonly kind: 'proof'; readonly name: string; readonly column: string; readonly reached: Reached }
  /** The rows that were there before a column get its default. */
  | { readonly kind: 'backfill'; readonly column: string }
  /** The index of a unique or primary key. */
  | { readonly kind: 'index'; readonly name: string; readonly index: Index; readonly reached: Reached };

/** What the steps are made from. */
export interface RecipeBook {
  readonly table: TableName;
  /** Clauses that add columns which the recipes need. */
  readonly first: readonly string[];
  readonly recipes: readonly Recipe[];
  /** Clauses of the last statement. */
  readonly last: readonly string[];
}

/** Of names of ours; what carries one belongs to a native change that is not finished. */
export const ourNames = /^tableshift_[0-9a-f]{16}$/;

/** A name of ours that the same change of the same table always gives. */
export function ourName(table: TableName, ...what: readonly string[]): string {
  const hash = createHash('sha256').update(JSON.stringify([table.schema, table.table, ...what]));
  return `tableshift_${hash.digest('hex').slice(0, 16)}`;
}

/** The clause that makes the index of ours the constraint; the server gives the index its name. `definition`: of the constraint. */
export function adoption({
  name,
  definition,
  index,
}: {
  readonly name: string;
  readonly definition: string;
  readonly index: string;
}): string {
  const kind = definition.startsWith('PRIMARY') ? 'PRIMARY KEY' : 'UNIQUE';
  const tail = /(?: DEFERRABLE)?(?: INITIALLY DEFERRED)?$/.exec(definition)?.[0] ?? '';
  return `ADD CONSTRAINT ${quoteName(name)} ${kind} USING INDEX ${quoteName(index)}${tail}`;
}

/** The steps in their order. */
export function stepsOf({ table, first, recipes, last }: RecipeBook): readonly NativeStep[] {
  const alter = `ALTER TABLE ${quoteTable(table)}`;
  const prepared = [
    ...(first.length === 0 ? [] : [brief(`${alter} ${first.join(', ')}`, columnsFirst)]),
    ...recipes.flatMap((recipe) => preparation(recipe, table)),
  ];
  const proofs = recipes.flatMap((recipe) => (recipe.kind === 'proof' ? [recipe.name] : []));
  const renames = recipes.flatMap((recipe) =>
    recipe.kind === 'constraint' && recipe.becomes !== null
      ? [`${alter} RENAME CONSTRAINT ${quoteName(recipe.name)} TO ${quoteName(recipe.becomes)}`]
      : [],
  );
  const statements = [
    ...(last.length === 0 ? [] : [`${alter} ${last.join(', ')}`]),
    ...(proofs.length === 0 ? [] : [`${alter} ${proofs.map((name) => `DROP CONSTRAINT ${quoteName(name)}`).join(', ')}`]),
    ...renames,
  ];
  return statements.length === 0 ? prepared : [...prepared, brief(statements.join('; '), lastReason(recipes))];
}

function preparation(recipe: Recipe, table: TableName): readonly NativeStep[] {
  const alter = `ALTER TABLE ${quoteTable(table)}`;
  switch (recipe.kind) {
    case 'constraint':
      return proving(alter, recipe.name, `${recipe.clause} NOT VALID`, recipe.reached);
    case 'validate':
      return [validation(alter, recipe.name)];
    case 'proof': {
      const check = `ADD CONSTRAINT ${quoteName(recipe.name)} CHECK (${quoteName(recipe.column)} IS NOT NULL) NOT VALID`;
      return proving(alter, recipe.name, check, recipe.reached);
    }
    case 'backfill': {
      const reason =
        'rows that are there get the default in place, a few pages at a time, half of the time, while readers and writers go on';
      return [{ sql: backfillStatement(table, recipe.column), kind: 'online', reason, isBackfill: true }];
    }
    case 'index': {
      const { index, name, reached } = recipe;
      if (reached === 'valid') return [];
      const tablespace = index.tablespace === null ? '' : ` TABLESPACE ${quoteName(index.tablespace)}`;
      const sql = `CREATE UNIQUE INDEX CONCURRENTLY ${quoteName(name)} ON ${quoteTable(table)}${index.rest}${tablespace}`;
      return [{ sql, kind: 'online', reason: 'the server builds the index while readers and writers go on' }];
    }
  }
}

function proving(alter: string, name: string, add: string, reached: Reached): readonly NativeStep[] {
  if (reached === 'valid') return [];
  const adding = brief(`${alter} ${add}`, 'the constraint holds for new rows first, so that no row is read');
  return [...(reached === 'nothing' ? [adding] : []), validation(alter, name)];
}

/** SHARE UPDATE EXCLUSIVE, and ROW SHARE on a table that is referred to. Safe to repeat. */
function validation(alter: string, name: string): NativeStep {
  const reason = 'the server reads the rows while readers and writers go on';
  return { sql: `${alter} VALIDATE CONSTRAINT ${quoteName(name)}`, kind: 'online', reason };
}

function brief(sql: string, reason: string): NativeStep {
  return { sql, kind: 'brief', reason };
}

function lastReason(recipes: readonly Recipe[]): string {
  const isAny = (is: (recipe: Recipe) => boolean, what: string): readonly string[] => (recipes.some(is) ? [what] : []);
  const ready = [
    ...isAny((recipe) => recipe.kind === 'proof', 'no row has NULL'),
    ...isAny((recipe) => recipe.kind === 'constraint' && recipe.becomes !== null, 'all rows satisfy the new constraint'),
    ...isAny((recipe) => recipe.kind === 'index', 'the index is there'),
  ];
  return ready.length === 0 ? catalogOnly : `${ready.join(' and ')} by now, so that only the catalog is changed`;
}

/** Why the step is there that adds columns before the constraints over them; these columns are not undone. */
export const columnsFirst = 'the server changes the catalog only: the new column is there before what is to hold for it';

/** Why a statement is cheap that needs nothing made ready. */
export const catalogOnly = 'the server changes the catalog only: no row is read or written';

/**
 * What undoes the preparations after `failed` did not go, for good: constraints that the steps before it have added, and whatever
 * has a name of ours. Another constraint of the same name may be somebody else's. Safe to run twice.
 */
export function undoingStatements(
  { source, steps }: Pick<NativePlan, 'source' | 'steps'>,
  failed: NativeStep,
): { readonly constraints: string | null; readonly indexes: readonly string[] } {
  const all = (within: readonly NativeStep[], pattern: RegExp): readonly string[] =>
    within.flatMap(({ sql }) => [...sql.matchAll(pattern)].map((match) => match[1] ?? ''));
  const before = steps.slice(
    0,
    Math.max(
      0,
      steps.findIndex(({ sql }) => sql === failed.sql),
    ),
  );
  const constraints = new Set([
    ...all(before, /^ALTER TABLE .*? ADD CONSTRAINT ("(?:[^"]|"")+") .* NOT VALID$/gs),
    ...all(steps, /(?:VALIDATE|DROP) CONSTRAINT ("tableshift_[0-9a-f]{16}")/g),
  ]);
  const indexes = new Set(all(steps, /(?:^CREATE UNIQUE INDEX CONCURRENTLY|USING INDEX) ("tableshift_[0-9a-f]{16}")/g));
  const drops = [...constraints].map((constraint) => `DROP CONSTRAINT IF EXISTS ${constraint}`);
  return {
    constraints: drops.length === 0 ? null : `ALTER TABLE ${quoteTable(source)} ${drops.join(', ')}`,
    indexes: [...indexes].map((index) => `DROP INDEX CONCURRENTLY IF EXISTS ${quoteName(source.schema)}.${index}`),
  };
}
