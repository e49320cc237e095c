/** What traffic asks of a kind of server. The statements that all of them take are in the writer; those that differ are here. */
import { mysqlTraffic } from './traffic-mysql.ts';
import { postgresTraffic } from './traffic-postgres.ts';
import type { TrafficTables } from './traffic-table.ts';

/** What a statement gave. */
export interface Answer {
  readonly rows: readonly Record<string, unknown>[];
  /** The id that an insert was given, else 0. */
  readonly insertId: number;
}

/** One connection of an application. */
export interface TrafficConnection {
  /** Runs a statement whose values stand as `?`. */
  query(sql: string, values?: readonly ({} | null)[]): Promise<Answer>;
  /** Sends rows by the server's way of bulk loading, where the dialect has one. */
  copyIn(sql: string, text: string): Promise<void>;
  /** The rows of a query of any size. */
  stream(sql: string): AsyncIterable<Record<string, unknown>>;
  /** Says goodbye. */
  end(): Promise<void>;
  /** Breaks it off. */
  destroy(): void;
}

/** What went wrong on the server or on the way to it. */
export interface Fault {
  /** The server's code or the driver's. */
  readonly code: string;
  readonly kind: 'duplicate' | 'deadlock' | 'other';
  /** Whether the session is gone, so that the outcome of what it had sent is not known. */
  readonly isBroken: boolean;
}

/** A kind of transaction. */
export type TransactionKind =
  | 'update'
  | 'insert'
  | 'delete'
  | 'delete-insert'
  | 'change-key'
  | 'swap'
  | 'many'
  | 'read-own'
  | 'savepoint'
  | 'bulk';

/** How one kind of server is spoken to. */
export interface TrafficDialect {
  /** Each about as often as it stands here. */
  readonly kinds: readonly [TransactionKind, ...TransactionKind[]];
  connect(url: string): Promise<TrafficConnection>;
  /** Null for a fault of this program. */
  faultOf(error: unknown): Fault | null;
  /** The statement that makes an insert tell the id that the row was given. */
  givingId(insert: string): string;
  /** Makes the schema and the tables with their initial rows. */
  createTables(connection: TrafficConnection, tables: TrafficTables, content: TrafficContent): Promise<void>;
  /** Whether the columns of the rows `a` and `b` are the same, byte for byte. */
  areSame(columns: readonly string[]): string;
}

/** What the tables hold at first. */
export interface TrafficContent {
  readonly rows: number;
  readonly hasTwin: boolean;
}

/** The dialect of a server, by its URL. */
export function dialectOf(url: string): TrafficDialect {
  return /^postgres(ql)?:/.test(url) ? postgresTraffic : mysqlTraffic;
}

/** Connects as an application for as long as `use` takes. */
export async function withApplication<Result>(
  url: string,
  use: (connection: TrafficConnection, dialect: TrafficDialect) => Promise<Result>,
): Promise<Result> {
  const dialect = dialectOf(url);
  const connection = await dialect.connect(url);
  try {
    return await use(connection, dialect);
  } finally {
    await connection.end().catch(() => connection.destroy());
  }
}
