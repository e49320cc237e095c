/**
 * Finds the steps of a native change by trying on the empty clone: the ALTER as it stands, and where the server does that only
 * with a copy, its clauses in several statements. These must make of the clone what the ALTER makes of it, and each be cheap.
 *
 * The order is that of what applications can live with: first what is added, then what may be done twice, and all else in the last
 * statement, which is therefore the first that takes anything away. So a table on which a run has died can be told from one that
 * was never begun with: what the statements before the last add is there, and without it the ALTER makes the same of the table.
 */

import type { TableName } from '../engine/model.ts';
import { type NativePlan, type NativeStep, type NoNativeWay, takingAlong } from '../engine/native-change.ts';
import { PlanRefusedError } from '../engine/obstacles.ts';
import type { AlterClause, AlterReading } from './alter-clauses.ts';
import { indexesOverVirtual, readCreateStatement } from './create-statement.ts';
import { type NativeTrials, refusalOf, type TrialOutcome } from './native-trial.ts';
import { hasReplicas } from './replicas.ts';
import type { Server } from './server.ts';
import type { Session } from './session.ts';
import { quoteName, quoteTable } from './statements.ts';

/** From this share of the limit on, the plan warns of instant changes running out. */
const versionsNoteShare = 0.75;
/** Not more clauses than this are tried one by one. */
const clausesTriedMax = 20;

/** What a finder works with. The session is not that of the trials' clone alone: it only reads. */
export interface FinderParts {
  readonly server: Server;
  readonly session: Session;
  readonly trials: NativeTrials;
  readonly source: TableName;
  readonly reading: AlterReading;
}

/** A way for some clauses, or why there is none. `definition`: of the clone afterwards. */
type Verdict =
  | { readonly kind: 'cheap'; readonly step: NativeStep; readonly notes: readonly string[]; readonly definition: string }
  | { readonly kind: 'dear'; readonly reason: string }
  | { readonly kind: 'refused'; readonly reason: string };

type Cheap = Extract<Verdict, { kind: 'cheap' }>;

/** One search. */
export class NativeFinder {
  readonly #parts: FinderParts;

  constructor(parts: FinderParts) {
    this.#parts = parts;
  }

  /** The steps, or why there are none. Rejects with a PlanRefusedError where the server refuses the ALTER. */
  async find(signal: AbortSignal): Promise<NativePlan | NoNativeWay> {
    const { reading } = this.#parts;
    const { text, clauses } = reading;
    const verdict = await this.#judge(text, [], signal);
    if (verdict.kind === 'cheap') return this.#planOf([verdict]);
    if (verdict.kind === 'refused') return await this.#findRest(verdict.reason, signal);
    return (await this.#split(clauses, text, signal)) ?? (await this.#explain(verdict.reason, signal));
  }

  /** What is left for a table on which a run has died between two steps. */
  async #findRest(refusal: string, signal: AbortSignal): Promise<NativePlan | NoNativeWay> {
    const { reading, source, trials } = this.#parts;
    const refused = new PlanRefusedError([refusalOf(source, refusal)]);
    if (reading.clauses.length < 2 || reading.clauses.length > clausesTriedMax) throw refused;
    const undoing: string[] = [];
    const there: AlterClause[] = [];
    for (const clause of reading.clauses) {
      const undo = undoingOf(clause);
      if (undo === null || (await trials.try(undo, [], signal)).kind !== 'accepted') continue;
      undoing.push(undo);
      there.push(clause);
    }
    const rest = reading.clauses.filter((clause) => !there.includes(clause));
    if (there.length === 0 || rest.length === 0) throw refused;
    const asked = await trials.try(reading.text, [`ALTER TABLE ${quoteTable(trials.clone)} ${undoing.join(', ')}`], signal);
    const text = rest.map((clause) => clause.text).join(', ');
    const left = await trials.try(text, [], signal);
    if (asked.kind !== 'accepted' || left.kind !== 'accepted' || asked.definition !== left.definition) throw refused;
    if (left.definition === left.definitionBefore) throw refused;
    const verdict = await this.#judge(text, [], signal);
    const plan = verdict.kind === 'cheap' ? this.#planOf([verdict]) : await this.#split(rest, text, signal);
    if (plan === null) throw refused;
    const notes = there.map((clause) => `“${clause.text}” is done already: the table has it, as the ALTER would make it.`);
    return { ...plan, notes: [...notes, ...(plan.notes ?? [])] };
  }

