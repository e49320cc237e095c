/** Options from a file, under the names of their flags: for scheduled runs, and for what is the same in all of them. */

import { isMap, isScalar, LineCounter, type Node, type ParsedNode, parseDocument } from 'yaml';
import { messageOf, MigrationError } from '../engine/errors.ts';
import { readTextFile } from '../sessions/text-file.ts';
import { allOptions } from './options.ts';

/** Values by the name of the flag, as text; lists of what may be repeated, as they are. */
export type ConfigValues = Readonly<Record<string, string | readonly string[]>>;

/** Something that keeps a file from being used. */
export interface ConfigFault {
  /** From 1; null where the parser does not tell. */
  readonly line: number | null;
  /** What the file is or has: the sentence goes on from its name. */
  readonly what: string;
}

/** All that can be said of a file. */
export interface InspectedConfig {
  readonly values: ConfigValues;
  /** Where each value stands, from 1. */
  readonly lines: Readonly<Record<string, number>>;
  readonly faults: readonly ConfigFault[];
}

/** Bytes; more is no list of options. */
const FILE_BYTES_MAX = 1_048_576;

/**
 * Reads an object such as `{"workers": 4, "window": ["22:00-06:00"], "verify": true}`; YAML where the name ends in .yaml or
 * .yml, else JSON. Rejects with BAD_USAGE, naming the first fault.
 */
export async function readConfig(path: string | null): Promise<ConfigValues> {
  if (path === null) return {};
  const { values, faults } = await inspectConfig(path);
  const [fault] = faults;
  if (fault === undefined) return values;
  throw new MigrationError('BAD_USAGE', faultText(path, fault));
}

/** The same with all faults instead of the first. Rejects with BAD_USAGE only where the file cannot be read. */
export async function inspectConfig(path: string): Promise<InspectedConfig> {
  const text = await readTextFile('The configuration file', path);
  const nothing = { values: {}, lines: {} };
  if (Buffer.byteLength(text) > FILE_BYTES_MAX) return { ...nothing, faults: [{ line: null, what: 'is longer than 1 MiB' }] };
  const isYaml = /\.ya?ml$/i.test(path);
  const kind = isYaml ? 'YAML mapping' : 'JSON object';
  const lineCounter = new LineCounter();
  // JSON is YAML: one parser knows the lines of both. What it says would repeat the text, so only its codes are shown. Where it is
  // silent it takes the first of several documents, as if the others said nothing.
  const document = parseDocument(text, { lineCounter, prettyErrors: false, uniqueKeys: true, logLevel: 'error' });
  const lineOf = (offset: number | undefined): number | null =>
    offset === undefined ? null : lineCounter.linePos(offset).line;
  const faults = document.errors.map(({ code, pos }) => ({ line: lineOf(pos[0]), what: `is not a ${kind} (${code})` }));
  if (faults.length > 0) return { ...nothing, faults };
  const { contents } = document;
  const json = isYaml ? null : findJsonFault(text);
  if (!isMap(contents) || json !== null) {
    return { ...nothing, faults: [{ line: lineOf(json?.offset), what: `is not a ${kind}` }] };
  }
  const entries = contents.items.map(({ key, value }) => readEntry(key, value, lineOf));
  return {
    values: Object.fromEntries(entries.flatMap(({ name, text }) => (text === null ? [] : [[name, text]]))),
    lines: Object.fromEntries(entries.flatMap(({ name, line }) => (line === null ? [] : [[name, line]]))),
    faults: entries.flatMap(({ fault }) => fault ?? []),
  };
}

/** The fault as a sentence. */
export function faultText(path: string, { line, what }: ConfigFault): string {
  return `The configuration file ${path} ${what}${line === null ? '' : `, in line ${line}`}.`;
}

