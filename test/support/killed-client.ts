/** A place in a conversation with a server from which on nothing gets through, as if the client's process had been killed there. */
import type { Fate, Wire } from './tcp-proxy.ts';

export interface KilledClient {
  /** For a proxy without TLS. */
  readonly judge: (sent: string, wire: Wire) => Fate;
  /** Resolves when it has happened. */
  readonly killed: Promise<void>;
  /** From now on the place counts. */
  arm(): void;
  /** Lets everything through again, so that the client can find out that it is dead. */
  disarm(): void;
}

/** Killed at the first statement that looks like this: before the server gets it, or right after, all other connections at the same time. */
export function killedClient(statement: RegExp, fate: 'cut-before' | 'cut-after'): KilledClient {
  const state = { isArmed: false, isKilled: false };
  const wires = new Set<Wire>();
  let tell = (): void => undefined;
  const killed = new Promise<void>((resolve) => {
    tell = resolve;
  });
  return {
    killed,
    arm() {
      state.isArmed = true;
    },
    disarm() {
      state.isArmed = false;
    },
    judge(sent, wire) {
      wires.add(wire);
      if (!state.isArmed) return 'pass';
      if (state.isKilled) return 'cut-before';
      if (!statement.test(sent)) return 'pass';
      state.isKilled = true;
      tell();
      for (const other of wires) if (other !== wire) other.cut();
      return fate;
    },
  };
}
