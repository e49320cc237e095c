/**
 * Finds the steps of a native change by trying on the empty clone: first the ALTER as it stands, and where that would do work on
 * all rows under its lock, the recipes. What the steps make of the clone must be what the ALTER makes of it, and none of the
 * brief ones may read or write rows; so a wrong guess here leads to the shadow, and to nothing worse.
 */

import { MigrationError } from '../engine/errors.ts';
import type { TableName } from '../engine/model.ts';
import { type NativeStep, type NoNativeWay, takingAlong } from '../engine/native-change.ts';
import { PlanRefusedError } from '../engine/obstacles.ts';
import { refusalOf } from './alter-probe.ts';
import type { Constraint, TableDescription } from './catalog.ts';
import type { Flavour } from './flavour.ts';
import { namedConstraint, type NativeClause } from './native-clauses.ts';
import type { NativeClone, RowWork } from './native-clone.ts';
import { adoption, catalogOnly, ourName, type Reached, type Recipe, type RecipeBook, stepsOf } from './native-recipes.ts';
import type { Session } from './session.ts';
import { quoteName, quoteTable } from './statements.ts';

/** What a finder works with. */
export interface FinderParts {
  readonly session: Session;
  readonly clone: NativeClone;
  readonly source: TableDescription;
  /** As written, or what is left of it; none of them impossible. */
  readonly asked: readonly NativeClause[];
  /** The same, perhaps spelled out. */
  readonly clauses: readonly NativeClause[];
  /** Whether columns are added before all else. */
  readonly isColumnsFirst: boolean;
  /** Whether `asked` is what an earlier run has left; it is then not repeated. */
  readonly isRest: boolean;
  readonly flavour: Flavour;
}

/** The way that was found. */
export interface Found {
  readonly steps: readonly NativeStep[];
}

/** What a clause comes to: something to make ready, and what is left for the last statement. */
interface Learned {
  readonly recipes: readonly Recipe[];
  readonly last: readonly string[];
  /** Of constraints and indexes that come to be. */
  readonly names: readonly string[];
}

/** Names that something else has are found one round after another. */
const roundsMax = 10;

const workWords: Readonly<Record<RowWork, string>> = {
  rewrite: 'the server writes the whole table again while nobody can use it',
  index: 'the server builds an index while nobody can write',
  scan: 'the server reads every row while nobody can write',
};

/** One search. */
export class NativeFinder {
  readonly #parts: FinderParts;
  readonly #table: TableName;
  /** As they run on the clone, where they refer to clones. */
  readonly #tried = new Map<NativeClause, string>();
  /** The constraints of the source, in words that compare to those that are added on the clone. */
  #constraints: readonly Constraint[] = [];

  constructor(parts: FinderParts) {
    this.#parts = parts;
    this.#table = { schema: parts.source.schema, table: parts.source.table };
  }

  /** The steps, or why there are none. Rejects with a PlanRefusedError where the server refuses the ALTER. */
  async find(signal: AbortSignal): Promise<Found | NoNativeWay> {
    const { asked, clauses, clone, source, isRest } = this.#parts;
    for (const clause of [...asked, ...clauses].filter(({ kind }) => kind !== 'unseen')) {
      const tried = await clone.retarget(clause.text, signal);
      if (tried === null) return { clause: clause.text, reason: 'it refers to a table that is partitioned, or to no table' };
      this.#tried.set(clause, tried);
    }
    // Foreign keys refer to clones there; the text of a CHECK may change where it is read from text again.
    const references = (await this.#read(signal)).constraints.filter(({ type }) => type === 'f');
    this.#constraints = [...source.constraints.filter(({ type }) => type !== 'f'), ...references];
    const hindered = await this.#hinderedColumns(signal);
    for (const { retyped, text } of clauses) {
      const hindrance = retyped === null ? undefined : hindered.get(retyped);
      if (hindrance !== undefined) return { clause: text, reason: hindrance };
    }
    let left = await this.#leftConstraints(signal);
    for (let round = 1; round <= roundsMax; round += 1) {
      const found = await this.#round(left, signal);
      if (found === 'names-taken') continue;
      const isOver = 'steps' in found && found.steps.length > 0;
      if (isOver || left.length === 0 || isRest) return found;
      // All of it is there already, or it is not the same: the server shall say what it says to that.
      left = [];
    }
    return { clause: this.#whole, reason: 'the names that the server would choose are taken' };
  }

  get #whole(): string {
    return this.#parts.asked.map(({ text }) => text).join(', ');
  }

  /** Clauses of the first statement. */
  get #first(): readonly NativeClause[] {
    return this.#parts.isColumnsFirst ? this.#parts.clauses.filter(({ adds }) => adds !== null) : [];
  }

