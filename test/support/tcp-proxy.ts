/** A wire to a server that a test can cut, or freeze so that nothing comes through and nobody is told. */
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/** A running proxy. Disposing it cuts everything. */
export interface TcpProxy extends AsyncDisposable {
  /** The server's URL by way of the proxy. */
  readonly url: string;
  /** Lets nothing through any more, in either direction, without closing anything: as a host that lost its power. New connections hang. */
  freeze(): void;
  /** Lets everything through again, what was held included. */
  thaw(): void;
  /** Closes all connections to the client. Those to the server stay open and silent: the server does not learn of it. */
  cutClients(): void;
  /** Resets all connections to the client, as the host of a process that is killed with something unread does. */
  resetClients(): void;
  /** Closes all connections, both ends. */
  cut(): void;
  /** Connects from now on to another server. */
  redirect(serverUrl: string): void;
  /** Leaves the connections that are open now frozen for good, and lets new ones through. */
  forgetConnections(): void;
}

/** One connection through the proxy. */
export interface Wire {
  /** Closes it at both ends. */
  cut(): void;
}

/**
 * What happens to what a client has sent: it passes; it is lost; the connection is cut instead of passing it on, or right after
 * that, or when the server answers it, instead of the answer.
 */
export type Fate = 'pass' | 'swallow' | 'cut-before' | 'cut-after' | 'cut-answer';

/** Starts a proxy in front of a server. `judge` sees what clients send, as it comes in, and so is blind where TLS is used. */
export async function startProxy(
  serverUrl: string,
  judge: (sent: string, wire: Wire) => Fate = () => 'pass',
): Promise<TcpProxy> {
  let target = new URL(serverUrl);
  const pairs = new Set<{ readonly client: Socket; readonly server: Socket }>();
  let isFrozen = false;
  const proxy = createServer((client) => {
    const server = connect(Number(target.port), target.hostname);
    const pair = { client, server };
    pairs.add(pair);
    client.on('error', () => undefined);
    server.on('error', () => undefined);
    const wire = {
      cut(): void {
        client.destroy();
        server.destroy();
      },
    };
    client.on('data', (data) => {
      const fate = judge(data.toString('latin1'), wire);
      if (fate === 'swallow') return;
      if (fate === 'cut-before') return wire.cut();
      if (fate === 'cut-answer') server.prependOnceListener('data', () => wire.cut());
      server.write(data);
      if (fate === 'pass' || fate === 'cut-answer') return;
      // The server gets what was sent, and then the end of the connection.
      client.destroy();
      server.end();
    });
    server.on('data', (data) => {
      if (!client.destroyed) client.write(data);
    });
    client.on('close', () => {
      if (!isFrozen && pairs.delete(pair)) server.end();
    });
    server.on('close', () => {
      if (!isFrozen && pairs.delete(pair)) client.destroy();
    });
    if (isFrozen) hold(pair);
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  const cut = (): void => {
    for (const { client, server } of pairs) {
      client.destroy();
      server.destroy();
    }
  };
  const url = new URL(serverUrl);
  url.hostname = '127.0.0.1';
  url.port = String((proxy.address() as AddressInfo).port);
  return {
    url: url.href,
    freeze() {
      isFrozen = true;
      for (const pair of pairs) hold(pair);
    },
    thaw() {
      isFrozen = false;
      for (const { client, server } of pairs) {
        client.resume();
        server.resume();
      }
    },
    cutClients() {
      isFrozen = true;
      for (const { client, server } of pairs) {
        server.pause();
        client.destroy();
      }
      isFrozen = false;
    },
    resetClients() {
      for (const { client } of pairs) client.resetAndDestroy();
    },
    forgetConnections() {
      isFrozen = false;
    },
    redirect(serverUrl) {
      target = new URL(serverUrl);
    },
    cut,
    async [Symbol.asyncDispose]() {
      isFrozen = false;
      cut();
      pairs.clear();
      proxy.close();
      await once(proxy, 'close');
    },
  };
}

/** A server that answers every connection with the same nonsense and closes it: what a proxy may be redirected to. */
export async function startGarbage(): Promise<AsyncDisposable & { readonly url: string }> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    // What is sent is read, or the connection would never be over.
    socket.resume();
    socket.end('xyzzy\r\n\r\n');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.close();
      await once(server, 'close');
    },
  };
}

function hold({ client, server }: { readonly client: Socket; readonly server: Socket }): void {
  client.pause();
  server.pause();
}
