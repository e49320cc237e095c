import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { pairChanges } from '../../src/shell/asked-changes.ts';
import { inspectConfig, readConfig } from '../../src/shell/config-file.ts';
import { type Environment, type GivenFlags, readOptions } from '../../src/shell/option-values.ts';

let folder: string;
let path: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tableshift-config-'));
  path = join(folder, 'config.json');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function read(text: string, flags: GivenFlags = {}, environment: Environment = {}) {
  writeFileSync(path, text);
  return readOptions('resume', { url: 'mysql://db1/shop', ...flags }, environment, await readConfig(path)).values;
}

test('a configuration file gives options under the names of their flags', async () => {
  const text =
    '{"workers": 4, "verify": false, "chunk-time": "1s", "window": ["22:00-24:00", "Sun 00:00-06:00"], "color": "off"}';
  expect(await read(text)).toMatchObject({
    ...{ workers: 4, verify: false, chunkTimeMs: 1_000, window: '22:00-24:00,Sun 00:00-06:00', color: false },
  });
});

test('the command line and the environment win over it, and it over the default', async () => {
  const text = '{"workers": 4}';
  expect((await read(text, { workers: '5' }, { TABLESHIFT_WORKERS: '6' })).workers).toBe(5);
  expect((await read(text, {}, { TABLESHIFT_WORKERS: '6' })).workers).toBe(6);
  expect((await read('{}')).workers).toBe(2);
});

test('a file in YAML gives the same', async () => {
  const text =
    '# at night\nworkers: 4\nverify: no\nchunk-time: 1s\nwindow:\n  - 22:00-24:00\n  - Sun 00:00-06:00\ncolor: off\n';
  const yaml = join(folder, 'config.yaml');
  writeFileSync(yaml, text);
  const { values } = readOptions('resume', { url: 'mysql://db1/shop' }, {}, await readConfig(yaml));
  expect(values).toMatchObject({
    ...{ workers: 4, verify: false, chunkTimeMs: 1_000, window: '22:00-24:00,Sun 00:00-06:00', color: false },
  });
});

test('a plan is not made with a file or an environment that migrate would refuse', () => {
  const url = { url: 'mysql://db1/shop', alter: 'ALTER TABLE t ADD a INT' };
  expect(() => readOptions('plan', url, {}, { workers: 'three' })).toThrow('"workers" of the configuration file must be');
  expect(() => readOptions('plan', url, { TABLESHIFT_WORKERS: 'three' })).toThrow('TABLESHIFT_WORKERS must be');
  expect(() => readOptions('status', url, { TABLESHIFT_WORKERS: 'three' })).not.toThrow();
});

test('what may be repeated on the command line is a list in a file, and its texts stay apart', async () => {
  const yaml = join(folder, 'family.yaml');
  const changed = async (text: string) => {
    writeFileSync(yaml, text);
    return pairChanges(readOptions('plan', { url: 'mysql://db1/shop' }, {}, await readConfig(yaml)).values);
  };
  const lists =
    'table: [customers, shop.orders]\nalter:\n  - MODIFY id BIGINT, ADD a INT\n  # The key of customers\n  - MODIFY customer_id BIGINT\n';
  expect(await changed(lists)).toMatchObject([
    { table: 'customers', alter: 'MODIFY id BIGINT, ADD a INT' },
    { table: 'shop.orders', alter: 'MODIFY customer_id BIGINT' },
  ]);
  expect(await changed('alter: ALTER TABLE t ADD a INT, ADD b INT\n')).toMatchObject([
    { table: null, alter: 'ALTER TABLE t ADD a INT, ADD b INT' },
  ]);
  await expect(changed('alter: []\n')).rejects.toThrow('"alter" of the configuration file is empty.');
  await expect(changed('alter: [{orders: ADD a INT}]\n')).rejects.toThrow(/has a value for "alter" that is neither text/);
});

test('every fault of a file is found, each with its line', async () => {
  const yaml = join(folder, 'faults.yml');
  writeFileSync(yaml, 'workers: 4\nwrokers: 3\nchunk_time: 1s\nhooks: {a: 1}\npassword: geheim\n');
  const { faults, lines } = await inspectConfig(yaml);
  expect(lines).toEqual({ workers: 1, wrokers: 2, chunk_time: 3, hooks: 4, password: 5 });
  expect(faults.map(({ line, what }) => [line, what.replace(/ \(passwords.*files of their own\)/, '')])).toEqual([
    [2, 'has "wrokers", which is no option that can stand there, perhaps "workers" is meant'],
    [3, 'has "chunk_time", which is no option that can stand there, perhaps "chunk-time" is meant'],
    [4, 'has a value for "hooks" that is neither text, number, true or false'],
    [5, expect.stringMatching(/^has "password", which is no option that can stand there/)],
  ]);
  writeFileSync(yaml, 'workers: 4\nurl: "geheim\n');
  expect((await inspectConfig(yaml)).faults[0]).toEqual({ line: 3, what: 'is not a YAML mapping (MISSING_CHAR)' });
  writeFileSync(yaml, 'workers: 4\nworkers: 5\n');
  expect((await inspectConfig(yaml)).faults).toEqual([{ line: 2, what: 'is not a YAML mapping (DUPLICATE_KEY)' }]);
  // The second document would say nothing to anybody.
  writeFileSync(yaml, 'workers: 4\n---\nwindow: 22:00-06:00\n');
  expect((await inspectConfig(yaml)).faults).toEqual([{ line: 2, what: 'is not a YAML mapping (MULTIPLE_DOCS)' }]);
  writeFileSync(yaml, '---\nworkers: 4\n');
  expect((await inspectConfig(yaml)).faults).toEqual([]);
});

test('a file that an editor began with a byte order mark is read', async () => {
  expect((await read('\uFEFF{"workers": 4}')).workers).toBe(4);
});

test.each([
  [
    '{"wrokers": 4}',
    /config\.json has "wrokers", which is no option that can stand there .*perhaps "workers" is meant, in line 1\.$/,
  ],
  ['{"no-verify": true}', /config\.json has "no-verify", which is written as "verify": false there, in line 1\.$/],
  ['{"password": "geheim"}', /config\.json has "password", which is no option that can stand there/],
  ['{"workers": {}}', /has a value for "workers" that is neither text, number, true or false, in line 1\.$/],
  ['{"workers": 0}', /^"workers" of the configuration file must be from 1 to 24, not "0"\.$/],
  ['[1]', /config\.json is not a JSON object\.$/],
  ['workers: 4', /config\.json is not a JSON object\.$/],
  ['{"workers": 4,\n"window": "any",\n}', /config\.json is not a JSON object, in line 3\.$/],
])('%j is refused by name', async (text, message) => {
  await expect(read(text)).rejects.toThrow(
    expect.objectContaining({ code: 'BAD_USAGE', message: expect.stringMatching(message) }),
  );
});

test('a file that is not there is refused', async () => {
  await expect(readConfig(join(folder, 'nowhere.json'))).rejects.toThrow(expect.objectContaining({ code: 'BAD_USAGE' }));
});
