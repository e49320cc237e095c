/**
 * Building the shadow: an empty copy of the source in a schema of its own, on which the clauses are run as they are. What
 * would only slow the copy down (indexes that are not unique) or stop it (constraints that old rows need not satisfy) is taken
 * off again; how to make it is kept as the comment of the schema, so that it is there exactly as long as the shadow is.
 */

import { createHash } from 'node:crypto';
import { MigrationError } from '../engine/errors.ts';
import type { Plan, TableName } from '../engine/model.ts';
import { type AlterReading, readAlterClauses } from './alter-clauses.ts';
import { type Constraint, type Index, readTable, tableOid, type TableDescription } from './catalog.ts';
import { assignments, constraintStatements, copyStatements } from './create-statement.ts';
import { readUninvited, switchRowSecurityOff } from './event-triggers.ts';
import { boundStatement } from './leaf-partition.ts';
import { makePartitioned, type PartitionIndex, readPartitionIndexes } from './partitioned-shadow.ts';
import { withDefaults } from './search-path.ts';
import type { Session } from './session.ts';
import { quoteName, quoteTable, quoteText } from './statements.ts';
import { settingsOf, type TableSettings, withoutSettings } from './table-settings.ts';
import { inTransaction } from './transaction.ts';
import { readStreamMarks, type StreamMarks } from './unstreamed-changes.ts';

/** What a shadow still lacks, and what it was made from. */
export interface Unfinished {
  /** Of the source's definition when the shadow was made. */
  readonly fingerprint: string;
  /** Of the source then. Absent in older shadows, whose fingerprint has them. */
  readonly settings?: TableSettings;
  /** As they were then. */
  readonly marks: StreamMarks;
  /** Absent where the shadow was made with its key. */
  readonly key?: LateKey;
  /** Indexes to build after the copy. */
  readonly indexes: readonly Index[];
  /** Of these, where the shadow has partitions. Absent in shadows that were made before there could be any. */
  readonly partitionIndexes?: readonly PartitionIndex[];
  /** Statements that add the constraints which hold for new rows only; to be run in the cutover. */
  readonly lateConstraints: readonly string[];
  /** Columns of the shadow, by number, whose identity counts anew. Absent in older shadows. */
  readonly renewedIdentities?: readonly number[];
  /** Of the shadow's own definition when it was made, and of the indexes that it will have. Absent in older shadows. */
  readonly made?: { readonly frame: string; readonly indexes: string };
  /** Of the shadow's own definition once it was finished; null where it is to be finished anew. Absent until then, and in older shadows. */
  readonly finished?: string | null;
  /** What lets it follow plain indexes of the source. Absent in older shadows, and where none is followed. */
  readonly following?: Following;
}

/** What stays as it was when plain indexes of the source come and go, and what then becomes of the shadow (followed-indexes.ts). */
export interface Following {
  /** A fingerprint of the source's definition without its plain indexes. */
  readonly source: string;
  /** The same of the altered copy, wherever that is made. */
  readonly copy: string;
  /** The plain indexes that the shadow has, or will have. */
  readonly indexes: readonly Index[];
  /** Those that it may have, and will have no more. */
  readonly surplus: readonly Index[];
}

/** A migration key that is made when it is needed. */
export interface LateKey {
  readonly index: Index;
  /** What it stands for; both have the same name. */
  readonly constraint: Constraint | null;
}

/**
 * Creates the empty shadow, and says whether it has its migration key; one that was left is dropped first. All of it happens or nothing.
 * Takes ACCESS SHARE on the source.
 */
export async function createShadow(session: Session, plan: Plan, signal: AbortSignal): Promise<{ readonly hasKey: boolean }> {
  let made = { hasKey: true };
  const make = async (): Promise<void> => {
    made = await makeShadow(session, plan, signal);
  };
  await inTransaction(session, make, signal);
  return made;
}

/**
 * Makes the empty copy, whose identity columns count from where the source's do: the server refuses limits that these have passed.
 * Inside a transaction, in a schema that exists. Takes ACCESS SHARE on the source.
 */
