/**
 * What tells a run to rest dies, hangs or answers garbage: copying stops within the stated time and says why, changes are applied
 * meanwhile, and copying goes on when the source is back.
 *
 * The stated time is counted in the figures that the run itself tells each second, so that a busy machine, on which both come
 * late, changes nothing; test/engine has it by a virtual clock. Each server has three of the nine faults, and each fault one
 * server. With TABLESHIFT_TIMED_TESTS=1, on a machine that has nothing else to do, each has all of them, and the clock on the
 * wall counts too.
 */
import { once } from 'node:events';
import { createServer, type Server as HttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Condition } from '../../src/engine/tasks.ts';
import { DEFAULT_OPTIONS, type Progress } from '../../src/index.ts';
import { openApplication } from '../support/adapter-server.ts';
import { type CliProcess, showingAll, startCli } from '../support/cli.ts';
import { openPostgresApplication } from '../support/postgres-adapter.ts';
import { runSql } from '../support/server-process.ts';
import { type Flavour, type Server, startServer } from '../support/servers.ts';
import { startGarbage, startProxy, type TcpProxy } from '../support/tcp-proxy.ts';
import type { OutputLine } from '../support/tableshift-process.ts';
import { prepareTraffic, startTraffic } from '../support/traffic.ts';

const isTimed = process.env['TABLESHIFT_TIMED_TESTS'] === '1';
/** For so long the last answer holds, as docs/operating.md says. */
const statedMs = 5_000;
/** So many figures the run tells meanwhile at most; one may be due at either end. */
const figuresMax = statedMs / DEFAULT_OPTIONS.progressIntervalMs + 2;
/** By the clock, in milliseconds: until copying stops, with the chunk in hand and the interval at which signals are asked. */
const stopMsMax = isTimed ? statedMs + 1_500 : Number.POSITIVE_INFINITY;
const lagMsMax = isTimed ? 1_000 : Number.POSITIVE_INFINITY;

/**
 * Long enough for all faults, however fast the machine: in chunks that are small enough for a stop to be felt at once, with rests
 * between them.
 */
const slowly = [
  ...['--workers', '1', '--chunk-rows-max', '10', '--chunk-time', '10ms', '--nice-ratio', '20'],
  ...['--max-latency', '0', '--max-lag', '1h'],
];
const rows = isTimed ? 200_000 : 100_000;

/** Something that a run asks, and how it goes wrong. Each fault resolves with how to mend it. */
interface Source {
  readonly signal: RegExp;
  readonly faults: Readonly<Record<Fault, () => Promise<() => Promise<void>>>>;
  readonly details: Readonly<Record<Fault, RegExp>>;
}
type Fault = 'dies' | 'hangs' | 'answers garbage';
const faults: readonly Fault[] = ['dies', 'hangs', 'answers garbage'];
const names = ['an HTTP check', 'a query', 'a replica'] as const;
type Name = (typeof names)[number];
type Case = readonly [name: Name, fault: Fault];

/** Those of the server at this place: a square in which each fault of each source stands once. */
function casesOf(place: number): readonly Case[] {
  const all = names.flatMap((name, row) => faults.map((fault, column) => ({ name, fault, place: (row + column) % 3 })));
  return all.filter((one) => isTimed || one.place === place).map(({ name, fault }) => [name, fault]);
}

const changes: Readonly<Record<Flavour, string>> = {
  mysql: 'MODIFY amount BIGINT NOT NULL',
  mariadb: 'MODIFY amount BIGINT NOT NULL',
  postgres: 'ALTER COLUMN amount TYPE bigint',
};

