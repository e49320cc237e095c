/** `migrate` and `resume`: runs a migration, or those of several tables that are swapped together, and shows it. */

import { asMigrationError, MigrationError } from '../engine/errors.ts';
import { followSignal, runWithBackground } from '../engine/tasks.ts';
import { cleanUp, migrate, migrateFamily, resumeMigration, type RunOptions } from '../index.ts';
import { systemClock } from '../sessions/system-clock.ts';
import { pairChanges, strategyFor } from './asked-changes.ts';
import { type Invocation, type Surroundings, tellWarnings } from './invocation.ts';
import { type Controlled, runControlCommand } from './operator-commands.ts';
import type { ControlHandler } from './control-server.ts';
import { openNotifications } from './notifications.ts';
import { runChecks } from './run-checks.ts';
import { readToken, RunControl } from './run-control.ts';
import { limitsFrom } from './run-limits.ts';
import { type RunInvocation, type RunResult, ShownRun } from './shown-run.ts';
import { openSteering, type Steering } from './steering.ts';

/** A directory that does not answer must not keep a run that has ended from ending. */
const LISTEN_MS_MAX = 5_000;

/** Plans and runs a migration. Resolves with the exit code; what went wrong is printed. */
export async function runMigrate(invocation: Invocation<'migrate'>): Promise<number> {
  const { server, values } = invocation;
  const changes = pairChanges(values);
  const strategy = strategyFor(values, changes.length);
  const [change, ...others] = changes;
  if (change === undefined || others.length > 0) {
    return await runAndShow(invocation, (run) => migrateFamily({ ...server, changes, ...run }));
  }
  return await runAndShow(invocation, async (run) => {
    const result = await migrate({ ...server, ...change, strategy, ...run });
    return 'steps' in result ? result : [result];
  });
}

/** Goes on with a migration. Resolves with the exit code; what went wrong is printed. */
export async function runResume(invocation: Invocation<'resume'>): Promise<number> {
  return await runAndShow(invocation, async (run) => {
    const result = await resumeMigration({ ...invocation.server, id: invocation.id, ...run });
    return result.strategy === 'native' ? result : result.members;
  });
}

type StartOptions = RunOptions & { readonly signal: AbortSignal };
type Start = (run: StartOptions) => Promise<RunResult>;

async function runAndShow(invocation: RunInvocation, start: Start): Promise<number> {
  const { values, surroundings } = invocation;
  surroundings.giveWay?.(values.nice);
  for (const check of runChecks(values, surroundings.environment)) await check();
  const { token, warnings } = await readToken(values);
  const { pace, ...limits } = limitsFrom(values);
  const steering = await openSteering(values, pace, surroundings.now);
  const abort = new AbortController();
  const stopFollowing = followSignal(invocation.signal, abort);
  const shown = new ShownRun(invocation, steering);
  const notifications = await openNotifications(values, {
    controls: steering.controls,
    environment: surroundings.environment,
    now: surroundings.now,
    plan: () => shown.subject,
    warn: (sentence) => shown.warn('notices', sentence),
  });
  surroundings.atSecondSignal?.((error) => {
    notifications.abandon(error);
    return shown.endAtOnce(error);
  });
  await using control = new RunControl(handlerOf(shown, steering, abort));
  await control.openAsked(values, token);
  for (const warning of warnings) surroundings.stderr.write(`warning: ${warning}\n`);
  const listening: Promise<void>[] = [];
  const run = (signal: AbortSignal): Promise<RunResult> =>
    start({
      ...limits,
      controls: steering.controls,
      signals: steering.signals,
      signal,
      onStart: (plan, members) => {
        shown.begin(plan, members);
        for (const member of members) notifications.started(member);
        for (const place of control.places) shown.note(`Listening at ${place}.`);
        listening.push(openUsualSockets(control, shown, surroundings));
      },
      onNativeStart: (plan) => {
        shown.beginNative(plan);
        notifications.started(plan);
        for (const place of control.places) shown.note(`Listening at ${place}.`);
        listening.push(openUsualSockets(control, shown, surroundings));
      },
      observer: (event, plan) => {
        const about = shown.aboutOf(event, plan);
        shown.observe(event, about);
        notifications.observe(event, about);
      },
    });
  try {
    const background = [...steering.background, ...notifications.background];
    const result = await runWithBackground(run, background, abort.signal);
    return await shown.end(result, notifications);
  } catch (thrown) {
    return await shown.end(await giveUpIfAborted(asMigrationError(thrown), shown, invocation), notifications);
  } finally {
    stopFollowing();
    await Promise.all(listening);
  }
}

/** The run is found by the id of any of its migrations. Never rejects, nor takes longer than its limit. */
async function openUsualSockets(control: RunControl, shown: ShownRun, { environment }: Surroundings): Promise<void> {
  const over = new AbortController();
  const late = systemClock.sleep(LISTEN_MS_MAX, over.signal).then(
    () => `it took longer than ${LISTEN_MS_MAX / 1_000} s to listen`,
    () => null,
  );
  const reason = await Promise.race([control.openUsual(shown.ids, environment), late]);
  over.abort(new MigrationError('INTERRUPTED', 'The sockets are open.'));
  if (reason !== null) shown.note(`This run cannot be controlled from another terminal: ${reason}`);
}

function handlerOf(shown: ShownRun, steering: Steering, abort: AbortController): ControlHandler {
  const controlled = (strategy: 'native' | 'shadow'): Controlled => ({
    steering,
    strategy,
    abort: (who: string) =>
      abort.abort(new MigrationError('ABORTED', `The operator gave the migration up, asked for by ${who}.`)),
  });
  return {
    ids: () => shown.ids,
    status: () => shown.status(),
    metrics: () => shown.metrics(),
    command: async (asked) => (shown.strategy === null ? null : await runControlCommand(controlled(shown.strategy), asked)),
  };
}

/** After an abort nothing of the migration is to be left, unless the swap was faster. */
async function giveUpIfAborted(
  error: MigrationError,
  shown: ShownRun,
  { server, surroundings }: RunInvocation,
): Promise<RunResult | MigrationError> {
  const plan = shown.recorded;
  if (error.code !== 'ABORTED' || plan === null) return error;
  try {
    const { outcome } = await cleanUp({ ...server, id: plan.id, observer: tellWarnings(surroundings) });
    if (outcome === 'given-up' || outcome === 'nothing-left') return error;
    surroundings.stderr.write('The change had happened before the migration could be given up: it is done.\n');
    return shown.resultsSoFar();
  } catch (thrown) {
    const cause = asMigrationError(thrown);
    const message = `The run ended, but its migration could not be given up: ${cause.message}`;
    return new MigrationError(cause.code, message, { cause });
  }
}
