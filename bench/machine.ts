/** What the processors of this machine did, from /proc: for the server, for us, and for everybody else. Linux only. */
import { readdirSync, readFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';

/** Processor seconds since some moment. */
export interface CpuSeconds {
  /** The server with all its processes, also those that have ended. */
  readonly server: number;
  /** This process. */
  readonly own: number;
  /** Everything that ran on the machine besides. */
  readonly foreign: number;
}

/** Kernel ticks a second, on every platform that Linux has now. */
const ticksPerSecond = 100;

/** Begins to measure; calling the result says what was used since. */
export function measureCpu(serverPid: number): () => CpuSeconds {
  const before = read(serverPid);
  return () => {
    const now = read(serverPid);
    const server = now.server - before.server;
    const own = now.own - before.own;
    return { server, own, foreign: Math.max(0, now.all - before.all - server - own) };
  };
}

/** Processors and load, for the head of a report. */
export function describeMachine(): string {
  return `${cpus().length} processors, load ${loadavg()
    .map((load) => load.toFixed(1))
    .join(' ')}`;
}

function read(serverPid: number): { readonly server: number; readonly own: number; readonly all: number } {
  const { system, user } = process.cpuUsage();
  return { server: secondsOfServer(serverPid), own: (system + user) / 1_000_000, all: secondsOfMachine() };
}

/** PostgreSQL has a process for each session. A parent is charged for a child when that has ended. */
function secondsOfServer(pid: number): number {
  let ticks = 0;
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const fields = statOf(name);
    if (fields === null) continue;
    // From the third field of proc(5) on: state, parent, …, utime, stime, cutime, cstime.
    const [, parent, ...rest] = fields;
    const [user = 0, system = 0, childrenUser = 0, childrenSystem = 0] = rest.slice(9, 13).map(Number);
    if (Number(name) === pid) ticks += user + system + childrenUser + childrenSystem;
    else if (Number(parent) === pid) ticks += user + system;
  }
  return ticks / ticksPerSecond;
}

/** Null for a process that has ended meanwhile. */
function statOf(pid: string): readonly string[] | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch {
    return null;
  }
}

function secondsOfMachine(): number {
  const [, ...fields] = (readFileSync('/proc/stat', 'utf8').split('\n')[0] ?? '').split(/\s+/);
  const [user = 0, nice = 0, system = 0, , , interrupts = 0, softInterrupts = 0] = fields.map(Number);
  return (user + nice + system + interrupts + softInterrupts) / ticksPerSecond;
}
