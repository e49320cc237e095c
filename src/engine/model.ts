/** The nouns of a migration: names, keys, ranges, the plan, and what a checkpoint claims. */

declare const brand: unique symbol;

/** A value of type `T` that only the code which checked it may make. */
export type Branded<T, Name extends string> = T & { readonly [brand]: Name };

/**
 * Identity of one row under the migration key, as the adapter's canonical text: the same key bytes always give the same text,
 * different bytes give different text (so two keys that a collation holds equal are two `RowKey`s). The engine only compares
 * it for equality and stores it; what it says is the adapter's business (MySQL: an SQL literal such as `42`,
 * `_utf8mb4 X'61'` or `(1,2)`).
 */
export type RowKey = Branded<string, 'RowKey'>;

/** An interval of keys, `after` exclusive and `through` inclusive, in the server's order; `null` is the open end. */
export interface KeyRange {
  readonly after: RowKey | null;
  readonly through: RowKey | null;
}

/** Name of a migration: unique on its server, safe in file names and identifiers, at most 24 characters of `[a-z0-9]`. */
export type MigrationId = Branded<string, 'MigrationId'>;

/** A table by schema (MySQL: database) and name, both unquoted. */
export interface TableName {
  readonly schema: string;
  readonly table: string;
}

/** What the user asked for: a table and the clauses of an ALTER TABLE on it, without `ALTER TABLE name`. */
export interface MigrationRequest {
  readonly table: TableName;
  readonly clauses: string;
  readonly options: PlanOptions;
}

/** Choices that change what is built, hence part of the plan and of its hash. */
export interface PlanOptions {
  /** Build secondary indexes after the copy: `auto` does so where no replica is attached. */
  readonly deferIndexes: 'auto' | 'always' | 'never';
  /** Name of the unique index to use as the migration key, or null to choose. */
  readonly key: string | null;
  /** PostgreSQL: what becomes of materialised views over the table itself; absent: `refuse`. */
  readonly materializedViews?: 'refuse' | 'recreate';
}

/** A column whose values are carried over; `source` and `shadow` differ where the ALTER renames it. */
export interface ColumnPair {
  readonly source: string;
  readonly shadow: string;
  /** SQL expression over the source's columns that gives the value, where the change says so (PostgreSQL: USING). */
  readonly using?: string;
}

/** The unique, not-null key that walks the table and identifies rows. Column names as the source has them, in index order. */
export interface MigrationKey {
  readonly index: string;
  readonly columns: readonly string[];
  /** The same columns as the shadow names them. */
  readonly shadowColumns: readonly string[];
  readonly shadowIndex: string;
  /** True where JavaScript can order keys exactly as the server does (integers, binary). */
  readonly isOrderKnown: boolean;
}

/** The decided description of one migration. Plain JSON: it is stored, hashed and shown. */
export interface Plan {
  readonly id: MigrationId;
  /** Hash over everything that decides what is built; a resume refuses a plan whose hash differs. */
  readonly hash: string;
  readonly source: TableName;
  readonly shadow: TableName;
  readonly retired: TableName;
  readonly clauses: string;
  readonly options: PlanOptions;
  readonly strategy: 'shadow';
  readonly key: MigrationKey;
  readonly columns: readonly ColumnPair[];
  /** Columns of the source that the ALTER drops, and of the shadow that it adds. */
  readonly droppedColumns: readonly string[];
  readonly addedColumns: readonly string[];
  /** Unique indexes of the shadow that are not, column for column and collation for collation, unique in the source. */
  readonly addedUniques: readonly string[];
  /** Secondary indexes that are built after the copy. */
  readonly deferredIndexes: readonly string[];
  /**
   * Foreign keys of the source, and of others to it, that the swap carries over. Absent: there are none, or the adapter reads
   * them later.
   */
  readonly foreignKeys?: readonly CarriedForeignKey[];
  /** Absent where the adapter needs none, and in plans of before there were any. */
  readonly conversion?: ConversionSettings;
  /** MySQL, MariaDB: absent in plans of before there were any. */
  readonly computing?: ComputingSettings;
  /** MySQL, MariaDB: absent in plans of before there were any. */
  readonly sourceIndexes?: SourceIndexes;
  /** Absent where the table is swapped alone. */
  readonly family?: Family;
  /** Full statement that creates the empty shadow, for showing. */
  readonly shadowDefinition: string;
  readonly server: { readonly flavour: string; readonly version: string };
  readonly estimate: PlanEstimate;
  /** Things worth knowing that are no obstacle, one sentence each. */
  readonly notes: readonly string[];
}