  #planOf(verdicts: readonly Cheap[]): NativePlan {
    const { reading, source } = this.#parts;
    const notes = [...new Set(verdicts.flatMap((verdict) => verdict.notes))];
    const steps = verdicts.map(({ step }) => step);
    return { source, alter: reading.text, steps, ...(notes.length === 0 ? {} : { notes }) };
  }

  /** The clauses in as few statements as will do, all of them cheap; null where that is not the same. `text`: all of them. */
  async #split(clauses: readonly AlterClause[], text: string, signal: AbortSignal): Promise<NativePlan | null> {
    if (clauses.length < 2 || clauses.length > clausesTriedMax) return null;
    const asked = await this.#parts.trials.try(text, [], signal);
    if (asked.kind !== 'accepted') return null;
    const order = await this.#order(clauses, signal);
    const verdicts: Cheap[] = [];
    const statements: string[] = [];
    let isLast = false;
    for (let at = 0; at < order.length; ) {
      const next = await this.#longest(order.slice(at), statements, signal);
      // What cannot be told to be done already must be in the last statement.
      if (next === null || isLast) return null;
      const taken = order.slice(at, at + next.count);
      isLast = taken.some(({ isLate }) => isLate);
      verdicts.push(next.verdict);
      statements.push(
        `ALTER TABLE ${quoteTable(this.#parts.trials.clone)} ${taken.map(({ clause }) => clause.text).join(', ')}`,
      );
      at += next.count;
    }
    return verdicts.at(-1)?.definition === asked.definition ? this.#planOf(verdicts) : null;
  }

  /** As many clauses as one cheap statement can have; null where not even the first is cheap. */
  async #longest(
    order: readonly Placed[],
    done: readonly string[],
    signal: AbortSignal,
  ): Promise<{ readonly count: number; readonly verdict: Cheap } | null> {
    let longest: { readonly count: number; readonly verdict: Cheap } | null = null;
    for (let count = 1; count <= order.length; count += 1) {
      const text = order.slice(0, count).map(({ clause }) => clause.text);
      const verdict = await this.#judge(text.join(', '), done, signal);
      if (verdict.kind !== 'cheap') return longest;
      longest = { count, verdict };
    }
    return longest;
  }

  /** See the head of this file. */
  async #order(clauses: readonly AlterClause[], signal: AbortSignal): Promise<readonly Placed[]> {
    const places: Placed[] = [];
    for (const clause of clauses) {
      if (clause.kind === 'add-column') places.push({ clause, place: 0, isLate: false });
      else if (undoingOf(clause) !== null) places.push({ clause, place: 2, isLate: false });
      else if (await this.#isRepeatable(clause, signal)) places.push({ clause, place: 1, isLate: false });
      else places.push({ clause, place: 3, isLate: true });
    }
    return places.toSorted((one, other) => one.place - other.place);
  }

  /** Whether it does no more when it is done a second time. */
  async #isRepeatable({ text }: AlterClause, signal: AbortSignal): Promise<boolean> {
    const { trials } = this.#parts;
    const once = await trials.try(text, [], signal);
    if (once.kind !== 'accepted') return false;
    const twice = await trials.try(text, [`ALTER TABLE ${quoteTable(trials.clone)} ${text}`], signal);
    return twice.kind === 'accepted' && twice.definition === once.definition;
  }

  /** Tries the algorithms, the cheapest first, on a clone on which the statements `done` have been run. */
  async #judge(clauses: string, done: readonly string[], signal: AbortSignal): Promise<Verdict> {
    const { server, trials } = this.#parts;
    let reason = '';
    for (const algorithm of server.flavour.onlineAlgorithms) {
      const outcome = await trials.try(`${clauses}, ${algorithm}`, done, signal);
      if (outcome.kind === 'refused') return outcome;
      if (outcome.kind === 'unsupported') {
        ({ reason } = outcome);
        continue;
      }
      // The algorithms behind one that was accepted are dearer.
      return await this.#judgeAccepted({ clauses, algorithm, outcome, done }, signal);
    }
    return { kind: 'dear', reason };
  }

  async #judgeAccepted({ clauses, algorithm, outcome, done }: Accepted, signal: AbortSignal): Promise<Verdict> {
    const { server, session, source } = this.#parts;
    const sql = `ALTER TABLE ${quoteTable(source)} ${clauses}, ${algorithm}`;
    const { before, after, definition } = outcome;
    if (algorithm === 'ALGORITHM=INSTANT') return await this.#judgeInstant(sql, { outcome, done }, signal);
    const isSure = before.tableIds.length > 0;
    if (!isSure) return { kind: 'dear', reason: 'InnoDB does not say whether it would rebuild the table' };
    if (before.tableIds.join() !== after.tableIds.join()) {
      return { kind: 'dear', reason: 'the server would rebuild the whole table, and replicas would stall for as long' };
    }
    const built = [...after.indexes].flatMap(([id, name]) => (before.indexes.has(id) ? [] : [name]));
    if (built.length === 0) {
      const reason = 'the server changes the definition only (in place, without a rebuild)';
      return { kind: 'cheap', step: { sql, kind: 'brief', reason }, notes: [], definition };
    }
    const names = built.join(', ');
    if (!server.flavour.buildsVirtualIndexes) {
      const over = indexesOverVirtual(readCreateStatement(definition)).filter((name) => built.includes(name));
      const reason = `the server would leave rows that are written meanwhile out of the index ${over.join(', ')}, which has a virtual column`;
      if (over.length > 0) return { kind: 'dear', reason };
    }
    if (await hasReplicas(session, server.flavour, signal)) {
      return { kind: 'dear', reason: `the server would build the index ${names}, and the replicas would stall for as long` };
    }
    const reason = `the server builds the index ${names} while readers and writers go on, and no replica is attached to stall`;
    return { kind: 'cheap', step: { sql, kind: 'online', reason }, notes: [], definition };
  }

  /** Whether the clone has got a new row version tells whether the source would need one; each statement before may have, too. */
  async #judgeInstant(
    sql: string,
    { outcome: { before, after, definition }, done }: Pick<Accepted, 'outcome' | 'done'>,
    signal: AbortSignal,
  ): Promise<Verdict> {
    const { server, trials, source } = this.#parts;
    const step: NativeStep = { sql, kind: 'brief', reason: 'the server changes the definition only (instantly)' };
    const versionsMax = server.flavour.instantVersionsMax;
    const isCounted = before.rowVersions !== null && after.rowVersions !== before.rowVersions;
    const { rowVersions } = isCounted ? await trials.identify(source, signal) : { rowVersions: null };
    if (versionsMax === null || rowVersions === null) return { kind: 'cheap', step, notes: [], definition };
    const versions = rowVersions + done.length;
    if (versions >= versionsMax) {
      const reason = `the table has had ${rowVersions} instant changes, and the server allows no more than ${versionsMax} before the table is rebuilt, which a shadow does`;
      return { kind: 'dear', reason };
    }
    const isNear = versions >= versionsMax * versionsNoteShare;
    const note = `This is instant change ${versions + 1} of the ${versionsMax} that the server allows before the table has to be rebuilt.`;
    return { kind: 'cheap', step, notes: isNear ? [note] : [], definition };
  }

  /** Names the clauses in the way: those that are not cheap by themselves. */
  async #explain(reason: string, signal: AbortSignal): Promise<NoNativeWay> {
    const { clauses, text } = this.#parts.reading;
    if (clauses.length < 2 || clauses.length > clausesTriedMax) return { clause: text, reason };
    const dear: NoNativeWay[] = [];
    for (const clause of clauses) {
      const verdict = await this.#judge(clause.text, [], signal);
      // One that needs the others tells nothing by itself.
      if (verdict.kind === 'refused') return { clause: text, reason };
      if (verdict.kind === 'dear') dear.push({ clause: clause.text, reason: verdict.reason });
    }
    if (dear.length > 0) return takingAlong(dear, clauses.length);
    return { clause: text, reason: `each clause is cheap by itself, but not all in one statement (${reason})` };
  }
}

/** A clause in its place among the others; of those with equal ones the written order holds. */
interface Placed {
  readonly clause: AlterClause;
  readonly place: number;
  /** Whether only the last statement may have it. */
  readonly isLate: boolean;
}

interface Accepted {
  readonly clauses: string;
  readonly algorithm: string;
  readonly outcome: Extract<TrialOutcome, { kind: 'accepted' }>;
  /** Statements that go before it. */
  readonly done: readonly string[];
}

/** The clause that takes away what this one adds under a name; null for all others. */
function undoingOf(clause: AlterClause): string | null {
  if (clause.kind === 'add-column') return `DROP COLUMN ${quoteName(clause.column)}`;
  const index =
    clause.kind === 'other' ? /^ADD\s+(?:UNIQUE\s+)?(?:INDEX|KEY)\s+(?:`([^`]+)`|([\w$]+))\s*\(/i.exec(clause.text) : null;
  const name = index?.[1] ?? index?.[2];
  return name === undefined ? null : `DROP INDEX ${quoteName(name)}`;
}
