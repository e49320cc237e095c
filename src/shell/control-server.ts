/** Where a run listens for its operator: HTTP over a unix socket, and over loopback with a token if that is asked for. */

import { createHash, timingSafeEqual } from 'node:crypto';
import { constants } from 'node:fs';
import { access, chmod, lstat, stat, unlink } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, type ListenOptions, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { MigrationError, messageOf } from '../engine/errors.ts';
import { ID_HEADER, OTHER_RUN, SOCKET_PATH_BYTES_MAX, USER_HEADER } from './control-socket.ts';
import { type AskedCommand, CONTROL_COMMANDS, type ControlAnswer } from './operator-commands.ts';

/** More than this is no command. */
const BODY_BYTES_MAX = 4_096;
const CONNECTIONS_MAX = 32;
const REQUEST_MS_MAX = 5_000;
const HEADERS_MS_MAX = 2_000;

/** What is asked for. Each member answers for the run as it is now; null: it has not begun. */
export interface ControlHandler {
  /** The migrations that the run answers to; none before it has begun. */
  ids(): readonly string[];
  status(): object | null;
  metrics(): string | null;
  /** Never rejects. */
  command(asked: AskedCommand): Promise<ControlAnswer | null>;
}

/** A place that is listened at, until it is disposed. */
export interface Listening extends AsyncDisposable {
  /** The path of the socket, or the address. */
  readonly place: string;
}

/**
 * Listens on a unix socket that only its owner may use. A socket that a dead run has left is replaced. Rejects with BAD_USAGE
 * where somebody listens there, where something else is there, or where nothing can be made.
 */
export async function listenOnSocket(path: string, handler: ControlHandler): Promise<Listening> {
  await checkSocketPath(path);
  await removeDeadSocket(path);
  const server = createControlServer(handler, null);
  // The socket is made within the call, so nobody else's file is made with this mask.
  const mask = process.umask(0o177);
  try {
    const listening = listen(server, { path });
    process.umask(mask);
    await listening;
    await chmod(path, 0o600);
  } catch (error) {
    await close(server);
    throw badSocket(path, messageOf(error));
  } finally {
    process.umask(mask);
  }
  return { place: path, [Symbol.asyncDispose]: () => close(server) };
}

/** Rejects with BAD_USAGE where no socket can be made at `path`, whoever listens there. */
export async function checkSocketPath(path: string): Promise<void> {
  if (Buffer.byteLength(path) > SOCKET_PATH_BYTES_MAX) throw badSocket(path, `longer than ${SOCKET_PATH_BYTES_MAX} bytes`);
  const folder = dirname(path);
  const directory = await stat(folder).catch(() => null);
  if (directory?.isDirectory() !== true) throw badSocket(path, `there is no directory ${folder}`);
  const isWritable = await access(folder, constants.W_OK).then(
    () => true,
    () => false,
  );
  if (!isWritable) throw badSocket(path, `the directory ${folder} cannot be written to`);
  const status = await lstat(path).catch(() => null);
  if (status !== null && !status.isSocket()) throw badSocket(path, 'something else is there');
}

/** The parts of `HOST:PORT`. Throws BAD_USAGE where that is not this machine's own address. */
export function parseHttpAddress(address: string): { readonly host: string; readonly port: number } {
  const [, host = '', port = ''] = /^(\[::1\]|127(?:\.\d{1,3}){3}|localhost):(\d{1,5})$/.exec(address) ?? [];
  if (host !== '' && Number(port) <= 65_535) return { host, port: Number(port) };
  const message = `--http must be an address of this machine such as 127.0.0.1:8080, not "${address}".`;
  throw new MigrationError('BAD_USAGE', message);
}

/** Listens on `HOST:PORT` for those who know the token. Rejects with BAD_USAGE where that is not this machine's own address. */
export async function listenOnHttp(address: string, token: string, handler: ControlHandler): Promise<Listening> {
  const { host, port } = parseHttpAddress(address);
  const server = createControlServer(handler, token);
  try {
    await listen(server, { host: host.replaceAll(/[[\]]/g, ''), port });
  } catch (cause) {
    const reason = messageOf(cause);
    throw new MigrationError('BAD_USAGE', `It is not possible to listen on ${address}: ${reason}.`, { cause });
  }
  const bound = server.address() as AddressInfo;
  return { place: `http://${host}:${bound.port}`, [Symbol.asyncDispose]: () => close(server) };
}

function createControlServer(handler: ControlHandler, token: string | null): Server {
  const visitors = new Visitors();
  const limits = {
    headersTimeout: HEADERS_MS_MAX,
    requestTimeout: REQUEST_MS_MAX,
    connectionsCheckingInterval: HEADERS_MS_MAX,
  };
  const server = createServer(limits, (request, response) => {
    if (token !== null && !isAllowed(request, token)) {
      request.resume();
      response.setHeader('www-authenticate', 'Bearer').setHeader('connection', 'close');
      answer(response, 401, { error: 'The token is missing or wrong.' });
      return;
    }
    visitors.recognise(request.socket);
    const who = token === null ? whoIsAtTheSocket(request) : `somebody over HTTP from ${request.socket.remoteAddress ?? ''}`;
    readBody(request).then(
      (body) =>
        respond({ request, body, handler, who }, response).catch((error: unknown) =>
          answer(response, 500, { error: messageOf(error) }),
        ),
      () => answer(response, 413, { error: 'The request is too long.' }),
    );
  });
  return server.on('connection', (socket) => visitors.admit(socket));
}

