/** From a seed to a verdict, of tables that hang together, with several sessions beside the run, on any server. */
import { DEFAULT_OPTIONS } from '../../src/index.ts';
import type { PostgresVersion } from '../support/postgres-software.ts';
import { sharedServer, sharedServers, type SharedServer, versionOf } from '../support/shared-servers.ts';
import { Draw } from './draw.ts';
import type { DrawnFamily, FamilyCase } from './family-case.ts';
import { drawDisturbance, drawPace, type GeneratedAs, type GeneratedOf } from './generated-run.ts';
import type { SeedJudgement } from './judged-seed.ts';
import { prepareMysqlFamily } from './mysql-family-run.ts';
import { drawMysqlFamily } from './mysql-family.ts';
import { drawMysqlPartitions } from './mysql-partitions.ts';
import type { MysqlFlavour } from './mysql-value-types.ts';
import { preparePostgresFamily } from './postgres-family-run.ts';
import { drawPostgresFamily } from './postgres-family.ts';
import { drawPostgresPartitions } from './postgres-partitions.ts';
import { judge } from './verdict.ts';

type RelatedOf = Exclude<GeneratedOf, 'table'>;

export function generatedFamily(server: SharedServer, of: RelatedOf, seed: number, as: GeneratedAs): FamilyCase {
  const { flavour } = sharedServers[server];
  const draw = new Draw(seed, of, server);
  const more = new Draw(seed, of, server, 'more');
  const drawn =
    flavour === 'postgres' ? drawPostgresOf(draw, more, of, versionOf(server)) : drawMysqlOf(draw, more, of, flavour);
  // Attempts fail by the sessions, and are made again at once.
  const pace = {
    ...drawPace(draw),
    cutover: {
      ...DEFAULT_OPTIONS.cutover,
      lockTimeoutMs: draw.of([100, 300, 1000]),
      attemptsMax: 100,
      pauseFirstMs: 20,
      pauseMaxMs: 200,
    },
  };
  return {
    name: `${of} of ${server} ${seed}`,
    ...drawn,
    run: {
      chunkRows: draw.of([3, 17, 100]),
      pace,
      options: { deferIndexes: draw.of(['auto', 'always', 'never'] as const) },
      ...drawDisturbance(draw, as),
    },
  };
}

function drawPostgresOf(draw: Draw, more: Draw, of: RelatedOf, version: PostgresVersion): DrawnFamily {
  return of === 'partitions' ? drawPostgresPartitions(draw, more, version) : drawPostgresFamily(draw, more, version);
}

function drawMysqlOf(draw: Draw, more: Draw, of: RelatedOf, flavour: MysqlFlavour): DrawnFamily {
  return of === 'partitions' ? drawMysqlPartitions(draw, more, flavour) : drawMysqlFamily(draw, more, flavour);
}

export async function judgeFamilySeed(
  server: SharedServer,
  of: RelatedOf,
  seed: number,
  as: GeneratedAs,
): Promise<SeedJudgement> {
  const item = generatedFamily(server, of, seed, as);
  const prepare = sharedServers[server].flavour === 'postgres' ? preparePostgresFamily : prepareMysqlFamily;
  let run: Awaited<ReturnType<typeof prepare>>;
  try {
    run = await prepare(sharedServer(server), item);
  } catch (error) {
    return { verdict: 'invalid', detail: String(error), interrupted: 0 };
  }
  await using prepared = run;
  return await judge(prepared);
}
