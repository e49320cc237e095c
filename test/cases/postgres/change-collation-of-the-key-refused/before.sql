CREATE COLLATION nd (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE t (k text PRIMARY KEY, v integer);
INSERT INTO t VALUES ('a', 1), ('B', 2);
