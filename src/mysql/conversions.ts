/**
 * What becomes of a column's values when `INSERT … SELECT` puts them into the shadow's column. Found by trying on MySQL 9.7 and
 * MariaDB 10.11 (the contract test tries it again): a conversion that is not known here is refused, never guessed.
 */

import type { Column } from './catalog.ts';

/**
 * `same`: nothing changes. `exact`: each value is kept as it is, or rejected by the server, which stops the migration.
 * `changing`: the server alters values without complaint, as its own ALTER does; `note` says how. `refused`: values would be lost
 * or differ from what the server's own ALTER gives; `note` says why.
 */
export type Conversion =
  | { readonly kind: 'same' }
  | { readonly kind: 'exact'; readonly note: string | null }
  | { readonly kind: 'changing'; readonly note: string }
  | { readonly kind: 'refused'; readonly note: string };

/** What else decides how values are converted. */
export interface ConversionSetting {
  readonly isMariaDb: boolean;
  /** The server's global time zone is UTC, so the zone of our sessions is the one that the operator expects. */
  readonly isServerUtc: boolean;
  /** explicit_defaults_for_timestamp: without it NULL in a TIMESTAMP NOT NULL becomes the present time. */
  readonly hasExplicitTimestamps: boolean;
}

/** Judges the conversion of one column. */
export function judgeConversion(source: Column, shadow: Column, setting: ConversionSetting): Conversion {
  const nulls = nullObstacle(source, shadow, setting);
  if (nulls !== null) return refused(nulls);
  if (isSameType(source, shadow)) return { kind: 'same' };
  const [from, to] = [typeFamily(source), typeFamily(shadow)];
  if (from === null || to === null) return refused('its type is not known here');
  if (setting.isMariaDb && wrapsAround(source, shadow)) {
    return refused('MariaDB cuts values that are too long for a smaller TEXT or BLOB without a word');
  }
  const rule = rules[from]?.[to];
  return rule === undefined ? refused('this conversion is not known to keep the values') : rule({ source, shadow, setting });
}

/** Values under this conversion that were distinct stay distinct, also to the shadow's collation. */
export function keepsDistinct(source: Column, shadow: Column, conversion: Conversion): boolean {
  const isKept = conversion.kind === 'same' || (conversion.kind === 'exact' && conversion.note === null);
  return isKept && source.collation === shadow.collation && source.charset === shadow.charset;
}

/** The server takes each value as it is, or rejects it; it never takes one with no more than a note. */
export function isWithoutNotes(source: Column, shadow: Column): boolean {
  return isSameType(source, shadow) || (typeFamily(source) === 'integer' && typeFamily(shadow) === 'integer');
}

/** Families of types that are converted alike; null for a type that is not known here. */
export function typeFamily(column: Column): Family | null {
  return families[column.dataType] ?? null;
}

type Family =
  | 'integer'
  | 'decimal'
  | 'float'
  | 'bit'
  | 'year'
  | 'text'
  | 'binary'
  | 'enum'
  | 'set'
  | 'date'
  | 'time'
  | 'datetime'
  | 'timestamp'
  | 'json'
  | 'geometry'
  | 'uuid'
  | 'inet4'
  | 'inet6'
  | 'vector';

const members: Readonly<Record<Family, readonly string[]>> = {
  integer: ['tinyint', 'smallint', 'mediumint', 'int', 'bigint'],
  decimal: ['decimal'],
  float: ['float', 'double'],
  bit: ['bit'],
  year: ['year'],
  text: ['char', 'varchar', 'tinytext', 'text', 'mediumtext', 'longtext'],
  binary: ['binary', 'varbinary', 'tinyblob', 'blob', 'mediumblob', 'longblob'],
  enum: ['enum'],
  set: ['set'],
  date: ['date'],
  time: ['time'],
  datetime: ['datetime'],
  timestamp: ['timestamp'],
  json: ['json'],
  geometry: [
    'geometry',
    'point',
    'linestring',
    'polygon',
    'multipoint',
    'multilinestring',
    'multipolygon',
    'geometrycollection',
    'geomcollection',
  ],
  uuid: ['uuid'],
  inet4: ['inet4'],
  inet6: ['inet6'],
  vector: ['vector'],
};

