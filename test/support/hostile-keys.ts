/** Key columns of every type, each with the values that a reader of the log is likely to get wrong. */
export interface HostileKey {
  /** Names the test, and is what stands behind the column's name in CREATE TABLE. */
  readonly type: string;
  /** SQL expressions, no two of them equal under the column's collation. */
  readonly values: readonly string[];
  /** Servers that have the type; both, if missing. */
  readonly only?: 'mysql' | 'mariadb';
  /** Comparing such a column with a number is not exact, so the literal does not find the row. */
  readonly isFound?: false;
}

const distinct = (values: readonly bigint[]): readonly string[] => [...new Set(values)].map(String);

const integers = ([bits, name]: readonly [number, string]): readonly HostileKey[] => {
  const max = 2n ** BigInt(bits - 1);
  const greatest = 2n * max - 1n;
  return [
    { type: name, values: distinct([-max, -max + 1n, -1n, 0n, 1n, 100n, max - 2n, max - 1n]) },
    { type: `${name} unsigned`, values: distinct([0n, 1n, 100n, max - 1n, max, max + 1n, greatest - 1n, greatest]) },
    { type: `${name} unsigned zerofill`, values: [0n, 7n, greatest].map(String) },
  ];
};

const decimals: readonly HostileKey[] = [
  { type: 'decimal(1,0)', values: ['-9', '-1', '0', '1', '9'] },
  { type: 'decimal(5,2)', values: ['-999.99', '-0.01', '0', '0.10', '1', '10.50', '999.99'] },
  { type: 'decimal(9,0)', values: ['-999999999', '-10', '0', '100000000', '999999999'] },
  { type: 'decimal(10,4)', values: ['-999999.9999', '-0.0001', '0', '0.0001', '123456.7890'] },
  { type: 'decimal(19,10)', values: ['-999999999.9999999999', '0.0000000001', '0', '999999999.0000000009'] },
  { type: 'decimal(30,30)', values: ['-0.999999999999999999999999999999', '0', '0.000000000000000000000000000001'] },
  {
    type: 'decimal(65,30)',
    values: [
      '-99999999999999999999999999999999999.999999999999999999999999999999',
      '0',
      '10000000000000000000000000000000000.1',
    ],
  },
  { type: 'decimal(65,0)', values: [`-${'9'.repeat(65)}`, '-1', '0', `1${'0'.repeat(64)}`] },
  { type: 'decimal(8,3) zerofill', values: ['0', '0.5', '12.345', '99999.999'] },
];

const bits: readonly HostileKey[] = [1, 7, 8, 12, 33, 48, 49, 64].map((length) => ({
  type: `bit(${length})`,
  values: distinct([0n, 1n, 2n ** BigInt(length - 1), 2n ** BigInt(length) - 1n]),
}));

const members = (count: number): string => Array.from({ length: count }, (_, index) => `'m${index}'`).join(',');

const choices: readonly HostileKey[] = [
  { type: "enum('a','b,c','d''e','ü')", values: ["'a'", "'b,c'", "'d''e'", "'ü'", "''"] },
  { type: `enum(${members(300)})`, values: ["'m0'", "'m254'", "'m255'", "'m256'", "'m299'"] },
  { type: "set('a','b','c')", values: ["''", "'a'", "'c'", "'a,b,c'"] },
  { type: `set(${members(64)})`, values: ["''", "'m0'", "'m63'", "'m0,m63'", "'m1,m52,m63'"], isFound: false },
  ...[9, 17, 25, 33, 48].map((count) => ({
    type: `set(${members(count)})`,
    values: ["''", "'m0'", `'m${count - 1}'`, `'m1,m${count - 1}'`],
  })),
];

const fractions = [0, 1, 2, 3, 4, 5, 6];
const fraction = (digits: number, text: string): string => (digits === 0 ? '' : `.${text.slice(0, digits)}`);

const times: readonly HostileKey[] = [
  { type: 'year', values: ['0', '1901', '1999', '2155'] },
  { type: 'date', values: ["'0000-00-00'", "'2024-00-00'", "'2024-02-29'", "'1000-01-01'", "'9999-12-31'"] },
  ...fractions.flatMap((digits) => [
    {
      type: `time(${digits})`,
      values: [
        "'-838:59:59'",
        `'-12:00:00'`,
        `'-00:01:00${fraction(digits, '500000')}'`,
        `'-00:00:01${fraction(digits, '000001')}'`,
        `'00:00:00'`,
        `'23:59:59${fraction(digits, '999999')}'`,
        "'838:59:59'",
      ],
    },
    {
      type: `datetime(${digits})`,
      values: [
        "'0000-00-00 00:00:00'",
        `'1000-01-01 00:00:00${fraction(digits, '123456')}'`,
        `'2024-02-29 12:30:45${fraction(digits, '000001')}'`,
        `'9999-12-31 23:59:59${fraction(digits, '999999')}'`,
      ],
    },
    {
      type: `timestamp(${digits}) default '2000-01-01 00:00:00'`,
      values: [
        "'0000-00-00 00:00:00'",
        `'1970-01-01 00:00:01${fraction(digits, '000001')}'`,
        `'2024-03-31 01:30:00${fraction(digits, '102030')}'`,
        `'2038-01-19 03:14:07${fraction(digits, '999999')}'`,
      ],
    },
  ]),
];