export async function makeCopy(session: Session, source: TableDescription, schema: string, signal: AbortSignal): Promise<void> {
  const whole = { ...source, indexes: validIndexes(source) };
  for (const statement of copyStatements(whole, schema)) await session.execute(statement, signal);
  await keepToastOptions(session, source, { schema, table: source.table }, signal);
  for (const sequence of source.sequences.filter(({ isIdentity }) => isIdentity)) {
    const place = (of: string): string => quoteTable({ schema: of, table: sequence.name });
    const copy = `${quoteText(place(schema))}::pg_catalog.regclass`;
    await session.execute(`SELECT pg_catalog.setval(${copy}, last_value, is_called) FROM ${place(sequence.schema)}`, signal);
  }
}

/**
 * Only dropped columns may have made the server give the source a TOAST table. Its parameters hold for columns that the ALTER adds, so a
 * copy without one gets it in the same way.
 */
async function keepToastOptions(
  session: Session,
  { toastOptions }: TableDescription,
  copy: TableName,
  signal: AbortSignal,
): Promise<void> {
  if (toastOptions.length === 0) return;
  const without = `SELECT 1 FROM pg_catalog.pg_class WHERE oid = ${tableOid(copy)} AND reltoastrelid = 0`;
  if ((await session.query(without, signal)).length === 0) return;
  const [alter, column] = [`ALTER TABLE ${quoteTable(copy)}`, quoteName('tableshift toast')];
  const parameters = assignments(toastOptions.map((option) => `toast.${option}`));
  await session.execute(`${alter} ADD COLUMN ${column} pg_catalog.text`, signal);
  await session.execute(`${alter} DROP COLUMN ${column}, SET (${parameters})`, signal);
}

/**
 * Makes the empty copy with the clauses run on it, and with the partitions that they ask for, and reads what it is.
 * `onCopied`: there is a copy, and it is altered from here on. Inside a transaction, in a schema that exists. Takes ACCESS SHARE on
 * the source.
 */
export async function makeAltered(
  session: Session,
  source: TableDescription,
  { schema, reading, onCopied }: { readonly schema: string; readonly reading: AlterReading; readonly onCopied?: () => void },
  signal: AbortSignal,
): Promise<AlteredCopy> {
  const { ownClauses, partitioning } = reading;
  const table = { schema, table: source.table };
  const plain = partitioning === null ? table : { schema: plainSchema(schema), table: source.table };
  if (plain !== table) await session.execute(`CREATE SCHEMA ${quoteName(plain.schema)}`, signal);
  await makeCopy(session, source, plain.schema, signal);
  onCopied?.();
  const before = await identitySequences(session, source, plain, signal);
  const altered = await alterCopy(session, { table: plain, clauses: ownClauses }, signal);
  const after = await identitySequences(session, source, plain, signal);
  const renewedIdentities = [...after].filter(([attnum, oid]) => oid !== (before.get(attnum) ?? oid)).map(([attnum]) => attnum);
  if (partitioning === null) return { definition: altered, plain: altered, renewedIdentities };
  await makePartitioned(session, altered, { schema, partitioning }, signal);
  await session.execute(`DROP TABLE ${quoteTable(plain)}; DROP SCHEMA ${quoteName(plain.schema)}`, signal);
  return { definition: await readExisting(session, table, signal), plain: altered, renewedIdentities };
}

/** What the clauses have made of an empty copy. */
export interface AlteredCopy {
  readonly definition: TableDescription;
  /** The same before it got partitions, which is no more; without them, the same. */
  readonly plain: TableDescription;
  /** Columns, by number, whose identity was dropped and added again: it counts anew. */
  readonly renewedIdentities: readonly number[];
}

/** The sequences of identity columns, by the number of the column. Not asked for where the source has none. */
async function identitySequences(
  session: Session,
  source: TableDescription,
  copy: TableName,
  signal: AbortSignal,
): Promise<ReadonlyMap<number, string>> {
  if (!source.sequences.some(({ isIdentity }) => isIdentity)) return new Map();
  const rows = await session.query(
    `SELECT refobjsubid AS attnum, objid AS oid FROM pg_catalog.pg_depend WHERE classid = 'pg_catalog.pg_class'::pg_catalog.regclass
       AND refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND refobjid = ${tableOid(copy)} AND deptype = 'i' AND refobjsubid > 0`,
    signal,
  );
  return new Map(rows.map(({ attnum, oid }) => [Number(attnum), oid ?? '']));
}