const families: Readonly<Record<string, Family>> = Object.fromEntries(
  Object.entries(members).flatMap(([family, types]) => types.map((type) => [type, family as Family])),
);

interface Pair {
  readonly source: Column;
  readonly shadow: Column;
  readonly setting: ConversionSetting;
}

type Rule = (pair: Pair) => Conversion;

const exact = (note: string | null = null): Conversion => ({ kind: 'exact', note });
const changing = (note: string): Conversion => ({ kind: 'changing', note });
const refused = (note: string): Conversion => ({ kind: 'refused', note });

const always =
  (conversion: Conversion): Rule =>
  () =>
    conversion;

const parsed = changing('texts are read as values and kept in the server’s own form');
const positions = changing('members become their positions');

const toText: Rule = ({ source }) =>
  source.columnType.includes('zerofill') ? refused('the zeros in front would be lost') : exact();

const fewerDigits: Rule = ({ source, shadow }) =>
  shadow.fractionalDigits < source.fractionalDigits ? changing('fractions of a second are rounded or cut') : exact();

const acrossZones: Rule = (pair) =>
  pair.setting.isServerUtc
    ? fewerDigits(pair)
    : refused('it depends on the time zone, and the server’s is not UTC; convert through a column of your own');

const rules: Readonly<Record<Family, Partial<Record<Family, Rule>>>> = {
  integer: {
    integer: always(exact()),
    decimal: always(exact()),
    float: ({ source, shadow }) =>
      isExactAsFloat(source.dataType, shadow) ? exact() : changing('large numbers lose their last digits'),
    bit: ({ source }) => (source.isUnsigned ? exact() : refused('negative numbers would become bits')),
    text: toText,
  },
  decimal: {
    decimal: ({ source, shadow }) =>
      shadow.scale < source.scale ? exact(`a value with more than ${shadow.scale} decimals stops the migration`) : exact(),
    integer: ({ source }) => (source.scale > 0 ? changing('decimals are rounded') : exact()),
    float: always(changing('long numbers lose their last digits')),
    text: toText,
  },
  float: {
    float: ({ source, shadow }) => {
      if (shadow.columnType.includes('('))
        return refused('numbers that have too many digits would be kept, which the server’s own ALTER rejects');
      return source.dataType === 'float' && shadow.dataType === 'double' ? exact() : changing('numbers lose their last digits');
    },
    integer: always(changing('fractions are rounded')),
    decimal: always(refused('nearly every value would have to be rounded')),
    text: always(refused('digits would be added or cut')),
  },
  bit: { bit: always(exact()), integer: always(exact()) },
  year: { year: always(exact()), integer: always(exact()), text: always(refused('0000 would become 0')) },
  text: {
    text: ({ source, shadow }) =>
      shadow.dataType === 'char' && source.dataType !== 'char' ? changing('spaces at the end are removed') : exact(),
    binary: ({ source, shadow }) =>
      changing(
        `texts become their bytes in ${source.charset ?? 'binary'}${shadow.dataType === 'binary' ? ', filled up with zeros' : ''}`,
      ),
    json: always(changing('documents are kept in the server’s own form')),
    integer: ({ setting }) =>
      setting.isMariaDb
        ? refused('MariaDB would round texts that its own ALTER rejects')
        : changing('texts are read as numbers and rounded'),
    decimal: always(changing('texts are read as numbers; one that has more decimals stops the migration')),
    float: always(parsed),
    date: always(parsed),
    time: always(parsed),
    datetime: always(parsed),
    enum: always(changing('texts become the members that the collation holds equal')),
    set: always(changing('texts become the members that the collation holds equal')),
    uuid: always(parsed),
    inet4: always(parsed),
    inet6: always(parsed),
  },
  binary: {
    binary: ({ shadow }) => (shadow.dataType === 'binary' ? changing('values are filled up with zeros') : exact()),
    text: ({ shadow }) => exact(`bytes are taken for ${shadow.charset ?? 'binary'}; what is none stops the migration`),
    uuid: always(exact()),
  },
  enum: { enum: toMembers, text: always(exact()), integer: always(positions) },
  set: { set: toMembers, text: always(exact()), integer: always(positions) },
  date: {
    datetime: always(exact()),
    timestamp: acrossZones,
    text: always(exact()),
  },
  time: { time: fewerDigits, text: always(exact()) },
  datetime: {
    datetime: fewerDigits,
    date: ({ source }) =>
      source.fractionalDigits === 0
        ? exact('a value with a time of day stops the migration')
        : changing('fractions of a second are cut; a value with a time of day stops the migration'),
    timestamp: acrossZones,
    text: always(exact()),
  },
  timestamp: { timestamp: fewerDigits, datetime: acrossZones, text: acrossZones },
  json: { text: always(exact()) },
  geometry: { geometry: always(exact()) },
  uuid: { text: always(exact()), binary: always(exact()) },
  inet4: { text: always(exact()) },
  inet6: { text: always(exact()) },
  vector: { vector: always(exact()) },
};

