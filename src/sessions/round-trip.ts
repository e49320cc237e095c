/** How far away a server is, and what that means for the swap. */

import type { Clock } from '../engine/ports.ts';

/** The least of so many: each may have had to wait for a processor. */
const ASKED = 5;
/** From here on it is worth a note, milliseconds. */
const FAR_FROM_MS = 10;
/** So many times, about, the program asks the server for something while writers wait for the swap. */
const AT_SWAP = 12;

/** Somebody who can be asked for nothing. */
export interface Asked {
  query(sql: string, signal: AbortSignal): Promise<unknown>;
}

/** Milliseconds, there and back. Locks nothing, reads nothing. */
export async function readRoundTripMs(session: Asked, clock: Clock, signal: AbortSignal): Promise<number> {
  let leastMs = Number.POSITIVE_INFINITY;
  for (let time = 0; time < ASKED; time++) {
    const askedAt = clock.now();
    await session.query('SELECT 1', signal);
    leastMs = Math.min(leastMs, clock.now() - askedAt);
  }
  return leastMs;
}

/** A note where writers would wait for long. */
export function roundTripNotes(ms: number): readonly string[] {
  if (ms < FAR_FROM_MS) return [];
  const seconds = ((AT_SWAP * ms) / 1000).toFixed(1);
  return [
    `The server is ${Math.round(ms)} ms away, there and back. Writers wait for some ${AT_SWAP} round trips at the swap, about ${seconds} s: run this nearer to the server if that is too long.`,
  ];
}
