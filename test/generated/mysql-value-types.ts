/** Types of MySQL and MariaDB, with values at their limits and values that collations hold equal. */
import type { Draw } from './draw.ts';
import { times } from './draw.ts';
import { HOSTILE_WORDS, type ValueType } from './generated-column.ts';

export type MysqlFlavour = 'mysql' | 'mariadb';

const common = [
  ...['utf8mb4_general_ci', 'utf8mb4_bin', 'utf8mb4_unicode_ci', 'latin1_swedish_ci', 'latin1_german2_ci', 'latin1_bin'],
  ...['ascii_general_ci', 'utf8mb3_general_ci', 'utf16_general_ci', 'gbk_chinese_ci'],
];
const collations: Readonly<Record<MysqlFlavour, readonly string[]>> = {
  mysql: [
    ...common,
    ...['utf8mb4_0900_ai_ci', 'utf8mb4_0900_as_cs', 'utf8mb4_0900_bin', 'utf8mb4_tr_0900_ai_ci', 'utf8mb4_ja_0900_as_cs'],
  ],
  mariadb: [
    ...common,
    ...[
      'utf8mb4_uca1400_ai_ci',
      'utf8mb4_uca1400_as_cs',
      'utf8mb4_unicode_nopad_ci',
      'utf8mb4_nopad_bin',
      'utf8mb4_turkish_ci',
    ],
  ],
};

/** `CHARACTER SET … COLLATE …`. */
export function drawCollation(draw: Draw, flavour: MysqlFlavour): string {
  const collation = draw.of(collations[flavour]);
  return `CHARACTER SET ${collation.split('_')[0]} COLLATE ${collation}`;
}

export function drawMysqlType(draw: Draw, flavour: MysqlFlavour): ValueType {
  const share = draw.below(100);
  if (share < 25) return integer(draw);
  if (share < 35) return decimal(draw);
  if (share < 60) return text(draw, flavour);
  if (share < 70) return binary(draw);
  if (share < 85) return temporal(draw);
  return draw.of(flavour === 'mysql' ? [...rarer, point] : [...rarer, inet6, inet4, uuid])(draw);
}

function integer(draw: Draw): ValueType {
  const [name, bits] = draw.of([
    ['TINYINT', 8n],
    ['SMALLINT', 16n],
    ['MEDIUMINT', 24n],
    ['INT', 32n],
    ['BIGINT', 64n],
  ] as const);
  const isUnsigned = draw.happens(0.4);
  const max = isUnsigned ? 2n ** bits - 1n : 2n ** (bits - 1n) - 1n;
  const min = isUnsigned ? 0n : -(2n ** (bits - 1n));
  const values = times(60, () => (BigInt(draw.below(2 ** 30)) % (max - min + 1n)) + min);
  return {
    ddl: `${name}${isUnsigned ? ' UNSIGNED' : ''}`,
    kind: 'integer',
    values: [max, min, 0n, 1n, 7n, max - 1n, ...values].map(String),
    isKeyable: true,
  };
}

function decimal(draw: Draw): ValueType {
  const precision = draw.of([3, 10, 18, 30, 65]);
  const scale = Math.min(draw.of([0, 2, 5, 30]), precision);
  const digits = (count: number): string => String(draw.below(10 ** Math.min(count, 9)));
  const fraction = (text: string): string => (scale === 0 ? '' : `.${text}`);
  const whole = precision - scale;
  const value = (): string =>
    `${draw.text(0.3, '-')}${whole === 0 ? '0' : digits(whole)}${fraction(digits(scale).padStart(Math.min(scale, 9), '0'))}`;
  const nines = `${whole === 0 ? '0' : '9'.repeat(whole)}${fraction('9'.repeat(scale))}`;
  return {
    ddl: `DECIMAL(${precision},${scale})`,
    kind: 'decimal',
    values: ['0', nines, `-${nines}`, ...times(50, value)],
    isKeyable: true,
  };
}

function text(draw: Draw, flavour: MysqlFlavour): ValueType {
  const charset = drawCollation(draw, flavour);
  const shape = draw.of(['CHAR', 'VARCHAR', 'VARCHAR', 'VARCHAR', 'TEXT', 'MEDIUMTEXT', 'TINYTEXT']);
  const isKeyable = shape.endsWith('CHAR');
  const length = isKeyable ? draw.of([10, 20, 40, 60, 100]) : 60;
  const joined = times(50, () => `${draw.of(HOSTILE_WORDS)}${draw.of(HOSTILE_WORDS)}${draw.below(90)}`);
  const fitting = [...HOSTILE_WORDS, ...joined].filter((word) => Array.from(word).length <= length && isIn(charset, word));
  // 200 bytes in the widest character set.
  const long = isKeyable ? [] : [`REPEAT('long ', ${shape === 'TINYTEXT' ? 20 : 5000})`];
  return {
    ddl: `${shape}${isKeyable ? `(${length})` : ''} ${charset}`,
    kind: 'text',
    values: [...fitting.map(quoted), ...long],
    isKeyable,
  };
}

/** Whether a character set has all of the text; careful for those that nobody looks up here. */
function isIn(charset: string, text: string): boolean {
  if (/ (?:utf8mb4|utf16) /.test(charset)) return true;
  if (charset.includes(' utf8mb3 ')) return !/[\u{10000}-\u{10FFFF}]/u.test(text);
  return text.split('').every((letter) => letter.charCodeAt(0) < (charset.includes(' latin1 ') ? 256 : 128));
}

function quoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`;
}

function binary(draw: Draw): ValueType {
  const shape = draw.of(['BINARY', 'VARBINARY', 'VARBINARY', 'BLOB', 'LONGBLOB']);
  const isKeyable = shape.endsWith('BINARY');
  const length = draw.of([4, 16, 50]);
  const byte = (): number => draw.of([0, 1, 32, 39, 92, 127, 128, 255, draw.below(256)]);
  const value = (): string => {
    const bytes = times(shape === 'BINARY' ? length : draw.below(isKeyable ? length + 1 : 80), byte);
    return bytes.length === 0 ? "''" : `X'${Buffer.from(bytes).toString('hex')}'`;
  };
  return {
    ddl: `${shape}${isKeyable ? `(${length})` : ''}`,
    kind: 'binary',
    values: ["''", ...times(50, value)],
    isKeyable,
  };
}

function temporal(draw: Draw): ValueType {
  const two = (limit: number): string => String(draw.below(limit)).padStart(2, '0');
  const digits = draw.of([0, 0, 3, 6]);
  const precision = digits === 0 ? '' : `(${digits})`;
  const minutes = (): string =>
    `${two(60)}:${two(60)}${digits === 0 ? '' : `.${String(draw.below(10 ** digits)).padStart(digits, '0')}`}`;
  const date = (): string => `${draw.between(1971, 2030)}-0${draw.between(1, 9)}-${draw.between(10, 28)}`;
  const moment = (): string => `'${date()} ${two(24)}:${minutes()}'`;
  const type = (ddl: string, limits: readonly string[], value: () => string): ValueType => {
    const kind = ddl.startsWith('TIMESTAMP') ? 'DATETIME' : ddl.replace(/\(.*/, '');
    return { ddl, kind, values: [...limits.map(quoted), ...times(50, value)], isKeyable: true };
  };
  return draw.of([
    () => type('DATE', ['1000-01-01', '9999-12-31', '2024-02-29'], () => `'${date()}'`),
    () => type('YEAR', ['0', '1901', '2155', '2000'], () => String(draw.between(1901, 2155))),
    () =>
      type(`TIME${precision}`, ['-838:59:59', '838:59:59', '0:00:00'], () => {
        return `'${draw.text(0.3, '-')}${draw.below(700)}:${minutes()}'`;
      }),
    () => type(`DATETIME${precision}`, ['1000-01-01 00:00:00', '9999-12-31 23:59:59'], moment),
    () => type(`TIMESTAMP${precision}`, ['1970-01-02 00:00:01', '2038-01-18 03:14:07'], moment),
  ])();
}

type TypeDrawn = (draw: Draw) => ValueType;

const rarer: readonly TypeDrawn[] = [
  (draw) => {
    const members = ['', 'a', 'b', 'C', 'd', 'é', "q'"].slice(draw.below(3)).map(quoted);
    return { ddl: `ENUM(${members.join(',')})`, kind: 'enum', values: members, isKeyable: true };
  },
  () => ({
    ddl: "SET('x','y','z','w','v')",
    kind: 'set',
    values: ["''", "'x'", "'x,y'", "'z,v'", "'x,y,z,w,v'", "'w'"],
    isKeyable: true,
  }),
  (draw) => {
    const length = draw.of([1, 7, 8, 33, 64]);
    const value = (): string => `b'${times(length, () => draw.below(2)).join('')}'`;
    return { ddl: `BIT(${length})`, kind: 'bit', values: times(40, value), isKeyable: true };
  },
  (draw) => ({
    ddl: 'FLOAT',
    kind: 'float',
    values: ['0', '-0e0', '1.5', '3.4e38', '1e-38', '16777217', ...times(40, () => String(draw.float(20)))],
    isKeyable: false,
  }),
  (draw) => ({
    ddl: 'DOUBLE',
    kind: 'float',
    values: ['0', '-0e0', '1.5', '1.7e308', '2e-308', '9007199254740993', ...times(40, () => String(draw.float(200)))],
    isKeyable: false,
  }),
  () => ({
    ddl: 'JSON',
    kind: 'json',
    values: ["'{}'", "'[]'", "'null'", "'1'", "'1.0'", `'"x"'`, `'{"a":[1,2.50,null,true],"é":"😀"}'`, "'[1e300, -0, 0.1]'"],
    isKeyable: false,
  }),
];

function point(draw: Draw): ValueType {
  const values = times(20, () => `POINT(${draw.below(100)},${draw.below(100)})`);
  return { ddl: 'POINT', kind: 'point', values: ['POINT(0,0)', 'POINT(1.5,-2)', ...values], isKeyable: false };
}

function inet6(draw: Draw): ValueType {
  const group = (): string => draw.below(65_536).toString(16);
  const values = times(40, () => `'${group()}::${group()}'`);
  return { ddl: 'INET6', kind: 'inet', values: ["'::'", "'::1'", "'::ffff:1.2.3.4'", "'ffff::'", ...values], isKeyable: true };
}

function inet4(draw: Draw): ValueType {
  const values = times(40, () => `'${draw.below(256)}.1.${draw.below(256)}.9'`);
  return { ddl: 'INET4', kind: 'inet', values: ["'0.0.0.0'", "'255.255.255.255'", ...values], isKeyable: true };
}

function uuid(draw: Draw): ValueType {
  const digits = (count: number): string => times(count, () => draw.below(16).toString(16)).join('');
  const values = times(50, () => `'${digits(8)}-${digits(4)}-4${digits(3)}-9${digits(3)}-${digits(12)}'`);
  return { ddl: 'UUID', kind: 'uuid', values: ["'00000000-0000-0000-0000-000000000000'", ...values], isKeyable: true };
}
