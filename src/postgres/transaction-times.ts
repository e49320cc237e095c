/**
 * What the transactions of others take, from many looks at who is in one. The server counts transactions of a database as a whole, ours
 * included, and tells them late; so how long each takes follows from how old those are that are met.
 */

import { unlessDenied } from '../engine/errors.ts';
import type { Clock, SessionTransactions, TableClaim } from '../engine/ports.ts';
import type { Row, Session, SessionPool } from './session.ts';
import { isOfOthers } from './throttle-signals.ts';

/** Looks follow each other so, seconds. Several of them may meet the same transaction. */
const LOOK_EACH_S = 0.01;
/** Looks at a time. The more sessions there are, the more one costs the server, and the more it tells. */
const LOOKS = { max: 50, min: 10, atSessions: 400 } as const;
/** Whoever is so many times as old as is usual is something else, such as a report. */
const UNUSUAL = 10;

/** What some looks at one session met. */
interface Met {
  readonly id: string;
  readonly looks: number;
  /** Of the transactions that it was in, milliseconds. */
  readonly ages: readonly number[];
}

/**
 * Looks for half a second at each call, but for the first, and where nobody else is at work only once. Asks no more once it may not look.
 */
export function transactionTimes(pool: SessionPool, clock: Pick<Clock, 'now'>): NonNullable<TableClaim['readTransactions']> {
  let readAt: number | null = null;
  let sessions: ReadonlyMap<string, SessionTransactions> = new Map();
  let times = 1;
  return async (signal): Promise<readonly SessionTransactions[]> => {
    if (readAt !== null && times > 0) {
      const met = await pool.withSession((session) => look(session, times, signal), signal);
      sessions = new Map(advanced(sessions, met ?? [], clock.now() - readAt).map((session) => [session.id, session]));
      times = met === null ? 0 : timesFor(met.length);
    }
    readAt = clock.now();
    return [...sessions.values()];
  };
}

function timesFor(sessions: number): number {
  return sessions === 0 ? 1 : Math.max(LOOKS.min, Math.min(LOOKS.max, Math.round(LOOKS.atSessions / sessions)));
}

/**
 * The counters so much later. A moment at random meets a transaction that takes D at an age of D / 2 in the mean, so those that are met
 * tell what one takes: twice their age.
 */
function advanced(
  sessions: ReadonlyMap<string, SessionTransactions>,
  met: readonly Met[],
  elapsedMs: number,
): readonly SessionTransactions[] {
  const usualMs = 2 * usualAge(met.flatMap(({ ages }) => ages));
  return met.map(({ ages, id, looks }) => {
    const { busyMs, count } = sessions.get(id) ?? { busyMs: 0, count: 0 };
    const more = (elapsedMs * ages.length) / looks;
    return { id, busyMs: busyMs + more, count: usualMs === 0 ? count : count + more / usualMs };
  });
}

/** The mean of those that are not far from the one in the middle; 0 without any. */
function usualAge(ages: readonly number[]): number {
  const middle = ages.toSorted((a, b) => a - b)[Math.floor(ages.length / 2)] ?? 0;
  const usual = ages.filter((age) => age <= UNUSUAL * middle);
  return usual.reduce((sum, age) => sum + age, 0) / Math.max(1, usual.length);
}

/** Of the sessions of others that were at work of late. Who may not see what others do is told of none; null: who may not even look. */
async function look(session: Session, times: number, signal: AbortSignal): Promise<readonly Met[] | null> {
  const rows = await unlessDenied(() => session.query(statement(times), signal), null);
  return rows?.map(metOf) ?? null;
}

function metOf(row: Row): Met {
  const ages = (row['ages'] ?? '').split(',').filter((age) => age !== '');
  return { id: row['id'] ?? '', looks: Number(row['looks']), ages: ages.map(Number) };
}

/** Each look waits for a moment and then reads anew what the server keeps for the length of a transaction. */
function statement(times: number): string {
  const wait = times === 1 ? 0 : LOOK_EACH_S;
  return `SELECT a.pid || ' ' || extract(epoch FROM a.backend_start) AS id, count(*) AS looks,
      string_agg(round(greatest(0, extract(epoch FROM w.at - a.xact_start)) * 1000, 3)::text, ',') FILTER (WHERE a.xact_start IS NOT NULL) AS ages
    FROM generate_series(1, ${times}) AS l (n),
      LATERAL (SELECT l.n + length(pg_sleep(${wait})::text) + length(pg_stat_clear_snapshot()::text) AS n, clock_timestamp() AS at OFFSET 0) AS w,
      LATERAL pg_stat_get_activity(CASE WHEN w.n < 0 THEN w.n END::integer) AS a
    WHERE a.backend_type = 'client backend' AND ${isOfOthers} AND (a.xact_start IS NOT NULL OR a.state_change > w.at - interval '2 seconds')
    GROUP BY 1`;
}
