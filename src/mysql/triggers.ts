/** Triggers of a table: what the catalog says, and which of them can be made again exactly as they are. */

import { assert } from '../engine/errors.ts';
import type { Plan, TableName } from '../engine/model.ts';
import { isSameInAnyCase, lowerCase } from './name-case.ts';
import type { Row, Session } from './session.ts';
import { tokenise, UnfinishedSqlError, type Token } from './sql-tokens.ts';
import { quoteName, quoteText } from './statements.ts';

/** What a session must have set for a trigger to be made again as it was. */
export interface TriggerSetting {
  readonly sqlMode: string;
  readonly characterSetClient: string;
  readonly collationConnection: string;
}

export interface Trigger {
  readonly name: string;
  /** `BEFORE INSERT`, and so on. */
  readonly when: string;
  /** `user@host`, or the name of a role. */
  readonly definer: string;
  readonly setting: TriggerSetting;
  /** The default collation that its schema had when it was made. */
  readonly databaseCollation: string;
  /** SHOW CREATE TRIGGER. */
  readonly statement: string;
}

/** The parts of a trigger's statement that another one like it needs. */
export interface TriggerText {
  /** The DEFINER clause, as written. */
  readonly definerClause: string;
  /** Everything through FOR EACH ROW, which both servers print without FOLLOWS and PRECEDES. */
  readonly head: string;
  /** What is behind it, without the semicolon that MySQL keeps where several statements were sent as one text. */
  readonly body: string;
  /** The semicolon, in a way that MySQL does not take it away from the end; empty where there is none. */
  readonly end: string;
}

/** Their names, in the order in which they fire; none where the user may not see them. */
export async function readTriggerNames(session: Session, table: TableName, signal: AbortSignal): Promise<readonly string[]> {
  return (await listTriggers(session, table, signal)).map((row) => row['name'] ?? '');
}

/** All triggers of a table, in the order in which they fire. Needs TRIGGER on it. Takes short metadata locks; works under LOCK TABLES. */
export async function readTriggers(session: Session, table: TableName, signal: AbortSignal): Promise<readonly Trigger[]> {
  const triggers: Trigger[] = [];
  for (const row of await listTriggers(session, table, signal)) {
    const name = row['name'] ?? '';
    const [shown] = await session.query(`SHOW CREATE TRIGGER ${quoteName(table.schema)}.${quoteName(name)}`, signal);
    triggers.push({
      name,
      when: row['fires'] ?? '',
      definer: row['definer'] ?? '',
      setting: {
        sqlMode: row['sqlMode'] ?? '',
        characterSetClient: row['client'] ?? '',
        collationConnection: row['connection'] ?? '',
      },
      databaseCollation: row['databaseCollation'] ?? '',
      statement: shown?.['SQL Original Statement'] ?? '',
    });
  }
  return triggers;
}

/** MariaDB lists them to whoever has any privilege on the table. */
function listTriggers(session: Session, table: TableName, signal: AbortSignal): Promise<readonly Row[]> {
  return session.query(
    `SELECT TRIGGER_NAME AS name, CONCAT(ACTION_TIMING, ' ', EVENT_MANIPULATION) AS fires, DEFINER AS definer, SQL_MODE AS sqlMode,
       CHARACTER_SET_CLIENT AS client, COLLATION_CONNECTION AS connection, DATABASE_COLLATION AS databaseCollation
     FROM information_schema.TRIGGERS
     WHERE EVENT_OBJECT_SCHEMA = ${quoteText(table.schema)} AND EVENT_OBJECT_TABLE = ${quoteText(table.table)}
     ORDER BY EVENT_MANIPULATION, ACTION_TIMING, ACTION_ORDER`,
    signal,
  );
}

/** Takes a trigger's statement apart. It has been read before (`triggerProblems`). */
export function readTriggerText({ statement, setting }: Pick<Trigger, 'statement' | 'setting'>): TriggerText {
  const tokens = tokensOf(statement, setting);
  const isWord = (at: number, word: string): boolean => tokens[at]?.kind === 'word' && tokens[at].value === word;
  const definer = tokens.findIndex((_, at) => isWord(at, 'DEFINER'));
  const trigger = tokens.findIndex((_, at) => isWord(at, 'TRIGGER'));
  const row = tokens.findIndex((_, at) => isWord(at - 2, 'FOR') && isWord(at - 1, 'EACH') && isWord(at, 'ROW'));
  const [from, to, end] = [tokens[definer], tokens[trigger], tokens[row]];
  assert(from !== undefined && to !== undefined && end !== undefined, 'a trigger names its definer and its rows');
  const last = tokens.at(-1);
  return {
    definerClause: statement.slice(from.start, to.start).trim(),
    head: statement.slice(0, end.end),
    body: statement.slice(end.end, last?.text === ';' ? last.start : statement.length),
    end: last?.text === ';' ? '; /* */' : '',
  };
}

