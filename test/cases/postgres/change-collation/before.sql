CREATE COLLATION nd (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE t (id integer PRIMARY KEY, a text, b varchar(9) COLLATE "C", c text COLLATE nd UNIQUE);
CREATE INDEX t_a ON t (a);
INSERT INTO t SELECT n, chr(64 + n), chr(96 + n), chr(64 + n) FROM generate_series(1, 26) AS n;
