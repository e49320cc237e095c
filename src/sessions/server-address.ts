/** What addresses of servers of both kinds have in common: the parts of a URL. */

import { MigrationError } from '../engine/errors.ts';

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

/** A host with its port, as in a URL. */
export function addressText({ host, port }: { readonly host: string; readonly port: number }): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
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
