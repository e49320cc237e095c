/** Opens the places at which a run can be controlled, as the options say, and closes them at its end. */

import { MigrationError, messageOf } from '../engine/errors.ts';
import { readSecretFile } from '../sessions/text-file.ts';
import type { ControlHandler, Listening } from './control-server.ts';
import { listenOnHttp, listenOnSocket } from './control-server.ts';
import { prepareSocketPath } from './control-socket.ts';
import type { Environment } from './option-values.ts';
import type { OptionsOf } from './options.ts';

/** What every client can send in a header, and what comes out of it as it was. */
const TOKEN = /^[!-~]{16,}$/;

type ControlOptions = Pick<OptionsOf<'resume'>, 'socket' | 'http' | 'httpToken' | 'httpTokenFile'>;

/** The places of one run. */
export class RunControl implements AsyncDisposable {
  readonly #handler: ControlHandler;
  readonly #listening: Listening[] = [];
  #hasSocket = false;

  constructor(handler: ControlHandler) {
    this.#handler = handler;
  }

  /** What was asked for by name, before anything else is done, HTTP with this token. Rejects with BAD_USAGE. */
  async openAsked(options: ControlOptions, token: string | null): Promise<void> {
    if (options.socket !== null) {
      this.#listening.push(await listenOnSocket(options.socket, this.#handler));
      this.#hasSocket = true;
    }
    if (options.http !== null && token !== null) this.#listening.push(await listenOnHttp(options.http, token, this.#handler));
  }

  /** The usual sockets of these migrations, unless another was asked for. Resolves with a reason where there is none. */
  async openUsual(ids: readonly string[], environment: Environment): Promise<string | null> {
    if (this.#hasSocket) return null;
    this.#hasSocket = true;
    try {
      for (const id of ids) {
        this.#listening.push(await listenOnSocket(await prepareSocketPath(id, environment), this.#handler));
      }
      return null;
    } catch (error) {
      return messageOf(error);
    }
  }

  /** The places, once they are listened at. */
  get places(): readonly string[] {
    return this.#listening.map(({ place }) => place);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled(this.#listening.map((one) => one[Symbol.asyncDispose]()));
  }
}

interface Token {
  /** Null where nobody is to listen on an address. */
  readonly token: string | null;
  /** What the operator should know, one sentence each. */
  readonly warnings: readonly string[];
}

/** Rejects with BAD_USAGE where the token is missing, is none, or cannot be read. Once in a run: its file may be a pipe. */
export async function readToken({ http, httpToken, httpTokenFile }: ControlOptions): Promise<Token> {
  const file = httpTokenFile === null ? null : await readSecretFile('The token file', httpTokenFile);
  if (http === null) return { token: null, warnings: [] };
  const token = file?.text.trim() ?? httpToken;
  if (token !== null && TOKEN.test(token)) {
    const isExposed = file !== null && !file.isPrivate;
    return { token, warnings: isExposed ? [`Other users may read the token file ${httpTokenFile}: chmod 600 it.`] : [] };
  }
  const message =
    '--http needs a token of 16 characters at least, letters, digits and signs of ASCII, in TABLESHIFT_HTTP_TOKEN or in the file of ' +
    '--http-token-file.';
  throw new MigrationError('BAD_USAGE', message);
}
