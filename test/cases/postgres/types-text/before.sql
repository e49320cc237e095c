CREATE COLLATION nd (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE COLLATION swedish (provider = icu, locale = 'sv');
CREATE TABLE t (
  id integer PRIMARY KEY,
  a text, v varchar(10), c char(6), n name, q "char", x text COLLATE nd, s varchar COLLATE swedish, b text COLLATE "C"
);
INSERT INTO t VALUES
  (1, '', '', '', '', '', '', '', ''),
  (2, ' ', ' ', ' ', ' ', ' ', ' ', ' ', ' '),
  (3, E'it''s \\ "quoted"', E'\\''"`$', E'a\'' , E'\\''"', '\', E'\\', '''', '"'),
  (4, E'line\nfeed\r\ttab', E'\n', E'\t', E'\n', E'\n', E'\r\n', E'\v', E'\f'),
  (5, '🐬 é é ﬁ ​‮', 'éé🐬', '🐬', '🐬', 'z', 'Straße STRASSE', 'åäö', 'ÅÄÖ'),
  (6, 'trailing  ', 'trail   ', 'abc   ', 'trail  ', '0', 'ABC', 'abc', 'abC'),
  (7, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  (8, repeat('x', 100000), repeat('é', 10), 'ééé', repeat('n', 63), 'A', repeat('Y', 3000), '%_', '$$ $1 ? :a'),
  (9, E'\u0001\u001f\u007f\u0085', E'\u2028', 'null', 'NULL', 'N', 'null', '\N', '\x00'),
  (10, '{"a": 1}', '(1,2)', '{}', '[]', '{', '{a,"b c",NULL}', '(,)', '[1,2)');
