/**
 * TLS, for servers of both kinds. A run lives for days, and its certificate may not: so the files are read again before each connection,
 * which costs less than the connection does.
 */

import { createPrivateKey, X509Certificate } from 'node:crypto';
import { MigrationError } from '../engine/errors.ts';
import { readTextFile } from './text-file.ts';

/** What is asked of the server's certificate. */
export interface TlsChecks {
  /** The certificate must come from `ca`, or from the system's authorities. */
  readonly rejectUnauthorized: boolean;
  /** The certificate must also be for the host we asked for. */
  readonly verifyIdentity: boolean;
}

/** TLS as the drivers take it. */
export interface TlsConfig extends TlsChecks {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/** The files of TLS by their paths. */
export interface TlsPaths {
  readonly ca: string | null;
  readonly cert: string | null;
  readonly key: string | null;
}

/** What each file has, as PEM labels it. */
const PEM_LABELS = { ca: 'CERTIFICATE', cert: 'CERTIFICATE', key: 'PRIVATE KEY' } as const;

/** Shared by all connections of a login. */
export class Tls {
  readonly #paths: TlsPaths;
  #known: TlsConfig;

  private constructor(paths: TlsPaths, known: TlsConfig) {
    this.#paths = paths;
    this.#known = known;
  }

  /** Reads the files for the first time. Rejects with BAD_USAGE where one of them cannot be read, or has not what it is for. */
  static async read(paths: TlsPaths, checks: TlsChecks): Promise<Tls> {
    return new Tls(paths, await readTls(paths, checks));
  }

  get known(): TlsConfig {
    return this.#known;
  }

  /** Reads the files again. Those that are just being written, and so do not fit together, count when they do. Never rejects. */
  async renew(): Promise<void> {
    const { rejectUnauthorized, verifyIdentity } = this.#known;
    try {
      const read = await readTls(this.#paths, { rejectUnauthorized, verifyIdentity });
      if (isPair(read)) this.#known = read;
    } catch {
      // What is known may still be good; where it is not, the server says so.
    }
  }
}

async function readTls(paths: TlsPaths, checks: TlsChecks): Promise<TlsConfig> {
  const read = async (name: keyof TlsPaths): Promise<Partial<TlsConfig>> => {
    const path = paths[name];
    if (path === null) return {};
    const [what, label] = [`The TLS file (${name})`, PEM_LABELS[name]];
    const text = await readTextFile(what, path);
    if (new RegExp(`^-----BEGIN [A-Z0-9 ]*${label}-----`, 'm').test(text)) return { [name]: text };
    throw new MigrationError('BAD_USAGE', `${what} ${path} has no ${label} in PEM, which would begin with -----BEGIN.`);
  };
  return { ...(await read('ca')), ...(await read('cert')), ...(await read('key')), ...checks };
}

/** Throws for what is no certificate, or no key. */
function isPair({ cert, key }: TlsConfig): boolean {
  return cert === undefined || key === undefined || new X509Certificate(cert).checkPrivateKey(createPrivateKey(key));
}