/** What a plan keeps of the source's definition, so that a change of its plain indexes alone is known as such. */
export interface SourceIndexes {
  /** Definitions by name of the indexes that are only a help for queries. */
  readonly plain: Readonly<Record<string, string>>;
  /** A hash of the definition without them. */
  readonly rest: string;
}

/** In which the server computes values of rows until the end, whatever is set globally after the plan. */
export interface ComputingSettings {
  readonly timeZone: string;
  /** Of the sessions of a migration. */
  readonly sqlMode: string;
}

/**
 * How the sessions of a role read and write values, as it was when the change was planned: all rows are converted alike, whatever is set
 * while a migration runs, or before it is resumed.
 */
export interface ConversionSettings {
  /** Schemas in which functions, and what their bodies name, are found without one; those that exist, in order. */
  readonly searchPath: readonly string[];
  /** Decides which moment a timestamp without a time zone is. */
  readonly timeZone: string;
  /** Decides what 03/04/2026 is: `MDY`. */
  readonly dateOrder: string;
  /** Decides what `-1 2:03:04` is. */
  readonly intervalStyle: string;
  /** Decides how many digits of a money are its fraction. */
  readonly lcMonetary: string;
  /** What else decides how values are written as text, by the server's names; absent in plans of before there were any. */
  readonly formats?: Readonly<Record<string, string>>;
}

/** Migrations whose tables are swapped together, all of them or none. */
export interface Family {
  /** That of the first member. */
  readonly id: MigrationId;
  /** All of them, at least two, in the order in which they were asked for; the plan's own migration is among them. */
  readonly members: readonly FamilyMember[];
}

/** One table of a family, by the names that its plan gives. */
export type FamilyMember = Pick<Plan, 'id' | 'source' | 'shadow' | 'retired'>;

/** A foreign key of the source, of another table to it, or of the source to itself. */
export interface CarriedForeignKey {
  readonly name: string;
  readonly child: TableName;
  readonly columns: readonly string[];
  readonly parent: TableName;
  readonly parentColumns: readonly string[];
  /** What the server prints behind the reference: `ON DELETE CASCADE`. */
  readonly actions: string;
  /** The columns as they are called after the change. */
  readonly after: { readonly columns: readonly string[]; readonly parentColumns: readonly string[] };
}

/** The server's own statistics about the source; estimates, never used for correctness. */
export interface PlanEstimate {
  readonly rows: number;
  readonly dataBytes: number;
  readonly indexBytes: number;
}

/** A committed change of one row, by key only. A changed key is a delete of the old key and an upsert of the new one. */
export interface Change {
  readonly key: RowKey;
  readonly kind: 'upsert' | 'delete';
}

/**
 * A place in the log from which reading can go on. `order` is comparable only among the positions of one opened stream;
 * `token` is what a checkpoint keeps (computed on first use, so making a position is cheap).
 */
export interface Position {
  readonly order: number;
  readonly token: string;
}

/** A place in the stream that someone waits for. Fences of one stream are numbered upwards in the order they were placed. */
export type Fence = Branded<number, 'Fence'>;

export const PHASES = [
  'prepare',
  'copy',
  'finish-shadow',
  'catch-up',
  'verify',
  'await-cutover',
  'cutover',
  'clean-up',
  'done',
] as const;

/** Where a migration stands. The arrows between phases are in phases.ts. */
export type Phase = (typeof PHASES)[number];

/**
 * What a resume may trust, and nothing else. Plain JSON. `copiedThrough` and `position` are read in one tick: every range up
 * to `copiedThrough` is in the shadow, and every change up to `position` is in it too.
 */
export interface Checkpoint {
  readonly planHash: string;
  readonly phase: Phase;
  /** End of the contiguous copied prefix; null: nothing yet. */
  readonly copiedThrough: RowKey | null;
  readonly isCopyComplete: boolean;
  readonly rowsCopied: number;
  /** Token of the acknowledged position. */
  readonly position: string;
  readonly verification: VerificationProgress;
}

/** How far verification has come; a pass that found a real difference is not clean and is followed by another. */
export interface VerificationProgress {
  readonly pass: number;
  readonly verifiedThrough: RowKey | null;
  readonly rowsCompared: number;
  readonly repairedInPass: number;
  readonly repairedTotal: number;
  /** True once one whole pass found nothing. */
  readonly isClean: boolean;
  /** Keys that kept changing, to be compared under the cutover's lock. Absent in a checkpoint of an older version. */
  readonly open?: readonly RowKey[];
}
