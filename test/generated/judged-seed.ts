/** From a seed to a verdict, of a table by itself, on any server. */
import type { Case } from '../support/case-folder.ts';
import { CaseRun } from '../support/mysql-case-runner.ts';
import { PostgresCaseRun } from '../support/postgres-case-runner.ts';
import { sharedServer, sharedServers, type SharedServer, versionOf } from '../support/shared-servers.ts';
import type { GeneratedAs } from './generated-run.ts';
import { generateMysqlCase } from './mysql-case.ts';
import { generatePostgresCase } from './postgres-case.ts';
import { judge, type Judgement } from './verdict.ts';

/** `invalid`: the server does not take the table, so that there is nothing to judge. */
export interface SeedJudgement extends Omit<Judgement, 'verdict'> {
  readonly verdict: Judgement['verdict'] | 'invalid';
}

export function generatedCase(server: SharedServer, seed: number, as: GeneratedAs): Case {
  const { flavour } = sharedServers[server];
  return flavour === 'postgres' ? generatePostgresCase(seed, versionOf(server), as) : generateMysqlCase(seed, flavour, as);
}

export async function judgeSeed(server: SharedServer, seed: number, as: GeneratedAs): Promise<SeedJudgement> {
  const item = generatedCase(server, seed, as);
  const url = sharedServer(server);
  const runs = sharedServers[server].flavour === 'postgres' ? PostgresCaseRun : CaseRun;
  let run: Awaited<ReturnType<typeof runs.prepare>>;
  try {
    run = await runs.prepare(url, item);
  } catch (error) {
    return { verdict: 'invalid', detail: String(error), interrupted: 0 };
  }
  await using prepared = run;
  return await judge({
    migrate: () => prepared.migrate(),
    faults: () => prepared.indexFaults(),
    twin: ({ isWritten, isAltered }) =>
      prepared.nativeOutcome({
        ...{ ...item, writes: isWritten ? item.writes : '' },
        ...(isAltered ? {} : { fails: { code: 'none, as it is not asked for' } }),
      }),
  });
}