/** Where the plain copy is made from which one with partitions is made in `schema`. */
export function plainSchema(schema: string): string {
  return `${schema}_plain`;
}

/**
 * Alters the copy, and reads what became of it. There may be no clause. The clauses run with what the user has by default: his search
 * path, for they may name types and functions without a schema, and his tablespace, for they may add indexes. Inside a transaction.
 */
async function alterCopy(
  session: Session,
  { table, clauses }: { readonly table: TableName; readonly clauses: string },
  signal: AbortSignal,
): Promise<TableDescription> {
  if (clauses !== '') {
    const alter = `ALTER TABLE ${quoteTable(table)} ${clauses}`;
    await withDefaults(session, () => session.execute(alter, signal), signal);
  }
  return await readExisting(session, table, signal);
}

async function readExisting(session: Session, table: TableName, signal: AbortSignal): Promise<TableDescription> {
  const altered = await readTable(session, table, signal);
  if (altered === null) throw new MigrationError('INTERNAL', `${table.schema}.${table.table} is gone after the ALTER.`);
  return altered;
}

/**
 * A fingerprint of everything that the shadow is made from, that it is this very table included. Foreign keys are read at the swap, and
 * settings are compared then. REINDEX CONCURRENTLY keeps the definition: it builds each index anew beside the old one, which is valid until
 * they change places.
 */
export function fingerprintOf(source: TableDescription): string {
  return hashOf(withoutSettings(source));
}

/** Whether the source is what the shadow was made from. */
export function isMadeFrom({ fingerprint, settings }: Unfinished, source: TableDescription): boolean {
  return fingerprint === (settings === undefined ? hashOf(source) : fingerprintOf(source));
}

/** Whether the source is that but for plain indexes. */
export function isMadeFromBut({ following }: Unfinished, source: TableDescription): boolean {
  return following !== undefined && following.source === bareFingerprint(source);
}

/** What is followed from here on; undefined where none is: the indexes of partitions are tied to others. */
export function followingOf(source: TableDescription, altered: TableDescription): Following | undefined {
  if (source.kind !== 'r' || source.isPartition || altered.kind !== 'r') return undefined;
  const statistics = altered.statistics.map((one) => ({ ...one, owner: '' }));
  const copy = { ...bare(altered), statistics, oid: 0, owner: '' };
  return {
    source: bareFingerprint(source),
    copy: hashText(JSON.stringify(copy).replaceAll(altered.schema, '')),
    indexes: validIndexes(altered).filter(isPlain),
    surplus: [],
  };
}

/** A fingerprint of all but plain indexes. */
export function bareFingerprint(source: TableDescription): string {
  return hashText(JSON.stringify(bare(source)));
}

function bare(table: TableDescription): TableDescription {
  return { ...fingerprinted(withoutSettings(table)), indexes: validIndexes(table).filter((index) => !isPlain(index)) };
}

/** Whether it is there to find rows, and neither allows nor identifies nor orders any. */
export function isPlain(index: Index): boolean {
  const { isUnique, isPrimary, isExclusion, hasConstraint, isClustered, isReplicaIdentity } = index;
  return ![isUnique, isPrimary, isExclusion, hasConstraint, isClustered, isReplicaIdentity].includes(true);
}

/**
 * A fingerprint of what we change at no time between when a shadow was made and the swap: all but its indexes, what they stand for and what
 * is said of them.
 */
export function frameOf(shadow: TableDescription): string {
  const constraints = shadow.constraints.filter(({ type }) => !'pux'.includes(type));
  return hashOf({ ...withoutSettings(shadow), indexes: [], constraints, replicaIdentity: '' });
}

