CREATE COLLATION nd (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TYPE mood AS ENUM ('low', 'it''s', 'high');
CREATE TABLE t (
  a text COLLATE nd, b mood, c numeric, d timestamptz, e bytea, f boolean, g char(3), v integer,
  PRIMARY KEY (g, a, b, c, d, e, f)
);
INSERT INTO t SELECT chr(97 + n % 5), (ARRAY['low', 'it''s', 'high'])[1 + n % 3]::mood, n % 7 / 2.0, '2024-10-27 00:30+00'::timestamptz + n % 3 * interval '1 hour',
  decode(lpad(to_hex(n), 2, '0'), 'hex'), n % 2 = 0, (ARRAY['a', 'b''', E'\\', ' '])[1 + n % 4], n FROM generate_series(0, 99) AS n;