describe.each([
  ['mysql', 0],
  ['mariadb', 1],
  ['postgres', 2],
] as const)('on %s', (flavour, place) => {
  const opened: AsyncDisposable[] = [];
  const use = <Thing extends AsyncDisposable>(thing: Thing): Thing => {
    opened.unshift(thing);
    return thing;
  };
  let sources: Readonly<Record<Name, Source>>;
  let lines: RunLines;
  beforeAll(async () => {
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
      startCli(
        [
          ...['migrate', '--url', server.url, '--table', `chaos.${table}`, '--alter', changes[flavour], ...slowly],
          ...['--output', 'json', '--throttle-http', check.url, '--replicas', proxy.url],
          ...['--throttle-query', 'SELECT stop FROM chaos.brake'],
        ],
        showingAll,
      ),
    );
    lines = new RunLines(run);
    await lines.next(0, (line) => line.kind === 'chunk-copied');
  });
  afterAll(async () => {
    for (const thing of opened) await thing[Symbol.asyncDispose]();
  });

  test.for(casesOf(place))(
    'copying stops while %s %s, changes are applied meanwhile, and it goes on afterwards',
    async ([name, fault]) => {
      const { signal, details, faults } = sources[name];
      const before = { count: lines.count, ms: Date.now() };
      const mend = await faults[fault]();
      const brokenMs = Date.now();
      let stop: number;
      try {
        stop = await lines.next(before.count, (line) => line.kind === 'throttled' && signal.test(String(line['signal'])));
        expect(lines.at(stop)['detail']).toMatch(details[fault]);
        const isStopped = ({ throttledBy }: Progress): boolean => throttledBy !== null && signal.test(throttledBy);
        // The chunk in hand may end behind the first.
        const seen = [await lines.nextProgress(stop, isStopped)];
        for (let more = 0; more < (isTimed ? 2 : 1); more++)
          seen.push(await lines.nextProgress((seen.at(-1)?.index ?? 0) + 1, isStopped));
        const [, first] = seen;
        if (first === undefined) throw new Error('There is one.');
        const { index, progress } = await lines.nextProgress(
          first.index + 1,
          (later) => isStopped(later) && later.keysApplied > first.progress.keysApplied && (later.lagMs ?? 1_000) < 1_000,
        );
        expect(progress.rowsCopied).toBe(first.progress.rowsCopied);
        expect(lines.figuresBefore(lines.lastChunkBegan(index), brokenMs)).toBeLessThanOrEqual(figuresMax);
        expect(lines.lastChunkBegan(index) - before.ms).toBeLessThan(stopMsMax);
        for (const { progress } of seen) expect(progress.lagMs ?? 0).toBeLessThan(lagMsMax);
      } finally {
        await mend();
      }
      const end = await lines.next(stop, (line) => line.kind === 'throttle-released');
      await lines.next(end, (line) => line.kind === 'chunk-copied');
    },
  );
});

/**
 * The lines of a run, all of them kept: they are read as they come, whether a test waits for one or not, for a program that nobody
 * reads stands still when its pipe is full.
 */
class RunLines {
  readonly #lines: OutputLine[] = [];
  readonly #came = new Condition();
  readonly #ended = new AbortController();

  constructor({ child, result }: CliProcess) {
    if (child.stdout === null) throw new Error('The program has no output to read.');
    createInterface({ input: child.stdout }).on('line', (text) => {
      this.#lines.push(JSON.parse(text) as OutputLine);
      this.#came.notify();
    });
    void result.then(({ exitCode, stderr }) => {
      this.#ended.abort(new Error(`The run ended with ${exitCode}: ${stderr}${JSON.stringify(this.#lines.at(-1))}`));
    });
  }

  /** How many have come. */
  get count(): number {
    return this.#lines.length;
  }

  at(index: number): OutputLine {
    const line = this.#lines[index];
    if (line === undefined) throw new Error(`There is no line ${index}.`);
    return line;
  }

  /** The place of the first one from `from` on that is meant. */
  async next(from: number, isMeant: (line: OutputLine) => boolean): Promise<number> {
    for (let index = from; ; index++) {
      while (index >= this.count) await this.#came.changed(this.#ended.signal);
      if (isMeant(this.at(index))) return index;
    }
  }

  async nextProgress(
    from: number,
    isMeant: (progress: Progress) => boolean,
  ): Promise<{ readonly index: number; readonly progress: Progress }> {
    const index = await this.next(from, (line) => line.kind === 'progress' && isMeant(line['progress'] as Progress));
    return { index, progress: this.at(index)['progress'] as Progress };
  }

  /** When the last chunk before this line began, as `Date.now()` counts. */
  lastChunkBegan(index: number): number {
    const line = this.#lines.slice(0, index).findLast(({ kind }) => kind === 'chunk-copied');
    return line === undefined ? 0 : timeOf(line) - Number(line['durationMs']);
  }

  /** How many figures the run has told between these moments. */
  figuresBefore(untilMs: number, sinceMs: number): number {
    return this.#lines.filter((line) => line.kind === 'progress' && timeOf(line) > sinceMs && timeOf(line) < untilMs).length;
  }
}

function timeOf(line: OutputLine): number {
  return Date.parse(String(line['time']));
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
      hangs: /^stale: no answer: it took longer than 2 s/,
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
