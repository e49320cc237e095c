/** Where the sockets of runs are, and how the other end of one is asked. */

import { lstat, mkdir, readdir } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir, userInfo } from 'node:os';
import { basename, join } from 'node:path';
import { MigrationError } from '../engine/errors.ts';
import type { Environment } from './option-values.ts';

/** A run that does not answer for so long hangs. */
const ANSWER_WITHIN_MS = 10_000;

/** Of the name of a socket, behind the ID. */
const SUFFIX = '.sock';

/** No run, or one that ended at this moment. */
const GONE: ReadonlySet<string> = new Set(['ENOENT', 'ECONNREFUSED', 'ECONNRESET', 'EPIPE']);

/** Linux has room for this many bytes in the name of a socket. */
export const SOCKET_PATH_BYTES_MAX = 107;

/** In which a client says who asks. */
export const USER_HEADER = 'tableshift-user';
/** In which a client says which migration it means: a run of another one refuses. */
export const ID_HEADER = 'tableshift-id';

/** The status with which a run of another migration answers. */
export const OTHER_RUN = 409;

/** What a run answered. */
export interface SocketAnswer {
  readonly status: number;
  /** Empty where the answer was no object. */
  readonly fields: Readonly<Record<string, unknown>>;
}

/**
 * Where the socket of a migration may be, the preferred place first. A run from cron has no runtime directory and no TMPDIR, its operator
 * has.
 */
export function socketPaths(id: string, environment: Environment): readonly string[] {
  return folders(environment).map((folder) => join(folder, `${id}${SUFFIX}`));
}

/**
 * Makes the preferred folder, for this user alone, or the next where it cannot be made, and gives the path of the socket in it.
 * Rejects where none can be had.
 */
export async function prepareSocketPath(id: string, environment: Environment): Promise<string> {
  const faults: string[] = [];
  for (const folder of folders(environment)) {
    const path = join(folder, `${id}${SUFFIX}`);
    const isLong = Buffer.byteLength(path) > SOCKET_PATH_BYTES_MAX;
    const fault = isLong ? `${path} is longer than ${SOCKET_PATH_BYTES_MAX} bytes` : await makeFolder(folder);
    if (fault === null) return path;
    faults.push(fault);
  }
  throw new Error(faults.join('; '));
}

/** The IDs of the runs of this user that listen at their usual places, of several tables that of the first: where nobody has named one. */
export async function findRuns(environment: Environment): Promise<readonly string[]> {
  const places = (await Promise.all(folders(environment).map(socketsIn))).flat();
  const ids = await Promise.all(places.map(idOfRun));
  return [...new Set(ids)].filter((id) => id !== null);
}

/** The folders in which these places are, in words. */
export function usualFolders(environment: Environment): string {
  return folders(environment).join(' or ');
}

async function socketsIn(folder: string): Promise<readonly string[]> {
  if (!(await isOfThisUserAlone(folder).catch(() => false))) return [];
  const names = await readdir(folder);
  return names.filter((name) => name.endsWith(SUFFIX)).map((name) => join(folder, name));
}

/** Null where no run listens. One that hangs is one, too. */
async function idOfRun(path: string): Promise<string | null> {
  const answer = await askSocket(path, 'GET', '/status').catch(() => ({ fields: { id: basename(path, SUFFIX) } }));
  const id = answer?.fields['id'];
  return typeof id === 'string' ? id : null;
}

/** Null, or what is wrong. Makes no parent: where one is missing, Node may never come back from that (`/proc`). */
async function makeFolder(folder: string): Promise<string | null> {
  const failure = await mkdir(folder, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => error);
  if (failure !== undefined && failure.code !== 'EEXIST')
    return `${folder} cannot be made (${failure.code ?? failure.message})`;
  return (await isOfThisUserAlone(folder)) ? null : `${folder} is not a directory of this user alone`;
}

async function isOfThisUserAlone(folder: string): Promise<boolean> {
  const status = await lstat(folder);
  return status.isDirectory() && status.uid === process.getuid?.() && (status.mode & 0o077) === 0;
}

/** What goes with a request. */
interface RequestParts {
  readonly body?: string;
  /** The migration that is meant; null: whichever runs there. */
  readonly id?: string | null;
}

/** Asks the run that listens at `path`; null where none does. */
export async function askSocket(
  path: string,
  method: 'GET' | 'POST',
  what: string,
  { body = '', id = null }: RequestParts = {},
): Promise<SocketAnswer | null> {
  return await new Promise<SocketAnswer | null>((resolve, reject) => {
    const headers = { [USER_HEADER]: nameOfUser(), ...(id === null ? {} : { [ID_HEADER]: id }) };
    const options = { socketPath: path, method, path: what, headers, agent: false, timeout: ANSWER_WITHIN_MS };
    const call = request(options, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, fields: parse(Buffer.concat(chunks).toString('utf8')) }),
      );
    });
    const silence = `the run has not answered for ${ANSWER_WITHIN_MS / 1_000} s; it may be ended (kill -9), and resumed`;
    call.on('timeout', () => call.destroy(new Error(silence)));
    call.on('error', (error: NodeJS.ErrnoException) => {
      if (GONE.has(error.code ?? '')) resolve(null);
      else reject(new MigrationError('BAD_USAGE', `The socket ${path} cannot be used: ${error.message}.`, { cause: error }));
    });
    call.end(body);
  });
}

/** A container may run as a user whom no file knows. */
function nameOfUser(): string {
  try {
    return userInfo().username;
  } catch {
    return `user ${process.getuid?.()}`;
  }
}

function folders(environment: Environment): readonly string[] {
  const runtime = environment['XDG_RUNTIME_DIR'] ?? '';
  const shared = [tmpdir(), '/tmp'].map((folder) => join(folder, `tableshift-${process.getuid?.()}`));
  return [...new Set([...(runtime === '' ? [] : [join(runtime, 'tableshift')]), ...shared])];
}

function parse(text: string): SocketAnswer['fields'] {
  try {
    const fields: unknown = JSON.parse(text);
    return typeof fields === 'object' && fields !== null ? (fields as SocketAnswer['fields']) : {};
  } catch {
    return {};
  }
}
