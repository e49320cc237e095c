/** Types of PostgreSQL, with values at their limits and values that are equal though they are not the same. */
import { type Draw, times } from './draw.ts';
import { HOSTILE_WORDS, type ValueType } from './generated-column.ts';

/** What the types below are made of, in an empty database. */
export const POSTGRES_TYPES_MADE: readonly string[] = [
  'CREATE EXTENSION citext',
  'CREATE EXTENSION hstore',
  "CREATE COLLATION ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false)",
  "CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy', 'it''s')",
  'CREATE DOMAIN posint AS integer CHECK (VALUE >= 0)',
  'CREATE TYPE pair AS (n integer, w text)',
];

export function drawPostgresType(draw: Draw): ValueType {
  const share = draw.below(100);
  if (share < 30) return numeric(draw);
  if (share < 55) return text(draw);
  if (share < 70) return temporal(draw);
  return rarer(draw);
}

function type(ddl: string, kind: string, values: readonly string[]): ValueType {
  return { ddl, kind, values, isKeyable: true };
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

const integers: Readonly<Record<string, bigint>> = {
  smallint: 32_767n,
  integer: 2_147_483_647n,
  bigint: 9_223_372_036_854_775_807n,
};

function numeric(draw: Draw): ValueType {
  const ddl = draw.of([
    ...['smallint', 'integer', 'integer', 'bigint', 'bigint', 'numeric', 'numeric(10,2)', 'numeric(30,10)', 'numeric(5,-2)'],
    ...['real', 'double precision', 'oid', 'money'],
  ]);
  const max = integers[ddl];
  if (max !== undefined) {
    const near = times(60, () => String(draw.between(-100, 300)));
    const far = times(20, () => String(BigInt(draw.below(2 ** 30)) % max));
    return type(ddl, 'integer', [String(max), String(-max - 1n), '0', '1', '7', ...near, ...far]);
  }
  const specials = ["'NaN'", "'Infinity'", "'-Infinity'", '0'];
  switch (ddl) {
    case 'oid':
      return type(ddl, ddl, ['0', '4294967295', ...times(40, () => String(draw.below(99_999)))]);
    case 'money':
      return type(ddl, ddl, [
        ...["'-1.50'", "'92233720368547758.07'"],
        ...times(40, () => `'${draw.below(9999)}.${draw.between(10, 99)}'`),
      ]);
    case 'real':
    case 'double precision':
      return type(ddl, 'float', [...specials, "'-0'", '1.1', ...times(50, () => draw.float(30).toPrecision(6))]);
    case 'numeric':
      return type(ddl, ddl, [
        ...[...specials, '0.00', '-0', '1', '1.0', '1.000', '1e20', '123456789012345678901234567890.123456789'],
        ...times(50, () => `${draw.below(99)}.${'0'.repeat(draw.below(3))}`),
      ]);
    default:
      return type(ddl, 'numeric', ["'NaN'", '0', '1', '1.5', ...times(50, () => `${draw.below(99_999)}.${draw.below(99)}`)]);
  }
}

function text(draw: Draw): ValueType {
  const ddl = draw.of([
    ...['text', 'text', 'varchar', 'varchar(20)', 'varchar(60)', 'char(12)', 'bpchar', 'text COLLATE "C"', 'citext', 'name'],
    ...['varchar(40) COLLATE "C"', 'text COLLATE "und-x-icu"', 'text COLLATE "de-x-icu"', 'text COLLATE ci'],
  ]);
  const length = Number(/\((\d+)\)/.exec(ddl)?.[1] ?? 50);
  const joined = times(50, () => `${draw.of(HOSTILE_WORDS)}${draw.of(HOSTILE_WORDS)}${draw.below(90)}`);
  const fitting = [...HOSTILE_WORDS, ...joined].filter((word) => Array.from(word).length <= length);
  const long =
    ddl.startsWith('text') && draw.happens(0.3)
      ? [
          `repeat('long ${draw.below(9)}', 3000)`,
          "(SELECT string_agg(md5(i::text), '') FROM generate_series(1, 300) AS part(i))",
        ]
      : [];
  return type(ddl, 'text', [...fitting.map(quoted), ...long]);
}

function temporal(draw: Draw): ValueType {
  const two = (limit: number): string => String(draw.below(limit)).padStart(2, '0');
  const date = (): string => `${draw.between(1900, 2099)}-0${draw.between(1, 9)}-${draw.between(10, 28)}`;
  const time = (): string => `${two(24)}:${two(60)}:${two(60)}.${draw.below(999_999)}`;
  const zone = (): string => draw.of(['+00', '+05:30', '-11', '+14']);
  const made = (ddl: string, limits: readonly string[], value: () => string): ValueType =>
    type(ddl, 'temporal', [...limits, ...times(50, value)].map(quoted));
  const ends = ['infinity', '-infinity', '4713-01-01 00:00 BC', '294276-12-31 23:59'];
  const span = (): string => `${draw.below(99)} days ${draw.below(99)} hours`;
  const equalSpans = ['1 day', '24 hours', '-1 month +30 days', '30 days', '1 month', '0'];
  return draw.of([
    () => made('date', ['infinity', '-infinity', '4713-01-01 BC', '5874897-12-31'], date),
    () => made('time', ['24:00', '00:00'], time),
    () => made('timetz', ['24:00+15'], () => `${time()}${zone()}`),
    () => made('timestamp', ends, () => `${date()} ${time()}`),
    () => made('timestamp(0)', ends, () => `${date()} ${time()}`),
    () => made('timestamptz', ends, () => `${date()} ${time()}${zone()}`),
    () => made('timestamptz(3)', ends, () => `${date()} ${time()}${zone()}`),
    () => made('interval', equalSpans, span),
    () => made('interval day to second', equalSpans, span),
  ])();
}

function rarer(draw: Draw): ValueType {
  const hex = (bytes: number): string => times(bytes, () => draw.below(256).toString(16).padStart(2, '0')).join('');
  const bits = (count: number): string => times(count, () => draw.below(2)).join('');
  const low = (): number => draw.below(99);
  const key = (ddl: string, values: readonly string[], value: () => string): ValueType =>
    type(ddl, ddl, [...values, ...times(40, value)].map(quoted));
  const plain = (ddl: string, values: readonly string[]): ValueType => ({
    ...{ ddl, kind: ddl, values: values.map(quoted) },
    isKeyable: false,
  });
  return draw.of([
    () => key('boolean', [], () => draw.of(['true', 'false'])),
    () => key('bytea', [''], () => String.raw`\x${hex(draw.below(20))}`),
    () => key('uuid', [], () => hex(16)),
    () => key('inet', ['::1', '10.0.0.1', '10.0.0.1/8', '10.0.0.0/8'], () => `${low()}.0.0.${low()}/${draw.between(8, 31)}`),
    () => key('cidr', ['::/0', '10.0.0.0/8', '10.0.0.0/9'], () => `${low()}.0.0.0/8`),
    () => key('jsonb', ['{}', '{"a": 1, "b":[2.50,null]}', '[1.0]', '[1]', 'null', '1', '1.00'], () => `{"k":${low()}}`),
    () => key('bit(9)', [], () => bits(9)),
    () => key('varbit', ['', '0', '00'], () => bits(draw.between(1, 12))),
    () => key('integer[]', ['{}', '{NULL}', '{1,2}', '{{1},{2}}', '[0:1]={1,2}'], () => `{${low()},${low()}}`),
    () => key('text[]', ['{}', '{NULL,"NULL"}', String.raw`{"a\"b","c,d"}`], () => `{w${low()},"it's ${low()}"}`),
    () => key('numeric[]', ['{}', '{1.0}', '{1.00}', '{1}', '{NaN}'], () => `{${low()}.0}`),
    () => key('int4range', ['empty', '(,)', '[1,5)', '(0,4]'], () => `[${low()},${100 + low()}]`),
    () => key('numrange', ['empty', '(,)', '[1.0,5)', '[1,5)', '[1,5.00)'], () => `[${low()},${100 + low()}.0]`),
    () => key('tstzrange', ['empty', '(,infinity)'], () => `[2020-01-${draw.between(10, 28)} 00:00+00,2021-01-01 00:00+00)`),
    () => key('int4multirange', ['{}', '{[1,3),[5,9)}'], () => `{[${low()},${100 + low()})}`),
    () => key('mood', [], () => draw.of(['sad', 'ok', 'happy', "it's"])),
    () => key('posint', ['0', '1'], () => String(draw.below(999))),
    () => key('pair', ['(1,)', '(,x)', '(2,"a,b")'], () => `(${low()},"w ${low()}")`),
    () => key('tsvector', ['', 'a:1 b:2', 'b a'], () => `w${low()}:${draw.between(1, 9)}A x`),
    () => key('macaddr', [], () => `08:00:2b:01:${hex(1)}:${hex(1)}`),
    () => key('pg_lsn', [], () => `${draw.below(9)}/${draw.below(99_999).toString(16)}`),
    () => key('xid8', [], () => String(draw.below(99_999))),
    () => plain('json', ['{}', '{"a": 1, "a":2}', '[1, 2.50]', 'null', '"é😀"']),
    () => plain('point', ['(0,0)', '(1.5,-2)', '(NaN,Infinity)']),
    () => plain('box', ['(0,0),(1,1)', '(1.5,-2),(3,3)']),
    () => plain('xml', ['<a/>', 'text', '<a b="c">é</a>']),
    () => plain('jsonpath', ['$.a', '$[*] ? (@ > 1)']),
    () => plain('hstore', ['', 'a=>1, b=>NULL', String.raw`"x y"=>"q\"z"`]),
    () => plain('"char"', ['a', '', String.raw`\377`]),
  ])();
}
