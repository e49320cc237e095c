/** Changes that PostgreSQL carries out by itself without making writers wait: found on an empty clone, run on the live table. */

import type { MigrationRequest } from '../engine/model.ts';
import type { NativeChange, NativePlan, NoNativeWay } from '../engine/native-change.ts';
import { PlanRefusedError, type Obstacle } from '../engine/obstacles.ts';
import { refusalOf } from './alter-probe.ts';
import type { TableDescription } from './catalog.ts';
import { namingHolders } from './lock-wait.ts';
import { readNativeClauses } from './native-clauses.ts';
import { NativeClone } from './native-clone.ts';
import { ourNames } from './native-recipes.ts';
import { findSteps } from './native-search.ts';
import { runStep } from './native-step.ts';
import { readSource } from './planning-facts.ts';
import { refuseStandby, type Server } from './server.ts';
import type { Session } from './session.ts';
import { quoteText } from './statements.ts';
import { beginTrial } from './transaction.ts';

/** The port of this database. */
export function createNativeChange(server: Server): Pick<NativeChange, 'find' | 'run'> {
  return {
    find: (request, signal) => findNative(server, request, signal),
    run: (step, plan, lockTimeoutMs, signal) => runStep(server, { step, plan, lockTimeoutMs }, signal),
  };
}

async function findNative(server: Server, request: MigrationRequest, signal: AbortSignal): Promise<NativePlan | NoNativeWay> {
  refuseStandby(server);
  await using session = await server.openSession({}, signal);
  const source = await namingHolders(session, request.table, () => readSource(session, request.table, signal), signal);
  if ('code' in source) throw new PlanRefusedError([source]);
  const hindrance = await missingOwnership(session, source, signal);
  if (hindrance !== null) throw new PlanRefusedError([hindrance]);
  const clause = request.clauses.trim();
  const unsuited = unsuitedFor(source);
  if (unsuited !== null) return { clause, reason: unsuited };
  const clauses = readNativeClauses(request.clauses);
  if (clauses === null) return { clause, reason: 'the clauses cannot be read' };
  const refused = clauses.find(({ kind }) => kind === 'impossible');
  if (refused !== undefined) return { clause: refused.text, reason: refused.reason };
  await using _ = await beginTrial(session, signal);
  const clone = await cloned(session, source, signal);
  if (clone === null) return { clause, reason: 'a foreign key of the table refers to one that is partitioned or no table' };
  const found = await findSteps({ session, clone, source, clauses, flavour: server.flavour }, signal);
  if ('reason' in found) return found;
  return { source: { schema: source.schema, table: source.table }, alter: clause, steps: found.steps };
}

/** Without what an earlier run left there under names of ours. */
async function cloned(session: Session, source: TableDescription, signal: AbortSignal): Promise<NativeClone | null> {
  const isTheirs = ({ name }: { readonly name: string }): boolean => !ourNames.test(name);
  const theirs = { ...source, indexes: source.indexes.filter(isTheirs), constraints: source.constraints.filter(isTheirs) };
  try {
    return await NativeClone.make(session, theirs, signal);
  } catch (error) {
    throw new PlanRefusedError([refusalOf(error, source, 'copy')]);
  }
}

function unsuitedFor(source: TableDescription): string | null {
  if (source.kind === 'p') return 'the table is partitioned';
  if (source.isPartition) return 'the table is a partition of another one';
  if (source.kind !== 'r') return 'it is a foreign table';
  if (source.isInherited) return 'the table inherits from another one, or another one from it';
  if (source.isTyped) return 'it is a typed table';
  return source.persistence === 't' ? 'it is a temporary table' : null;
}

/** The clone is ours whoever owns the table. */
async function missingOwnership(
  session: Session,
  { schema, table, owner }: TableDescription,
  signal: AbortSignal,
): Promise<Obstacle | null> {
  const [row] = await session.query(
    `SELECT current_user AS username, pg_has_role(${quoteText(owner)}, 'USAGE') AS is_owner`,
    signal,
  );
  if (row?.['is_owner'] === 't') return null;
  const message = `The role ${row?.['username'] ?? ''} is not the owner of ${schema}.${table}, nor a member of ${owner}.`;
  return { code: 'MISSING_PRIVILEGE', message };
}
