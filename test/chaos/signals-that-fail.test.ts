/**
 * What tells a run to rest dies, hangs or answers garbage: copying stops within the stated time and says why, changes are applied
 * meanwhile, and copying goes on when the source is back.
 *
 * The stated time is of the clock on the wall, so these run only on a machine that has nothing else to do: TABLESHIFT_TIMED_TESTS=1.
 */
import { once } from 'node:events';
import { createServer, type Server as HttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DEFAULT_OPTIONS, type Progress } from '../../src/index.ts';
import { openApplication } from '../support/adapter-server.ts';
import { type CliProcess, startCli } from '../support/cli.ts';
import { openPostgresApplication } from '../support/postgres-adapter.ts';
import { runSql } from '../support/server-process.ts';
import { type Flavour, type Server, startServer } from '../support/servers.ts';
import { startGarbage, startProxy, type TcpProxy } from '../support/tcp-proxy.ts';
import type { OutputLine } from '../support/tableshift-process.ts';
import { prepareTraffic, startTraffic } from '../support/traffic.ts';

/** What copying may take to stop: the chunk in hand, and the interval at which signals are asked. */
const noticeMs = 1_500;

/** Long enough for all faults, in chunks that are small enough for a stop to be felt at once. */
const slowly = ['--workers', '1', '--chunk-rows-max', '10', '--chunk-time', '10ms', '--max-latency', '0', '--max-lag', '1h'];
const rows = 200_000;
const isTimed = process.env['TABLESHIFT_TIMED_TESTS'] === '1';

/** Something that a run asks, and how it goes wrong. Each fault resolves with how to mend it. */
interface Source {
  readonly signal: RegExp;
  readonly faults: Readonly<Record<Fault, () => Promise<() => Promise<void>>>>;
  readonly details: Readonly<Record<Fault, RegExp>>;
}
type Fault = 'dies' | 'hangs' | 'answers garbage';

const changes: Readonly<Record<Flavour, string>> = {
  mysql: 'MODIFY amount BIGINT NOT NULL',
  mariadb: 'MODIFY amount BIGINT NOT NULL',
  postgres: 'ALTER COLUMN amount TYPE bigint',
};

describe.each(['mysql', 'mariadb', 'postgres'] as const)('on %s', (flavour) => {
  const opened: AsyncDisposable[] = [];
  const use = <Thing extends AsyncDisposable>(thing: Thing): Thing => {
    opened.unshift(thing);
    return thing;
  };
  let sources: Readonly<Record<string, Source>>;
  let lines: RunLines;
  beforeAll(async () => {
    if (!isTimed) return;
    const server = use(await startServer({ flavour }));
    const replica = use(await startServer({ flavour, replicaOf: server }));
    const proxy = use(await startProxy(replica.url));
    const traffic = { schema: 'chaos', seed: 1, rows, writesPerSecond: 40, readsPerSecond: 10, writers: 2, hasTwin: false };
    const { table } = await prepareTraffic({ ...traffic, url: server.url });
    use(startTraffic({ ...traffic, url: server.url }));
    await runSql(server, 'CREATE TABLE chaos.brake (stop varchar(20) NOT NULL)', `INSERT INTO chaos.brake VALUES ('0')`);
    const check = use(await startCheck());
    sources = {
      'an HTTP check': httpSource(check),
      'a query': querySource(server),
      'a replica': replicaSource(replica, proxy),
    };
    const run = use(
      startCli([
        ...['migrate', '--url', server.url, '--table', `chaos.${table}`, '--alter', changes[flavour], ...slowly],
        ...['--output', 'json', '--throttle-http', check.url, '--replicas', proxy.url],
        ...['--throttle-query', 'SELECT stop FROM chaos.brake'],
      ]),
    );
    lines = new RunLines(run);
    await lines.next((line) => line.kind === 'chunk-copied');
  });
  afterAll(async () => {
    for (const thing of opened) await thing[Symbol.asyncDispose]();
  });

  const faults: readonly Fault[] = ['dies', 'hangs', 'answers garbage'];
  test.for(['an HTTP check', 'a query', 'a replica'].flatMap((name) => faults.map((fault) => [name, fault] as const)))(
    'copying stops while %s %s, changes are applied meanwhile, and it goes on afterwards',
    { timeout: 60_000 },
    async ([name, fault], context) => {
      context.skip(!isTimed, 'measures time by the clock; TABLESHIFT_TIMED_TESTS=1 runs it');
      const source = sources[name];
      if (source === undefined) throw new Error(`There is no source ${name}.`);
      const brokenAtMs = Date.now();
      const mend = await source.faults[fault]();
      try {
        const stopped = await lines.next((line) => line.kind === 'throttled' && source.signal.test(String(line['signal'])));
        expect(stopped['detail']).toMatch(source.details[fault]);
        expect(lines.chunkAtMs - brokenAtMs).toBeLessThan(DEFAULT_OPTIONS.throttleStaleMs + noticeMs);

        const seen = [await lines.nextProgress(), await lines.nextProgress(), await lines.nextProgress()] as const;
        expect(new Set(seen.map(({ rowsCopied }) => rowsCopied)).size).toBe(1);
        for (const { throttledBy, lagMs } of seen) {
          expect(throttledBy).toMatch(source.signal);
          expect(lagMs).toBeLessThan(1_000);
        }
        expect(seen[2].keysApplied).toBeGreaterThan(seen[0].keysApplied);
      } finally {
        await mend();
      }
      await lines.next((line) => line.kind === 'throttle-released');
      await lines.next((line) => line.kind === 'chunk-copied');
    },
  );
});

