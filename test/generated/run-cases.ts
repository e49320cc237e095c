/**
 * Runs generated cases on one of the servers that are up, and prints what must not be: `npm run -s generated -- --server mysql --seeds 200
 * --from 1`; `--of family` and `--of partitions` draw tables that hang together, with several sessions beside the run; `--as interrupted`
 * ends each run at some of its events and resumes it, `--as cut` takes connections from it, `--show` prints the SQL of a seed instead.
 * Exit code 1: there is one of those, or none that is as the server's.
 */
import { parseArgs } from 'node:util';
import { type SharedServer, sharedServerNames } from '../support/shared-servers.ts';
import { GENERATED_AS, GENERATED_OF, type GeneratedAs, type GeneratedOf } from './generated-run.ts';
import { generatedFamily, judgeFamilySeed } from './judged-family.ts';
import { generatedCase, judgeSeed } from './judged-seed.ts';
import { BAD_VERDICTS } from './verdict.ts';

const { values } = parseArgs({
  options: {
    server: { type: 'string', default: 'mysql' },
    seeds: { type: 'string', default: '100' },
    from: { type: 'string', default: '1' },
    as: { type: 'string', default: 'whole' },
    of: { type: 'string', default: 'table' },
    show: { type: 'boolean', default: false },
    strict: { type: 'boolean', default: false },
  },
});
const server = sharedServerNames.find((name) => name === values.server);
if (server === undefined) throw new Error(`There is no server ${values.server}.`);
const as = GENERATED_AS.find((way) => way === values.as);
if (as === undefined) throw new Error(`--as is one of ${GENERATED_AS.join(', ')}.`);
const of = GENERATED_OF.find((what) => what === values.of);
if (of === undefined) throw new Error(`--of is one of ${GENERATED_OF.join(', ')}.`);
const tally = new Map<string, number>();
for (let seed = Number(values.from); seed < Number(values.from) + Number(values.seeds); seed += 1) {
  if (values.show) {
    console.log(shown({ server, of, as }, seed));
    continue;
  }
  const { verdict, detail } = await (of === 'table' ? judgeSeed(server, seed, as) : judgeFamilySeed(server, of, seed, as));
  tally.set(verdict, (tally.get(verdict) ?? 0) + 1);
  const isBad = verdict !== 'invalid' && BAD_VERDICTS.includes(verdict);
  const isFirstInvalid = verdict === 'invalid' && tally.get(verdict) === 1;
  if (isBad || isFirstInvalid || (values.strict && verdict !== 'same')) {
    console.log(`seed ${seed}: ${verdict}: ${changesOf({ server, of, as }, seed)}\n${detail}`);
  }
}
for (const [verdict, count] of tally) console.log(`${count} ${verdict}`);
const bad = BAD_VERDICTS.reduce((sum, verdict) => sum + (tally.get(verdict) ?? 0), 0);
if (!values.show && (bad > 0 || !tally.has('same'))) process.exitCode = 1;

interface Asked {
  readonly server: SharedServer;
  readonly of: GeneratedOf;
  readonly as: GeneratedAs;
}

function changesOf({ as, of, server }: Asked, seed: number): string {
  const { changes } =
    of === 'table'
      ? { changes: [{ table: 't', clauses: generatedCase(server, seed, as).clauses }] }
      : generatedFamily(server, of, seed, as);
  return changes.map(({ table, clauses }) => `ALTER TABLE ${table} ${clauses}`).join('; ');
}

function shown(asked: Asked, seed: number): string {
  const { as, of, server } = asked;
  if (of === 'table') {
    const { before, writes, clauses: _, ...rest } = generatedCase(server, seed, as);
    return `${before}\n-- ${JSON.stringify(rest)}\n${changesOf(asked, seed)};\n${writes}`;
  }
  const { before, changes: _, sessions, ...rest } = generatedFamily(server, of, seed, as);
  const played = sessions.flatMap((plays, session) =>
    plays.flatMap(({ at, steps }) => [
      `-- session ${session}, ${at.event} ${at.count}`,
      ...steps.map((step) => ('sql' in step ? `${step.sql};` : `-- until ${step.until.event} ${step.until.count}`)),
    ]),
  );
  return [...before.map((sql) => `${sql};`), `-- ${JSON.stringify(rest)}`, `${changesOf(asked, seed)};`, ...played].join('\n');
}