/** Who is connected. Where one more comes than there is room for, the oldest goes of those who have not shown that they may. */
class Visitors {
  readonly #strangers = new Set<Socket>();
  readonly #known = new Set<Socket>();

  admit(socket: Socket): void {
    socket.once('close', () => this.#forget(socket));
    this.#strangers.add(socket);
    const [oldest] = this.#strangers;
    if (oldest === undefined || this.#strangers.size + this.#known.size <= CONNECTIONS_MAX) return;
    this.#forget(oldest);
    oldest.destroy();
  }

  recognise(socket: Socket): void {
    if (this.#strangers.delete(socket)) this.#known.add(socket);
  }

  #forget(socket: Socket): void {
    this.#strangers.delete(socket);
    this.#known.delete(socket);
  }
}

interface Asked {
  readonly request: IncomingMessage;
  readonly body: string;
  readonly handler: ControlHandler;
  readonly who: string;
}

async function respond({ request, body, handler, who }: Asked, response: ServerResponse): Promise<void> {
  const path = (request.url ?? '').split('?')[0] ?? '';
  const command = CONTROL_COMMANDS.find((command) => path === `/control/${command}`);
  const isKnown = command !== undefined || path === '/status' || path === '/metrics';
  if (!isKnown) return answer(response, 404, { error: 'There are /status, /metrics and /control/COMMAND.' });
  const methods = command === undefined ? ['GET', 'HEAD'] : ['POST'];
  if (!methods.includes(request.method ?? '')) {
    response.setHeader('allow', methods.join(', '));
    return answer(response, 405, { error: `${path} wants ${methods[0]}.` });
  }
  const [meant, ids] = [request.headers[ID_HEADER], handler.ids()];
  if (meant !== undefined && ids.length === 0) return notBegun(response);
  if (typeof meant === 'string' && !ids.includes(meant)) {
    return answer(response, OTHER_RUN, { error: `The run that listens there is ${ids.join(', ')}, not ${meant}.` });
  }
  if (command !== undefined) {
    const result = await handler.command({ command, setting: body === '' ? null : body, who });
    if (result === null) return notBegun(response);
    return answer(response, result.isDone ? 200 : 400, result.isDone ? { message: result.message } : { error: result.message });
  }
  if (path === '/status') {
    const status = handler.status();
    return status === null ? notBegun(response) : answer(response, 200, status);
  }
  const metrics = handler.metrics();
  if (metrics === null) return notBegun(response);
  response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' }).end(metrics);
}

function notBegun(response: ServerResponse): void {
  answer(response, 503, { error: 'The run has not begun yet: it plans, or waits for its claim.' });
}

function answer(response: ServerResponse, status: number, fields: object): void {
  // Before the head is written, after which no other answer can be given.
  const text = `${JSON.stringify(fields)}\n`;
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' }).end(text);
}

/** Only its owner can use the socket; by which name is what the client says. */
function whoIsAtTheSocket({ headers }: IncomingMessage): string {
  const name = headers[USER_HEADER];
  const isName = typeof name === 'string' && /^[\w.@$ -]{1,64}$/.test(name);
  return isName ? `${name} (as the client says)` : 'somebody at the socket';
}

/** In a time that tells nothing about the token. */
function isAllowed(request: IncomingMessage, token: string): boolean {
  const [, given = ''] = /^Bearer (.*)$/i.exec(request.headers.authorization ?? '') ?? [];
  const hash = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(hash(given), hash(token));
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > BODY_BYTES_MAX) throw new Error('too long');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

async function listen(server: Server, options: ListenOptions): Promise<void> {
  const listening = new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.once('listening', resolve);
  });
  server.listen(options);
  await listening;
  // A connection that cannot be taken is the operator's to try again, and no reason to end a migration.
  server.on('error', () => undefined);
}

async function close(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeAllConnections();
  await closed;
}

async function removeDeadSocket(path: string): Promise<void> {
  const status = await lstat(path).catch(() => null);
  if (status === null) return;
  const isAlive = await new Promise<boolean>((resolve) => {
    const probe = connect(path, () => {
      probe.destroy();
      resolve(true);
    });
    probe.on('error', () => resolve(false));
  });
  if (isAlive) throw badSocket(path, 'another run listens there');
  await unlink(path).catch(() => undefined);
}

function badSocket(path: string, reason: string): MigrationError {
  return new MigrationError('BAD_USAGE', `The socket ${path} cannot be used: ${reason}.`);
}
