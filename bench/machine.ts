/** What the processors of this machine did, from /proc: for the server, for us, for our children, and for everybody else. Linux only. */
import { readdirSync, readFileSync } from 'node:fs';
import { cpus, loadavg, totalmem } from 'node:os';

/** Processor seconds since some moment. */
export interface CpuSeconds {
  /** The server with all its processes, also those that have ended; null for a server that is not on this machine. */
  readonly server: number | null;
  /** This process: the bench, and the traffic that it makes. */
  readonly own: number;
  /** The processes that this one started and that have ended: the tool, or another contender. */
  readonly children: number;
  /** Everything that ran on the machine besides. */
  readonly foreign: number;
}

/** What a measurement depends on. */
export interface Machine {
  readonly processors: number;
  readonly model: string;
  readonly memoryGib: number;
  /** Of the last 1, 5 and 15 minutes. */
  readonly load: readonly number[];
  readonly node: string;
}

/** Memory of processes while they live. */
export interface MemoryWatch {
  /** Ends the watch. Most that any of the processes had, MiB; null where none was seen. */
  readonly stop: () => number | null;
}

/** Kernel ticks a second, on every platform that Linux has now. */
const ticksPerSecond = 100;
/** The kernel keeps each process's peak, so only what is added after the last look is missed. */
const memoryPollMs = 50;

/** Begins to measure; calling the result says what was used since. */
export function measureCpu(serverPid: number | null): () => CpuSeconds {
  const before = read(serverPid);
  return () => {
    const now = read(serverPid);
    const server = now.server - before.server;
    const own = now.own - before.own;
    const children = now.children - before.children;
    const foreign = Math.max(0, now.all - before.all - server - own - children);
    return { server: serverPid === null ? null : server, own, children, foreign };
  };
}

/** Watches a process and those that it starts. */
export function watchMemory(pid: number): MemoryWatch {
  let most: number | null = null;
  const look = (): void => {
    for (const member of familyOf(pid)) {
      const mib = peakMib(member);
      if (mib !== null) most = Math.max(most ?? 0, mib);
    }
  };
  const timer = setInterval(look, memoryPollMs);
  // A run that fails leaves it behind.
  timer.unref();
  return {
    stop() {
      clearInterval(timer);
      return most;
    },
  };
}

/** This machine, now. */
export function machineAtHand(): Machine {
  const processors = cpus();
  return {
    processors: processors.length,
    model: processors[0]?.model.trim() ?? 'unknown',
    memoryGib: Math.round(totalmem() / 2 ** 30),
    load: loadavg().map((load) => Math.round(load * 10) / 10),
    node: process.version,
  };
}

/** Processors and load, for the head of a report. */
export function describeMachine({ load, memoryGib, model, processors } = machineAtHand()): string {
  return `${processors} processors (${model}), ${memoryGib} GiB, load ${load.map((figure) => figure.toFixed(1)).join(' ')}`;
}

interface Ticks {
  readonly server: number;
  readonly own: number;
  readonly children: number;
  readonly all: number;
}

function read(serverPid: number | null): Ticks {
  const { system, user } = process.cpuUsage();
  const server = serverPid === null ? 0 : secondsOfServer(serverPid);
  const children = ticksOf(statOf('self'), 'children') / ticksPerSecond;
  return { server, own: (system + user) / 1_000_000, children, all: secondsOfMachine() };
}

/** PostgreSQL has a process for each session. A parent is charged for a child when that has ended. */
function secondsOfServer(pid: number): number {
  let ticks = 0;
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const fields = statOf(name);
    if (fields === null) continue;
    const [, parent] = fields;
    if (Number(name) === pid) ticks += ticksOf(fields, 'itself') + ticksOf(fields, 'children');
    else if (Number(parent) === pid) ticks += ticksOf(fields, 'itself');
  }
  return ticks / ticksPerSecond;
}

/** From the third field of proc(5) on: state, parent, …, utime, stime, cutime, cstime. */
function ticksOf(fields: readonly string[] | null, whose: 'itself' | 'children'): number {
  const [user = 0, system = 0] = (fields ?? []).slice(whose === 'itself' ? 11 : 13).map(Number);
  return user + system;
}

/** Null for a process that has ended meanwhile. */
function statOf(pid: string): readonly string[] | null {
  const text = readOrNull(`/proc/${pid}/stat`);
  return text === null ? null : text.slice(text.lastIndexOf(')') + 2).split(' ');
}

function familyOf(pid: number): readonly number[] {
  const children = readOrNull(`/proc/${pid}/task/${pid}/children`)?.trim() ?? '';
  const pids = children === '' ? [] : children.split(' ').map(Number);
  return [pid, ...pids.flatMap(familyOf)];
}

function peakMib(pid: number): number | null {
  const kib = /VmHWM:\s+(\d+) kB/.exec(readOrNull(`/proc/${pid}/status`) ?? '')?.[1];
  return kib === undefined ? null : Math.round(Number(kib) / 1024);
}

function readOrNull(file: string): string | null {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return null;
  }
}

function secondsOfMachine(): number {
  const [, ...fields] = (readFileSync('/proc/stat', 'utf8').split('\n')[0] ?? '').split(/\s+/);
  const [user = 0, nice = 0, system = 0, , , interrupts = 0, softInterrupts = 0] = fields.map(Number);
  return (user + nice + system + interrupts + softInterrupts) / ticksPerSecond;
}
