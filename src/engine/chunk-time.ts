/** How long a chunk should take. */

/** What a chunk takes at least while nobody writes, milliseconds: enough that its round trip and its commit cost next to nothing. */
const QUIET_MS = 100;
/** With a limit on the latency: our own heartbeat feels the commit of a chunk, too, and would hold back what nobody minds. */
const QUIET_LIMITED_MS = 20;
/** The work around a chunk does not get shorter with it, so that below this a lower pace is made by longer rests alone. */
const SHORTEST_MS = 5;

export interface ChunkTimeParts {
  /** What a chunk should take at full pace while the table is written, milliseconds. */
  readonly targetMs: number;
  /** The share of it that the signals leave which feel a single chunk, 0 to 1. */
  readonly share: number;
  /** Whether no signal holds the copy back. */
  readonly isPaceFull: boolean;
  /** Whether an application writes the table at present. */
  readonly isTableWritten: boolean;
  /** Whether there is a limit on the application's latency. */
  readonly isLatencyLimited: boolean;
}

/**
 * Milliseconds that the next chunk should take. The commit of a chunk keeps other commits waiting, and its rows can't be changed in
 * the shadow until then, so what is short for an application that writes may be longer where none does. At less than full pace someone
 * else needs the server, and chunks stay short.
 */
export function chunkTimeMs({ targetMs, share, isPaceFull, isTableWritten, isLatencyLimited }: ChunkTimeParts): number {
  const isQuiet = !isTableWritten && isPaceFull;
  const usualMs = isQuiet ? Math.max(targetMs, isLatencyLimited ? QUIET_LIMITED_MS : QUIET_MS) : targetMs;
  return Math.max(share * usualMs, Math.min(usualMs, SHORTEST_MS));
}