/** The lines of a run, one after another. */
class RunLines {
  readonly #lines: AsyncIterator<string>;
  /** When the last chunk was copied, of the lines so far, as `Date.now()` counts. */
  chunkAtMs = 0;

  constructor(run: CliProcess) {
    if (run.child.stdout === null) throw new Error('The program has no output to read.');
    this.#lines = createInterface({ input: run.child.stdout })[Symbol.asyncIterator]();
  }

  /** The next one that is meant; those before it are left behind. */
  async next(isMeant: (line: OutputLine) => boolean): Promise<OutputLine> {
    for (;;) {
      const { value, done } = await this.#lines.next();
      if (done === true) throw new Error('The run ended.');
      const line = JSON.parse(value) as OutputLine;
      if (line.kind === 'chunk-copied') this.chunkAtMs = Date.parse(String(line['time']));
      if (isMeant(line)) return line;
    }
  }

  async nextProgress(): Promise<Progress> {
    return (await this.next((line) => line.kind === 'progress'))['progress'] as Progress;
  }
}

interface Check extends AsyncDisposable {
  readonly url: string;
  readonly server: HttpServer;
  answer: 'go on' | 'nothing' | 'garbage';
}

async function startCheck(): Promise<Check> {
  const server = createServer((request, response) => {
    if (check.answer === 'go on') response.end('go on');
    if (check.answer === 'garbage') request.socket.end('xyzzy\r\n\r\n');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const check: Check = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/go`,
    server,
    answer: 'go on',
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await Promise.resolve();
    },
  };
  return check;
}

function httpSource(check: Check): Source {
  const answering = (answer: Check['answer']) => async () => {
    check.answer = answer;
    return await Promise.resolve(async () => {
      check.answer = 'go on';
      await Promise.resolve();
    });
  };
  return {
    signal: /^HTTP check/,
    faults: {
      async dies() {
        const closed = once(check.server, 'close');
        check.server.close();
        check.server.closeAllConnections();
        await closed;
        return async () => {
          check.server.listen(Number(new URL(check.url).port), '127.0.0.1');
          await once(check.server, 'listening');
        };
      },
      hangs: answering('nothing'),
      'answers garbage': answering('garbage'),
    },
    details: {
      dies: /^stale: no answer: .*ECONNREFUSED/,
      hangs: /^stale: no answer: .*timeout/,
      'answers garbage': /^stale: no answer: .*HTTP/,
    },
  };
}

function querySource(server: Server): Source {
  const isPostgres = server.flavour === 'postgres';
  const sql = (statement: string) => async () => {
    await runSql(server, statement);
  };
  return {
    signal: /^throttle query/,
    faults: {
      async dies() {
        await runSql(server, `ALTER TABLE chaos.brake RENAME TO ${isPostgres ? '' : 'chaos.'}elsewhere`);
        return sql(`ALTER TABLE chaos.elsewhere RENAME TO ${isPostgres ? '' : 'chaos.'}brake`);
      },
      async hangs() {
        const holder = isPostgres ? await openPostgresApplication(server.url) : await openApplication(server.url);
        if (isPostgres) await holder.run('BEGIN');
        await holder.run(isPostgres ? 'LOCK TABLE chaos.brake' : 'LOCK TABLES chaos.brake WRITE');
        return async () => await holder[Symbol.asyncDispose]();
      },
      async 'answers garbage'() {
        await runSql(server, `UPDATE chaos.brake SET stop = 'xyzzy'`);
        return sql(`UPDATE chaos.brake SET stop = '0'`);
      },
    },
    details: {
      dies: /^stale: no answer: .*brake/,
      hangs: /^stale: no answer/,
      'answers garbage': /^the query gives xyzzy, which is no number$/,
    },
  };
}

function replicaSource(replica: Server, proxy: TcpProxy): Source {
  return {
    signal: /^replica /,
    faults: {
      async dies() {
        await replica.kill9();
        return () => replica.restart();
      },
      async hangs() {
        proxy.freeze();
        return await Promise.resolve(async () => {
          proxy.thaw();
          await Promise.resolve();
        });
      },
      async 'answers garbage'() {
        const garbage = await startGarbage();
        proxy.redirect(garbage.url);
        proxy.cut();
        return async () => {
          proxy.redirect(replica.url);
          await garbage[Symbol.asyncDispose]();
        };
      },
    },
    details: {
      dies: /cannot be asked: /,
      hangs: /cannot be asked: it has not answered within 2 s$/,
      'answers garbage': /cannot be asked: /,
    },
  };
}