/** A fingerprint of the indexes of a shadow, by what they allow in it and how. */
export function indexesOf(shadow: TableDescription): string {
  const indexes = validIndexes(shadow).map(({ name, rest, isUnique, isPrimary, isExclusion, isImmediate, hasConstraint }) =>
    [name, rest, isUnique, isPrimary, isExclusion, isImmediate, hasConstraint].join(),
  );
  return hashText(JSON.stringify(indexes.toSorted()));
}

function hashOf(source: TableDescription): string {
  return hashText(JSON.stringify(fingerprinted(source)));
}

function hashText(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** What of a description the fingerprint is of, beside the settings. */
export function fingerprinted(source: TableDescription): TableDescription {
  const constraints = source.constraints.filter(({ type }) => type !== 'f');
  return { ...source, indexes: validIndexes(source), constraints, estimatedRows: 0, dataBytes: 0, indexBytes: 0 };
}

function validIndexes({ indexes }: TableDescription): readonly Index[] {
  return indexes.filter(({ isValid }) => isValid);
}

/** What the schema's comment says. Rejects with SHADOW_CHANGED where there is none: it was made with the shadow. */
export async function readUnfinished(session: Session, plan: Plan, signal: AbortSignal): Promise<Unfinished> {
  const [row] = await session.query(
    `SELECT pg_catalog.obj_description(oid, 'pg_namespace') AS note FROM pg_catalog.pg_namespace WHERE nspname = ${quoteText(plan.shadow.schema)}`,
    signal,
  );
  const note = row?.['note'] ?? '';
  if (!note.startsWith(notePrefix)) {
    const { schema } = plan.shadow;
    const done = row === undefined ? `dropped the schema ${schema}` : `changed the comment of the schema ${schema}`;
    const message = `Somebody has ${done}, which says how the shadow is finished. Give migration ${plan.id} up and start anew.`;
    throw new MigrationError('SHADOW_CHANGED', message);
  }
  return JSON.parse(note.slice(notePrefix.length)) as Unfinished;
}

const notePrefix = 'The shadow of a table, made by TableShift. ';

async function makeShadow(session: Session, plan: Plan, signal: AbortSignal): Promise<{ readonly hasKey: boolean }> {
  const source = await readTable(session, plan.source, signal);
  if (source === null) throw changed(plan, 'is gone');
  const { schema } = plan.shadow;
  const shadow = quoteTable(plan.shadow);
  await dropShadow(session, plan, signal);
  await session.execute(`CREATE SCHEMA ${quoteName(schema)}`, signal);
  for (const statement of await revocations(session, schema, signal)) await session.execute(statement, signal);
  const { definition: altered, renewedIdentities } = await makeAltered(
    session,
    source,
    { schema, reading: readAlterClauses(plan.clauses) },
    signal,
  );
  await switchRowSecurityOff(session, schema, signal);
  const [uninvited] = await readUninvited(session, schema, signal);
  if (uninvited !== undefined) {
    const message = `${uninvited}. Nothing is copied yet: keep that from the schemas tableshift_…, give migration ${plan.id} up and start anew.`;
    throw new MigrationError('SHADOW_CHANGED', message);
  }
  const names = altered.columns.map(({ name }) => name);
  const expected = [...plan.columns.map((column) => column.shadow), ...plan.addedColumns];
  if (!expected.every((name) => names.includes(name))) throw changed(plan, 'has other columns than when it was planned');
  const indexes = altered.indexes.filter(({ name }) => plan.deferredIndexes.includes(name));
  const parts = await readPartitionIndexes(session, plan.shadow, signal);
  for (const { name } of indexes) await session.execute(`DROP INDEX ${quoteTable({ schema, table: name })}`, signal);
  const key = lateKey(plan, altered);
  if (key !== null) await session.execute(dropStatement(key, plan), signal);
  if (source.leaf !== undefined) await session.execute(boundStatement(source.leaf, shadow), signal);
  const late = altered.constraints.filter(({ isValid }) => !isValid);
  for (const { name } of late) await session.execute(`ALTER TABLE ${shadow} DROP CONSTRAINT ${quoteName(name)}`, signal);
  const following = followingOf(source, altered);
  const unfinished: Unfinished = {
    fingerprint: fingerprintOf(source),
    settings: settingsOf(source),
    marks: await readStreamMarks(session, plan, signal),
    ...(key === null ? {} : { key }),
    indexes,
    partitionIndexes: parts.filter(({ index }) => plan.deferredIndexes.includes(index)),
    lateConstraints: late.flatMap((constraint) => constraintStatements(constraint, shadow)),
    renewedIdentities,
    made: { frame: frameOf(await readExisting(session, plan.shadow, signal)), indexes: indexesOf(altered) },
    ...(following === undefined ? {} : { following }),
  };
  await writeUnfinished(session, plan, unfinished, signal);
  return { hasKey: key === null };
}

/** Keeps it as the schema's comment. */
export async function writeUnfinished(
  session: Session,
  { shadow }: Plan,
  unfinished: Unfinished,
  signal: AbortSignal,
): Promise<void> {
  const note = notePrefix + JSON.stringify(unfinished);
  await session.execute(`COMMENT ON SCHEMA ${quoteName(shadow.schema)} IS ${quoteText(note)}`, signal);
}

/** Null where two rows of the source might be one under it, which has to be told at once, or where nothing is to be left out. */
function lateKey({ key, options, addedUniques }: Plan, { kind, indexes, constraints }: TableDescription): LateKey | null {
  const index = indexes.find(({ name }) => name === key.shadowIndex);
  if (index === undefined || kind === 'p' || options.deferIndexes === 'never' || addedUniques.includes(index.name)) return null;
  const constraint = constraints.find(({ name, type }) => name === index.name && (type === 'p' || type === 'u'));
  return { index, constraint: index.hasConstraint ? (constraint ?? null) : null };
}

function dropStatement({ index, constraint }: LateKey, { shadow }: Plan): string {
  return constraint === null
    ? `DROP INDEX ${quoteTable({ schema: shadow.schema, table: index.name })}`
    : `ALTER TABLE ${quoteTable(shadow)} DROP CONSTRAINT ${quoteName(constraint.name)}`;
}

/** Never CASCADE: what somebody else made upon the shadow is reported, not dropped. Safe to run twice. */
export async function dropShadow(session: Session, { shadow, options }: Plan, signal: AbortSignal): Promise<void> {
  const [schema] = await session.query(
    `SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = ${quoteText(shadow.schema)}`,
    signal,
  );
  if (schema === undefined) return;
  if (options.materializedViews === 'recreate') await dropTwins(session, shadow, signal);
  await session.execute(
    `DROP TABLE IF EXISTS ${quoteTable(shadow)}; DROP SCHEMA IF EXISTS ${quoteName(shadow.schema)}`,
    signal,
  );
}

/** Materialised views that were to take the place of those over the source. */
async function dropTwins(session: Session, { schema }: TableName, signal: AbortSignal): Promise<void> {
  const rows = await session.query(
    `SELECT relname FROM pg_catalog.pg_class WHERE relkind = 'm' AND relnamespace = ${quoteText(quoteName(schema))}::pg_catalog.regnamespace`,
    signal,
  );
  for (const { relname } of rows) {
    await session.execute(`DROP MATERIALIZED VIEW ${quoteTable({ schema, table: relname ?? '' })}`, signal);
  }
}

/** Default privileges may have granted the schema to others. */
async function revocations(session: Session, schema: string, signal: AbortSignal): Promise<readonly string[]> {
  const rows = await session.query(
    `SELECT DISTINCT pg_catalog.format('REVOKE ALL ON SCHEMA %I FROM %s', n.nspname, CASE a.grantee WHEN 0 THEN 'PUBLIC'
       ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(a.grantee)) END) AS statement
     FROM pg_catalog.pg_namespace AS n, pg_catalog.aclexplode(n.nspacl) AS a
     WHERE n.nspname = ${quoteText(schema)} AND a.grantee <> n.nspowner`,
    signal,
  );
  return rows.map((row) => row['statement'] ?? '');
}

function changed(plan: Plan, what: string): MigrationError {
  return new MigrationError(
    'PLAN_CHANGED',
    `The table ${plan.source.schema}.${plan.source.table} ${what}. Give migration ${plan.id} up and start anew.`,
  );
}
