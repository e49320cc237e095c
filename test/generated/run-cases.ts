/**
 * Runs generated cases on one of the servers that are up, and prints what must not be: `npm run -s generated -- --server mysql --seeds 200
 * --from 1`; `--as interrupted` ends each run at some of its events and resumes it, `--as cut` takes connections from it, `--show` prints the SQL of a seed instead.
 * Exit code 1: there is one of those, or none that is as the server's.
 */
import { parseArgs } from 'node:util';
import { sharedServerNames } from '../support/shared-servers.ts';
import { GENERATED_AS } from './generated-run.ts';
import { generatedCase, judgeSeed } from './judged-seed.ts';
import { BAD_VERDICTS } from './verdict.ts';

const { values } = parseArgs({
  options: {
    server: { type: 'string', default: 'mysql' },
    seeds: { type: 'string', default: '100' },
    from: { type: 'string', default: '1' },
    as: { type: 'string', default: 'whole' },
    show: { type: 'boolean', default: false },
    strict: { type: 'boolean', default: false },
  },
});
const server = sharedServerNames.find((name) => name === values.server);
if (server === undefined) throw new Error(`There is no server ${values.server}.`);
const as = GENERATED_AS.find((way) => way === values.as);
if (as === undefined) throw new Error(`--as is one of ${GENERATED_AS.join(', ')}.`);
const tally = new Map<string, number>();
for (let seed = Number(values.from); seed < Number(values.from) + Number(values.seeds); seed += 1) {
  if (values.show) {
    const { before, clauses, writes, ...rest } = generatedCase(server, seed, as);
    console.log(`${before}\n-- ${JSON.stringify(rest)}\nALTER TABLE t ${clauses};\n${writes}`);
    continue;
  }
  const { verdict, detail } = await judgeSeed(server, seed, as);
  tally.set(verdict, (tally.get(verdict) ?? 0) + 1);
  const isBad = verdict !== 'invalid' && BAD_VERDICTS.includes(verdict);
  const isFirstInvalid = verdict === 'invalid' && tally.get(verdict) === 1;
  if (isBad || isFirstInvalid || (values.strict && verdict !== 'same')) {
    console.log(`seed ${seed}: ${verdict}: ALTER TABLE t ${generatedCase(server, seed, as).clauses}\n${detail}`);
  }
}
for (const [verdict, count] of tally) console.log(`${count} ${verdict}`);
const bad = BAD_VERDICTS.reduce((sum, verdict) => sum + (tally.get(verdict) ?? 0), 0);
if (!values.show && (bad > 0 || !tally.has('same'))) process.exitCode = 1;
