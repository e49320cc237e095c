/**
 * Triggers come with the swap. Names of triggers are unique in a schema, a trigger stays with its table through a RENAME, and
 * each CREATE TRIGGER and DROP TRIGGER is a transaction of its own; so a trigger cannot change tables in one step. Instead a
 * stand-in, the same trigger under a name of the migration, is on the new table from before the swap, and fires as long as the
 * trigger itself is not there:
 *
 *   under the lock, drained     CREATE TRIGGER stand-in ON shadow      inert: nobody but us writes the shadow
 *   the swap                    RENAME TABLE                           the trigger went with the retired table: the stand-in fires
 *   then, for each              DROP TRIGGER trigger                   of the retired table, which nobody writes
 *                               CREATE TRIGGER trigger ON source       PRECEDES the stand-in, which is inert from here on
 *                               DROP TRIGGER stand-in
 *
 * Whoever dies, and when: at every line each write of an application fires the trigger or its stand-in, and never both. What is
 * left of the last three is done by `settle`. The reasoning, and the one exception, are in docs/decisions/mysql-triggers.md.
 */

import { assert, MigrationError } from '../engine/errors.ts';
import type { Plan, TableName } from '../engine/model.ts';
import type { Claim } from './claim.ts';
import { serverErrno } from './errors.ts';
import type { Server } from './server.ts';
import { OWN_SESSION_MARK, OWN_SQL_MODE, type Session } from './session.ts';
import { restoreSession } from './session-restore.ts';
import { quoteName, quoteText } from './statements.ts';
import { lockOrReject, lockSettings } from './table-lock.ts';
import {
  readSchemaCollation,
  readTriggers,
  readTriggerText,
  triggerProblems,
  type Trigger,
  type TriggerSetting,
} from './triggers.ts';

/** The trigger that a stand-in stands in for, as the stand-in itself tells. */
interface Original {
  readonly name: string;
  /** SHOW CREATE TRIGGER. */
  readonly statement: string;
}

/** A stand-in as it is on a table. */
interface StandIn {
  readonly name: string;
  readonly setting: TriggerSetting;
  readonly original: Original;
}

/** The triggers of the source. Reads only. Rejects with SOURCE_CHANGED where one has come that cannot be carried over. */
export async function readCarriedTriggers(session: Session, plan: Plan, signal: AbortSignal): Promise<readonly Trigger[]> {
  const triggers = await readTriggers(session, plan.source, signal);
  if (triggers.length === 0) return [];
  const problems = triggerProblems(plan, triggers, await readSchemaCollation(session, plan.source.schema, signal));
  if (problems.length > 0) throw new MigrationError('SOURCE_CHANGED', problems.join(' '));
  return triggers;
}

/**
 * Puts a stand-in on the shadow for each of these triggers of the source. Called under the lock of both, drained. Some milliseconds
 * for each. Not safe to run twice without `dropStandIns`.
 */
export async function createStandIns(
  session: Session,
  { plan, triggers }: { readonly plan: Plan; readonly triggers: readonly Trigger[] },
  signal: AbortSignal,
): Promise<void> {
  if (triggers.length === 0) return;
  await session.execute(`USE ${quoteName(plan.source.schema)}`, signal);
  try {
    for (const [index, trigger] of triggers.entries()) {
      await session.execute(settingStatement(trigger.setting), signal);
      await session.execute(standInStatement(plan, trigger, standInName(plan, index + 1)), signal);
    }
  } finally {
    await restoreSession(session, [ourSettingStatement(plan)]);
  }
}

/** Drops the stand-ins on a table, if there are any. Only before the swap, on the shadow. Safe to run twice. */
export async function dropStandIns(session: Session, plan: Plan, signal: AbortSignal): Promise<void> {
  for (const { name } of await findStandIns(session, plan, plan.shadow, signal)) {
    await session.execute(`DROP TRIGGER IF EXISTS ${quoteName(plan.source.schema)}.${quoteName(name)}`, signal);
  }
}

/** Finds out, before anything is copied, whether the server lets us make the triggers again. On the empty shadow, which is left without. */
export async function tryTriggers(session: Session, plan: Plan, signal: AbortSignal): Promise<void> {
  const triggers = await readCarriedTriggers(session, plan, signal);
  if (triggers.length === 0) return;
  await createStandIns(session, { plan, triggers }, signal);
  await dropStandIns(session, plan, signal);
}