const texts: readonly HostileKey[] = [
  {
    type: 'varchar(40) character set utf8mb4 collate utf8mb4_bin',
    values: ["''", "'a'", "'A'", "'a''b'", "'a\\\\'", "'𝄞字'", "'a\\0b'"],
  },
  { type: 'varchar(40) character set utf8mb4 collate utf8mb4_general_ci', values: ["''", "'A'", "'ß'", "'字'", "'%_'"] },
  { type: 'varchar(700) character set utf8mb4 collate utf8mb4_bin', values: ["'a'", "repeat('字', 90)", "repeat('x', 700)"] },
  {
    type: 'varchar(40) character set utf8mb4 collate utf8mb4_0900_bin',
    values: ["'a'", "'a '", "'a  '", "' '", "''"],
    only: 'mysql',
  },
  {
    type: 'varchar(40) character set utf8mb4 collate utf8mb4_nopad_bin',
    values: ["'a'", "'a '", "'a  '", "' '", "''"],
    only: 'mariadb',
  },
  { type: 'char(10) character set utf8mb4 collate utf8mb4_bin', values: ["''", "'a'", "' b '", "'字字'"] },
  { type: 'char(255) character set utf8mb4 collate utf8mb4_bin', values: ["''", "'a'", "repeat('𝄞', 100)"] },
  ...[
    'latin1',
    'utf16',
    'utf16le',
    'ucs2',
    'utf32',
    'gbk',
    'big5',
    'sjis',
    'cp932',
    'euckr',
    'ujis',
    'gb18030',
    'utf8mb3',
  ].flatMap((charset): readonly HostileKey[] => {
    const only = charset === 'gb18030' ? { only: 'mysql' as const } : {};
    const values = ["''", "'a'", "'  a'", "'\\\\'", charset === 'latin1' ? "'é€'" : charset === 'euckr' ? "'한'" : "'中'"];
    return [
      { type: `varchar(20) character set ${charset}`, values, ...only },
      { type: `char(20) character set ${charset}`, values, ...only },
    ];
  }),
  ...['dec8', 'hp8', 'swe7', 'koi8r', 'greek', 'hebrew', 'keybcs2', 'macce', 'cp850', 'tis620', 'ascii'].map((charset) => ({
    type: `varchar(20) character set ${charset}`,
    values: ["''", "'a'", "'0'"],
  })),
];

const bytes: readonly HostileKey[] = [
  { type: 'binary(4)', values: ["X'00000000'", "X'61000000'", "X'61006200'", "X'FFFFFFFF'", "X'00000001'"] },
  { type: 'binary(16)', values: ["X'00'", "X'01'", "X'000102030405060708090A0B0C0D0E0F'", "X'FF'"] },
  { type: 'varbinary(20)', values: ["''", "X'00'", "X'0000'", "X'61'", "X'6100'", "X'27'", "X'5C'"] },
  { type: 'varbinary(600)', values: ["''", "X'00'", "repeat(X'FF', 256)", "repeat(X'00', 600)"] },
];

const mariadbTypes: readonly HostileKey[] = [
  {
    type: 'uuid',
    values: [
      "'00000000-0000-0000-0000-000000000000'",
      "'bdb70985-e556-11f1-9793-02fc00000001'",
      "'f47ac10b-58cc-4372-a567-0e02b2c3d479'",
      "'018f3c5e-7b1a-7c3d-8e2f-000000000000'",
      "'ffffffff-ffff-ffff-ffff-ffffffffff00'",
      "'12345678-1234-6234-9234-123456789abc'",
    ],
    only: 'mariadb',
  },
  { type: 'inet4', values: ["'0.0.0.0'", "'10.0.0.0'", "'127.0.0.1'", "'255.255.255.255'"], only: 'mariadb' },
  {
    type: 'inet6',
    values: [
      "'::'",
      "'::1'",
      "'::ffff:1.2.3.4'",
      "'::1.2.3.4'",
      "'::ffff:0:0'",
      "'2001:db8::'",
      "'2001:db8:0:1::1'",
      "'1:0:0:2:0:0:0:3'",
      "'1:0:2:0:3:0:4:0'",
      "'fe80::'",
      "'0:0:0:1::'",
      "'::ffff'",
      "'::1:0'",
      "'1:2:3:4:5:6:7:0'",
      "'0:2:3:4:5:6:7:8'",
      "'0:0:3:0:0:6:7:8'",
      "'::ffff:0.0.0.1'",
      "'0:0:0:0:ffff:0:1:2'",
      "'64:ff9b::1.2.3.4'",
      "'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'",
    ],
    only: 'mariadb',
  },
];

/** All of them. */
export const hostileKeys: readonly HostileKey[] = [
  ...[
    [8, 'tinyint'] as const,
    [16, 'smallint'] as const,
    [24, 'mediumint'] as const,
    [32, 'int'] as const,
    [64, 'bigint'] as const,
  ].flatMap(integers),
  ...decimals,
  ...bits,
  ...choices,
  ...times,
  ...texts,
  ...bytes,
  ...mariadbTypes,
];