/** Why the new table cannot have the same triggers; a sentence each. */
export function triggerProblems(plan: Plan, triggers: readonly Trigger[], schemaCollation: string): readonly string[] {
  return triggers.flatMap((trigger) => [
    ...textProblems(trigger),
    ...collationProblems(plan, trigger, schemaCollation),
    ...columnProblems(plan, trigger),
  ]);
}

/** The default collation of the schema today. */
export async function readSchemaCollation(session: Session, schema: string, signal: AbortSignal): Promise<string> {
  const [row] = await session.query(
    `SELECT DEFAULT_COLLATION_NAME AS name FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = ${quoteText(schema)}`,
    signal,
  );
  return row?.['name'] ?? '';
}

/** The text comes to us as UTF-8 and is sent as such, whatever it was written in. */
function textProblems({ name, statement, setting }: Trigger): readonly string[] {
  try {
    tokensOf(statement, setting);
  } catch (error) {
    if (!(error instanceof UnfinishedSqlError)) throw error;
    return [`The trigger ${name} cannot be read, for ${error.message}; make it again in another spelling.`];
  }
  const { characterSetClient, sqlMode } = setting;
  if (/\bORACLE\b/.test(sqlMode)) {
    return [`The trigger ${name} was made in sql_mode ORACLE, which is not carried over; make it again in another one.`];
  }
  if (/^[\0-\u007f]*$/.test(statement) || /^utf8(mb[34])?$/.test(characterSetClient)) return [];
  return [
    `The trigger ${name} was made by a client with character_set_client ${characterSetClient} and is not all ASCII; make it again by one with utf8mb4.`,
  ];
}

/** CREATE TRIGGER notes the schema's collation of the moment, and nothing but ALTER DATABASE would make it another. */
function collationProblems({ source }: Plan, trigger: Trigger, schemaCollation: string): readonly string[] {
  if (trigger.databaseCollation === schemaCollation) return [];
  return [
    `The trigger ${trigger.name} was made when the default collation of ${source.schema} was ${trigger.databaseCollation}; now it is ${schemaCollation}, and the trigger would take that; drop it and make it again.`,
  ];
}

/** A trigger is stored whatever columns it names, and fails when it fires. */
function columnProblems(plan: Plan, trigger: Trigger): readonly string[] {
  const going = goingColumns(plan);
  return [...namedColumns(trigger, plan.source.table)]
    .filter((column) => going.has(column))
    .map(
      (column) =>
        `The trigger ${trigger.name} names the column ${going.get(column) ?? column}, which the change drops or renames; drop the trigger first and make it again afterwards.`,
    );
}

/** Columns of the source that are not there by the same name afterwards, by their name in lower case. */
function goingColumns({ droppedColumns, columns }: Plan): ReadonlyMap<string, string> {
  const renamed = columns.filter(({ source, shadow }) => !isSameInAnyCase(source, shadow));
  const names = [...droppedColumns, ...renamed.map(({ source }) => source)];
  return new Map(names.map((name) => [lowerCase(name), name]));
}

/** Names behind NEW and OLD, and any name at all where the body names its own table; in lower case. */
function namedColumns({ statement, setting }: Trigger, table: string): ReadonlySet<string> {
  let tokens: readonly Token[] = [];
  try {
    const { body } = readTriggerText({ statement, setting });
    tokens = tokensOf(body, setting);
  } catch (error) {
    if (!(error instanceof UnfinishedSqlError)) throw error;
  }
  const names = tokens.map(({ kind, text, value }) => lowerCase(kind === 'word' ? text : kind === 'string' ? '' : value));
  const isOfOwnTable = names.includes(lowerCase(table));
  return new Set(names.filter((_, at) => isOfOwnTable || (names[at - 1] === '.' && /^(new|old)$/.test(names[at - 2] ?? ''))));
}

function tokensOf(text: string, { sqlMode }: TriggerSetting): readonly Token[] {
  return tokenise(text, { hasPlainBackslash: /\bNO_BACKSLASH_ESCAPES\b/.test(sqlMode) });
}