/** After the swap: a sentence for each trigger whose stand-in is still there. */
export async function unsettledTriggers(session: Session, plan: Plan, signal: AbortSignal): Promise<readonly string[]> {
  return (await findStandIns(session, plan, plan.source, signal)).map((standIn) => unsettledSentence(plan, standIn));
}

/**
 * After the swap: gives the source its triggers by their own names, and drops the stand-ins. The session holds the lock of source
 * and retired table. `onSettled` gets the sentences of `unsettledTriggers`. Not as one script: MySQL would take the semicolon
 * behind a body for a part of it. Safe to repeat.
 */
export async function promoteStandIns(
  session: Session,
  { plan, onSettled }: { readonly plan: Plan; readonly onSettled: (what: string) => void },
  signal: AbortSignal,
): Promise<void> {
  const standIns = await findStandIns(session, plan, plan.source, signal);
  if (standIns.length === 0) return;
  const owners = await findOwners(session, plan, standIns, signal);
  await session.execute(`USE ${quoteName(plan.source.schema)}`, signal);
  for (const standIn of standIns) {
    const owner = owners.get(standIn.original.name) ?? null;
    for (const statement of promotion(plan, standIn, owner)) await session.execute(statement, signal);
    onSettled(unsettledSentence(plan, standIn));
  }
}

/** Whose triggers are settled. */
export interface TriggerSwap {
  readonly server: Pick<Server, 'flavour'>;
  readonly plan: Plan;
  readonly claim: Pick<Claim, 'openSession'>;
}

const settleLimits = { lockTimeoutMs: 1_000, holdTimeoutMs: 10_000 };

/**
 * After the swap: does what is left, under a lock of its own, so that nobody sees a step between. Rejects with LOCK_WAIT if the
 * lock is not had within a second; writers go on meanwhile, and so do the stand-ins. Safe to repeat.
 */
export async function settleTriggers(
  { server, plan, claim }: TriggerSwap,
  onSettled: (what: string) => void,
  signal: AbortSignal,
): Promise<void> {
  await using locker = await claim.openSession({ settings: lockSettings(settleLimits), takesSeveral: true }, signal);
  const standIns = await findStandIns(locker, plan, plan.source, signal);
  if (standIns.length === 0) return;
  const owners = [...(await findOwners(locker, plan, standIns, signal)).values()];
  // A retired table that is gone already took its triggers with it.
  const tables = [plan.source, ...(owners.includes(plan.retired.table) ? [plan.retired] : [])];
  await using observer = await claim.openSession({}, signal);
  const request = { locker, observer, flavour: server.flavour, tables, used: tables, options: settleLimits };
  await lockOrReject(`${plan.source.schema}.${plan.source.table}`, request, signal);
  let isLockedOut = false;
  try {
    await promoteStandIns(locker, { plan, onSettled }, signal);
  } catch (error) {
    isLockedOut = serverErrno(error) === referencedTriggerMissing;
    if (!isLockedOut) throw error;
  }
  await locker.execute('UNLOCK TABLES', signal);
  if (isLockedOut) await promoteStandIns(locker, { plan, onSettled }, signal);
}

/**
 * ER_REFERENCED_TRG_DOES_NOT_EXIST. Under LOCK TABLES MySQL knows none of the table's triggers where foreign keys with cascades
 * refer to it (seen on 9.7). Without the lock every step is right as well, and seen by applications for a moment.
 */
const referencedTriggerMissing = 3011;

function unsettledSentence({ source, id }: Plan, { name, original }: StandIn): string {
  return `The trigger ${original.name} of ${source.schema}.${source.table} runs by the name ${name} until migration ${id} gives it its own.`;
}

/** `owner`: the table that has a trigger of the original's name. */
function promotion(plan: Plan, { name, setting, original }: StandIn, owner: string | null): readonly string[] {
  const drop = `DROP TRIGGER ${quoteName(name)}`;
  if (owner === plan.source.table) return [drop];
  if (owner !== null && owner !== plan.retired.table) {
    throw new MigrationError(
      'SWAP_UNKNOWN',
      `Another table, ${owner}, has a trigger ${original.name} now, the name that ${plan.source.schema}.${plan.source.table} needs for its own; ${name} does its work meanwhile. Drop or rename the other.`,
    );
  }
  const { head, body, end } = readTriggerText({ statement: original.statement, setting });
  // MariaDB keeps the space in front of the place with this mode, and else the space behind it.
  const space = setting.sqlMode.split(',').includes('IGNORE_SPACE') ? (/^\s*/.exec(body)?.[0] ?? '') : '';
  return [
    ...(owner === null ? [] : [`DROP TRIGGER ${quoteName(original.name)}`]),
    settingStatement(setting),
    `${head}${space === '' ? ' ' : space}PRECEDES ${quoteName(name)}${body.slice(space.length)}${end}`,
    ourSettingStatement(plan),
    drop,
  ];
}

