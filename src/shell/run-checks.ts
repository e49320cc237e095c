/** Everything that can be wrong with what a run is told, and that shows before a server is asked. */

import { asMigrationError, messageOf, MigrationError } from '../engine/errors.ts';
import type { TableChange } from '../index.ts';
import { loadOfflineAdapter } from '../adapters.ts';
import { homeOfUser } from '../home-folder.ts';
import { type AdapterName, parseServerUrl, withLoginOf } from '../server-url.ts';
import { pairChanges, strategyFor } from './asked-changes.ts';
import { checkSocketPath, parseHttpAddress } from './control-server.ts';
import { findHooks } from './hook-directory.ts';
import { showAddress } from './http-check.ts';
import { checkLogin, type LoginOptions, type OptionsInFile, urlWithTls } from './login.ts';
import type { Environment } from './option-values.ts';
import type { OptionsOf } from './options.ts';
import { checkReportPath } from './report.ts';
import { limitsFrom, parseReplicas } from './run-limits.ts';
import { parseWebhook } from './webhook.ts';
import { checkTimeZone, parseWindows } from './window.ts';

/** Throws or rejects with BAD_USAGE where a run would be refused. */
export type Check = () => unknown;

/** What a run is told, as far as it is told already: its command line may still say the URL and the change. */
export type Told<Command extends 'migrate' | 'resume'> = Omit<OptionsOf<Command>, 'url'> & { readonly url: string | null };

/**
 * What `migrate` and `resume` look at first, each for itself. Nothing is opened or made, but a file in the directory of the report, for
 * a moment; what may be a pipe is left for who needs it.
 */
export function runChecks(values: Told<'resume'>, environment: Environment): readonly Check[] {
  const { url, window, cutoverWindow, windowTimezone, throttleHttp, socket, http, hooks, webhook, report } = values;
  return [
    () => checkTimeZone(windowTimezone),
    () => parseWindows(window, windowTimezone, '--window', environment['TZ']),
    () => parseWindows(cutoverWindow, windowTimezone, '--cutover-window', environment['TZ']),
    () => limitsFrom(values),
    () => url !== null && checkServer({ ...values, url }, values.replicas, environment),
    () => throttleHttp !== null && showAddress(throttleHttp),
    () => socket !== null && checkSocketPath(socket),
    () => http !== null && parseHttpAddress(http),
    () => webhook !== null && parseWebhook(webhook),
    () => report !== null && checkReportPath(report),
    () => hooks !== null && findHooks(hooks),
  ];
}

/** What is looked at for the login and the change on the way there. */
export function changeChecks(values: Told<'migrate'>, inFile: OptionsInFile): readonly Check[] {
  const { url, alter } = values;
  return [
    () => alter.length > 0 && pairChanges(values),
    () => strategyFor(values, alter.length),
    () => url !== null && checkLogin({ ...values, url }, inFile),
    () => alter.length > 0 && checkChanges(url, pairChanges(values)),
  ];
}

/** As far as the adapters know without asking anybody. */
async function checkServer(login: LoginOptions, replicas: string | null, environment: Environment): Promise<void> {
  const url = urlWithTls(login);
  const { checkLogin } = await loadOfflineAdapter(parseServerUrl(url).adapter);
  const others = { password: null, defaultsFile: login.defaultsFile, home: homeOfUser(), environment };
  await checkLogin(url, others);
  for (const replica of parseReplicas(replicas)) {
    try {
      await checkLogin(withLoginOf(replica, url), others);
    } catch (cause) {
      throw new MigrationError('BAD_USAGE', `--replicas: ${messageOf(cause)}`, { cause });
    }
  }
}

/** Without a URL nobody knows whose SQL it is: then a change is wrong where all adapters say so. */
async function checkChanges(url: string | null, changes: readonly TableChange[]): Promise<void> {
  const server = url === null ? null : parseServerUrl(url);
  const names: readonly AdapterName[] = server === null ? ['mysql', 'postgres'] : [server.adapter];
  const adapters = await Promise.all(names.map(loadOfflineAdapter));
  for (const { alter, table = null } of changes) {
    const asked = { alter, table, database: server === null ? 'any' : server.database };
    const failures = adapters.flatMap(({ readChange }) => failureOf(() => readChange(asked)) ?? []);
    const [failure] = failures;
    if (failure !== undefined && failures.length === adapters.length) throw failure;
  }
}

function failureOf(check: () => unknown): MigrationError | null {
  try {
    check();
    return null;
  } catch (thrown) {
    return asMigrationError(thrown);
  }
}