/** The name among `names` that was probably meant, for the end of a sentence; empty where none is near. */
export function suggestion(asked: string, names: readonly string[]): string {
  const wanted = asked.toLowerCase().replaceAll('_', '-');
  const [nearest] = names
    .map((name) => ({ name, distance: editDistance(wanted, name.toLowerCase().replaceAll('_', '-')) }))
    .toSorted((a, b) => a.distance - b.distance);
  // What all variables have in common makes none of them nearer.
  const own = wanted.replace(/^tableshift-/, '');
  if (nearest === undefined || nearest.distance > slipsMax(own.length)) return '';
  return `, perhaps "${nearest.name}" is meant`;
}

/** So many letters may be wrong: of short names one, for half of the letters make another word. */
function slipsMax(letters: number): number {
  return letters < 6 ? 1 : Math.max(2, Math.floor(letters / 4));
}

interface Entry {
  readonly name: string;
  readonly text: ConfigValues[string] | null;
  readonly line: number | null;
  readonly fault: ConfigFault | null;
}

function readEntry(key: ParsedNode, value: ParsedNode | null, lineOf: (offset: number | undefined) => number | null): Entry {
  const name = isScalar(key) ? String(key.value) : '';
  const line = lineOf(key.range[0]);
  const options = allOptions().filter(({ flag }) => flag !== null && flag !== 'config');
  const option = options.find(({ flag }) => flag === name);
  if (option === undefined) {
    const flags = options.map(({ flag }) => flag ?? '');
    const off = options.find(({ flag, kind }) => kind === 'switch' && `no-${flag}` === name);
    if (off !== undefined) {
      return { name, text: null, line, fault: { line, what: `has "${name}", which is written as "${off.flag}": false there` } };
    }
    const why = 'which is no option that can stand there (passwords and tokens have files of their own)';
    return { name, text: null, line, fault: { line, what: `has "${name}", ${why}${suggestion(name, flags)}` } };
  }
  const plain = plainOf(value);
  const text = option.isRepeated === true && Array.isArray(plain) ? textsOf(plain) : textOf(plain);
  if (text !== null) return { name, text, line, fault: null };
  const what = `has a value for "${name}" that is neither text, number, true or false`;
  return { name, text: null, line, fault: { line, what } };
}

/** Aliases count as nothing: who wants a value twice writes it twice. */
function plainOf(node: Node | null): unknown {
  if (node === null) return null;
  if (isScalar(node)) return node.value;
  return 'items' in node && Array.isArray(node.items) && !isMap(node) ? node.items.map((item) => plainOf(item as Node)) : {};
}

function textOf(value: unknown): string | null {
  if (Array.isArray(value)) return textsOf(value)?.join(',') ?? null;
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? String(value) : null;
}

function textsOf(values: readonly unknown[]): readonly string[] | null {
  const texts = values.flatMap((value) => textOf(value) ?? []);
  return texts.length === values.length ? texts : null;
}

/** Where the text stops being JSON, as far as the parser tells; null: nowhere. */
function findJsonFault(text: string): { readonly offset: number | undefined } | null {
  try {
    // Some editors put a byte order mark before the text.
    JSON.parse(text.replace(/^\uFEFF/, ' '));
    return null;
  } catch (error) {
    const [, position] = /at position (\d+)/.exec(messageOf(error)) ?? [];
    return { offset: position === undefined ? undefined : Number(position) };
  }
}

/** Letters to add, take away or replace; neighbours that changed places are one. */
function editDistance(a: string, b: string): number {
  let [before, row] = [
    [] as readonly number[],
    Array.from({ length: b.length + 1 }, (_, column) => column) as readonly number[],
  ];
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const isSame = a[i - 1] === b[j - 1];
      const isSwapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const steps = [(row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, (row[j - 1] ?? 0) + (isSame ? 0 : 1)];
      next.push(Math.min(...steps, ...(isSwapped ? [(before[j - 2] ?? 0) + 1] : [])));
    }
    [before, row] = [row, next];
  }
  return row[b.length] ?? 0;
}
