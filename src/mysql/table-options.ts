/** The table options of MySQL and MariaDB that an ALTER TABLE may set. */

import { closingParenthesis, isSymbol, isWord } from './create-statement.ts';
import { tokenise, type Token } from './sql-tokens.ts';

/** One option, its name in upper case with single spaces: `ROW_FORMAT`, `CHARACTER SET`. */
export interface TableOption {
  readonly option: string;
  readonly value: string;
  readonly tokens: readonly Token[];
}

/** Names by their words. Longer names come before those they begin with. */
const names: readonly (readonly string[])[] = [
  ['CHARACTER', 'SET'],
  ['DATA', 'DIRECTORY'],
  ['INDEX', 'DIRECTORY'],
  ...[
    'AUTOEXTEND_SIZE',
    'AUTO_INCREMENT',
    'AVG_ROW_LENGTH',
    'CHARSET',
    'CHECKSUM',
    'COLLATE',
    'COMMENT',
    'COMPRESSION',
    'DELAY_KEY_WRITE',
    'ENCRYPTED',
    'ENCRYPTION',
    'ENCRYPTION_KEY_ID',
    'ENGINE',
    'ENGINE_ATTRIBUTE',
    'KEY_BLOCK_SIZE',
    'MAX_ROWS',
    'MIN_ROWS',
    'PACK_KEYS',
    'PAGE_CHECKSUM',
    'PAGE_COMPRESSED',
    'PAGE_COMPRESSION_LEVEL',
    'ROW_FORMAT',
    'STATS_AUTO_RECALC',
    'STATS_PERSISTENT',
    'STATS_SAMPLE_PAGES',
    'TABLE_CHECKSUM',
    'TABLESPACE',
    'TRANSACTIONAL',
  ].map((name) => [name]),
];

/** Options that no temporary table can have, wherever they are set. They decide neither columns nor keys. */
const permanentOnly: readonly string[] = [
  'AUTOEXTEND_SIZE',
  'COMPRESSION',
  'DATA DIRECTORY',
  'ENCRYPTED',
  'ENCRYPTION',
  'ENCRYPTION_KEY_ID',
  'INDEX DIRECTORY',
  'KEY_BLOCK_SIZE',
  'PAGE_COMPRESSED',
  'PAGE_COMPRESSION_LEVEL',
  'TABLESPACE',
];

/** Whether no temporary table can have this option. */
export function isPermanentOnly({ option, value }: { readonly option: string; readonly value: string }): boolean {
  return permanentOnly.includes(option) || (option === 'ROW_FORMAT' && value.toUpperCase() === 'COMPRESSED');
}

/** Whether such an option is among those that SHOW CREATE TABLE prints. */
export function hasPermanentOnly(tableOptions: string): boolean {
  const words = tokenise(tableOptions).filter((token) => token.kind === 'word' || token.kind === 'name');
  const text = words.map((token) => token.value.toUpperCase()).join(' ');
  return [...permanentOnly, 'ROW_FORMAT COMPRESSED'].some((option) => ` ${text} `.includes(` ${option} `));
}

/** The value of an option of the whole table, not of a partition, among those that SHOW CREATE TABLE prints; null where it is not there. */
export function tableOption(tableOptions: string, name: string): string | null {
  const words = name.split(' ');
  const tokens = tokenise(tableOptions);
  const partitions = tokens.findIndex((token, place) => isWord(token, 'PARTITION') && isWord(tokens[place + 1], 'BY'));
  const own = partitions === -1 ? tokens : tokens.slice(0, partitions);
  const place = own.findIndex((_, at) => words.every((word, step) => isWord(own[at + step], word)));
  return place === -1 ? null : (own.slice(place + words.length).find((token) => !isSymbol(token, '='))?.value ?? null);
}

/** The options that the tokens are, which stand behind each other without commas; null where something else is among them. */
export function readTableOptions(tokens: readonly Token[]): readonly TableOption[] | null {
  const options: TableOption[] = [];
  let at = 0;
  while (at < tokens.length) {
    const start = at;
    if (isWord(tokens[at], 'DEFAULT')) at += 1;
    const name = names.find((words) => words.every((word, step) => isWord(tokens[at + step], word)));
    if (name === undefined) return null;
    at += name.length;
    if (isSymbol(tokens[at], '=')) at += 1;
    const value = tokens[at];
    if (value === undefined) return null;
    if (value.kind === 'symbol' && !isSymbol(value, '(')) return null;
    at = isSymbol(value, '(') ? closingParenthesis(tokens, at) + 1 : at + 1;
    options.push({
      option: name.join(' '),
      value: value.kind === 'word' ? value.text : value.value,
      tokens: tokens.slice(start, at),
    });
  }
  return options.length === 0 ? null : options;
}