  /** `left`: constraints that an earlier run has added, which are not added again. */
  async #round(left: readonly string[], signal: AbortSignal): Promise<Found | NoNativeWay | 'names-taken'> {
    const { clone } = this.#parts;
    const asked = await this.#tryWhole(left, signal);
    if (asked === null) return { clause: this.#whole, reason: 'what it adds is there in part' };
    if (this.#parts.isRest && asked.result === JSON.stringify(await this.#read(signal))) {
      return { clause: this.#whole, reason: 'all of it is there already' };
    }
    if (asked.work.size === 0) {
      const sql = `ALTER TABLE ${quoteTable(this.#table)} ${this.#whole}`;
      return { steps: [{ sql, kind: 'brief', reason: catalogOnly }] };
    }
    const costly = await this.#findCostly(signal);
    if (costly !== null) return costly;
    const learned = await clone.undone(() => this.#learn(left, signal), signal);
    if ('reason' in learned) return learned;
    if (learned.recipes.length === 0) return noWay(this.#whole, asked.work);
    if (await clone.take(learned.names, signal)) return 'names-taken';
    const refused = await this.#tryRecipes(learned, { left, expected: asked.result }, signal);
    if (refused !== null) return refused;
    const first = this.#first.map(({ text }) => text);
    return { steps: stepsOf({ table: this.#table, first, recipes: learned.recipes, last: learned.last }) };
  }

  /** The ALTER as it stands, and what it makes of the clone; null where it does not go without what is `left`. */
  async #tryWhole(
    left: readonly string[],
    signal: AbortSignal,
  ): Promise<{ readonly work: ReadonlySet<RowWork>; readonly result: string } | null> {
    const { clone, asked, source } = this.#parts;
    const texts = asked.flatMap((clause) => this.#tried.get(clause) ?? []);
    if (texts.length === 0) return { work: new Set(), result: '' };
    try {
      return await clone.undone(async () => {
        await this.#drop(left, signal);
        const work = await clone.watch([this.#onClone(texts.join(', '))], signal);
        return { work, result: JSON.stringify(await clone.read(signal)) };
      }, signal);
    } catch (error) {
      const refusal = refusalOf(error, source, 'alter');
      if (left.length > 0) return null;
      throw new PlanRefusedError([refusal]);
    }
  }

  /** The plain clauses that are not cheap, each by itself. */
  async #findCostly(signal: AbortSignal): Promise<NoNativeWay | null> {
    const costly: NoNativeWay[] = [];
    for (const clause of this.#parts.clauses.filter(({ kind }) => kind === 'plain')) {
      const work = await this.#watchAlone(clause, signal);
      if (work !== null && work.size > 0) costly.push(noWay(clause.text, work));
    }
    return costly.length === 0 ? null : takingAlong(costly, this.#parts.clauses.length);
  }

  /** Null where the clause needs another one of the statement. */
  async #watchAlone(clause: NativeClause, signal: AbortSignal): Promise<ReadonlySet<RowWork> | null> {
    const { clone, source } = this.#parts;
    try {
      return await clone.undone(() => clone.watch([this.#onClone(this.#tried.get(clause) ?? '')], signal), signal);
    } catch (error) {
      refusalOf(error, source, 'alter');
      return null;
    }
  }

  /**
   * Clause by clause, without the plain ones: these come last, so the others must not need them, but for the columns that come
   * first. Constraints that are dropped go first here, for the names that they leave. On the clone, not undone.
   */
  async #learn(left: readonly string[], signal: AbortSignal): Promise<Learned | NoNativeWay> {
    await this.#drop(left, signal);
    const drops = this.#parts.clauses.filter(({ isDrop }) => isDrop);
    for (const clauses of [drops, this.#first].filter(({ length }) => length > 0)) {
      const hindered = await this.#runTogether(clauses, signal);
      if (hindered !== null) return hindered;
    }
    let all: Learned = { recipes: [], last: [], names: [] };
    for (const clause of this.#parts.clauses) {
      const learned = await this.#learnOne(clause, left, signal);
      if ('reason' in learned) return learned;
      all = {
        recipes: [...all.recipes, ...learned.recipes],
        last: [...all.last, ...learned.last],
        names: [...all.names, ...learned.names],
      };
    }
    return all;
  }

  async #learnOne(clause: NativeClause, left: readonly string[], signal: AbortSignal): Promise<Learned | NoNativeWay> {
    if (this.#first.includes(clause)) return { recipes: [], last: [], names: [] };
    const asItStands: Learned = { recipes: [], last: [clause.text], names: [] };
    if (clause.kind === 'plain' || clause.kind === 'unseen' || clause.kind === 'impossible') return asItStands;
    const before = await this.#read(signal);
    const invalid = before.constraints.filter(({ type, isValid }) => type === 'n' && !isValid);
    const hindered = await this.#runTogether([clause], signal);
    if (hindered !== null) return hindered;
    const after = await this.#read(signal);
    const added = after.constraints.filter(({ name }) => !before.constraints.some((one) => one.name === name));
    switch (clause.kind) {
      case 'validate':
        return { recipes: clause.name === null ? [] : [{ kind: 'validate', name: clause.name }], last: [], names: [] };
      case 'constraint':
        return this.#addedConstraint(clause, added, left);
      case 'not-null': {
        const late = invalid.find(({ name }) => after.constraints.some((one) => one.name === name && one.isValid));
        if (late !== undefined) return { recipes: [{ kind: 'validate', name: late.name }], last: [], names: [] };
        const proven = this.#notNull({ before, after, added }, left);
        const isFilled = !clause.isUnfilled || proven.every((one) => 'reached' in one && one.reached !== 'nothing');
        const recipes: readonly Recipe[] =
          isFilled || clause.name === null ? proven : [{ kind: 'backfill', column: clause.name }, ...proven];
        return { recipes, last: this.#parts.flavour.hasNotNullConstraints ? [] : [clause.text], names: namesOf(added) };
      }
      case 'unique':
        return this.#addedIndex(clause, { before, after, added }, left);
    }
  }

  /** Runs clauses on the clone without the others: a column cannot come first that takes the name of one which the ALTER drops. */
  async #runTogether(clauses: readonly NativeClause[], signal: AbortSignal): Promise<NoNativeWay | null> {
    const { clone, source } = this.#parts;
    try {
      await clone.watch([this.#onClone(clauses.map((clause) => this.#tried.get(clause) ?? '').join(', '))], signal);
      return null;
    } catch (error) {
      refusalOf(error, source, 'alter');
      return {
        clause: clauses.map(({ text }) => text).join(', '),
        reason: 'it needs another clause of the same statement, or is hindered by it; run that one first, by itself',
      };
    }
  }

  #addedConstraint(clause: NativeClause, added: readonly Constraint[], left: readonly string[]): Learned | NoNativeWay {
    const [constraint] = added;
    if (constraint === undefined || added.length > 1)
      return { clause: clause.text, reason: 'it adds nothing that can be proven later' };
    const isTaken = !left.includes(constraint.name) && this.#constraints.some(({ name }) => name === constraint.name);
    const name = isTaken ? ourName(this.#table, 'constraint', clause.text) : constraint.name;
    const reached = isTaken ? this.#reachedByOurs(name) : this.#reachedBy(constraint, left);
    const becomes = isTaken ? constraint.name : null;
    const recipe = { kind: 'constraint', name, becomes, clause: namedConstraint(clause, name), reached } as const;
    return { recipes: [recipe], last: [], names: reached === 'nothing' ? [constraint.name] : [] };
  }

  /** How far an earlier run has come with it. */
  #reachedBy(constraint: Constraint, left: readonly string[]): Reached {
    const known = this.#constraints.find(({ name }) => name === constraint.name);
    if (known === undefined || !left.includes(known.name) || !isSame(known, constraint)) return 'nothing';
    return known.isValid ? 'valid' : 'not-valid';
  }

  /** What makes columns NOT NULL that were not. */
  #notNull({ before, after, added }: Difference, left: readonly string[]): readonly Recipe[] {
    if (this.#parts.flavour.hasNotNullConstraints) {
      return added
        .filter(({ type }) => type === 'n')
        .map((constraint) => ({
          kind: 'constraint' as const,
          name: constraint.name,
          becomes: null,
          clause: `ADD CONSTRAINT ${quoteName(constraint.name)} ${constraint.definition}`,
          reached: this.#reachedBy(constraint, left),
        }));
    }
    return after.columns
      .filter(({ attnum, isNotNull }) => isNotNull && before.columns.some((one) => one.attnum === attnum && !one.isNotNull))
      .map((column) => {
        const name = ourName(this.#table, 'not null', column.name);
        return { kind: 'proof' as const, name, column: column.name, reached: this.#reachedByOurs(name) };
      });
  }

  #addedIndex(clause: NativeClause, difference: Difference, left: readonly string[]): Learned | NoNativeWay {
    const constraint = difference.added.find(({ type }) => type === 'p' || type === 'u');
    const index = difference.after.indexes.find(({ name }) => name === constraint?.name);
    if (constraint === undefined || index === undefined || index.isExclusion || !/^ USING "?btree"? /.test(index.rest)) {
      return { clause: clause.text, reason: 'no index for it can be built while rows are written' };
    }
    const { source, isRest } = this.#parts;
    if (isRest && source.constraints.some(({ definition }) => definition === constraint.definition)) {
      return { clause: clause.text, reason: 'it is there already' };
    }
    const name = ourName(this.#table, 'index', index.rest, index.tablespace ?? '', constraint.name);
    const known = source.indexes.find((one) => one.name === name);
    return {
      recipes: [
        ...this.#notNull(difference, left),
        { kind: 'index', name, index, reached: known?.isValid === true ? 'valid' : 'nothing' },
      ],
      last: [adoption({ name: constraint.name, definition: constraint.definition, index: name })],
      names: namesOf(difference.added),
    };
  }

  /** Null where the steps do what the ALTER does, and the brief ones nothing to the rows. */
  async #tryRecipes(
    learned: Learned,
    { left, expected }: { readonly left: readonly string[]; readonly expected: string },
    signal: AbortSignal,
  ): Promise<NoNativeWay | null> {
    const { clone, clauses, source } = this.#parts;
    const unseen = new Set(clauses.filter(({ kind }) => kind === 'unseen').map(({ text }) => text));
    const book: RecipeBook = {
      table: clone.table,
      first: this.#first.map(({ text }) => text),
      // All of them from the beginning: the clone has nothing of an earlier run.
      recipes: learned.recipes.map((recipe) => ('reached' in recipe ? { ...recipe, reached: 'nothing' } : recipe)),
      last: learned.last.filter((text) => !unseen.has(text)),
    };
    try {
      return await clone.undone(async () => {
        await this.#drop(left, signal);
        for (const step of stepsOf(book)) {
          const sql = await clone.retarget(step.sql.replace(/^(CREATE UNIQUE INDEX) CONCURRENTLY /, '$1 '), signal);
          const work = await clone.watch(sql === null ? [] : [sql], signal);
          if (step.kind === 'brief' && work.size > 0) return noWay(this.#whole, work);
        }
        const isSame = JSON.stringify(await clone.read(signal)) === expected;
        return isSame
          ? null
          : { clause: this.#whole, reason: 'its clauses cannot be carried out one after the other; run them by themselves' };
      }, signal);
    } catch (error) {
      const { message } = refusalOf(error, source, 'alter');
      return { clause: this.#whole, reason: `its clauses cannot be carried out one after the other: ${message}` };
    }
  }

  /** How far an earlier run has come with a constraint under a name of ours, which the clone does not have. */
  #reachedByOurs(name: string): Reached {
    const known = this.#parts.source.constraints.find((one) => one.name === name);
    if (known === undefined) return 'nothing';
    return known.isValid ? 'valid' : 'not-valid';
  }

  /** Constraints of the source that say what these clauses add, or are in their way, as an earlier run may have left them. */
  async #leftConstraints(signal: AbortSignal): Promise<readonly string[]> {
    const { clauses } = this.#parts;
    const left = new Set<string>();
    for (const clause of clauses) {
      if (clause.kind === 'constraint' && clause.name === null) {
        const added = await this.#addAlone(clause, signal);
        const same = this.#constraints.find((known) => added !== null && isSame(known, added));
        if (same !== undefined) left.add(same.name);
      }
      for (const { name, type, isValid, definition } of this.#constraints) {
        const isNamed = clause.kind === 'constraint' && clause.name === name && /^[cfn]$/.test(type);
        // A NOT NULL that holds for new rows only is none to a primary key.
        const isLate = clause.kind === 'unique' && type === 'n' && !isValid && isKeyOver(clause, definition);
        if (isNamed || isLate) left.add(name);
      }
    }
    return [...left];
  }

  /** The constraint that a clause adds; null where it cannot be told. */
  async #addAlone(clause: NativeClause, signal: AbortSignal): Promise<Constraint | null> {
    const { clone, source } = this.#parts;
    try {
      return await clone.undone(async () => {
        await clone.watch([this.#onClone(this.#tried.get(clause) ?? '')], signal);
        const { constraints } = await this.#read(signal);
        return constraints.find(({ name }) => !this.#constraints.some((known) => known.name === name)) ?? null;
      }, signal);
    } catch (error) {
      refusalOf(error, source, 'alter');
      return null;
    }
  }

  /** Columns whose type the server does not change cheaply for a reason that is not on the clone, and the reason. */
  async #hinderedColumns(signal: AbortSignal): Promise<ReadonlyMap<string, string>> {
    const { session, source } = this.#parts;
    const rows = await session.query(
      `SELECT a.attname AS name, 'another table refers to the column, and may have to be read again' AS reason
         FROM pg_constraint AS k JOIN pg_attribute AS a ON a.attrelid = k.confrelid AND a.attnum = ANY (k.confkey)
         WHERE k.contype = 'f' AND k.confrelid = ${source.oid} AND k.conrelid <> ${source.oid}
       UNION SELECT a.attname, format('the column is used by %s, which the server does not allow for', pg_describe_object(d.classid, d.objid, 0))
         FROM pg_depend AS d JOIN pg_attribute AS a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
         WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = ${source.oid} AND d.classid IN ('pg_rewrite'::regclass,
           'pg_trigger'::regclass, 'pg_policy'::regclass, 'pg_publication_rel'::regclass, 'pg_proc'::regclass)`,
      signal,
    );
    return new Map(rows.map((row) => [row['name'] ?? '', row['reason'] ?? '']));
  }

  async #read(signal: AbortSignal): Promise<TableDescription> {
    const read = await this.#parts.clone.read(signal);
    if (read === null) throw new MigrationError('INTERNAL', 'The clone is gone.');
    return read;
  }

  async #drop(names: readonly string[], signal: AbortSignal): Promise<void> {
    if (names.length === 0) return;
    await this.#parts.session.execute(
      this.#onClone(names.map((name) => `DROP CONSTRAINT ${quoteName(name)}`).join(', ')),
      signal,
    );
  }

  #onClone(clauses: string): string {
    return `ALTER TABLE ${quoteTable(this.#parts.clone.table)} ${clauses}`;
  }
}

interface Difference {
  readonly before: TableDescription;
  readonly after: TableDescription;
  /** Constraints. */
  readonly added: readonly Constraint[];
}

function noWay(clause: string, work: ReadonlySet<RowWork>): NoNativeWay {
  const worst = (['rewrite', 'index', 'scan'] as const).find((one) => work.has(one)) ?? 'scan';
  return { clause, reason: workWords[worst] };
}

function namesOf(constraints: readonly Constraint[]): readonly string[] {
  return constraints.map(({ name }) => name);
}

/** Whether they say the same, perhaps one of them for new rows only. */
function isSame(one: Constraint, other: Constraint): boolean {
  return one.type === other.type && withoutNotValid(one.definition) === withoutNotValid(other.definition);
}

function withoutNotValid(definition: string): string {
  return definition.replace(/ NOT VALID$/, '');
}

/** Whether a clause may make a primary key over the column of a NOT NULL. */
function isKeyOver({ body }: NativeClause, notNull: string): boolean {
  const column = withoutNotValid(notNull).slice('NOT NULL '.length).replaceAll('"', '');
  return /^primary\b/i.test(body) && body.toLowerCase().includes(column.toLowerCase());
}
