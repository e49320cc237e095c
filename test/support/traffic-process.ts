/** Traffic in a process of its own, so that the load does not share a thread with what is measured. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { compareWithLedger, compareWithTwin } from './ledger.ts';
import { prepareTraffic, startTraffic, type Traffic, type TrafficOptions } from './traffic.ts';
import type { SlowStatement, TrafficReport } from './traffic-record.ts';

/** The differences that the judges found; both empty when nothing was lost. */
export interface Differences {
  readonly ledger: readonly string[];
  readonly twin: readonly string[];
}

/** Traffic that runs elsewhere. Disposing ends its process. */
export interface RemoteTraffic extends AsyncDisposable {
  enter(period: string): Promise<void>;
  report(): Promise<TrafficReport>;
  /** The longest statement that was answered in this time, as `Date.now()` counts. */
  longestBetween(fromMs: number, throughMs: number): Promise<SlowStatement | null>;
  stop(): Promise<TrafficReport>;
  /** After `stop`. */
  compare(): Promise<Differences>;
}

type Order =
  | { readonly order: 'start'; readonly options: TrafficOptions }
  | { readonly order: 'enter'; readonly period: string }
  | { readonly order: 'longest'; readonly fromMs: number; readonly throughMs: number }
  | { readonly order: 'report' }
  | { readonly order: 'stop' }
  | { readonly order: 'compare' };

type Answer = { readonly result: unknown } | { readonly failure: string };

/** Makes the tables and starts the load in a new process. */
export async function startTrafficProcess(options: TrafficOptions): Promise<RemoteTraffic> {
  await prepareTraffic(options);
  const child = fork(import.meta.filename, ['traffic'], { execArgv: ['--import', 'tsx'] });
  const exited = once(child, 'exit');
  await ask(child, { order: 'start', options });
  return {
    enter: async (period) => void (await ask(child, { order: 'enter', period })),
    report: async () => (await ask(child, { order: 'report' })) as TrafficReport,
    longestBetween: async (fromMs, throughMs) =>
      (await ask(child, { order: 'longest', fromMs, throughMs })) as SlowStatement | null,
    stop: async () => (await ask(child, { order: 'stop' })) as TrafficReport,
    compare: async () => (await ask(child, { order: 'compare' })) as Differences,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}

/** One order at a time. */
async function ask(child: ChildProcess, order: Order): Promise<unknown> {
  const answered = Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(() => [{ failure: 'The traffic process ended.' }]),
  ]);
  child.send(order);
  const [answer] = (await answered) as [Answer];
  if ('failure' in answer) throw new Error(answer.failure);
  return answer.result;
}

/** The other side, in the forked process: one order after another. */
function serve(): void {
  const running: { traffic: Traffic; options: TrafficOptions }[] = [];
  const carryOut = async (order: Order): Promise<unknown> => {
    if (order.order === 'start') {
      running.push({ traffic: startTraffic(order.options), options: order.options });
      return null;
    }
    const [first] = running;
    if (first === undefined) throw new Error('The traffic has not been started.');
    const { traffic, options } = first;
    switch (order.order) {
      case 'enter':
        traffic.enter(order.period);
        return null;
      case 'longest':
        return traffic.longestBetween(order.fromMs, order.throughMs);
      case 'report':
        return traffic.report();
      case 'stop':
        return traffic.stop();
      case 'compare':
        return compare(traffic, options);
    }
  };
  process.on('disconnect', () => process.exit());
  process.on('message', (order) => {
    carryOut(order as Order).then(
      (result) => process.send?.({ result } satisfies Answer),
      (error: unknown) => process.send?.({ failure: String(error) } satisfies Answer),
    );
  });
}

async function compare({ tables, ledger }: Traffic, { url, hasTwin }: TrafficOptions): Promise<Differences> {
  const { differences } = await compareWithLedger(url, tables, ledger);
  return { ledger: differences, twin: hasTwin ? await compareWithTwin(url, tables) : [] };
}

if (process.argv[2] === 'traffic' && process.send !== undefined) serve();
