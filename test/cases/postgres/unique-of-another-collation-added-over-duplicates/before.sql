CREATE COLLATION nd (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE t (id integer PRIMARY KEY, a text, v integer);
CREATE UNIQUE INDEX t_nd ON t (a COLLATE nd);
INSERT INTO t VALUES (1, 'x', 1), (2, 'Abc', 2), (3, 'y', 3), (4, 'aBCd', 4);
