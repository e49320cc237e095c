/** What addresses of servers of both kinds have in common: the parts of a URL, and TLS. */

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

/** Reads the files. Rejects with BAD_USAGE where one of them cannot be read, or has not what it is for. */
export async function readTls(paths: TlsPaths, checks: TlsChecks): Promise<TlsConfig> {
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

/** A part of a URL as plain text. Throws BAD_USAGE, without repeating it, for it may be a password. */
export function decodePart(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    throw new MigrationError('BAD_USAGE', 'The URL has a % that is not followed by two hexadecimal digits; write it as %25.', {
      cause: error instanceof Error ? error.name : undefined,
    });
  }
}

/** The host, empty where there is none. IPv6 addresses stand in brackets in a URL. */
export function hostOf(url: URL): string {
  const host = decodePart(url.hostname);
  return host.startsWith('[') ? host.slice(1, -1) : host;
}

/** The number that the parameter has, from 1 to `max`. Throws BAD_USAGE. */
export function wholeNumber(name: string, text: string, max: number): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < 1 || value > max) {
    throw new MigrationError('BAD_USAGE', `${name} should be a whole number from 1 to ${max}, not ${text}.`);
  }
  return value;
}

/** Null instead of an empty text. */
export function orNull(text: string): string | null {
  return text === '' ? null : text;
}