/** The table that has each of these triggers. */
async function findOwners(
  session: Session,
  { source }: Plan,
  standIns: readonly StandIn[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, string>> {
  const rows = await session.query(
    `SELECT TRIGGER_NAME AS name, EVENT_OBJECT_TABLE AS tableName FROM information_schema.TRIGGERS
     WHERE TRIGGER_SCHEMA = ${quoteText(source.schema)}
       AND TRIGGER_NAME IN (${standIns.map(({ original }) => quoteText(original.name)).join(', ')})`,
    signal,
  );
  return new Map(rows.map((row) => [row['name'] ?? '', row['tableName'] ?? '']));
}

function standInName({ id }: Plan, number: number | ''): string {
  return `tableshift_${id}_${number}`;
}

/**
 * The same trigger on the shadow, fired only where the source does not have both it and its original. The catalog is asked for
 * both, because MySQL shows it to a transaction as it was when the transaction's snapshot was taken: before the swap, the
 * original was on the source too.
 */
function standInStatement(plan: Plan, trigger: Trigger, name: string): string {
  const { source, shadow } = plan;
  const { definerClause, body } = readTriggerText(trigger);
  const original: Original = { name: trigger.name, statement: trigger.statement };
  const isNotThere = `(SELECT COUNT(*) FROM information_schema.TRIGGERS
      WHERE TRIGGER_SCHEMA = ${quoteText(source.schema)} AND EVENT_OBJECT_SCHEMA = ${quoteText(source.schema)}
        AND EVENT_OBJECT_TABLE = ${quoteText(source.table)}
        AND TRIGGER_NAME IN (${quoteText(trigger.name)}, ${quoteText(name)})) < 2`;
  return `CREATE ${definerClause} TRIGGER ${quoteName(name)} ${trigger.when} ON ${quoteName(shadow.table)} FOR EACH ROW
BEGIN
  ${originalMark}${Buffer.from(JSON.stringify(original)).toString('hex')} */
  IF ${OWN_SESSION_MARK} IS NULL AND ${isNotThere} THEN${body}
  ; END IF;
END`;
}

const originalMark = '/* TableShift: a stand-in for a trigger that comes back by itself or with `tableshift resume`: ';

async function findStandIns(session: Session, plan: Plan, table: TableName, signal: AbortSignal): Promise<readonly StandIn[]> {
  const prefix = standInName(plan, '');
  const rows = await session.query(
    `SELECT TRIGGER_NAME AS name, SQL_MODE AS sqlMode, CHARACTER_SET_CLIENT AS client, COLLATION_CONNECTION AS connection,
       ACTION_STATEMENT AS body
     FROM information_schema.TRIGGERS
     WHERE EVENT_OBJECT_SCHEMA = ${quoteText(table.schema)} AND EVENT_OBJECT_TABLE = ${quoteText(table.table)}
       AND LEFT(TRIGGER_NAME, ${prefix.length}) = ${quoteText(prefix)}
     ORDER BY EVENT_MANIPULATION, ACTION_TIMING, ACTION_ORDER`,
    signal,
  );
  return rows.map((row) => ({
    name: row['name'] ?? '',
    setting: {
      sqlMode: row['sqlMode'] ?? '',
      characterSetClient: row['client'] ?? '',
      collationConnection: row['connection'] ?? '',
    },
    original: originalIn(row['body'] ?? ''),
  }));
}

function originalIn(body: string): Original {
  const [, rest = ''] = body.split(originalMark);
  const hex = /^[0-9a-f]+/.exec(rest)?.[0];
  assert(hex !== undefined, 'a stand-in tells what it stands in for');
  return JSON.parse(Buffer.from(hex, 'hex').toString()) as Original;
}

function settingStatement({ sqlMode, characterSetClient, collationConnection }: TriggerSetting): string {
  return `SET SESSION sql_mode = '${sqlMode}', character_set_client = ${characterSetClient}, collation_connection = ${collationConnection}`;
}

/** As session.ts has them. */
function ourSettingStatement({ computing }: Pick<Plan, 'computing'>): string {
  const mode = computing === undefined ? OWN_SQL_MODE : quoteText(computing.sqlMode);
  return `SET SESSION sql_mode = ${mode}, character_set_client = utf8mb4, collation_connection = utf8mb4_bin`;
}