/** The server maps members by name, under the shadow's collation, also where their positions differ. */
function toMembers({ source, shadow }: Pair): Conversion {
  const removed = source.members.filter((member) => !shadow.members.includes(member));
  if (removed.length > 0) {
    const names = removed.map((member) => `'${member}'`).join(' or ');
    return changing(`${names} becomes a member that the collation holds equal, or stops the migration`);
  }
  if (isMemberPrefix(source, shadow)) return exact();
  return source.dataType === 'set'
    ? changing('members change their positions, and are listed in the new order')
    : exact('members change their positions, which decide the sort order');
}

/** Members whose positions differ in the shadow, or that it lacks: what numbers mean. */
export function isMemberPrefix(source: Column, shadow: Column): boolean {
  return source.members.every((member, place) => shadow.members[place] === member);
}

/**
 * What is put into the shadow's column of a value of the source's, whose qualified and quoted name is given: the value as it is, but a
 * SET with the empty text among its members by number, for the servers carry it over as text, which loses that member.
 */
export function carriedValue(source: Column, shadow: Column, name: string): string {
  const isSet = typeFamily(source) === 'set' && typeFamily(shadow) === 'set';
  return isSet && source.members.includes('') && isMemberPrefix(source, shadow) ? `CAST(${name} AS UNSIGNED)` : name;
}

function isExactAsFloat(integerType: string, shadow: Column): boolean {
  if (shadow.columnType.includes('(')) return false;
  const small = ['tinyint', 'smallint', 'mediumint'];
  return small.includes(integerType) || (integerType === 'int' && shadow.dataType === 'double');
}

/** Equal but for what changes no value: NULL, defaults, comments, display widths. */
function isSameType(source: Column, shadow: Column): boolean {
  return comparableType(source) === comparableType(shadow) && source.collation === shadow.collation;
}

function comparableType(column: Column): string {
  const type = column.columnType.replace(/\s*\/\*.*?\*\//g, '');
  return typeFamily(column) === 'integer' ? type.replace(/\(\d+\)/, '').replace(' zerofill', '') : type;
}

/** MariaDB 10.11 copies the bytes of strings into TEXT and BLOB columns and cuts their length to the column's length bytes. */
function wrapsAround(source: Column, shadow: Column): boolean {
  const isLong = /(text|blob)$/.test(shadow.dataType);
  return isLong && source.octetLength !== null && shadow.octetLength !== null && source.octetLength > shadow.octetLength;
}

/** Why NULLs would silently become something else; where they are rejected, they stop the migration. */
function nullObstacle(source: Column, shadow: Column, setting: ConversionSetting): string | null {
  if (!source.isNullable || shadow.isNullable) return null;
  if (shadow.isAutoIncrement) return 'NULLs would become new numbers; fill them in and make it NOT NULL first';
  if (shadow.dataType === 'timestamp' && (setting.isMariaDb || !setting.hasExplicitTimestamps)) {
    return 'NULLs would become the present time; fill them in first';
  }
  return null;
}
