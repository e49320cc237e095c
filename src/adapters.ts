/** The adapters by the scheme of the URL. Only the one that is needed is loaded, and its driver with it. */

import type { LoadLimits } from './engine/load.ts';
import type { Database } from './engine/ports.ts';
import type { ReadPassword } from './sessions/password.ts';
import { type AdapterName, withLoginOf } from './server-url.ts';

/** What an adapter knows without a server, and without its driver. */
export interface OfflineAdapter {
  /** The table and the clauses. Throws BAD_USAGE. A schema of null is for the opened database to find. */
  readonly readChange: (asked: AskedChange) => {
    readonly table: { readonly schema: string | null; readonly table: string };
    readonly clauses: string;
  };
  /** Rejects with BAD_USAGE for what `open` would refuse before it connects: the URL, and the files that it or a login names. */
  readonly checkLogin: (url: string, login: LoginOptions) => Promise<void>;
}

/** What an adapter is asked for beside the port: everything that is different before a database is open. */
export interface Adapter extends Pick<OfflineAdapter, 'readChange'> {
  /** Connects. Rejects with BAD_USAGE, ACCESS_DENIED, UNREACHABLE or SERVER_BUSY. */
  open(url: string, options: OpenOptions, signal: AbortSignal): Promise<OpenDatabase>;
}

export interface AskedChange {
  readonly alter: string;
  readonly table: string | null;
  /** Database of the URL's path. */
  readonly database: string | null;
}

/** What the URL leaves open. */
export interface LoginOptions {
  /** Or how to read it, which is done again once the server refuses it. */
  readonly password: string | ReadPassword | null;
  readonly defaultsFile: string | null;
  readonly home: string | null;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

export interface OpenOptions extends LoginOptions {
  readonly replicas: { readonly urls: readonly string[]; readonly isFinding: boolean };
  /** As they are now. */
  readonly load: () => LoadLimits;
  /** Whether indexes are built by one thread of the server, which leaves the others to applications; as it is now. */
  readonly isGentle: () => boolean;
  /** Whether a cutover may end sessions that are in its way; what that lacks is then an obstacle. */
  readonly isKillingBlockers: boolean;
}

export interface OpenDatabase extends Database {
  /** The schema in which a name without one is found. Absent where `readChange` leaves none open. */
  findSchema?(table: string, signal: AbortSignal): Promise<string>;
}

/** Loads what an adapter knows without a server. */
export async function loadOfflineAdapter(name: AdapterName): Promise<OfflineAdapter> {
  switch (name) {
    case 'mysql': {
      const [{ readChange }, { connectionConfig }] = await Promise.all([
        import('./mysql/asked-change.ts'),
        import('./mysql/connection-config.ts'),
      ]);
      return { readChange, checkLogin: async (url, login) => void (await connectionConfig(url, login)) };
    }
    case 'postgres': {
      const [{ readChange }, { connectionConfig }] = await Promise.all([
        import('./postgres/asked-change.ts'),
        import('./postgres/connection-config.ts'),
      ]);
      return { readChange, checkLogin: async (url, login) => void (await connectionConfig(url, login)) };
    }
  }
}

/** Loads an adapter. */
export async function loadAdapter(name: AdapterName): Promise<Adapter> {
  switch (name) {
    case 'mysql': {
      const [{ readChange }, { openDatabase }] = await Promise.all([
        import('./mysql/asked-change.ts'),
        import('./mysql/database.ts'),
      ]);
      return { readChange, open: (url, options, signal) => openDatabase(url, withReplicas(url, options), signal) };
    }
    case 'postgres': {
      const [{ readChange }, { openDatabase }] = await Promise.all([
        import('./postgres/asked-change.ts'),
        import('./postgres/database.ts'),
      ]);
      return { readChange, open: (url, options, signal) => openDatabase(url, withReplicas(url, options), signal) };
    }
  }
}

/** What a replica's URL leaves open is as with the server. */
function withReplicas(url: string, options: OpenOptions): OpenOptions {
  const { replicas } = options;
  return { ...options, replicas: { ...replicas, urls: replicas.urls.map((replica) => withLoginOf(replica, url)) } };
}
