/** A server that was reached: how to connect to it, what it is, and who ends sessions on it. */

import type { Plan } from '../engine/model.ts';
import { disposingOnFailure } from '../sessions/disposal.ts';
import type { ConnectionConfig } from './connection-config.ts';
import { flavourOf, type Flavour, unknownFlavour } from './flavour.ts';
import { createSessionEnder, type SessionEnder } from './session-ender.ts';
import { openSession, type OwnedSession, type SessionOptions } from './session.ts';
import { quoteText } from './statements.ts';

/** What is asked for of a session. */
export type OpenOptions = Pick<SessionOptions, 'mark' | 'settings' | 'schema' | 'isolation' | 'takesSeveral'>;

/** Disposing it closes its control connection; sessions are disposed by who opened them. */
export interface Server extends AsyncDisposable {
  readonly config: ConnectionConfig;
  readonly flavour: Flavour;
  /** Table and database names that differ only in case are the same (lower_case_table_names is not 0). */
  readonly ignoresNameCase: boolean;
  /** Tells it from any other, such as the replica that takes over behind the same name. */
  readonly identity: string;
  readonly ender: SessionEnder;
  /** Connection ids of the sessions that were opened here and have not ended. */
  ownConnections(): readonly number[];
  /** Opens a session with the usual settings, and with those that are asked for. */
  openSession(options: OpenOptions, signal: AbortSignal): Promise<OwnedSession>;
}

/**
 * Connects for the first time and finds out what the server is. When the signal aborts later, a server that is away is not waited for any
 * longer. Rejects with ACCESS_DENIED, UNREACHABLE or SERVER_BUSY.
 */
export async function openServer(config: ConnectionConfig, signal: AbortSignal): Promise<Server> {
  const ender = createSessionEnder(config, signal);
  return await disposingOnFailure(ender, async () => {
    const { flavour, ignoresNameCase, identity } = await look(config, ender, signal);
    const own = new Set<OwnedSession>();
    return {
      config,
      flavour,
      ignoresNameCase,
      identity,
      ender,
      ownConnections: () => [...own].filter(({ isUsable }) => isUsable).map(({ connectionId }) => connectionId),
      openSession: async (options, signal) => {
        // A run of days opens many, and a server that was restarted gives their numbers to others.
        for (const session of own) if (!session.isUsable) own.delete(session);
        const session = await openSession({ config, flavour, ender, ...options }, signal);
        own.add(session);
        return session;
      },
      [Symbol.asyncDispose]: () => ender[Symbol.asyncDispose](),
    };
  });
}

/** The server with sessions of the sql_mode that the change was planned with. Disposing the one that is given disposes both. */
export function asPlanned(server: Server, { computing }: Plan): Server {
  if (computing === undefined) return server;
  const mode = `sql_mode = ${quoteText(computing.sqlMode)}`;
  return {
    ...server,
    openSession: (options, signal) => server.openSession({ ...options, settings: [mode, ...(options.settings ?? [])] }, signal),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

async function look(
  config: ConnectionConfig,
  ender: SessionEnder,
  signal: AbortSignal,
): Promise<Pick<Server, 'flavour' | 'ignoresNameCase' | 'identity'>> {
  await using session = await openSession({ config, ender, flavour: unknownFlavour }, signal, 'first');
  const [row] = await session.query('SELECT @@version AS version, @@lower_case_table_names AS nameCase', signal);
  // The control connection is made now, while there is room for it.
  await ender.observe(session.identity);
  const flavour = flavourOf(row?.['version'] ?? '');
  return { flavour, ignoresNameCase: row?.['nameCase'] !== '0', identity: await readIdentity(session, flavour, signal) };
}

/** Of the server that the session is on: see Server.identity. */
export async function readIdentity(
  session: Pick<OwnedSession, 'query'>,
  { identityExpression }: Pick<Flavour, 'identityExpression'>,
  signal: AbortSignal,
): Promise<string> {
  const [row] = await session.query(`SELECT ${identityExpression} AS identity`, signal);
  return row?.['identity'] ?? '';
}
