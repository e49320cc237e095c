/** A table, the plan of a change to it, and the pair of the MySQL adapter over both, for contract tests. */
import type { Plan, PlanOptions } from '../../src/engine/model.ts';
import { keyColumns, readTable } from '../../src/mysql/catalog.ts';
import type { Server } from '../../src/mysql/server.ts';
import { createSessionPool } from '../../src/mysql/session-pool.ts';
import type { SessionPool } from '../../src/mysql/session.ts';
import { openTablePair, type LockablePair } from '../../src/mysql/table-pair.ts';
import { createSchema, never, type Application, type TestSchema } from './adapter-server.ts';
import { plan } from './plan-request.ts';

/** The table `t` of a schema of its own and its pair. Disposing it drops both. */
export interface TestPair extends AsyncDisposable {
  readonly schema: TestSchema;
  /** A client beside the pair, in the schema. */
  readonly application: Application;
  readonly plan: Plan;
  readonly pair: LockablePair;
  readonly sessions: SessionPool;
}

/** What to set up. */
export interface PairSetup {
  readonly server: Server;
  readonly url: string;
  /** Statements that make the table `t` and its rows. */
  readonly before: readonly string[];
  readonly clauses: string;
  readonly options?: Partial<PlanOptions>;
  /** The shadow is made too, unless false. */
  readonly createsShadow?: boolean;
}

/** Sets a table and its pair up. */
export async function openPair(setup: PairSetup): Promise<TestPair> {
  const schema = await createSchema(setup.url);
  const open = (signal: AbortSignal): ReturnType<Server['openSession']> => setup.server.openSession({}, signal);
  const sessions = createSessionPool({ sizeMax: 4, open });
  const dispose = async (): Promise<void> => {
    await sessions[Symbol.asyncDispose]();
    await schema[Symbol.asyncDispose]();
  };
  try {
    return { ...(await setUp(setup, schema, sessions)), [Symbol.asyncDispose]: dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
}

async function setUp(
  setup: PairSetup,
  schema: TestSchema,
  sessions: SessionPool,
): Promise<Omit<TestPair, typeof Symbol.asyncDispose>> {
  const { server, before, clauses, options } = setup;
  const { application } = schema;
  await application.run(`USE ${schema.name}`);
  for (const statement of before) await application.run(statement);
  const made = await plan({ server, schema, clauses, options: { deferIndexes: 'never', ...options } });
  const source = await sessions.withSession((session) => readTable(session, made.source, never), never);
  if (source === null) throw new Error('The set-up made no table t.');
  const columns = keyColumns(source, made.key.columns);
  const pair = await openTablePair({ plan: made, keyColumns: columns, sessions, flavour: server.flavour }, never);
  if (setup.createsShadow !== false) await pair.createShadow(never);
  return { schema, application, plan: made, pair, sessions };
}
