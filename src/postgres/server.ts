/** A server that was reached: how to connect to it, what it is, and who ends sessions on it. */

import { MigrationError } from '../engine/errors.ts';
import type { ConversionSettings, Plan } from '../engine/model.ts';
import { PlanRefusedError } from '../engine/obstacles.ts';
import { bookkeepingSchema } from '../sessions/bookkeeping.ts';
import { runAtOnce } from '../sessions/connection-driver.ts';
import { disposingOnFailure } from '../sessions/disposal.ts';
import { connect } from './connection.ts';
import { connectionConfig, type ConnectionConfig, type ConnectionDefaults } from './connection-config.ts';
import { translateConnecting } from './errors.ts';
import { flavourOf, type Flavour } from './flavour.ts';
import { createSessionEnder, type SessionEnder } from './session-ender.ts';
import { FORMATS_READ, sessionSettings } from './conversion-settings.ts';
import { describeServer, openSession, type OwnedSession } from './session.ts';

/** Disposing it closes its control connection; sessions are disposed by who opened them. */
export interface Server extends AsyncDisposable {
  /** With TLS or without, as the first connection found it: what was preferred is decided here. */
  readonly config: ConnectionConfig;
  readonly flavour: Flavour;
  /** Whether it follows another, as it was when it was connected to. */
  readonly isStandby: boolean;
  /** Schemas in which this user finds names without one; our sessions do not search them. */
  readonly searchPath: readonly string[];
  /** How this user's sessions read and write values; of a migration, how they did when it was planned. */
  readonly conversionSettings: ConversionSettings;
  readonly ender: SessionEnder;
  /** Opens a session with the usual settings, and further assignments for SET. */
  openSession(
    options: { readonly applicationName?: string; readonly settings?: readonly string[] },
    signal: AbortSignal,
  ): Promise<OwnedSession>;
}

/**
 * Connects for the first time and finds out what the server is. When the signal aborts later, a server that is away is not waited for any
 * longer. Rejects with ACCESS_DENIED, UNREACHABLE or SERVER_BUSY.
 */
export async function openServer(asked: ConnectionConfig, signal: AbortSignal): Promise<Server> {
  const seen = await look(asked, signal);
  const ender = createSessionEnder(seen.config, signal);
  const server = serverWith(seen, ender);
  return await disposingOnFailure(ender, async () => {
    // The control connection is made now, while there is room for it.
    await ender.observe({ pid: 0, startedAt: '-infinity' });
    return server;
  });
}

function serverWith(seen: Seen, ender: SessionEnder): Server {
  const config = { ...seen.config, settings: sessionSettings(seen.conversionSettings) };
  const { flavour } = seen;
  return {
    ...seen,
    config,
    ender,
    openSession: (options, signal) => openSession({ config, flavour, ender, ...options }, signal),
    [Symbol.asyncDispose]: () => ender[Symbol.asyncDispose](),
  };
}

/** The server with sessions that convert values as it was when the change was planned. Disposing the one that is given disposes both. */
export function asPlanned(server: Server, { conversion }: Plan): Server {
  return serverWith({ ...server, conversionSettings: conversion ?? server.conversionSettings }, server.ender);
}

/** The same from a URL. */
export async function openServerAt(url: string, defaults: ConnectionDefaults, signal: AbortSignal): Promise<Server> {
  return openServer(await connectionConfig(url, defaults), signal);
}

/** Rejects with an obstacle where nothing can be written. Others tell of that in their own words, which say no way out. */
export function refuseStandby({ isStandby, config }: Pick<Server, 'isStandby' | 'config'>): void {
  if (!isStandby) return;
  throw new PlanRefusedError([{ code: 'NOT_A_SOURCE', message: `The server ${describeServer(config)} is a standby.` }]);
}

type Seen = Pick<Server, 'config' | 'flavour' | 'isStandby' | 'searchPath' | 'conversionSettings'>;

async function look(config: ConnectionConfig, signal: AbortSignal): Promise<Seen> {
  try {
    const connection = await connect(config, 'tableshift', signal);
    try {
      const { rows } = await runAtOnce(
        connection,
        `SELECT pg_catalog.current_setting('server_version') AS version,
           pg_catalog.current_setting('server_version_num') AS number, pg_catalog.pg_backend_pid() AS pid,
           pg_catalog.pg_is_in_recovery() AS standby,
           pg_catalog.array_to_json(pg_catalog.current_schemas(false)) AS schemas,
           pg_catalog.current_setting('timezone') AS zone, pg_catalog.current_setting('datestyle') AS dates,
           pg_catalog.current_setting('intervalstyle') AS intervals, pg_catalog.current_setting('lc_monetary') AS money,
           ${FORMATS_READ} AS formats`,
        config.connectTimeoutMs,
      );
      const [row] = rows;
      if (Number(row?.['pid']) !== connection.announcedPid) {
        throw new MigrationError(
          'BAD_USAGE',
          `${describeServer(config)} is a connection pooler, which may give a session to others; name the server itself.`,
        );
      }
      const ssl = connection.isEncrypted ? config.ssl : null;
      const flavour = flavourOf(row?.['version'] ?? '', Number(row?.['number']));
      // A role that is called as our schema has that first in its usual path, from the first run on.
      const schemas = JSON.parse(row?.['schemas'] ?? '[]') as readonly string[];
      const searchPath = schemas.filter((schema) => schema !== bookkeepingSchema);
      const conversionSettings = {
        searchPath,
        timeZone: row?.['zone'] ?? '',
        // `German, DMY`: how dates are written, and how they are read.
        dateOrder: (row?.['dates'] ?? '').replace(/^.*, /, ''),
        intervalStyle: row?.['intervals'] ?? '',
        lcMonetary: row?.['money'] ?? '',
        formats: JSON.parse(row?.['formats'] ?? '{}') as Readonly<Record<string, string>>,
      };
      const isStandby = row?.['standby'] === 't';
      return { config: { ...config, ssl, isTlsOptional: false }, flavour, isStandby, searchPath, conversionSettings };
    } finally {
      await connection.end(closeLimitMs);
    }
  } catch (error) {
    signal.throwIfAborted();
    throw withUnusedFile(translateConnecting(error, `Connecting to ${describeServer(config)}`, 'first'), config);
  }
}

/** As the servers' own clients say it: who has put the password there looks for the fault elsewhere. */
function withUnusedFile(error: MigrationError, { unusedPasswordFile }: ConnectionConfig): MigrationError {
  if (error.code !== 'ACCESS_DENIED' || unusedPasswordFile === undefined) return error;
  const message = `${error.message} The password file ${unusedPasswordFile} is not used, as others may read it: chmod 600 it.`;
  return new MigrationError(error.code, message, { cause: error.cause });
}

const closeLimitMs = 2_000;
